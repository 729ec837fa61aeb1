#include "subscribers/gateway/options.h"

#include <stddef.h>
#include <string.h>

#include "common/log.h"
#include "proto/problem.h"

struct options options_values;

static const struct config_option table[] = {
#define OPTION(name, type, value, min, max, unit, help)                                            \
    {#name, CONFIG_##type, offsetof(struct options, name), value, min, max, unit, help},
#include "subscribers/gateway/options.def"
#undef OPTION
};

int options_public_stream(const struct options *options) {
    static const char *const names[] = {"off", "token", "on"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(options->public_stream, names[i]))
            return i;
    return -1;
}

static int validate(const void *values, struct wb_error *err) {
    const struct options *o = values;
    if (log_level_parse(o->log_level) < 0)
        return problem(err, WB_E_CONFIG, "log_level = %s", o->log_level);
    if (options_public_stream(o) < 0) {
        problem(err, WB_E_CONFIG, "public_stream = %s", o->public_stream);
        return problem_hint(err, "write token, on or off");
    }
    return 0;
}

const struct config_program options_program = {
    .name = "waybill-gateway",
    .about = "The Waybill gateway: shows applicants their cases, as pages that update themselves, "
             "as event streams and as JSON.",
    .options = table,
    .count = sizeof table / sizeof table[0],
    .values = &options_values,
    .validate = validate,
};
