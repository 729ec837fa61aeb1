/* One question about a case: read its events, compute, answer. */
#ifndef BROKER_CASES_QUERY_H
#define BROKER_CASES_QUERY_H

#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

#include "proto/frame.h"

struct buffer;
struct query;
struct reader;

/* Called once, from the loop: with a whole BrokerMessage, or with the refusal. The query is gone
 * when it returns. */
typedef void query_done(void *arg, const struct query *query, struct buffer *message,
                        const struct wb_error *err);

/* head: the newest offset that is committed now. NULL and err if it cannot be asked. */
struct query *query_new(struct reader *reader, const Waybill__V1__CaseQuery *asked, uint64_t head,
                        query_done *done, void *arg, struct wb_error *err);
void query_cancel(struct query *query); /* and free, without calling done */
uint64_t query_request(const struct query *query);

#endif
