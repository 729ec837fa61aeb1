/* A broker for tests of the publisher, in the test's own thread: it keeps what it commits in an
 * array, and does what the test tells it to do wrong. */
#ifndef TEST_SCRIPTED_BROKER_H
#define TEST_SCRIPTED_BROKER_H

#include "common/arena.h"
#include "common/buffer.h"
#include "proto/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BROKER_EVENTS 4096
#define BROKER_HELD   64

struct scripted_broker {
    void *zmq, *router;
    char endpoint[64];
    struct arena arena;

    /* limits that Welcome announces */
    uint32_t window_events, window_bytes, batch_events, ping_ms;
    uint32_t next_events, next_bytes; /* the window that Acknowledgements name; 0: none */
    const char *public_url;

    /* the session, of one client at a time */
    bool open;
    uint64_t next_batch;
    uint8_t peer[256];
    size_t peer_bytes;

    /* what is in the log: event ids by offset - 1 */
    char *log[BROKER_EVENTS];
    size_t logged;

    /* what it does wrong */
    bool mute;              /* reads, does nothing */
    bool hold;              /* commits; Acknowledgements wait for broker_release() */
    int refuse_hello;       /* an error code instead of Welcome */
    const char *refuse_id;  /* this event is refused */
    bool stale_welcome;     /* one of another session comes before the right one */
    int short_ack;          /* so many Acknowledgements lack their last receipt */
    uint32_t fault_percent; /* of random faults with each Publish */
    uint64_t random;        /* the state of their generator */

    /* what it saw */
    unsigned hellos, pings, publishes, byes, faults;
    size_t largest_batch, unacknowledged, most_unacknowledged;
    size_t unacknowledged_bytes, most_bytes;
    int64_t hello_us[256]; /* when the first ones came */
    struct buffer held[BROKER_HELD];
    size_t held_events[BROKER_HELD], held_bytes[BROKER_HELD], held_count;
};

void broker_start(struct scripted_broker *broker);
void broker_stop(struct scripted_broker *broker);
/* As kill -9 and a new start do: the connection and the session are gone, the log is not. */
void broker_down(struct scripted_broker *broker);
void broker_up(struct scripted_broker *broker);
void broker_serve(struct scripted_broker *broker); /* answers all that has come */
void broker_release(struct scripted_broker *broker);
void broker_say(struct scripted_broker *broker, const void *data, size_t bytes, bool more);

#endif
