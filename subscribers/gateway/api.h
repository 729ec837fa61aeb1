/* Answers in JSON. */
#ifndef SUBSCRIBERS_GATEWAY_API_H
#define SUBSCRIBERS_GATEWAY_API_H

#include <jansson.h>
#include <waybill/error.h>

struct http_exchange;

/* Takes the value over; NULL is answered as a want of memory. */
void api_answer(struct http_exchange *exchange, int status, json_t *value);
/* {"error": {code, message, hint}} with the status that fits: 404 for CASE_NOT_FOUND, 401 for
 * TOKEN, 403 for AUDIENCE, 400 for FILTER, 503 for what may succeed later. The detail stays here:
 * it may name what only the operator should know. */
void api_error(struct http_exchange *exchange, const struct wb_error *err);
/* 429: after too many wrong codes; the question was not put. */
void api_throttled(struct http_exchange *exchange, int wait_s);
/* The same for what is wrong with the request itself. */
void api_refuse(struct http_exchange *exchange, int status, const char *code, const char *message,
                const char *hint);
/* 401: the code is missing. */
void api_unauthorized(struct http_exchange *exchange);

#endif
