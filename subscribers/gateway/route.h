/* Which request goes where: the table of the gateway's addresses. */
#ifndef SUBSCRIBERS_GATEWAY_ROUTE_H
#define SUBSCRIBERS_GATEWAY_ROUTE_H

#include "subscribers/gateway/options.h"

struct channels;
struct followers;
struct http_exchange;
struct inquirer;
struct pages;
struct throttle;

/* What the routes need; all of it outlives the requests. */
struct site {
    struct pages *pages;
    struct inquirer *inquirer;
    struct followers *followers;
    struct throttle *throttle;
    struct channels *channels;
    enum public_stream public_stream;
    /* "" if the gateway can serve cases, else why not. */
    const char *(*why_not_ready)(void *arg);
    const char *(*broker)(void *arg); /* its endpoint */
    void *arg;
};

/* An http_handler's business: answers the exchange now or later. */
void route(const struct site *site, struct http_exchange *exchange);

#endif
