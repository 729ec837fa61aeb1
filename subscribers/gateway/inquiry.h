/* Questions to the broker about one case, each answered once or cancelled.
 *
 * The code goes with every question: it is the broker that decides who may see a case. A question
 * without a code is never sent, because the broker answers those to whoever may see every case. */
#ifndef SUBSCRIBERS_GATEWAY_INQUIRY_H
#define SUBSCRIBERS_GATEWAY_INQUIRY_H

#include <stdbool.h>
#include <waybill/subscriber.h>

struct inquirer;
struct inquiry;

/* Called once from the loop and never from within inquiry_ask, unless cancelled: with the answer,
 * or with NULL and why. It may ask again. */
typedef void inquiry_fn(void *arg, const wb_case *answer, const struct wb_error *err);

/* NULL without memory. The subscriber outlives it. */
struct inquirer *inquirer_new(wb_subscriber *subscriber, int timeout_ms);
/* Another subscriber from now on, after the old one has been closed. What was asked of that is
 * answered with WB_E_NOT_READY. */
void inquirer_use(struct inquirer *inquirer, wb_subscriber *subscriber);
/* Forgets what is open. After wb_subscriber_close, which lets go of the answers. */
void inquirer_free(struct inquirer *inquirer);

/* NULL and err, without a call: WB_E_CASE_NOT_FOUND for a number or code that cannot be one,
 * WB_E_BUSY, WB_E_NOT_READY while the broker is away. */
struct inquiry *inquiry_ask(struct inquirer *inquirer, const char *case_no, const char *code,
                            inquiry_fn *answered, void *arg, struct wb_error *err);
/* Whether a text can be a case's number or a code at all: what cannot never goes to the broker. */
bool inquiry_plausible(const char *text);
/* The function will not be called. NULL is allowed. */
void inquiry_cancel(struct inquiry *inquiry);

#endif
