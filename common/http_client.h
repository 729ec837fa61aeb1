/* Who a request comes from: the peer of the connection, unless that is a proxy which is trusted to
 * say for whom it speaks, in the one header that the proxies were said to write (X-Forwarded-For or
 * RFC 7239's Forwarded; the other one may be the client's own and is never looked at).
 *
 * The header is read from its right end, where the nearest proxy wrote, and only as far as the
 * addresses are trusted ones: what stands further left anybody may have made up. Private to the
 * HTTP server. */
#ifndef COMMON_HTTP_CLIENT_H
#define COMMON_HTTP_CLIENT_H

#include "common/address.h"
#include "common/http_request.h"

#define HTTP_PROXIES_MAX 64 /* ranges */
#define HTTP_HOPS_MAX                                                                              \
    16 /* trusted proxies behind one another; further ones are not gone through                    \
        */

struct http_proxies {
    struct address_range ranges[HTTP_PROXIES_MAX];
    size_t count;
    bool forwarded; /* Forwarded instead of X-Forwarded-For */
};

/* ranges: NULL or "" for none; header: NULL, "x-forwarded-for" or "forwarded". -1 and err. */
int http_proxies_parse(struct http_proxies *proxies, const char *ranges, const char *header,
                       struct wb_error *err);
bool http_proxies_have(const struct http_proxies *proxies, const struct address *address);

/* The client, where the connection's peer is this. */
struct address http_client(const struct http_proxies *proxies, const struct http_request *request,
                           const struct address *peer);

#endif
