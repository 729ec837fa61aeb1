#include "broker/journal/schema.h"

#include <assert.h>

#include "schema_files.h"

/* Steps are only ever added: a step that was released is never changed. */
static const struct schema_step steps[] = {
    {1, "log", (const char *)embed_0001_log_sql},
    {2, "readable", (const char *)embed_0002_readable_sql},
    {3, "partitions", (const char *)embed_0003_partitions_sql},
    {4, "access", (const char *)embed_0004_access_sql},
    {5, "following", (const char *)embed_0005_following_sql},
};

int schema_newest(void) {
    return (int)(sizeof steps / sizeof steps[0]);
}

const struct schema_step *schema_step(int version) {
    assert(version >= 1 && version <= schema_newest());
    return &steps[version - 1];
}
