/* What somebody wants who asks for the stream of an audience: in whose name, which events, from
 * where on. Read from a request's query and headers. */
#ifndef SUBSCRIBERS_GATEWAY_STREAM_REQUEST_H
#define SUBSCRIBERS_GATEWAY_STREAM_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <waybill/subscriber.h>

#include "proto/bounds.h"

struct http_exchange;

enum stream_list {
    STREAM_ITEM,
    STREAM_REGION,
    STREAM_AGENCY,
    STREAM_CASE,
    STREAM_PARENT,
    STREAM_LISTS
};

struct stream_request {
    wb_audience audience;
    const char *token; /* of the exchange; NULL: none was given */
    wb_filter filter;  /* its values in order, each once: equal filters have equal bytes */
    uint64_t cursor;   /* all up to here is known; WB_FROM_NOW */
    const char *reset; /* the cursor that came is of no use; NULL */
    char *texts[STREAM_LISTS][LIMIT_FILTER_VALUES];
    wb_stage stages[LIMIT_FILTER_VALUES];
    Waybill__V1__Kind kinds[LIMIT_FILTER_VALUES];
    Waybill__V1__Light lights[LIMIT_FILTER_VALUES];
};

struct stream_refusal {
    int status;
    const char *code, *hint;
    char message[200];
};

/* token_wanted: without one it is refused. Texts of the request are the exchange's. False and the
 * refusal if it cannot be had so. */
bool stream_request_read(struct stream_request *request, const struct http_exchange *exchange,
                         wb_audience audience, bool token_wanted, struct stream_refusal *refusal);

#endif
