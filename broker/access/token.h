/* A bearer token of somebody who follows through a gateway. Only its digest is known: whoever reads
 * the tables cannot become its bearer.
 *
 * Shared: the roster holds each once, and so does who was let in with it; a token that is not in
 * the tables any more lives on until the last of these lets go of it. */
#ifndef BROKER_ACCESS_TOKEN_H
#define BROKER_ACCESS_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>
#include <waybill/v1/event.pb-c.h>

#include "broker/access/grant.h"
#include "common/digest.h"

#define TOKEN_BYTES 128 /* the longest text that is one */

struct token {
    uint8_t digest[DIGEST_SHA256];
    char *name;
    Waybill__V1__Audience audience;
    bool enabled;
    int64_t expires_us; /* since 1970 */
    struct grant grant; /* what it is good for: agencies, regions, items */
    size_t holders;
};

/* Held once. NULL without memory. */
struct token *token_new(const char *name);
const struct token *token_hold(const struct token *token); /* NULL is allowed; returns it */
void token_release(const struct token *token);             /* NULL is allowed */

/* 0, or -1 and TOKEN if it expired or was revoked. */
int token_check(const struct token *token, int64_t now_us, struct wb_error *err);

#endif
