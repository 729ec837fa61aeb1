#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#include "common/log.h"
#include "proto/problem.h"
#include "subscribers/gateway/gateway.h"
#include "subscribers/gateway/meter.h"
#include "subscribers/gateway/options.h"

#define OTHER_DESCRIPTORS 64 /* beside the connections: listeners, the broker, the loop's own */

static struct gateway *gateway;
static uv_signal_t signals[2];

static void on_signal(uv_signal_t *handle, int number) {
    (void)handle;
    log_info("gateway", "%s", strsignal(number));
    gateway_stop(gateway);
}

static void watch_signals(uv_loop_t *loop) {
    static const int numbers[] = {SIGTERM, SIGINT};
    for (int i = 0; i < 2; i++) {
        uv_signal_init(loop, &signals[i]);
        uv_signal_start(&signals[i], on_signal, numbers[i]);
        uv_unref(
            (uv_handle_t *)&signals[i]); /* the loop ends when the gateway has closed its own */
    }
}

static void raise_descriptors(int64_t connections) {
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections + OTHER_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted)
        log_warn("gateway", "%lld connections are allowed, but only %llu file descriptors",
                 (long long)connections, (unsigned long long)limit.rlim_cur);
}

static int run(void) {
    struct wb_error err;
    char words[600];
    uv_loop_t *loop = uv_default_loop();
    log_info("gateway", "waybill-gateway %s", WAYBILL_VERSION);
    raise_descriptors(options_values.connections);
    gateway = gateway_new(loop, &options_values, &err);
    if (!gateway) {
        log_error("gateway", "%s", problem_line(&err, words, sizeof words));
        uv_run(loop, UV_RUN_DEFAULT);
        uv_loop_close(loop);
        return 1;
    }
    watch_signals(loop);
    uv_run(loop, UV_RUN_DEFAULT);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&signals[i], NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    gateway_free(gateway);
    return 0;
}

int main(int argc, char **argv) {
    switch (config_load(&options_program, argc, argv)) {
    case CONFIG_DONE:
        return 0;
    case CONFIG_INVALID:
        return 2;
    case CONFIG_RUN:
        break;
    }
    signal(SIGPIPE, SIG_IGN);
    log_level_set((enum log_level)log_level_parse(options_values.log_level));
    int status = 1;
    if (sodium_init() < 0 || meter_open() != 0)
        fputs("waybill-gateway: out of memory\n", stderr);
    else
        status = run();
    meter_close();
    config_free(&options_program);
    return status;
}
