#include "broker/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/meter.h"
#include "common/buffer.h"
#include "common/http.h"
#include "proto/problem.h"

struct ops {
    struct http_server *server;
    char why_not[512]; /* "": ready */
};

static void answer(struct http_exchange *x, int status, const char *type, const char *text) {
    http_answer(x, status, type, NULL, text, strlen(text));
}

static void on_request(void *arg, struct http_exchange *x) {
    struct ops *o = arg;
    const char *path = http_path(x), *plain = "text/plain; charset=utf-8";
    if (strcmp(http_method(x), "GET") != 0 && strcmp(http_method(x), "HEAD") != 0) {
        answer(x, 405, plain, "only GET and HEAD are answered here\n");
    } else if (strcmp(path, "/healthz") == 0) {
        answer(x, 200, plain, "ok\n");
    } else if (strcmp(path, "/readyz") == 0) {
        struct buffer text;
        buffer_init(&text, 4096);
        buffer_printf(&text, "%s\n", o->why_not[0] ? o->why_not : "ready");
        answer(x, o->why_not[0] ? 503 : 200, plain, buffer_string(&text));
        buffer_free(&text);
    } else if (strcmp(path, "/metrics") == 0) {
        struct buffer text;
        buffer_init(&text, 0);
        meter_write(&text);
        answer(x, 200, "text/plain; version=0.0.4; charset=utf-8", buffer_string(&text));
        buffer_free(&text);
    } else {
        answer(x, 404, plain, "there are /healthz, /readyz and /metrics\n");
    }
}

struct ops *ops_new(uv_loop_t *loop, const char *addresses, struct wb_error *err) {
    struct ops *o = calloc(1, sizeof *o);
    if (!o) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    const struct http_options options = {
        .addresses = addresses, .limits = &http_limits_default, .handler = on_request, .arg = o};
    snprintf(o->why_not, sizeof o->why_not, "starting: the database has not answered yet");
    o->server = http_listen(loop, &options, err);
    if (!o->server) {
        free(o);
        return NULL;
    }
    return o;
}

static void on_closed(void *arg) {
    free(arg);
}

void ops_close(struct ops *o) {
    if (o)
        http_stop(o->server, 0, on_closed, o);
}

const char *ops_address(const struct ops *o) {
    return http_address(o->server);
}

void ops_ready(struct ops *o, const struct wb_error *why_not) {
    o->why_not[0] = '\0';
    if (why_not)
        problem_line(why_not, o->why_not, sizeof o->why_not);
}
