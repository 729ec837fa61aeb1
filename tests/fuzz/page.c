/* A case as the broker tells it, on the page that the applicant sees and in the JSON of the API.
 * The first byte chooses the language. */
#include <jansson.h>
#include <string.h>

#include "common/arena.h"
#include "common/buffer.h"
#include "fuzz.h"
#include "proto/frame.h"
#include "server.h"
#include "subscribers/gateway/api.h"
#include "subscribers/gateway/page.h"
#include "subscribers/gateway/view.h"
#include "valid.h"

static struct pages *pages;
static const wb_case *answer;

static void on_request(void *arg, struct http_exchange *exchange) {
    (void)arg;
    json_t *view = view_case(answer);
    FUZZ_CHECK(view);
    if (strcmp(http_path(exchange), "/page") == 0) {
        page_case(pages, exchange, view, "A-1", "CODE", false);
        json_decref(view);
    } else {
        api_answer(exchange, 200, view);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    pages = pages_open(NULL);
    FUZZ_CHECK(pages);
    server_start(on_request, NULL);
    return 0;
}

static void ask(const char *target, struct buffer *out) {
    struct buffer request;
    buffer_init(&request, 0);
    buffer_printf(&request, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", target);
    server_say(request.data, request.length, out);
    FUZZ_CHECK(strncmp(buffer_string(out), "HTTP/1.1 200 ", 13) == 0);
    buffer_free(&request);
}

static size_t count(const char *text, char wanted) {
    size_t found = 0;
    while ((text = strchr(text, wanted)))
        found++, text++;
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static struct buffer out;
    struct arena arena;
    broker_message *message;
    if (bytes == 0)
        return 0;
    arena_init(&arena, VALID_ARENA);
    if (frame_broker(data + 1, bytes - 1, &arena, &message, NULL) == 0 &&
        message->body_case == WAYBILL__V1__BROKER_MESSAGE__BODY_CASE_ANSWER &&
        message->case_answer->state) { /* without one the subscriber library passes it over */
        answer = message->case_answer;
        ask(data[0] & 1 ? "/page?lang=en" : "/page?lang=zh", &out);
        /* No text of a case begins or ends a tag. */
        FUZZ_CHECK(count(server_body(&out), '<') == count(server_body(&out), '>'));
        ask("/api", &out);
        json_t *json = json_loads(server_body(&out), 0, NULL);
        FUZZ_CHECK(json);
        json_decref(json);
    }
    arena_free(&arena);
    return 0;
}
