#include "broker/access/token.h"

#include <stdlib.h>
#include <string.h>

#include "common/timestamp.h"
#include "proto/problem.h"

struct token *token_new(const char *name) {
    struct token *t = calloc(1, sizeof *t);
    if (!t || !(t->name = strdup(name))) {
        free(t);
        return NULL;
    }
    t->holders = 1;
    return t;
}

const struct token *token_hold(const struct token *token) {
    struct token *t = (struct token *)token;
    if (t)
        t->holders++;
    return t;
}

void token_release(const struct token *token) {
    struct token *t = (struct token *)token;
    if (!t || --t->holders > 0)
        return;
    grant_free(&t->grant);
    free(t->name);
    free(t);
}

int token_check(const struct token *t, int64_t now_us, struct wb_error *err) {
    char text[TIMESTAMP_TEXT];
    const struct timestamp expired = {.us = t->expires_us};
    if (!t->enabled)
        return problem(err, WB_E_TOKEN, "%s was revoked", t->name);
    if (now_us >= t->expires_us)
        return problem(err, WB_E_TOKEN, "%s expired at %s", t->name,
                       timestamp_format(&expired, text));
    return 0;
}
