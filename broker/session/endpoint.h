/* A ROUTER socket and the sessions on it: Hello, Welcome, Ping, Bye, silence and refusals, as
 * PROTOCOL.md has them, and who a peer is. What the messages of an open session mean is its role's
 * business. */
#ifndef BROKER_SESSION_ENDPOINT_H
#define BROKER_SESSION_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include <zmq.h>

#include "broker/access/access.h"
#include "proto/bounds.h"
#include "proto/frame.h"

struct buffer;
struct curve_keys;
struct endpoint;

#define SESSION_CLIENT_BYTES 100

struct session {
    struct endpoint *endpoint;
    struct session *next; /* in its bucket */
    uint64_t number;      /* the client's, from Hello */
    int64_t heard_us;     /* monotonic */
    int64_t blocked_us;   /* monotonic: since when the peer takes nothing more; 0: it does */
    const char *doomed;   /* not NULL: will be closed for this reason when the turn is over */
    void *data;           /* the role's */
    /* On ingest the source's name, on streams the follower's: the key's, or, without keys, what
     * Hello says. */
    char source[LIMIT_SOURCE_BYTES + 1];
    bool keyed;
    uint8_t key[CURVE_KEY_BYTES];
    char client[SESSION_CLIENT_BYTES + 1];
    uint8_t peer_bytes;
    uint8_t peer[255]; /* the routing id */
};

struct role {
    const char *name; /* "ingest" */
    /* A valid Hello came: fill the Welcome and take the session, or -1 and the refusal. */
    int (*opened)(void *arg, struct session *session, Waybill__V1__Welcome *welcome,
                  struct wb_error *err);
    /* A message of an open session other than Hello, Ping, Bye: either a Publish as slices (message
     * NULL) or another message. The frame holds the bytes of both; who needs them longer moves it
     * (zmq_msg_move). -1 and err: the session is refused and closed. */
    int (*message)(void *arg, struct session *session, const client_message *message,
                   const struct frame_publish *publish, zmq_msg_t *frame, struct wb_error *err);
    /* The session is over and its memory goes when this returns. */
    void (*closed)(void *arg, struct session *session);
    void *arg;
};

struct endpoint_options {
    const char *address; /* tcp://127.0.0.1:7411 */
    size_t sessions_max;
    int64_t ping_interval_ms;
    int send_messages_max; /* queued for one peer: ZMQ_SNDHWM */
    struct access *access;
    enum access_domain domain;
    const struct curve_keys *keys; /* the broker's; NULL: nobody is asked for a key. For the call */
};

struct endpoint *endpoint_new(uv_loop_t *loop, void *context,
                              const struct endpoint_options *options, const struct role *role,
                              struct wb_error *err);
/* Closes all sessions, giving their peers half a second to take what was sent. NULL is allowed. */
void endpoint_close(struct endpoint *endpoint);

/* The address as bound. */
const char *endpoint_address(const struct endpoint *endpoint);
/* Stops reading from all peers, and takes it up again. */
void endpoint_read(struct endpoint *endpoint, bool on);

enum endpoint_sent { SENT, SENT_NOT_NOW, SENT_GONE };

/* One message to the session's peer. NOT_NOW: its queue is full. GONE: the peer left, the session
 * is doomed. */
enum endpoint_sent session_send(struct session *session, const void *data, size_t bytes);
/* The answer to a request, which must not be lost: a peer whose queue is full of unread answers is
 * closed. Clears the buffer. */
void session_answer(struct session *session, struct buffer *message);
/* A refusal of one of the session's requests. */
void session_refuse(struct session *session, const struct wb_error *err, uint64_t subscription,
                    uint64_t request);
/* Refuses the session and dooms it. */
void session_end(struct session *session, const struct wb_error *err);
/* Refuses and closes the sessions that may not be open any more. */
void endpoint_recheck(struct endpoint *endpoint);
/* Refuses and closes all sessions. */
void endpoint_end_all(struct endpoint *endpoint, const struct wb_error *err);

#endif
