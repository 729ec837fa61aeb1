/* What proxies and clients write into X-Forwarded-For and Forwarded: whatever stands further left
 * must not change what the nearest proxy said. */
#include "common/http_client.h"

#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "fuzz.h"

static struct address client_of(const struct http_proxies *proxies, const char *name,
                                const void *forged, size_t bytes, const char *written) {
    struct http_limits limits = http_limits_default;
    struct address peer = {{0}};
    struct buffer text;
    size_t used;
    buffer_init(&text, 0);
    buffer_printf(&text, "GET / HTTP/1.0\r\n%s: ", name);
    buffer_append(&text, forged, bytes);
    buffer_printf(&text, "%s\r\n\r\n", written);
    struct http_request *request = http_request_new(&limits);
    FUZZ_CHECK(request && !text.failed && address_parse("10.0.0.1", 8, &peer));
    if (http_request_read(request, (const char *)text.data, text.length, &used) == 1)
        peer = http_client(proxies, request, &peer);
    http_request_free(request);
    buffer_free(&text);
    return peer;
}

static void check_is(const struct address *address, const char *text) {
    struct address wanted;
    FUZZ_CHECK(address_parse(text, strlen(text), &wanted));
    FUZZ_CHECK(!memcmp(address, &wanted, sizeof wanted));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct http_proxies proxies;
    FUZZ_CHECK(http_proxies_parse(&proxies, "10.0.0.0/24", "x-forwarded-for", NULL) == 0);
    if (bytes > 8000 || memchr(data, '\r', bytes) || memchr(data, '\n', bytes) ||
        memchr(data, 0, bytes))
        return 0; /* other lines: fuzz_http_request */
    struct address client = client_of(&proxies, "X-Forwarded-For", data, bytes, "");
    char text[ADDRESS_TEXT];
    struct address again;
    address_format(&client, text);
    FUZZ_CHECK(address_parse(text, strlen(text), &again));
    FUZZ_CHECK(!memcmp(&client, &again, sizeof again) && address_block(&client));
    bool refused = false; /* by the parser, which takes no control characters */
    for (size_t i = 0; i < bytes; i++)
        refused = refused || (data[i] < ' ' && data[i] != '\t') || data[i] == 127;
    if (refused)
        return 0;
    client = client_of(&proxies, "X-Forwarded-For", data, bytes, ", 192.0.2.7");
    check_is(&client, "192.0.2.7");
    proxies.forwarded = true;
    client =
        client_of(&proxies, "Forwarded", data, bytes, ", for=\"[2001:db8::7]:80\", for=10.0.0.9");
    check_is(&client, "2001:db8::7");
    client_of(&proxies, "Forwarded", data, bytes, "");
    return 0;
}
