#include "tests/bench/office.h"

#include <inttypes.h>
#include <stdio.h>

#define OPEN_CASES  UINT64_C(1000)
#define CASE_EVENTS UINT64_C(10)
#define BEGIN_US    INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */

static const struct {
    wb_stage stage;
    const char *step;
} course[CASE_EVENTS] = {
    {WB_STAGE(SUBMITTED), "网上提交"},    {WB_STAGE(RECEIVED), "窗口收件"},
    {WB_STAGE(ACCEPTED), "受理"},         {WB_STAGE(UNDER_REVIEW), "材料审查"},
    {WB_STAGE(UNDER_REVIEW), "现场勘验"}, {WB_STAGE(UNDER_REVIEW), "初审"},
    {WB_STAGE(UNDER_REVIEW), "复核"},     {WB_STAGE(UNDER_REVIEW), "审定"},
    {WB_STAGE(GRANTED), "准予许可"},      {WB_STAGE(DELIVERED), "发证"},
};

void office_init(struct office *o, bool scattered_ids) {
    *o = (struct office){
        .scattered_ids = scattered_ids,
        .event = WB_EVENT_INIT,
        .handler = WB_HANDLER_INIT,
        .notice = WB_NOTICE_INIT,
        .attribute = WAYBILL__V1__ATTRIBUTE__INIT,
    };
    o->handler.name = "王建国";
    o->handler.post = "经办人";
    o->handler.unit = "行政审批科";
    o->handler.phone = "0519-85100000";
    o->notice.title = "请携带身份证原件到二楼三号窗口";
    o->notice.due_date = "2026-03-09";
    o->notice.url = "https://www.example.org/guide";
    o->attribute.name = "window";
    o->attribute.value = "3";
    o->notices[0] = &o->notice;
    o->attributes[0] = &o->attribute;
    o->event.event_id = o->event_id;
    o->event.case_no = o->case_no;
    o->event.step = o->step;
    o->event.handler = &o->handler;
    o->event.notices = o->notices;
    o->event.n_notices = 1;
    o->event.attributes = o->attributes;
    o->event.n_attributes = 1;
    o->event.utc_offset_minutes = 480;
    o->event.item_code = "320411000123";
    o->event.item_name = "食品经营许可";
    o->event.region_code = "320411";
    o->event.agency = "新北区行政审批局";
}

/* The finalizer of splitmix64: one to one, and without an order that anybody could see. */
static uint64_t scatter(uint64_t x) {
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* Written as a random UUID (version 4) is. */
static void name_scattered(struct office *o, uint64_t number) {
    uint64_t high = scatter(number), low = scatter(high);
    snprintf(o->event_id, sizeof o->event_id,
             "%08" PRIx64 "-%04" PRIx64 "-4%03" PRIx64 "-%04" PRIx64 "-%012" PRIx64, high >> 32,
             high >> 16 & 0xFFFF, high & 0xFFF, 0x8000 | (low >> 48 & 0x3FFF),
             low & UINT64_C(0xFFFFFFFFFFFF));
}

static void name_event(struct office *o, const char *prefix, uint64_t number) {
    if (o->scattered_ids)
        name_scattered(o, number);
    else
        snprintf(o->event_id, sizeof o->event_id, "%s-%016" PRIu64, prefix, number);
    o->event.occurred_at_us = BEGIN_US + (int64_t)number * 1000000;
}

uint64_t office_case_of(uint64_t number) {
    return number / (OPEN_CASES * CASE_EVENTS) * OPEN_CASES + number % OPEN_CASES;
}

void office_name_case(char *text, size_t size, uint64_t case_number) {
    snprintf(text, size, "320411-2026-%09" PRIu64, case_number);
}

const wb_event *office_event(struct office *o, uint64_t number) {
    uint64_t at = number / OPEN_CASES % CASE_EVENTS;
    name_event(o, "shenpi", number);
    office_name_case(o->case_no, sizeof o->case_no, office_case_of(number));
    snprintf(o->step, sizeof o->step, "%s", course[at].step);
    o->event.stage = course[at].stage;
    return &o->event;
}

static void name_followed(struct office *o, uint64_t case_number) {
    snprintf(o->case_no, sizeof o->case_no, "followed-%" PRIu64, case_number);
}

const wb_event *office_touch(struct office *o, uint64_t number, uint64_t case_number) {
    office_event(o, number);
    name_followed(o, case_number);
    return &o->event;
}

const wb_event *office_opening(struct office *o, uint64_t case_number) {
    name_event(o, "opening", case_number);
    name_followed(o, case_number);
    snprintf(o->step, sizeof o->step, "%s", course[1].step);
    o->event.stage = course[1].stage;
    return &o->event;
}

const wb_event *office_step(struct office *o, uint64_t case_number, uint64_t number,
                            const char *step) {
    name_event(o, "step", number);
    name_followed(o, case_number);
    snprintf(o->step, sizeof o->step, "%s", step);
    o->event.stage = WB_STAGE(UNDER_REVIEW);
    return &o->event;
}
