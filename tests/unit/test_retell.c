/* The two computations of a case's state against each other, on histories made at random: they were
 * written apart from PROTOCOL.md, and agree on what stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/admin/retell.h"
#include "broker/cases/state.h"
#include "broker/journal/record.h"
#include "common/arena.h"
#include "common/buffer.h"

#define EVENTS    9
#define HISTORIES 200000

struct story {
    size_t count;
    wb_event events[EVENTS];
    char ids[EVENTS][2], replaces[EVENTS][2];
    const char *sources[EVENTS];
};

/* A small generator of its own (xorshift): a failure is found again by its number. */
static uint32_t state = 1;
static unsigned below(unsigned bound) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % bound;
}

static void make_up(struct story *s) {
    s->count = 1 + below(EVENTS);
    for (size_t i = 0; i < s->count; i++) {
        wb_event *e = &s->events[i];
        waybill__v1__event__init(e);
        snprintf(s->ids[i], sizeof s->ids[i], "%c", (char)('a' + i));
        snprintf(s->replaces[i], sizeof s->replaces[i], "%c", (char)('a' + below(EVENTS)));
        s->sources[i] = below(8) ? "s" : "other";
        e->event_id = s->ids[i];
        e->case_no = "A-1";
        e->occurred_at_us = 1 + below(4);
        e->kind = (Waybill__V1__Kind)below(3);
        if (e->kind != WAYBILL__V1__KIND__KIND_PROGRESS)
            e->replaces = s->replaces[i];
        if (e->kind != WAYBILL__V1__KIND__KIND_RETRACTION)
            e->stage = (wb_stage)(1 + below(19));
        e->agency = below(2) ? s->ids[i] : "";
    }
}

static void describe(const struct story *s, char *text, size_t size) {
    static const char kinds[] = "pcr";
    size_t at = 0;
    for (size_t i = 0; i < s->count && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%c@%d%s%s", s->ids[i],
                               kinds[s->events[i].kind], (int)s->events[i].occurred_at_us,
                               s->events[i].replaces, s->sources[i][0] == 'o' ? "! " : " ");
}

static bool node_stands(const Waybill__V1__Node *node) {
    return node->record->event->kind != WAYBILL__V1__KIND__KIND_RETRACTION &&
           (node->standing == WAYBILL__V1__STANDING__STANDING_CURRENT ||
            node->standing == WAYBILL__V1__STANDING__STANDING_UNMATCHED);
}

static void compare(const struct story *s, struct arena *arena, struct buffer *bytes) {
    struct log_record records[EVENTS];
    struct retold_event events[EVENTS];
    struct history history;
    struct retold told;
    char text[256] = "";
    buffer_clear(bytes);
    buffer_reserve(bytes, 4096); /* so that nothing moves */
    for (size_t i = 0; i < s->count; i++) {
        size_t length = waybill__v1__event__pack(&s->events[i], bytes->data + bytes->length);
        records[i] = (struct log_record){.offset = i + 1,
                                         .source = s->sources[i],
                                         .event = {bytes->data + bytes->length, length}};
        events[i] =
            (struct retold_event){.offset = i + 1, .source = s->sources[i], .event = &s->events[i]};
        bytes->length += length;
    }
    arena_reset(arena);
    assert_true(history_build(records, s->count, arena, &history));
    retell(events, s->count, &told);
    describe(s, text, sizeof text);
    for (size_t i = 0; i < s->count; i++) {
        assert_int_equal(history.nodes[i].record->offset, events[i].offset);
        if (node_stands(&history.nodes[i]) != events[i].stands)
            fail_msg("%s: event %c stands %s", text, (char)('a' + events[i].offset - 1),
                     events[i].stands ? "plainly, not to the broker" : "to the broker alone");
    }
    assert_int_equal(history.state.stage, told.stage);
    assert_int_equal(history.state.ended, told.ended);
    assert_int_equal(history.state.current_offset, told.current_offset);
    assert_int_equal(history.state.last_offset, told.last_offset);
    assert_int_equal(history.state.opened_at_us, told.opened_at_us);
    assert_int_equal(history.state.since_us, told.since_us);
    assert_string_equal(history.state.agency, told.agency);
}

static void both_say_the_same(void **unused) {
    struct story *s = calloc(1, sizeof *s);
    struct arena arena;
    struct buffer bytes;
    (void)unused;
    arena_init(&arena, 1 << 20);
    buffer_init(&bytes, 0);
    for (int i = 0; i < HISTORIES; i++) {
        make_up(s);
        compare(s, &arena, &bytes);
    }
    buffer_free(&bytes);
    arena_free(&arena);
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_say_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
