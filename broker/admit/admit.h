/* Admission: what comes in on the ingest endpoint is decoded, validated and submitted to the
 * journal, and acknowledged when the journal says that it is committed. */
#ifndef BROKER_ADMIT_ADMIT_H
#define BROKER_ADMIT_ADMIT_H

#include <stdint.h>
#include <uv.h>
#include <waybill/error.h>

struct admit;
struct endpoint_options;
struct journal;
struct sources;

struct admit_options {
    uint32_t window_events; /* the most unacknowledged of one session */
    uint32_t window_bytes;
    size_t pending_max; /* bytes that may wait for their commit before reading stops */
    const char *public_url;
};

struct admit *admit_new(uv_loop_t *loop, void *context, const struct endpoint_options *endpoint,
                        const struct admit_options *options, struct journal *journal,
                        struct sources *sources, struct wb_error *err);
/* After the journal has settled everything. NULL is allowed. */
void admit_close(struct admit *admit);

const char *admit_address(const struct admit *admit);
/* What Welcome says of the log. */
void admit_log(struct admit *admit, uint64_t first_offset, uint64_t head_offset);
/* Refuses all sessions: the journal is lost, or the broker stops. New ones are refused for the same
 * reason until admit_open. */
void admit_shut(struct admit *admit, const struct wb_error *err);
void admit_open(struct admit *admit);
/* Sources or keys changed: ends the sessions that may not be open any more. */
void admit_recheck(struct admit *admit);
/* Reads nothing more, so that what is in flight can be finished. */
void admit_pause(struct admit *admit);

#endif
