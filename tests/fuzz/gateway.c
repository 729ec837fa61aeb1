/* Requests to the gateway while the broker is away: addresses, forms, cursors, languages. */
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/log.h"
#include "fuzz.h"
#include "server.h"
#include "subscribers/gateway/follow.h"
#include "subscribers/gateway/inquiry.h"
#include "subscribers/gateway/meter.h"
#include "subscribers/gateway/page.h"
#include "subscribers/gateway/route.h"
#include "subscribers/gateway/throttle.h"

static struct site site;
static wb_subscriber *subscriber;

static void close_subscriber(void) {
    wb_subscriber_close(subscriber);
}

static const char *why_not_ready(void *arg) {
    (void)arg;
    return "the broker is away";
}

static void on_request(void *arg, struct http_exchange *exchange) {
    route(arg, exchange);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    subscriber = wb_subscriber_open("tcp://127.0.0.1:1", NULL, NULL);
    FUZZ_CHECK(subscriber && meter_open() == 0 && atexit(close_subscriber) == 0);
    site.inquirer = inquirer_new(subscriber, 1000);
    const struct throttle_rates rates = {.block_per_minute = 30, .case_per_minute = 15};
    site.throttle = throttle_new(&rates);
    FUZZ_CHECK(site.throttle);
    site.followers = followers_new(site.inquirer, site.throttle, 15000, 2000);
    site.pages = pages_open(NULL);
    site.why_not_ready = why_not_ready;
    FUZZ_CHECK(site.inquirer && site.followers && site.pages);
    server_start(on_request, &site);
    return 0;
}

/* A line ends with CR LF and has no other control character, however strange what was asked. */
static void check_head(const char *head, const char *end) {
    for (const char *at = head; at < end; at++) {
        bool ends = at[0] == '\r' && at[1] == '\n';
        FUZZ_CHECK(ends || (unsigned char)*at >= ' ' || *at == '\t');
        at += ends;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static struct buffer out;
    server_say(data, bytes, &out);
    const char *head = buffer_string(&out), *end = strstr(head, "\r\n\r\n");
    FUZZ_CHECK(!*head || (strncmp(head, "HTTP/1.1 ", 9) == 0 && end));
    FUZZ_CHECK(!*head || strncmp(head + 9, "500", 3) != 0);
    if (end)
        check_head(head, end);
    return 0;
}
