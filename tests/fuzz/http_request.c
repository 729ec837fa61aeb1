/* Requests on one connection, at once and in pieces: both have to come to the same. */
#include "common/http_request.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "proto/wire.h"

static const struct http_limits limits = {.head_bytes = 2048, .body_bytes = 1024};

/* One request with the status at its end: 0 it goes on, 1 it is whole, else it is refused. */
struct outcome {
    struct http_request *request;
    int status;
    size_t used;
};

static struct outcome read_one(const uint8_t *data, size_t bytes, size_t piece) {
    struct outcome outcome = {.request = http_request_new(&limits)};
    FUZZ_CHECK(outcome.request);
    while (outcome.used < bytes && outcome.status == 0) {
        size_t left = bytes - outcome.used, next = piece < left ? piece : left, used = 0;
        char *copy = malloc(next);
        FUZZ_CHECK(copy);
        memcpy(copy, data + outcome.used, next);
        outcome.status = http_request_read(outcome.request, copy, next, &used);
        free(copy);
        FUZZ_CHECK(used <= next && (used == next || outcome.status));
        outcome.used += used;
    }
    return outcome;
}

static void same_text(const char *a, const char *b) {
    FUZZ_CHECK((!a && !b) || (a && b && strcmp(a, b) == 0));
}

static void same_params(const struct http_params *a, const struct http_params *b) {
    FUZZ_CHECK(a->count == b->count && a->count <= HTTP_PARAMS_MAX);
    for (size_t i = 0; i < a->count; i++) {
        same_text(a->pairs[i].name, b->pairs[i].name);
        same_text(a->pairs[i].value, b->pairs[i].value);
        FUZZ_CHECK(wire_utf8(a->pairs[i].value, strlen(a->pairs[i].value), true));
    }
}

static void same_request(const struct http_request *a, const struct http_request *b) {
    FUZZ_CHECK(a->parser.method == b->parser.method && a->keep_alive == b->keep_alive);
    FUZZ_CHECK(a->head.length == b->head.length && a->head.length <= 2 * limits.head_bytes);
    FUZZ_CHECK(memcmp(a->head.data, b->head.data, a->head.length) == 0);
    FUZZ_CHECK(a->body.length == b->body.length && a->body.length <= limits.body_bytes);
    FUZZ_CHECK(!a->body.length || memcmp(a->body.data, b->body.data, a->body.length) == 0);
    FUZZ_CHECK(a->header_count == b->header_count && a->header_count <= HTTP_HEADERS_MAX);
    FUZZ_CHECK(a->part_count == b->part_count && wire_utf8(a->path, strlen(a->path), true));
    for (size_t i = 0; i < a->part_count && i < HTTP_PARTS_MAX; i++)
        same_text(a->parts[i], b->parts[i]);
    same_text(a->path, b->path);
    same_text(http_request_header(a, "host"), http_request_header(b, "host"));
    same_params(&a->query, &b->query);
    same_params(&a->form, &b->form);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const size_t sizes[] = {1, 2, 7, 64};
    size_t piece = sizes[bytes & 3];
    while (bytes > 0) {
        struct outcome whole = read_one(data, bytes, bytes), parts = read_one(data, bytes, piece);
        FUZZ_CHECK((whole.status > 1) == (parts.status > 1));
        bool again = whole.status == 1;
        if (again) {
            FUZZ_CHECK(parts.status == 1 && whole.used == parts.used && whole.used > 0);
            same_request(whole.request, parts.request);
        }
        data += whole.used;
        bytes -= whole.used;
        http_request_free(whole.request);
        http_request_free(parts.request);
        if (!again)
            break;
    }
    return 0;
}
