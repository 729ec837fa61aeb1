/* The subscriber's session with a broker's streams endpoint: the state machine of PROTOCOL.md's
 * client side, nothing of subscriptions or cases. The connection, to one of several brokers, is the
 * dealer's: the session says Hello when it comes up and tells it when a broker is of no use.
 *
 *     APART     not connected; Hello when it is
 *     WAITING   until the time to try again
 *     GREETING  Hello was sent; everything is passed over until its Welcome
 *     OPEN      messages go both ways
 *     REFUSED   for good; nothing more happens
 *
 * No function waits. The functions of the handler are called from session_process and session_fail
 * alone; they may send, but not close the session. */
#ifndef SUBSCRIBER_SESSION_H
#define SUBSCRIBER_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <waybill/error.h>
#include <waybill/v1/session.pb-c.h>
#include <zmq.h>

#include "common/curve.h"
#include "proto/frame.h"

struct session;

struct session_handler {
    void (*opened)(void *arg); /* after each Welcome */
    /* A Deliver, not decoded: the function may keep the message by zmq_msg_move. */
    void (*deliver)(void *arg, zmq_msg_t *message);
    /* Anything else that is not the session's own. It lasts until the function returns. */
    void (*message)(void *arg, const broker_message *message);
    /* The session came up or went, or could not be opened for a new reason. */
    void (*changed)(void *arg, bool up, const char *words);
};

/* Texts are copied, the handler is kept by reference. NULL and err if an endpoint or the keys
 * cannot be used or the system has no sockets left. */
struct session *session_open(const char *endpoints, const struct curve_client *keys,
                             const char *client, const struct session_handler *handler, void *arg,
                             struct wb_error *err);
/* Says Bye where a session is open. NULL is allowed. */
void session_close(struct session *session);

/* Receives what is there (a bounded number of messages) and does what is due. -1 and err if the
 * session is refused for good. */
int session_process(struct session *session, struct wb_error *err);

/* Sends if the session is open; otherwise, and when it cannot be written, nothing happens: whoever
 * has something to say says it again when the session is opened anew. */
void session_send(struct session *session, const client_message *message);

/* The broker broke the protocol: the session is opened anew, after a while. Before the Welcome it
 * is only noted as the reason why there is none. */
void session_fail(struct session *session, const char *words);

/* Why it was refused for good; NULL if it was not. */
const struct wb_error *session_refusal(const struct session *session);
bool session_is_open(const struct session *session);
/* Why there is no session, in words; "" while one is open. */
const char *session_words(const struct session *session);
/* The broker that the session is open with, or that is tried. */
const char *session_endpoint(const struct session *session);
const char *session_public_url(const struct session *session);
/* How long to wait after so many failures in a row. */
int64_t session_retry_us(unsigned failures);
/* The most credit a subscription may hold, events; at least 1. */
uint32_t session_credit_max(const struct session *session);

/* Readable whenever session_process has something to read, however the socket's own edges were used
 * up; see session_rearm. */
int session_fd(const struct session *session);
/* Makes it readable: there is something to say. */
void session_kick(struct session *session);
/* To be called before control goes back to the user's loop. */
void session_rearm(struct session *session);
/* Waits until there is something to process, or for at most timeout_ms. A signal ends it. */
void session_wait(struct session *session, int timeout_ms);

#endif
