#include "broker/options.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "broker/access/disclosure.h"
#include "common/curve.h"
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

bool options_keyed(const struct options *o, const char *endpoint) {
    return strcmp(o->curve, "all") == 0 || !zsock_is_loopback(endpoint);
}

/* Without keys nobody can tell who speaks, so only this machine may. */
static int check_endpoint(const struct options *o, const char *name, const char *address,
                          struct wb_error *err) {
    if (!address[0] || o->key_file[0] || !options_keyed(o, address))
        return 0;
    problem(err, WB_E_CONFIG, "%s = %s needs the broker's keys, and key_file is not set", name,
            address);
    if (zsock_is_loopback(address))
        return problem_hint(err,
                            "make a pair with `waybill keygen --out FILE` and set key_file = FILE, "
                            "or curve = remote");
    return problem_hint(err,
                        "make a pair with `waybill keygen --out FILE` and set key_file = FILE, or "
                        "listen on loopback alone: tcp://127.0.0.1:PORT");
}

static int check_keys(const struct options *o, struct wb_error *err) {
    if (strcmp(o->curve, "remote") != 0 && strcmp(o->curve, "all") != 0)
        return problem(err, WB_E_CONFIG, "curve = %s is neither remote nor all", o->curve);
    if (check_endpoint(o, "ingest", o->ingest, err) != 0 ||
        check_endpoint(o, "live", o->live, err) != 0 ||
        check_endpoint(o, "live_staff", o->live_staff, err) != 0 ||
        check_endpoint(o, "live_applicant", o->live_applicant, err) != 0 ||
        check_endpoint(o, "live_public", o->live_public, err) != 0 ||
        check_endpoint(o, "streams", o->streams, err) != 0)
        return -1;
    if (!o->key_file[0])
        return 0;
    struct curve_keys keys;
    int status = curve_read(o->key_file, true, &keys, err);
    curve_forget(&keys);
    return status;
}

/* What is read there is for the machine's own monitoring. */
static int check_loopback(const char *name, const char *address, struct wb_error *err) {
    if (zsock_is_loopback(address))
        return 0;
    problem(err, WB_E_CONFIG, "%s = %s is not a loopback address", name, address);
    return problem_hint(err, "use 127.0.0.1:PORT or [::1]:PORT; let a proxy pass on what others "
                             "may read");
}

static int check_http(const char *addresses, struct wb_error *err) {
    char endpoint[300];
    for (const char *at = addresses; *at;) {
        size_t length = strcspn(at, " ,");
        snprintf(endpoint, sizeof endpoint, "tcp://%.*s", (int)(length < 256 ? length : 256), at);
        if (length && check_loopback("http", endpoint, err) != 0)
            return -1;
        at += length + (at[length] != '\0');
    }
    return 0;
}

static int check_disclosure(const struct options *o, struct wb_error *err) {
    enum disclosure disclosure;
    if (disclosure_find(o->disclosure, &disclosure))
        return 0;
    return problem(err, WB_E_CONFIG, "disclosure = %s is not full, title, number or office",
                   o->disclosure);
}

static int validate(const void *values, struct wb_error *err) {
    const struct options *o = values;
    if (check_keys(o, err) != 0 || check_http(o->http, err) != 0 || check_disclosure(o, err) != 0)
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
