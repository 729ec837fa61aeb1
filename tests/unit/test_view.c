/* What an applicant sees: nothing but what is meant for them (view.h), in words (story.h). */
#include "subscribers/gateway/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "subscribers/gateway/catalogue.h"
#include "subscribers/gateway/story.h"

typedef Waybill__V1__Node node;

#define DAY_US  (24 * INT64_C(3600000000))
#define NOON_US INT64_C(1772424000000000) /* 2026-03-02T04:00:00Z, noon in Shanghai */

static struct catalogue *catalogue;

/* A case built up by add(): the state is set by hand, as a broker would compute it. */
static struct {
    wb_case answer;
    Waybill__V1__CaseState state;
    node nodes[16], *node_list[16];
    wb_record records[16];
    wb_event events[16];
    wb_notice notices[16], *notice_lists[16][1];
    wb_handler handler;
    Waybill__V1__Attribute attribute, *attribute_list[1];
    Waybill__V1__Decision decision;
} made;

static void begin_case(void) {
    memset(&made, 0, sizeof made);
    waybill__v1__case_answer__init(&made.answer);
    waybill__v1__case_state__init(&made.state);
    waybill__v1__handler__init(&made.handler);
    waybill__v1__attribute__init(&made.attribute);
    waybill__v1__decision__init(&made.decision);
    made.answer.state = &made.state;
    made.answer.nodes = made.node_list;
    made.handler.name = "王芳";
    made.handler.post = "经办人";
    made.handler.unit = "审批一科";
    made.handler.phone = "0519-8512 7777转8001";
    made.handler.staff_no = "1024";
    made.attribute.name = "SECRET-NAME";
    made.attribute.value = "SECRET-VALUE";
    made.attribute_list[0] = &made.attribute;
    made.state.case_no = "A-1";
    made.state.item_name = "施工许可";
    made.state.agency = "审批局";
    made.state.handler = &made.handler;
}

static wb_event *add(wb_stage stage, int64_t at_us) {
    size_t i = made.answer.n_nodes++;
    wb_event *event = &made.events[i];
    waybill__v1__event__init(event);
    waybill__v1__record__init(&made.records[i]);
    waybill__v1__node__init(&made.nodes[i]);
    waybill__v1__notice__init(&made.notices[i]);
    made.node_list[i] = &made.nodes[i];
    made.nodes[i].record = &made.records[i];
    made.records[i].offset = i + 1;
    made.records[i].source = "SECRET-SOURCE";
    made.records[i].recorded_at_us = at_us + 1000;
    made.records[i].event = event;
    event->event_id = "SECRET-ID";
    event->traceparent = "SECRET-TRACE";
    event->case_no = "A-1";
    event->stage = stage;
    event->occurred_at_us = at_us;
    event->utc_offset_minutes = 480;
    event->handler = &made.handler;
    event->n_attributes = 1;
    event->attributes = made.attribute_list;
    made.state.stage = stage;
    made.state.since_us = at_us;
    made.state.current_offset = i + 1;
    made.state.last_offset = i + 1;
    made.state.events = i + 1;
    made.answer.through_offset = i + 1;
    if (!made.state.opened_at_us)
        made.state.opened_at_us = at_us;
    return event;
}

static wb_notice *notify(wb_event *event) {
    size_t i = (size_t)(event - made.events);
    made.notice_lists[i][0] = &made.notices[i];
    event->notices = made.notice_lists[i];
    event->n_notices = 1;
    return &made.notices[i];
}

static json_t *tell(const char *language) {
    json_t *view = view_case(&made.answer);
    json_t *story = story_of(view, catalogue_find(catalogue, language), NOON_US);
    json_decref(view);
    assert_non_null(story);
    return story;
}

/* By dotted path; numbers count in lists. */
static const json_t *at(const json_t *json, const char *path) {
    char part[40];
    while (json && *path) {
        size_t length = strcspn(path, ".");
        memcpy(part, path, length);
        part[length] = 0;
        json = json_is_array(json) ? json_array_get(json, strtoul(part, NULL, 10))
                                   : json_object_get(json, part);
        path += length + (path[length] == '.');
    }
    return json;
}

static void expect(const json_t *json, const char *path, const char *wanted) {
    const char *given = json_string_value(at(json, path));
    if (!wanted ? given != NULL : !given || strcmp(given, wanted) != 0)
        fail_msg("%s is '%s', not '%s'", path, given ? given : "(none)",
                 wanted ? wanted : "(none)");
}

static void secrets_stay_behind(void **state) {
    (void)state;
    begin_case();
    wb_event *event = add(WB_STAGE(CORRECTION_REQUESTED), NOON_US);
    event->kind = WAYBILL__V1__KIND__KIND_CORRECTION;
    event->replaces = "SECRET-REPLACED";
    made.answer.code = "SECRET-CODE";
    json_t *views[] = {view_case(&made.answer), view_state(&made.answer),
                       view_record(&made.records[0]), tell("zh")};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        char *text = json_dumps(views[i], 0);
        assert_non_null(strstr(text, "王芳"));
        if (strstr(text, "SECRET"))
            fail_msg("view %zu gives away: %s", i, strstr(text, "SECRET"));
        free(text);
        json_decref(views[i]);
    }
}

static void applicant_sees_the_rest(void **state) {
    (void)state;
    begin_case();
    wb_event *event = add(WB_STAGE(REFUSED), NOON_US);
    event->decision = &made.decision;
    made.decision.reason = "材料不实";
    wb_notice *notice = notify(event);
    notice->title = "申请复议";
    notice->due_date = "2026-05-01";
    event->step = "签发";
    event->parent_case_no = "P-1";
    made.nodes[0].standing = WAYBILL__V1__STANDING__STANDING_CORRECTED;
    made.nodes[0].replaced_by = 9;
    json_t *view = view_case(&made.answer);
    expect(view, "case.stage", "REFUSED");
    expect(view, "case.handler.staff_no", "1024");
    expect(view, "case.handler.phone", "0519-8512 7777转8001");
    expect(view, "nodes.0.stage", "REFUSED");
    expect(view, "nodes.0.step", "签发");
    expect(view, "nodes.0.occurred_at", "2026-03-02T12:00:00.000+08:00");
    expect(view, "nodes.0.decision.reason", "材料不实");
    expect(view, "nodes.0.notices.0.due_date", "2026-05-01");
    expect(view, "nodes.0.parent_case_no", "P-1");
    expect(view, "nodes.0.standing", "corrected");
    assert_int_equal(json_integer_value(at(view, "nodes.0.replaced_by")), 9);
    assert_int_equal(json_integer_value(at(view, "through_offset")), 1);
    json_decref(view);
}

/* Where the broker discloses a number and no name. */
static void a_staff_number_stands_for_a_name(void **state) {
    (void)state;
    begin_case();
    made.handler.name = "";
    add(WB_STAGE(RECEIVED), NOON_US)->handler = &made.handler;
    json_t *story = tell("zh");
    expect(story, "who.name", "工号 1024");
    expect(story, "nodes.0.handler.text", "工号 1024 · 经办人 · 审批一科");
    json_decref(story);
    story = tell("en");
    expect(story, "who.name", "Staff number 1024");
    json_decref(story);
}

static void story_says_where_it_stands_and_who_has_it(void **state) {
    (void)state;
    begin_case();
    add(WB_STAGE(RECEIVED), NOON_US - 3 * DAY_US);
    add(WB_STAGE(UNDER_REVIEW), NOON_US - DAY_US);
    add(WB_STAGE(UNDER_REVIEW), NOON_US)->step = "现场勘验";
    made.state.since_us = NOON_US - DAY_US;
    json_t *story = tell("zh");
    expect(story, "headline", "审查中");
    expect(story, "tone", "moving");
    expect(story, "since.text", "自 3月1日 12:00 起");
    expect(story, "step", "现场勘验");
    expect(story, "step_date", "3月2日");
    expect(story, "who.name", "王芳");
    expect(story, "who.tel", "tel:051985127777");
    expect(story, "who.call", "拨打 0519-8512 7777转8001");
    expect(story, "nodes.0.step", "现场勘验");
    expect(story, "nodes.0.handler.text", "王芳 · 经办人 · 审批一科");
    expect(story, "nodes.2.time.text", "2月27日 12:00");
    json_decref(story);
    story = tell("en");
    expect(story, "headline", "Under review");
    expect(story, "nodes.2.time.text", "27 Feb, 12:00");
    json_decref(story);
}

static const char *fact(const json_t *story, const char *label) {
    size_t i;
    json_t *row;
    json_array_foreach(at(story, "facts"), i, row) {
        if (!strcmp(json_string_value(at(row, "label")), label))
            return json_string_value(at(row, "text"));
    }
    return NULL;
}

static void times_are_told_as_the_event_said_them(void **state) {
    (void)state;
    begin_case();
    /* 00:00 in Shanghai, still the day before in UTC */
    add(WB_STAGE(RECEIVED), NOON_US - DAY_US / 2)->date_only = true;
    json_t *story = tell("en");
    expect(story, "since.text", "since 2 Mar");
    expect(story, "since.iso", "2026-03-02");
    expect(story, "step_date", NULL);
    assert_string_equal(fact(story, "Opened"), "2 Mar");
    json_decref(story);
    /* Elsewhere it is another hour; the case goes on in Shanghai. */
    begin_case();
    add(WB_STAGE(RECEIVED), NOON_US - DAY_US)->utc_offset_minutes = 540;
    add(WB_STAGE(RECEIVED), NOON_US);
    made.state.since_us = NOON_US - DAY_US;
    story = tell("en");
    expect(story, "since.text", "since 1 Mar, 13:00");
    expect(story, "step_date", "2 Mar");
    assert_string_equal(fact(story, "Opened"), "1 Mar, 13:00");
    json_decref(story);
    /* The event is not in the answer, and its local day is not the one of UTC. */
    begin_case();
    add(WB_STAGE(RECEIVED), NOON_US - DAY_US / 3);
    made.state.since_us = made.state.opened_at_us = NOON_US - DAY_US / 2 + 60000000;
    story = tell("en");
    expect(story, "since.text", "since 2 Mar, 00:01");
    expect(story, "step_date", NULL);
    json_decref(story);
}

static void expect_rail(const char *states) {
    json_t *story = tell("zh");
    char given[64] = "";
    for (size_t i = 0; i < 5; i++) {
        char path[32];
        snprintf(path, sizeof path, "rail.%zu.state", i);
        size_t length = strlen(given);
        snprintf(given + length, sizeof given - length, "%s%s", i ? " " : "",
                 json_string_value(at(story, path)));
    }
    assert_string_equal(given, states);
    json_decref(story);
}

static void rail_shows_how_far_it_came(void **state) {
    (void)state;
    begin_case();
    add(WB_STAGE(SUBMITTED), NOON_US);
    expect_rail("now next next next next");
    add(WB_STAGE(ACCEPTED), NOON_US);
    expect_rail("done now next next next");
    add(WB_STAGE(SPECIAL_PROCEDURE), NOON_US);
    expect_rail("done done now next next");
    add(WB_STAGE(WITHDRAWN), NOON_US);
    expect_rail("done done done stopped next");
    begin_case();
    add(WB_STAGE(NOT_ACCEPTED), NOON_US);
    expect_rail("done stopped next next next");
    begin_case();
    add(WB_STAGE(GRANTED), NOON_US);
    expect_rail("done done done now next");
    add(WB_STAGE(DELIVERED), NOON_US);
    expect_rail("done done done done done");
    add(WB_STAGE(REVOKED), NOON_US);
    expect_rail("done done done done stopped");
    begin_case();
    add(WB_STAGE(GRANTED), NOON_US);
    add(WB_STAGE(WITHDRAWN), NOON_US);
    made.nodes[0].standing = WAYBILL__V1__STANDING__STANDING_RETRACTED;
    expect_rail("done stopped next next next"); /* what was retracted was not reached */
}

static void todo_holds_what_is_still_due(void **state) {
    (void)state;
    begin_case();
    wb_notice *fee = notify(add(WB_STAGE(ACCEPTED), NOON_US - DAY_US));
    fee->kind = WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_FEE;
    fee->title = "缴费";
    fee->due_date = "2026-03-03";
    wb_notice *visit = notify(add(WB_STAGE(UNDER_REVIEW), NOON_US));
    visit->kind = WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_VISIT;
    visit->title = "到场";
    visit->url = "javascript:alert(1)";
    json_t *story = tell("zh");
    assert_int_equal(json_array_size(at(story, "todo.notices")), 2);
    expect(story, "todo.notices.0.title", "到场");
    assert_true(json_is_null(at(story, "todo.notices.0.url")));
    expect(story, "todo.notices.1.due.date", "截至 3月3日（星期二）");
    expect(story, "todo.notices.1.due.words", "明天截止");
    expect(story, "todo.notices.1.told", "受理时告知");
    json_decref(story);
    fee->due_date = "2026-03-01";
    story = tell("zh");
    assert_int_equal(json_array_size(at(story, "todo.notices")), 1);
    json_decref(story);
    visit->due_date = "2026-03-01";
    visit->url = "https://a@b.example/x";
    story = tell("en");
    expect(story, "todo.notices.0.due.words", "1 day overdue");
    expect(story, "todo.notices.0.url.host", "b.example");
    json_decref(story);
    made.state.ended = true;
    fee->due_date = "2026-04-01";
    story = tell("zh");
    assert_int_equal(json_array_size(at(story, "todo.notices")), 1);
    json_decref(story);
}

static void days_are_those_of_the_place(void **state) {
    (void)state;
    begin_case();
    notify(add(WB_STAGE(RECEIVED), NOON_US))->due_date = "2026-03-02";
    json_t *story = tell("zh");
    expect(story, "todo.notices.0.due.words", "今天截止");
    json_decref(story);
    json_t *view = view_case(&made.answer);
    /* 23:59 and 00:01 in Shanghai, both the same day in UTC */
    const struct language *zh = catalogue_find(catalogue, "zh");
    story = story_of(view, zh, NOON_US + DAY_US / 2 - 60000000);
    expect(story, "todo.notices.0.due.words", "今天截止");
    json_decref(story);
    story = story_of(view, zh, NOON_US + DAY_US / 2 + 60000000);
    expect(story, "todo.notices.0.due.words", "已过期 1 天");
    json_decref(story);
    story = story_of(view, zh, NOON_US + 400 * DAY_US);
    expect(story, "nodes.0.time.text", "2026年3月2日 12:00");
    json_decref(story);
    json_decref(view);
}

static void corrections_keep_the_original_readable(void **state) {
    (void)state;
    begin_case();
    add(WB_STAGE(ACCEPTED), NOON_US);
    add(WB_STAGE(UNDER_REVIEW), NOON_US)->kind = WAYBILL__V1__KIND__KIND_CORRECTION;
    made.nodes[0].standing = WAYBILL__V1__STANDING__STANDING_CORRECTED;
    made.nodes[0].replaced_by = 2;
    wb_event *retraction = add(WB_STAGE(UNSPECIFIED), NOON_US);
    retraction->kind = WAYBILL__V1__KIND__KIND_RETRACTION;
    made.nodes[2].standing = WAYBILL__V1__STANDING__STANDING_UNMATCHED;
    made.records[2].recorded_at_us = NOON_US + 2 * DAY_US;
    json_t *story = tell("zh");
    assert_true(json_is_true(at(story, "nodes.2.struck")));
    expect(story, "nodes.2.stage", "受理");
    expect(story, "nodes.2.link.href", "#n2");
    expect(story, "nodes.1.id", "n2");
    expect(story, "nodes.1.tag", "更正");
    expect(story, "nodes.0.stage", "撤销记录");
    expect(story, "nodes.0.mark", "所更正的记录不在此件中");
    expect(story, "nodes.0.late", "3月4日 12:00 录入");
    assert_true(json_is_null(at(story, "nodes.1.late")));
    json_decref(story);
}

static void ends_name_office_and_reason(void **state) {
    (void)state;
    begin_case();
    wb_event *event = add(WB_STAGE(NOT_ACCEPTED), NOON_US);
    event->decision = &made.decision;
    made.decision.reason = "不属于本机关职权";
    made.decision.competent_office = "公安局";
    made.state.ended = true;
    json_t *story = tell("zh");
    expect(story, "tone", "bad");
    expect(story, "kicker", "已结束");
    expect(story, "outcome.rows.0.text", "审批局");
    expect(story, "outcome.rows.1.text", "不属于本机关职权");
    expect(story, "outcome.rows.2.label", "应向何处申请");
    expect(story, "who.title", "由谁办结");
    json_decref(story);
}

static void what_is_absent_does_not_break_the_story(void **state) {
    (void)state;
    begin_case();
    made.state.handler = NULL;
    made.state.item_name = made.state.agency = "";
    json_t *story = tell("zh"); /* every event was retracted or the answer has none */
    expect(story, "headline", "暂无进展");
    for (size_t i = 0; i < 5; i++) {
        expect(json_array_get(at(story, "rail"), i), "state", "next");
        assert_true(json_is_false(json_object_get(json_array_get(at(story, "rail"), i), "now")));
    }
    expect(story, "item", "政务服务事项");
    expect(story, "who.unknown", "经办人信息没有提供，可向办理机关咨询。");
    json_decref(story);
    wb_event *event = add(WB_STAGE(RECEIVED), NOON_US);
    event->handler = NULL;
    event->date_only = true;
    story = tell("zh");
    expect(story, "nodes.0.time.text", "3月2日");
    assert_true(json_is_null(at(story, "nodes.0.handler")));
    assert_true(json_is_null(at(story, "stamp.clock")));
    json_decref(story);
}

static int setup(void **state) {
    (void)state;
    struct wb_error err;
    catalogue = catalogue_open(&err);
    return catalogue ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    catalogue_free(catalogue);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_stay_behind),
        cmocka_unit_test(applicant_sees_the_rest),
        cmocka_unit_test(a_staff_number_stands_for_a_name),
        cmocka_unit_test(story_says_where_it_stands_and_who_has_it),
        cmocka_unit_test(times_are_told_as_the_event_said_them),
        cmocka_unit_test(rail_shows_how_far_it_came),
        cmocka_unit_test(todo_holds_what_is_still_due),
        cmocka_unit_test(days_are_those_of_the_place),
        cmocka_unit_test(corrections_keep_the_original_readable),
        cmocka_unit_test(ends_name_office_and_reason),
        cmocka_unit_test(what_is_absent_does_not_break_the_story),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
