#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"
#include "proto/bounds.h"
#include "proto/glance.h"
#include "proto/validate.h"

#define MUTATIONS 300000

static uint8_t data[LIMIT_EVENT_BYTES + 100];

/* One of everything that is plain. */
static size_t pack_rich(void) {
    wb_event event = WB_EVENT_INIT;
    wb_handler handler = WAYBILL__V1__HANDLER__INIT;
    wb_notice notice = WAYBILL__V1__NOTICE__INIT, *notices[] = {&notice, &notice};
    Waybill__V1__Attribute attribute = WAYBILL__V1__ATTRIBUTE__INIT, *attributes[] = {&attribute};
    Waybill__V1__SpecialProcedure special = WAYBILL__V1__SPECIAL_PROCEDURE__INIT;
    Waybill__V1__Decision decision = WAYBILL__V1__DECISION__INIT;
    handler.name = (char *)"王芳", handler.post = (char *)"经办人";
    notice.kind = WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_FEE, notice.title = (char *)"缴费";
    notice.text = (char *)"two\nlines", notice.url = (char *)"https://example.org/a";
    notice.due_date = (char *)"2026-03-09";
    attribute.name = (char *)"window", attribute.value = (char *)"3";
    special.id = (char *)"s1", special.days_allowed = 30;
    decision.reason = (char *)"材料齐全";
    event.event_id = (char *)"e-1", event.case_no = (char *)"A-1", event.step = (char *)"现场勘验";
    event.stage = WB_STAGE(ACCEPTED), event.occurred_at_us = 1767225600000000;
    event.utc_offset_minutes = -480, event.date_only = true;
    event.region_code = (char *)"320411", event.agency = (char *)"住建局";
    event.handler = &handler, event.special = &special, event.decision = &decision;
    event.notices = notices, event.n_notices = 2;
    event.attributes = attributes, event.n_attributes = 1;
    return waybill__v1__event__pack(&event, data);
}

static bool decodes(const uint8_t *bytes, size_t count, int *kind) {
    struct arena arena;
    wb_event *event;
    struct wb_error err;
    arena_init(&arena, 1 << 20);
    bool valid = event_decode(bytes, count, &arena, &event, &err) == 0;
    *kind = valid ? (int)event->kind : -1;
    arena_free(&arena);
    return valid;
}

static void a_plain_event_needs_no_closer_look(void **state) {
    (void)state;
    assert_true(event_glance(data, pack_rich()));
}

static void what_is_rare_is_left_to_the_decoder(void **state) {
    wb_event event = WB_EVENT_INIT;
    wb_notice notice = WAYBILL__V1__NOTICE__INIT, *notices[] = {&notice};
    int kind;
    (void)state;
    event.event_id = (char *)"e-1", event.case_no = (char *)"A-1";
    event.stage = WB_STAGE(ACCEPTED), event.occurred_at_us = 1;
    event.notices = notices, event.n_notices = 1;
    size_t bytes = waybill__v1__event__pack(&event, data);
    assert_true(event_glance(data, bytes));
    memcpy(data + bytes, "\xf8\x3f\x01", 3); /* a field that this version does not know */
    assert_true(decodes(data, bytes + 3, &kind));
    assert_false(event_glance(data, bytes + 3));
    memcpy(data + bytes,
           "\x1a\x03"
           "A-2",
           5); /* the case's number again: the last one counts */
    assert_true(decodes(data, bytes + 5, &kind));
    assert_false(event_glance(data, bytes + 5));
    event.kind = WAYBILL__V1__KIND__KIND_CORRECTION, event.replaces = (char *)"e-0";
    assert_false(event_glance(data, waybill__v1__event__pack(&event, data)));
}

static void needed_fields_have_to_be_there(void **state) {
    (void)state;
    size_t bytes = pack_rich();
    for (size_t cut = 0; cut < bytes; cut++) {
        int kind;
        assert_true(!event_glance(data, cut) || decodes(data, cut, &kind));
    }
    assert_false(event_glance(data, 0));
}

/* xorshift32 (Marsaglia 2003): the same everywhere. */
static uint32_t chance(void) {
    static uint32_t x = 20261121;
    x ^= x << 13;
    x ^= x >> 17;
    return x ^= x << 5;
}

/* The promise: whatever passes the glance, the decoder accepts. */
static void no_mutation_passes_that_the_decoder_refuses(void **state) {
    static uint8_t changed[sizeof data];
    size_t bytes = pack_rich(), passed = 0;
    (void)state;
    for (int i = 0; i < MUTATIONS; i++) {
        size_t count = bytes;
        memcpy(changed, data, bytes);
        for (uint32_t changes = 1 + chance() % 3; changes > 0; changes--) {
            size_t at = chance() % count;
            if (chance() % 4)
                changed[at] = (uint8_t)chance();
            else if (count > 2) /* a piece is missing */
                memmove(changed + at, changed + at + 1, --count - at);
        }
        if (!event_glance(changed, count))
            continue;
        int kind;
        assert_true(decodes(changed, count, &kind));
        assert_int_equal(kind, WAYBILL__V1__KIND__KIND_PROGRESS);
        passed++;
    }
    assert_true(passed > MUTATIONS / 100); /* or nothing was tried */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_event_needs_no_closer_look),
        cmocka_unit_test(what_is_rare_is_left_to_the_decoder),
        cmocka_unit_test(needed_fields_have_to_be_there),
        cmocka_unit_test(no_mutation_passes_that_the_decoder_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
