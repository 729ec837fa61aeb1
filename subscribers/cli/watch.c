#include "watch.h"

#include "command.h"
#include "common/timestamp.h"

#include <stdio.h>

#define PATIENCE_US INT64_C(2000000) /* before the first session, without a word */

static void on_session(void *arg, bool up, const char *words) {
    struct watch *watch = arg;
    watch->up = up;
    if (!up && wb_subscriber_error(watch->subscriber))
        return; /* for good, which whoever asked is told: nothing to wait for */
    if (up == watch->told) {
        if (up)
            fprintf(stderr, "waybill %s: %s\n", watch->command, words);
        else
            fprintf(stderr, "waybill %s: %s; waiting for it to come back\n", watch->command, words);
        watch->told = !up;
    }
}

wb_subscriber *watch_open(struct watch *watch, const char *command, const char *endpoint,
                          const struct command_keys *keys) {
    *watch = (struct watch){.command = command, .endpoint = endpoint, .since_us = monotonic_us()};
    struct wb_subscriber_options options = {
        .client = "waybill " WAYBILL_VERSION,
        .server_key = keys->server_key,
        .key_file = keys->key_file,
        .session = on_session,
        .arg = watch,
    };
    struct wb_error err;
    watch->subscriber = wb_subscriber_open(endpoint, &options, &err);
    if (watch->subscriber)
        return watch->subscriber;
    command_complain(command, &err);
    watch->status = err.code == WB_E_USAGE ? COMMAND_USAGE : COMMAND_FAILED;
    return NULL;
}

void watch_tick(struct watch *watch) {
    if (watch->up || watch->told || monotonic_us() - watch->since_us < PATIENCE_US)
        return;
    fprintf(stderr, "waybill %s: waiting for the broker at %s\n", watch->command, watch->endpoint);
    watch->told = true;
}
