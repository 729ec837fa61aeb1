#include "common/program.h"

#include <signal.h>
#include <sodium.h>
#include <string.h>

#include "common/config.h"
#include "common/log.h"
#include "proto/problem.h"

struct running {
    const struct program *program;
    void *it;
    uv_signal_t signals[2];
};

static void on_signal(uv_signal_t *handle, int number) {
    struct running *r = handle->data;
    log_info(r->program->part, "%s", strsignal(number));
    r->program->stop(r->it);
}

static void watch_signals(struct running *r, uv_loop_t *loop) {
    static const int numbers[] = {SIGTERM, SIGINT};
    for (int i = 0; i < 2; i++) {
        uv_signal_init(loop, &r->signals[i]);
        r->signals[i].data = r;
        uv_signal_start(&r->signals[i], on_signal, numbers[i]);
        uv_unref(
            (uv_handle_t *)&r->signals[i]); /* the loop ends when the program's own is closed */
    }
}

static int run(const struct program *program) {
    struct wb_error err;
    char words[600];
    struct running r = {.program = program};
    uv_loop_t *loop = uv_default_loop();
    log_info(program->part, "%s %s", program->config->name, WAYBILL_VERSION);
    r.it = program->start(loop, &err);
    if (r.it) {
        watch_signals(&r, loop);
        uv_run(loop, UV_RUN_DEFAULT);
        for (int i = 0; i < 2; i++)
            uv_close((uv_handle_t *)&r.signals[i], NULL);
    } else {
        log_error(program->part, "%s", problem_line(&err, words, sizeof words));
    }
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    return r.it ? program->finish(r.it) : 1;
}

int program_main(const struct program *program, int argc, char **argv) {
    int status = 1;
    switch (config_load(program->config, argc, argv)) {
    case CONFIG_DONE:
        return 0;
    case CONFIG_INVALID:
        return 2;
    case CONFIG_RUN:
        break;
    }
    signal(SIGPIPE, SIG_IGN);
    log_level_set((enum log_level)log_level_parse(*program->log_level));
    if (sodium_init() < 0 || program->open() != 0)
        log_error(program->part, "out of memory");
    else
        status = run(program);
    program->close();
    config_free(program->config);
    return status;
}
