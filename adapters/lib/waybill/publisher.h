/* Publishes events to a Waybill broker.
 *
 *     struct wb_error err;
 *     wb_publisher *p = wb_publisher_open("tcp://127.0.0.1:7411", "permits", NULL, &err);
 *     wb_event e = WB_EVENT_INIT;
 *     e.event_id = "1", e.case_no = "A-1", e.stage = WB_STAGE(RECEIVED);
 *     e.occurred_at_us = 1767225600000000;
 *     if (!p || wb_publisher_send(p, &e, NULL, &err) || wb_publisher_flush(p, -1, &err))
 *         fprintf(stderr, "%s: %s\n", err.message, err.detail);
 *     wb_publisher_close(p);
 *
 * Events are sent in the order of the calls, in batches that grow while the one before them is
 * under way. One that was acknowledged is committed. When the broker goes away the publisher keeps
 * what is not acknowledged, connects again and repeats it; the broker recognises what it had. With
 * a spool it keeps it in a file, and what was taken is sent even if the program ends before. A
 * publisher belongs to one thread at a time; it has no thread of its own besides libzmq's. */
#ifndef WAYBILL_PUBLISHER_H
#define WAYBILL_PUBLISHER_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>
#include <waybill/event.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wb_publisher wb_publisher;

struct wb_receipt {
    void *tag; /* as given to wb_publisher_send; NULL for what an earlier run put into the spool */
    uint64_t offset;                /* in the log; 0 if refused */
    bool repeat;                    /* the log had it already, at that offset */
    const char *code;               /* the case's code if want_codes, else "" */
    const struct wb_error *refusal; /* NULL unless refused; with a spool, it is in it then */
    /* of the event, also where the tag is lost */
    const char *event_id, *case_no;
    wb_stage stage; /* 0 if it has none */
    Waybill__V1__Kind kind;
    size_t bytes; /* encoded */
};

/* Called from within send, poll, flush and release, once for each event, in their order; with a
 * spool once more if the program ended at once behind it. It may not call the publisher. The
 * receipt and what it points to last until it returns. */
typedef void wb_receipt_fn(void *arg, const struct wb_receipt *receipt);

/* Called when the connection comes (up true) and goes, and when the spool has trouble that may
 * pass, such as a full disk (up as it was); with words for a log. */
typedef void wb_session_fn(void *arg, bool up, const char *words);

struct wb_publisher_options {
    const char *client;     /* program and version for the broker's log; NULL: the library's */
    bool want_codes;        /* ask for the cases' codes */
    uint32_t window_events; /* the most unacknowledged; 0: as the broker allows */
    /* For brokers that ask for keys; both or neither. */
    const char *server_key; /* the broker's public key, as text or as a file's path */
    const char *key_file;   /* one's own pair, made by `waybill keygen` */
    wb_receipt_fn *receipt; /* may be NULL */
    wb_session_fn *session; /* may be NULL */
    void *arg;              /* for both */
    /* For signal handlers; may be NULL. Once it is not 0 nothing waits any more: a send that finds
     * the window full and a flush fail with WB_E_TIMEOUT, poll returns at once. */
    const volatile sig_atomic_t *stop;
    /* A file, made if there is none, for the events without a receipt: one for each source, used by
     * one process at a time, on a disk of this machine. NULL: they are kept in memory. */
    const char *spool;
    uint64_t spool_bytes; /* the most that the file may take; 0: 1 GiB */
};

/* endpoint: of the broker, or of up to 8 that stand by for one another, as in
 * "tcp://a:7411,tcp://b:7411". One is used at a time, the next when it is away or not ready; what
 * was not acknowledged is repeated there. Does not wait for the broker. NULL and err if an argument
 * is not valid. options may be NULL. */
WB_EXPORT wb_publisher *wb_publisher_open(const char *endpoint, const char *source,
                                          const struct wb_publisher_options *options,
                                          struct wb_error *err);

/* Validates and copies the event, and queues it.
 *
 * Without a spool: waits while the window is full, for as long as the broker is away. -1 and err,
 * and the event is not queued, if it is not valid (the publisher goes on) or the session was
 * refused for good (every later call fails alike).
 *
 * With a spool: 0 when the event is on the disk, where a power cut leaves it; the broker may be
 * away or refuse the session. -1 and err if the event is not valid, and with WB_E_SPOOL if it
 * cannot be stored; if that is retriable (a full disk), a later event may be. */
WB_EXPORT int wb_publisher_send(wb_publisher *publisher, const wb_event *event, void *tag,
                                struct wb_error *err);

/* With a spool: the events of the sends between hold and release are put on the disk together, at
 * the release, which takes as long as for one of them. None is kept before, and none if it fails
 * with -1. At most 16 MiB may be held. Flush releases what is held, close drops it. */
WB_EXPORT void wb_publisher_hold(wb_publisher *publisher);
WB_EXPORT int wb_publisher_release(wb_publisher *publisher, struct wb_error *err);

/* Sends and receives what is due, waiting up to timeout_ms (-1: for ever) for something to happen.
 * To be called at least every few seconds while nothing is sent. */
WB_EXPORT int wb_publisher_poll(wb_publisher *publisher, int timeout_ms, struct wb_error *err);

/* Waits until every event has its receipt: 0. -1 and WB_E_TIMEOUT if that takes longer. */
WB_EXPORT int wb_publisher_flush(wb_publisher *publisher, int timeout_ms, struct wb_error *err);

/* Events queued or sent that have no receipt yet; with a spool also those of earlier runs. */
WB_EXPORT size_t wb_publisher_pending(const wb_publisher *publisher);

/* The tracking link for a case, from the gateway's address that the broker announced: 0, or -1 if
 * it announced none or the text does not fit. */
WB_EXPORT int wb_publisher_link(const wb_publisher *publisher, const char *case_no,
                                const char *code, char *text, size_t size);

/* Drops what has no receipt; flush first. What is in a spool stays there. NULL is allowed. */
WB_EXPORT void wb_publisher_close(wb_publisher *publisher);

#ifdef __cplusplus
}
#endif

#endif
