/* One verification under way: the snapshot it looks at, and what it has found.
 *
 *   verify            begins and ends it, runs the passes
 *   verify_leaves     the table of leaves against the catalogue
 *   verify_walk       every row once, in the order of the log
 *   verify_identities no identity twice, whatever leaf it is in
 *   verify_cases      every case's state, computed twice
 *
 * A pass reads the log once and may feed several checks. */
#ifndef BROKER_ADMIN_VERIFICATION_H
#define BROKER_ADMIN_VERIFICATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/admin.h>

enum check {
    CHECK_LEAVES,
    CHECK_OFFSETS,
    CHECK_HEAD,
    CHECK_TIMES,
    CHECK_SOURCES,
    CHECK_PAYLOADS,
    CHECK_KEPT,
    CHECK_IDENTITIES,
    CHECK_CASES,
    CHECK_COUNT
};

/* A row of waybill.partition. */
struct leaf_row {
    int32_t number;
    bool exists; /* the table does */
    int64_t from_us, to_us;
    uint64_t first_offset;
};

struct source_row {
    int32_t id;
    char *name;
};

struct verification {
    struct wb_admin *admin;
    const struct wb_admin_verify *how;
    struct wb_admin_verified *verified;
    struct leaf_row *leaves; /* by number */
    size_t leaf_count;
    struct source_row *sources; /* by id */
    size_t source_count;
    bool kept_exists; /* waybill.event_kept */
    uint64_t findings[CHECK_COUNT];
};

void verification_find(struct verification *v, enum check check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* More of the same, that are not told one by one. */
void verification_count(struct verification *v, enum check check, uint64_t more);
/* Called for every row; passes it on now and then. */
void verification_progress(const struct verification *v, uint64_t done, uint64_t of);

/* NULL if there is none. */
const char *verification_source(const struct verification *v, int32_t id);

/* The passes: 0, or -1 and err where the log cannot be read. */
int verify_leaves(struct verification *v, struct wb_error *err);
int verify_walk(struct verification *v, struct wb_error *err);
int verify_identities(struct verification *v, struct wb_error *err);
int verify_cases(struct verification *v, struct wb_error *err);

#endif
