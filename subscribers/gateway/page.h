/* The pages, made on the server from the templates in subscribers/web/templates and the texts of
 * the reader's language. Each function answers the exchange. */
#ifndef SUBSCRIBERS_GATEWAY_PAGE_H
#define SUBSCRIBERS_GATEWAY_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <waybill/error.h>

struct http_exchange;
struct pages;

/* Compiles templates and messages. NULL and err if one is not well-formed. */
struct pages *pages_open(struct wb_error *err);
void pages_free(struct pages *pages); /* NULL is allowed */

/* Where the reader looks for a case. fault: key of a text about what was wrong, or NULL; given: the
 * case number that was entered, or "". */
void page_find(const struct pages *pages, struct http_exchange *exchange, int status,
               const char *fault, const char *given);
/* A case as view_case gives it; fragment: only its <main>. */
void page_case(const struct pages *pages, struct http_exchange *exchange, const json_t *view,
               const char *case_no, const char *code, bool fragment);
/* 404, the same for a case that does not exist and a code that is wrong. */
void page_missing_case(const struct pages *pages, struct http_exchange *exchange);
/* 404 for any other address. */
void page_missing(const struct pages *pages, struct http_exchange *exchange);
/* 503: the broker cannot be asked. The page tries again by itself. */
void page_away(const struct pages *pages, struct http_exchange *exchange);
/* 429: after too many wrong codes. It does not try again by itself: what is wrong stays so. */
void page_throttled(const struct pages *pages, struct http_exchange *exchange, int wait_s);
/* 303 to the page of a case. */
void page_go(const struct pages *pages, struct http_exchange *exchange, const char *case_no,
             const char *code);

#endif
