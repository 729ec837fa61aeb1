/* The client's side of a session on ingest, as PROTOCOL.md has it.
 *
 *   DOWN      no connection; the transport makes one by itself
 *   WAITING   the broker refused for now; Hello when the time has come
 *   GREETING  Hello is sent; everything is passed over until its Welcome
 *   OPEN      batches go out, acknowledgements come in
 *   REFUSED   for good: something has to be mended first
 *
 * The session takes events from the window, and drops them from it when their receipts have been
 * handed out. It never waits. */
#ifndef LIB_SESSION_H
#define LIB_SESSION_H

#include "common/arena.h"
#include "common/buffer.h"

#include <waybill/publisher.h>

#define SESSION_FLIGHTS 8 /* batches under way at a time, at most; 4 were a sixth slower */

struct transport;
struct window;

/* The broker's answer for an event, with its place in the spool. */
typedef void session_answer_fn(void *owner, uint64_t seq, const struct wb_receipt *receipt);

enum session_state {
    SESSION_DOWN,
    SESSION_WAITING,
    SESSION_GREETING,
    SESSION_OPEN,
    SESSION_REFUSED
};

struct session_limits {
    uint32_t window_events, window_bytes; /* the newest that the broker named */
    uint32_t batch_events, message_bytes;
    int64_t ping_us;
};

struct session {
    /* set by the owner before session_init */
    struct transport *transport;
    struct window *window;
    const char *source, *client;
    bool want_codes;
    uint32_t window_events;    /* the owner's own limit; 0: none */
    session_answer_fn *answer; /* for each event, in their order */
    void *owner;               /* for answer */
    wb_session_fn *notify;     /* may be NULL */
    void *arg;                 /* for notify */

    enum session_state state;
    uint64_t number;              /* of this session, as told in Hello */
    struct session_limits limits; /* from Welcome */
    char public_url[512];

    uint64_t batch;                  /* the oldest under way; the next one if none is */
    size_t flights[SESSION_FLIGHTS]; /* their events, the oldest first */
    size_t flight_count;
    uint64_t ping_token;
    bool pinged; /* a Pong is expected */

    int64_t heard_us, pinged_us; /* when something came, when Ping went; monotonic */
    int64_t expecting_us;        /* since when something is expected */
    int64_t retry_us;            /* when to say Hello again, in WAITING */
    int64_t backoff_us;          /* the next delay; 0 while all goes well */
    uint32_t told_codes;         /* refusals that notify heard of, a bit for each code */

    struct wb_error refusal; /* why, in REFUSED */
    struct arena arena;      /* the message being read */
    struct buffer out;       /* the message being written */
};

void session_init(struct session *session);
/* Says Bye if the session is open. Returns true if that may still be on its way. */
bool session_end(struct session *session);

/* Reads what has come, does what is due, sends what may go. Returns how many messages and changes
 * of the connection were handled. */
int session_step(struct session *session, int64_t now_us);
/* When session_step has something to do by itself; INT64_MAX if never. */
int64_t session_due_us(const struct session *session);
/* True if session_step would send a batch now. */
bool session_can_send(const struct session *session);

#endif
