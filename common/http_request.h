/* One HTTP request while it comes in and is answered: its head and body within the limits, then
 * its parts by name. Private to the HTTP server. */
#ifndef COMMON_HTTP_REQUEST_H
#define COMMON_HTTP_REQUEST_H

#include "common/address.h"
#include "common/buffer.h"
#include "common/http.h"

#include <http_parser.h>

#define HTTP_HEADERS_MAX 64 /* more get 431 */
#define HTTP_PARAMS_MAX  64 /* of a query or form; further ones are passed over */
#define HTTP_PARTS_MAX   12 /* of a path; further ones are counted only */

struct http_params {
    char *text; /* decoded in place; the pairs lie in it */
    size_t count;
    bool passed_over; /* some are not among them */
    struct http_pair pairs[HTTP_PARAMS_MAX];
};

struct http_request {
    const struct http_limits *limits;
    struct http_parser parser;
    struct buffer head; /* target NUL, then name NUL value NUL for each header */
    struct buffer body;
    struct {
        uint32_t name, value; /* where they begin in head */
    } headers[HTTP_HEADERS_MAX];
    size_t header_count;
    enum { HTTP_IN_TARGET, HTTP_IN_NAME, HTTP_IN_VALUE, HTTP_IN_BODY } place;
    bool whole;
    bool continue_wanted; /* the client waits for 100 before it sends the body */
    bool keep_alive;
    int refused; /* status, or 0 */
    char *path;  /* decoded */
    char *parts_text;
    const char *parts[HTTP_PARTS_MAX];
    size_t part_count;
    struct http_params query, form;
    char peer[ADDRESS_TEXT];
};

struct http_request *http_request_new(const struct http_limits *limits);
void http_request_free(struct http_request *request); /* NULL is allowed */

/* Takes bytes up to the end of the request; *used says how many. 0: it goes on, 1: it is whole,
 * else the status with which to refuse it. */
int http_request_read(struct http_request *request, const char *data, size_t bytes, size_t *used);

const char *http_request_header(const struct http_request *request, const char *name);
const char *http_request_param(const struct http_params *params, const char *name);

#endif
