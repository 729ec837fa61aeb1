#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "broker/broker.h"
#include "broker/meter.h"
#include "broker/options.h"
#include "common/log.h"
#include "proto/problem.h"

static struct broker *broker;
static uv_signal_t signals[2];

static void on_signal(uv_signal_t *handle, int number) {
    (void)handle;
    log_info("broker", "%s", strsignal(number));
    broker_stop(broker);
}

static void watch_signals(uv_loop_t *loop) {
    static const int numbers[] = {SIGTERM, SIGINT};
    for (int i = 0; i < 2; i++) {
        uv_signal_init(loop, &signals[i]);
        uv_signal_start(&signals[i], on_signal, numbers[i]);
        uv_unref((uv_handle_t *)&signals[i]); /* the loop ends when the broker has closed its own */
    }
}

static int run(void) {
    struct wb_error err;
    char words[600];
    uv_loop_t *loop = uv_default_loop();
    log_info("broker", "waybilld %s", WAYBILL_VERSION);
    broker = broker_new(loop, &options_values, &err);
    if (!broker) {
        log_error("broker", "%s", problem_line(&err, words, sizeof words));
        return 1;
    }
    watch_signals(loop);
    uv_run(loop, UV_RUN_DEFAULT);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&signals[i], NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    return broker_free(broker);
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
        fputs("waybilld: out of memory\n", stderr);
    else
        status = run();
    meter_close();
    config_free(&options_program);
    return status;
}
