/* A client's connection to one broker of a list: a DEALER socket with its keys, and the monitor
 * that tells when the connection comes and goes. Both client libraries stand on it.
 *
 * It is connected to one broker at a time: a DEALER that is connected to two would spread its
 * messages. Every attempt has a socket of its own, so that nothing that was sent to one broker, or
 * came from it, is left for the next. When the connection cannot be made, fails or is lost, or its
 * owner says that this broker is of no use now, the next of the list is tried at once; when all
 * have been tried, the round begins again after a while that grows. Where it works it stays.
 *
 *     trying    a socket that is not connected yet; for a while, then the next broker
 *     up        connected; from here on the owner decides how well that works
 *     resting   no socket, until the next attempt is due
 *
 * Nothing waits but dealer_wait. All libzmq sockets of a library share one context. Times are
 * monotonic microseconds. */
#ifndef COMMON_DEALER_H
#define COMMON_DEALER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>
#include <zmq.h>

#include "common/curve.h"

struct dealer;

struct dealer_options {
    const char *endpoints;               /* as endpoints.h has it */
    struct curve_client keys;            /* the key file is read again with every attempt */
    int send_messages, receive_messages; /* inside libzmq; above, sending fails or the peer waits */
};

enum dealer_change {
    DEALER_SAME,
    DEALER_UP,    /* connected: the owner says Hello */
    DEALER_DOWN,  /* was up, and is not any more; dealer_words says why */
    DEALER_FAILED /* an attempt failed for a reason that a person should know: dealer_words. Each
                     reason comes once for each broker until one works */
};

/* Texts are copied. Does not wait. NULL and err if an endpoint or the keys cannot be used. */
struct dealer *dealer_open(const struct dealer_options *options, struct wb_error *err);
/* Gives what was sent linger_ms to leave. NULL is allowed. */
void dealer_close(struct dealer *dealer, int linger_ms);

/* The next change, DEALER_SAME if there is none; does what is due. Call it until it gives
 * DEALER_SAME, after reading what has come: a loss is told when nothing is left to read. */
enum dealer_change dealer_change(struct dealer *dealer, int64_t now_us);
/* When dealer_change has something to do by itself; INT64_MAX if never. */
int64_t dealer_due_us(const struct dealer *dealer);

/* The broker opened a session: the next failure begins a new round. */
void dealer_works(struct dealer *dealer, int64_t now_us);
/* This broker is of no use now: it has answered so (silent false), or has not answered. False, and
 * nothing happens, if the list holds no other. Tells no DEALER_DOWN. */
bool dealer_leave(struct dealer *dealer, int64_t now_us, bool silent);
/* How long an answer to Hello is waited for; INT64_MAX if there is no other broker to ask. */
int64_t dealer_patience_us(const struct dealer *dealer);

/* Ends the connection and makes no other. */
void dealer_rest(struct dealer *dealer);
/* Notes what is about to be said of the broker. False if that was said of it already, and none has
 * worked since. */
bool dealer_news(struct dealer *dealer, const char *words);

bool dealer_is_up(const struct dealer *dealer);
/* The broker that is connected or tried, or was tried last. */
const char *dealer_endpoint(const struct dealer *dealer);
/* Why the last attempt or connection ended. */
const char *dealer_words(const struct dealer *dealer);

/* False if the message cannot be taken now. */
bool dealer_send(struct dealer *dealer, const void *data, size_t bytes);
/* One frame into an initialised message; false if there is none. */
bool dealer_receive(struct dealer *dealer, zmq_msg_t *frame);
/* True if something can be read, or a change is to be told. */
bool dealer_ready(const struct dealer *dealer);
/* Waits until dealer_ready, or something is due, or timeout_ms (-1: for ever) is over, or a signal
 * comes; with `write` also until a message can be taken. True if something happened. */
bool dealer_wait(struct dealer *dealer, int timeout_ms, bool write);
/* Keeps what has to be watched in this epoll from now on. It is edge-triggered as ZMQ_FD is: look
 * at dealer_ready before waiting. -1 and errno. */
int dealer_watch(struct dealer *dealer, int epoll);

#endif
