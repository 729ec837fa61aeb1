/* Server-sent events as text. */
#ifndef SUBSCRIBERS_GATEWAY_SSE_H
#define SUBSCRIBERS_GATEWAY_SSE_H

#include <jansson.h>
#include <stdint.h>

struct buffer;

#define SSE_NO_ID UINT64_MAX

/* Takes the data over; NULL makes the buffer fail. */
void sse_put(struct buffer *out, const char *type, uint64_t id, json_t *data);
/* How long to wait before coming again, chosen at random from a fifth of most_ms up to it. */
uint64_t sse_retry_ms(uint64_t most_ms);
void sse_put_retry(struct buffer *out, uint64_t most_ms);

#endif
