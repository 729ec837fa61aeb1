/* One cursor over the log, and the records that have come for it.
 *
 * A Deliver is looked at when it comes (whose it is, how many records, through which offset), kept
 * as it is, and decoded when its turn to be handed out has come. What waits here is bounded by the
 * credit given: CREDIT_EVENTS records, fewer where the broker allows fewer. Credit is given anew
 * for records that were handed out, so that a slow caller slows the broker and not the memory.
 *
 * When the session is opened anew the subscription begins again, under a new number, behind the
 * last record that was handed out; what waits is dropped, for it will come again. A durable
 * reader's begins where the broker says, behind what was acknowledged: what comes again of what was
 * handed out is passed over.
 *
 * A subscription by case gets its first credit when all its places have been named (following.h).
 */
#ifndef SUBSCRIBER_SUBSCRIPTION_H
#define SUBSCRIBER_SUBSCRIPTION_H

#include <stdint.h>
#include <waybill/subscriber.h>
#include <zmq.h>

#define CREDIT_EVENTS 4096

/* The session was opened: begins every subscription again. */
void subscriptions_opened(wb_subscriber *subscriber);
void subscriptions_deliver(wb_subscriber *subscriber, zmq_msg_t *message);
void subscriptions_subscribed(wb_subscriber *subscriber, const Waybill__V1__Subscribed *subscribed);
void subscriptions_followed(wb_subscriber *subscriber, const Waybill__V1__Followed *followed);
void subscriptions_refuse(wb_subscriber *subscriber, const Waybill__V1__Refusal *refusal);
/* Gives credit to those that callbacks have used, and begins again what had to wait. */
void subscriptions_tend(wb_subscriber *subscriber, int64_t now_us);
/* Says what has not been said yet, before the session is closed. */
void subscriptions_closing(wb_subscriber *subscriber);
void subscriptions_free(wb_subscriber *subscriber);

#endif
