#include "subscribers/gateway/sse.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/buffer.h"
#include "common/digest.h"

void sse_put(struct buffer *out, const char *type, uint64_t id, json_t *data) {
    char *text = data ? json_dumps(data, JSON_COMPACT) : NULL;
    json_decref(data);
    if (id != SSE_NO_ID)
        buffer_printf(out, "id: %" PRIu64 "\n", id);
    buffer_printf(out, "event: %s\ndata: ", type);
    buffer_text(out, text ? text : "");
    buffer_text(out, "\n\n");
    out->failed = out->failed || !text;
    free(text);
}

uint64_t sse_retry_ms(uint64_t most_ms) {
    uint64_t least = most_ms / 5;
    return least + random_u64() % (most_ms - least + 1);
}

void sse_put_retry(struct buffer *out, uint64_t most_ms) {
    buffer_printf(out, "retry: %" PRIu64 "\n\n", sse_retry_ms(most_ms));
}
