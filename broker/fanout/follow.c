#include "broker/fanout/follow.h"

#include <stdbool.h>
#include <string.h>

#include "broker/cases/code.h"
#include "broker/cases/opened.h"
#include "broker/fanout/hub.h"
#include "broker/fanout/places.h"
#include "broker/fanout/sight.h"
#include "broker/journal/record.h"
#include "broker/meter.h"
#include "broker/session/endpoint.h"
#include "common/buffer.h"
#include "common/timestamp.h"
#include "proto/bounds.h"

#define PLACE_RECORDS 500               /* missed by one place; more is BEHIND */
#define PLACE_BYTES   ((size_t)1 << 18) /* the same */
#define FOLLOW_BYTES  ((size_t)1 << 22) /* of all places of a Follow */
#define FOLLOW_STEPS  32768             /* records looked at for all places; then BEHIND */
#define MESSAGE_BYTES ((size_t)1 << 18) /* a message is sent when it has so many */

struct answer {
    const struct follow *follow;
    struct buffer places, records, record;
    size_t bytes; /* of records, for all places */
    size_t steps; /* from one record of a case to the one before */
};

static bool sees_every_case(const struct follow *f) {
    Waybill__V1__Audience audience = sight_audience(f->sight);
    return audience == WAYBILL__V1__AUDIENCE__AUDIENCE_FULL ||
           audience == WAYBILL__V1__AUDIENCE__AUDIENCE_STAFF;
}

static bool put_record(struct answer *a, const struct log_record *r) {
    const struct follow *f = a->follow;
    struct slice event = hub_event(f->hub, r, sight_audience(f->sight));
    if (!event.length)
        return false;
    buffer_clear(&a->record);
    frame_put_record(&a->record, r->offset, r->source, r->recorded_at_us, event.data, event.length);
    frame_add_place_record(&a->records, a->record.data, a->record.length);
    return !a->record.failed && !a->records.failed && a->records.length <= PLACE_BYTES &&
           a->bytes + a->records.length <= FOLLOW_BYTES;
}

/* The case's events behind `after`, up to the stream's cursor. False: memory does not have all of
 * them, or they are too many. */
static bool put_missed(struct answer *a, struct slice case_no, uint64_t after) {
    const struct follow *f = a->follow;
    const struct log_record *missed[PLACE_RECORDS];
    size_t count = 0;
    if (after >= f->cursor)
        return true;
    if (after + 1 < hub_oldest(f->hub))
        return false;
    const struct log_record *r = hub_newest(f->hub, case_no);
    for (; r && r->offset > after; r = hub_before(f->hub, r)) {
        if (++a->steps > FOLLOW_STEPS)
            return false;
        if (r->offset > f->cursor || !sight_matches(f->sight, r))
            continue;
        if (count == PLACE_RECORDS)
            return false;
        missed[count++] = r;
    }
    while (count > 0)
        if (!put_record(a, missed[--count]))
            return false;
    return true;
}

static Waybill__V1__Outcome add(struct answer *a, const Waybill__V1__Place *place) {
    const struct follow *f = a->follow;
    struct slice case_no = {.data = (const uint8_t *)place->case_no,
                            .length = strlen(place->case_no)};
    bool by_code = place->code[0] || !sees_every_case(f);
    bool right = !by_code || code_matches(case_no, place->code);
    if (!right || case_no.length == 0 || case_no.length > LIMIT_CASE_NO_BYTES)
        return WAYBILL__V1__OUTCOME__OUTCOME_REFUSED;
    if (!places_add(f->places, case_no))
        return WAYBILL__V1__OUTCOME__OUTCOME_FULL;
    bool open = !by_code || place->again || opened_holds(case_no, timestamp_now_us());
    bool complete = open && place->after_offset <= hub_head(f->hub) &&
                    put_missed(a, case_no, place->after_offset);
    return complete ? WAYBILL__V1__OUTCOME__OUTCOME_FOLLOWED : WAYBILL__V1__OUTCOME__OUTCOME_BEHIND;
}

static const char *label(Waybill__V1__Outcome outcome) {
    switch (outcome) {
    case WAYBILL__V1__OUTCOME__OUTCOME_FOLLOWED:
        return "followed";
    case WAYBILL__V1__OUTCOME__OUTCOME_BEHIND:
        return "behind";
    case WAYBILL__V1__OUTCOME__OUTCOME_FULL:
        return "full";
    default:
        return "refused";
    }
}

static void answer_place(struct answer *a, const Waybill__V1__Place *place) {
    buffer_clear(&a->records);
    Waybill__V1__Outcome outcome = add(a, place);
    if (outcome != WAYBILL__V1__OUTCOME__OUTCOME_FOLLOWED)
        buffer_clear(&a->records);
    a->bytes += a->records.length;
    frame_add_place(&a->places, place->case_no, outcome, a->follow->cursor, &a->records);
    meter_add(METER_FOLLOWS, label(outcome), 1);
}

static void send_places(struct answer *a) {
    struct buffer out;
    buffer_init(&out, 0);
    frame_put_followed(&out, a->follow->subscription, &a->places);
    session_answer(a->follow->session, &out);
    buffer_free(&out);
    buffer_clear(&a->places);
}

void follow(const struct follow *f, const Waybill__V1__Follow *request) {
    struct answer a = {.follow = f};
    buffer_init(&a.places, 0);
    buffer_init(&a.records, 0);
    buffer_init(&a.record, 0);
    for (size_t i = 0; i < request->n_dropped; i++)
        places_drop(f->places, (struct slice){.data = (const uint8_t *)request->dropped[i],
                                              .length = strlen(request->dropped[i])});
    for (size_t i = 0; i < request->n_places; i++) {
        answer_place(&a, request->places[i]);
        if (a.places.length >= MESSAGE_BYTES)
            send_places(&a);
    }
    if (a.places.length)
        send_places(&a);
    buffer_free(&a.places);
    buffer_free(&a.records);
    buffer_free(&a.record);
}
