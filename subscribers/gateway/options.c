#include "subscribers/gateway/options.h"

#include <stddef.h>

#include "common/log.h"
#include "proto/problem.h"

struct options options_values;

static const struct config_option table[] = {
#define OPTION(name, type, value, min, max, unit, help)                                            \
    {#name, CONFIG_##type, offsetof(struct options, name), value, min, max, unit, help},
#include "subscribers/gateway/options.def"
#undef OPTION
};

static int validate(const void *values, struct wb_error *err) {
    const struct options *o = values;
    if (log_level_parse(o->log_level) < 0)
        return problem(err, WB_E_CONFIG, "log_level = %s", o->log_level);
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
