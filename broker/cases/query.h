/* One question about a case: read its events, compute, answer.
 *
 * CASE_NOT_FOUND says the same of a wrong code, of a case that does not exist or ended too long ago
 * for its code, and of one outside of a token's scope, and comes equally long after each question:
 * at the first multiple of QUERY_REFUSE_MS behind it, whatever was looked up meanwhile. */
#ifndef BROKER_CASES_QUERY_H
#define BROKER_CASES_QUERY_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include <waybill/error.h>

#include "proto/frame.h"

#define QUERY_REFUSE_MS 50 /* much longer than reading and computing a case takes */

struct access;
struct buffer;
struct query;
struct reader;
struct token;

/* What questions are answered from; outlives them. */
struct query_rooms {
    uv_loop_t *loop;
    struct reader *reader;
    const struct access *access;
    int64_t code_life_ms; /* after its end a case opens with its code for so long; 0: always */
};

/* As whom it is asked. */
struct query_right {
    Waybill__V1__Audience audience; /* that the answer is for */
    const struct token *token;      /* the case has to lie in its scope; NULL: any case */
};

/* Called once, from the loop: with a whole BrokerMessage, or with the refusal. The query is gone
 * when it returns. */
typedef void query_done(void *arg, const struct query *query, struct buffer *message,
                        const struct wb_error *err);

/* head: the newest offset that is committed now. NULL and err if it cannot be asked. */
struct query *query_new(const struct query_rooms *rooms, const Waybill__V1__CaseQuery *asked,
                        const struct query_right *right, uint64_t head, query_done *done, void *arg,
                        struct wb_error *err);
void query_cancel(struct query *query); /* and free, without calling done */
uint64_t query_request(const struct query *query);

#endif
