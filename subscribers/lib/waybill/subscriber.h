/* Follows a Waybill broker's log and asks about cases.
 *
 *     struct wb_error err;
 *     wb_subscriber *s = wb_subscriber_open("tcp://127.0.0.1:7413", NULL, &err);
 *     wb_subscription *all = wb_subscribe(s, 0, NULL, NULL, NULL, &err);
 *     const wb_record *record;
 *     while (wb_subscription_next(all, -1, &record, &err) == 1)
 *         printf("%llu %s\n", (unsigned long long)record->offset, record->event->case_no);
 *     wb_subscriber_close(s);
 *
 * A subscription is a cursor over the log: replay and live events come as one sequence, without gap
 * or repeat. When the broker goes away the subscriber connects again and every subscription goes on
 * behind the last event that was handed out. A subscriber belongs to one thread at a time.
 *
 * There are two ways to use it. Blocking: wb_subscription_next and wb_case_get. On an event loop:
 * watch wb_subscriber_fd for reading, and call wb_subscriber_process when it is readable and at
 * least every 100 ms; it hands records and answers to the callbacks, a bounded number in one call,
 * and leaves the descriptor readable while there are more.
 *
 * Callbacks may subscribe, ask, and close other subscriptions. They may not call process, next or
 * wb_case_get, which fail with WB_E_USAGE there, nor wb_subscriber_close. */
#ifndef WAYBILL_SUBSCRIBER_H
#define WAYBILL_SUBSCRIBER_H

#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>
#include <waybill/event.h>
#include <waybill/v1/query.pb-c.h>
#include <waybill/v1/session.pb-c.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wb_subscriber wb_subscriber;
typedef struct wb_subscription wb_subscription;
typedef Waybill__V1__Filter wb_filter;
typedef Waybill__V1__CaseAnswer wb_case;
typedef Waybill__V1__Audience wb_audience;

#define WB_FILTER_INIT    WAYBILL__V1__FILTER__INIT
#define WB_AUDIENCE(name) WAYBILL__V1__AUDIENCE__AUDIENCE_##name
#define WB_FROM_NOW       UINT64_MAX /* as a cursor: only what comes after the subscription */

/* Called when the connection comes (up true) and goes, with words for a log. */
typedef void wb_session_state_fn(void *arg, bool up, const char *words);

struct wb_subscriber_options {
    const char *client; /* program and version for the broker's log; NULL: the library's */
    /* For brokers that ask for keys; both or neither. */
    const char *server_key;       /* the broker's public key, as text or as a file's path */
    const char *key_file;         /* one's own pair, made by `waybill keygen` */
    wb_session_state_fn *session; /* may be NULL */
    void *arg;
};

/* endpoint: of the broker, or of up to 8 that stand by for one another, as in
 * "tcp://a:7413,tcp://b:7413". One is used at a time, the next when it is away or not ready, and
 * every subscription goes on there. Does not wait for the broker. NULL and err if an argument is
 * not valid. options may be NULL. */
WB_EXPORT wb_subscriber *wb_subscriber_open(const char *endpoint,
                                            const struct wb_subscriber_options *options,
                                            struct wb_error *err);
/* Ends subscriptions and requests without calling their functions. NULL is allowed. */
WB_EXPORT void wb_subscriber_close(wb_subscriber *subscriber);

WB_EXPORT int wb_subscriber_fd(const wb_subscriber *subscriber);
/* Handles all that is due without waiting. -1 and err when the session was refused for good. */
WB_EXPORT int wb_subscriber_process(wb_subscriber *subscriber, struct wb_error *err);
WB_EXPORT bool wb_subscriber_up(const wb_subscriber *subscriber); /* a session is open */
/* Why the session was refused for good, or NULL: the broker is not asked again. */
WB_EXPORT const struct wb_error *wb_subscriber_error(const wb_subscriber *subscriber);
/* The broker that the session is open with or, while there is none, that is tried. */
WB_EXPORT const char *wb_subscriber_endpoint(const wb_subscriber *subscriber);
/* The gateway's address that the broker announced, "" if none (yet). */
WB_EXPORT const char *wb_subscriber_public_url(const wb_subscriber *subscriber);

/* The record belongs to the library and lasts until the function returns. It may close its own
 * subscription; nothing more is handed out then. */
typedef void wb_record_fn(void *arg, const wb_record *record);

/* Follows the log behind after_offset (0: from the start, WB_FROM_NOW). The filter is copied; NULL:
 * everything. With record NULL the subscription is read by wb_subscription_next. NULL and err when
 * memory is out or the filter is too large. */
WB_EXPORT wb_subscription *wb_subscribe(wb_subscriber *subscriber, uint64_t after_offset,
                                        const wb_filter *filter, wb_record_fn *record, void *arg,
                                        struct wb_error *err);

typedef struct wb_place wb_place;
typedef Waybill__V1__PlaceAnswer wb_place_answer;

#define WB_OUTCOME(name) WAYBILL__V1__OUTCOME__OUTCOME_##name

/* What the broker says of a place (wb_follow), once after it was named, and again if it cannot go
 * on after the session was opened anew. The outcome is
 *   FOLLOWED  the answer's records are what the case got behind the place's offset, and the rest
 *             goes to the subscription's record function
 *   BEHIND    it is followed from through_offset on; what came before, and whether the case is
 *             there, has to be asked for: wb_case_request
 *   REFUSED   the code is not the case's
 *   FULL      the broker follows no further cases for this subscription
 * The answer lasts until the function returns. It may follow and unfollow. */
typedef void wb_place_fn(void *arg, wb_place *place, const wb_place_answer *answer);

/* What else there is to say of a subscription; all of it is copied. */
struct wb_subscribe_options {
    wb_audience audience;   /* UNSPECIFIED: the widest that the session may ask for */
    const char *token;      /* of somebody for whom the session asks; NULL: none */
    uint32_t credit_events; /* the most that the broker may send ahead; 0: 4,096 */
    wb_place_fn *answered;  /* by case: nothing but what is followed by wb_follow; else NULL */
    const char *reader;     /* a durable reader's name: the broker keeps its cursor; NULL: none */
    bool restart;           /* the reader begins anew at after_offset, also where it is known */
    bool stand_by;          /* wait while another instance has the reader, whenever that is */
};

/* The same with options, which may be NULL. What the session or the token may not see ends the
 * subscription with WB_E_AUDIENCE or WB_E_TOKEN, at once or when the right is taken away. */
WB_EXPORT wb_subscription *wb_subscribe_with(wb_subscriber *subscriber, uint64_t after_offset,
                                             const wb_filter *filter,
                                             const struct wb_subscribe_options *options,
                                             wb_record_fn *record, void *arg, struct wb_error *err);
/* A durable reader goes on where it acknowledged last; after_offset counts when the broker does not
 * know the name yet, and with `restart`. All up to `offset` is done with: nothing of it comes
 * again, whichever instance reads next. What was handed out and not acknowledged comes again, but
 * not to this subscription, also when the session is opened anew. May be called for every record,
 * also from callbacks: the broker is told several times a second, and when the subscription or
 * subscriber is closed.
 *
 * Another instance that does not stand by takes the reader over and ends this subscription with
 * WB_E_READER_TAKEN, unless it stands by. WB_E_CURSOR_EXPIRED: retention has removed what was not
 * acknowledged. -1 and err if the offset was not handed out, or it is no durable reader's. */
WB_EXPORT int wb_acknowledge(wb_subscription *subscription, uint64_t offset, struct wb_error *err);
/* True while a durable reader waits for its turn at a broker that it has a session with. */
WB_EXPORT bool wb_subscription_waits(const wb_subscription *subscription);
WB_EXPORT void wb_subscription_close(wb_subscription *subscription);

/* The next record, valid until the next call. 1: a record, 0: none within timeout_ms (-1: wait for
 * ever), -1: refused, e.g. WB_E_CURSOR_UNKNOWN. */
WB_EXPORT int wb_subscription_next(wb_subscription *subscription, int timeout_ms,
                                   const wb_record **record, struct wb_error *err);
/* The same of what has come already: 1, or 0 for none, also where it was refused. On an event loop,
 * for whoever cannot always take what comes; not from within a callback. */
WB_EXPORT int wb_subscription_take(wb_subscription *subscription, const wb_record **record);
/* All up to here was handed out or does not match the filter: store it and pass it to wb_subscribe.
 */
WB_EXPORT uint64_t wb_subscription_cursor(const wb_subscription *subscription);
/* True once all that the log held when the subscription began has been handed out. */
WB_EXPORT bool wb_subscription_live(const wb_subscription *subscription);
/* True once the broker has admitted it; it stays so while a session is opened anew. */
WB_EXPORT bool wb_subscription_begun(const wb_subscription *subscription);
/* For whom its records are made ready; UNSPECIFIED before it has begun. */
WB_EXPORT wb_audience wb_subscription_audience(const wb_subscription *subscription);
/* Why it was refused, or NULL: a refused subscription delivers nothing more. */
WB_EXPORT const struct wb_error *wb_subscription_error(const wb_subscription *subscription);

/* Follows a case on a subscription by case, with the code from its receipt (NULL for those who may
 * see every case), from after_offset: all of its events up to there are known; WB_FROM_NOW: nothing
 * is known, which is answered BEHIND. Named to the broker from within wb_subscriber_process, and
 * again by itself whenever the session is opened anew: nothing is missed. A case may be followed
 * several times; its records come once, and may come again from before a place's offset. Up to
 * 131,072 places; further ones are WB_E_BUSY. The place is the caller's until wb_unfollow, or until
 * the subscription is closed. */
WB_EXPORT wb_place *wb_follow(wb_subscription *subscription, const char *case_no, const char *code,
                              uint64_t after_offset, void *owner, struct wb_error *err);
/* Also before its answer, which does not come then. NULL is allowed. */
WB_EXPORT void wb_unfollow(wb_place *place);
/* What its user wants to find again in the answer. */
WB_EXPORT void wb_place_own(wb_place *place, void *owner);
WB_EXPORT void *wb_place_owner(const wb_place *place);

/* Called exactly once: with the answer, or with NULL and the error (WB_E_CASE_NOT_FOUND,
 * WB_E_TIMEOUT, …). The answer lasts until the function returns. */
typedef void wb_case_fn(void *arg, const wb_case *answer, const struct wb_error *err);

/* Asks for a case. code: from the receipt, NULL for those who may see every case. limit: the newest
 * nodes wanted, 0 for as many as the broker gives. Asked again when the session is opened anew,
 * until timeout_ms is over. -1 and err, without calling answer, if it cannot be queued. */
WB_EXPORT int wb_case_request(wb_subscriber *subscriber, const char *case_no, const char *code,
                              uint32_t limit, int timeout_ms, wb_case_fn *answer, void *arg,
                              struct wb_error *err);

struct wb_case_options {
    const char *code;     /* from the receipt; NULL: none */
    const char *token;    /* instead: of somebody for whom the session asks; NULL: none */
    wb_audience audience; /* UNSPECIFIED: with a code applicant, else the widest */
    uint32_t limit;       /* the newest nodes wanted; 0: as many as the broker gives */
};
WB_EXPORT int wb_case_request_with(wb_subscriber *subscriber, const char *case_no,
                                   const struct wb_case_options *options, int timeout_ms,
                                   wb_case_fn *answer, void *arg, struct wb_error *err);

/* The same, waiting. The answer belongs to the caller: wb_case_free. */
WB_EXPORT int wb_case_get(wb_subscriber *subscriber, const char *case_no, const char *code,
                          uint32_t limit, int timeout_ms, wb_case **answer, struct wb_error *err);
WB_EXPORT int wb_case_get_with(wb_subscriber *subscriber, const char *case_no,
                               const struct wb_case_options *options, int timeout_ms,
                               wb_case **answer, struct wb_error *err);
WB_EXPORT void wb_case_free(wb_case *answer);

#ifdef __cplusplus
}
#endif

#endif
