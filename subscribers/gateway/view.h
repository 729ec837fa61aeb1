/* What an applicant may see of a case, as JSON: the members that are named in view.c and no others.
 * Whatever the gateway gives out, as a page, in the API or as an event, is made from these. */
#ifndef SUBSCRIBERS_GATEWAY_VIEW_H
#define SUBSCRIBERS_GATEWAY_VIEW_H

#include <jansson.h>
#include <waybill/subscriber.h>

/* New references; NULL without memory. */

/* {"case": state, "nodes": [record with standing, replaced_by, anomalies], "through_offset",
 * "truncated"}, the newest node last */
json_t *view_case(const wb_case *answer);
/* {"case": state, "through_offset"} */
json_t *view_state(const wb_case *answer);
/* A record by itself, as the events of a stream carry it. */
json_t *view_record(const wb_record *record);

#endif
