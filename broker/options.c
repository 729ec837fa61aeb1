#include "broker/options.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/zsock.h"
#include "proto/problem.h"

struct options options_values;

static const struct config_option table[] = {
#define OPTION(name, type, value, min, max, unit, help)                                            \
    {#name, CONFIG_##type, offsetof(struct options, name), value, min, max, unit, help},
#include "broker/options.def"
#undef OPTION
};

/* Without keys nobody can tell who speaks, so only this machine may. */
static int check_endpoint(const char *name, const char *address, struct wb_error *err) {
    if (zsock_is_loopback(address))
        return 0;
    problem(err, WB_E_CONFIG, "%s = %s is not a loopback address", name, address);
    return problem_hint(err,
                        "use tcp://127.0.0.1:PORT, tcp://[::1]:PORT or ipc://PATH: without keys "
                        "the broker does not listen to other machines");
}

static int check_http(const char *addresses, struct wb_error *err) {
    char endpoint[300];
    for (const char *at = addresses; *at;) {
        size_t length = strcspn(at, " ,");
        snprintf(endpoint, sizeof endpoint, "tcp://%.*s", (int)(length < 256 ? length : 256), at);
        if (length && check_endpoint("http", endpoint, err) != 0)
            return -1;
        at += length + (at[length] != '\0');
    }
    return 0;
}

static int validate(const void *values, struct wb_error *err) {
    const struct options *o = values;
    if (check_endpoint("ingest", o->ingest, err) != 0 ||
        check_endpoint("live", o->live, err) != 0 ||
        check_endpoint("streams", o->streams, err) != 0 || check_http(o->http, err) != 0)
        return -1;
    if (o->public_url[0] && strncmp(o->public_url, "http://", 7) != 0 &&
        strncmp(o->public_url, "https://", 8) != 0)
        return problem(err, WB_E_CONFIG, "public_url = %s is not an http or https address",
                       o->public_url);
    if (log_level_parse(o->log_level) < 0)
        return problem(err, WB_E_CONFIG, "log_level = %s", o->log_level);
    return 0;
}

const struct config_program options_program = {
    .name = "waybilld",
    .about = "The Waybill broker: makes events durable in PostgreSQL and hands them on live.",
    .options = table,
    .count = sizeof table / sizeof table[0],
    .values = &options_values,
    .validate = validate,
};
