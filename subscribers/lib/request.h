/* Questions about a case that wait for their answer. Each is answered exactly once: by the broker,
 * by its deadline, or by the end of the session for good. */
#ifndef SUBSCRIBER_REQUEST_H
#define SUBSCRIBER_REQUEST_H

#include <stdint.h>
#include <waybill/subscriber.h>

#define REQUESTS_MAX 1024 /* waiting at once; further ones are BUSY */

/* The session was opened: asks everything again. */
void requests_opened(wb_subscriber *subscriber);
void requests_answer(wb_subscriber *subscriber, const wb_case *answer);
void requests_refuse(wb_subscriber *subscriber, const Waybill__V1__Refusal *refusal);
/* Times out what is due and repeats what the broker was too busy for. */
void requests_tend(wb_subscriber *subscriber, int64_t now_us);
/* Ends all with the error. */
void requests_fail(wb_subscriber *subscriber, const struct wb_error *err);
/* Forgets all without calling anyone. */
void requests_free(wb_subscriber *subscriber);

#endif
