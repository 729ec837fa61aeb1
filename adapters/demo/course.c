#include "course.h"

#include "common/buffer.h"
#include "common/digest.h"
#include "hours.h"

#include <stdio.h>
#include <string.h>

#define BETWEEN_US 1000 /* two steps, at least */

/* https://prng.di.unimi.it/splitmix64.c describes the mixing function. */
uint64_t course_mix(uint64_t a, uint64_t b) {
    uint64_t x = a + UINT64_C(0x9e3779b97f4a7c15) * (b + 1);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void number_case(struct course *course, long day) {
    int year, month, day_of_month;
    hours_date(day, &year, &month, &day_of_month);
    snprintf(course->case_no, sizeof course->case_no, DISTRICT_REGION "%04u%02u%02u%05u",
             (unsigned)year % 10000, (unsigned)month % 100, (unsigned)day_of_month % 100,
             course->serial % 100000);
}

void course_init(struct course *course, uint64_t world, const struct plot *plot,
                 const struct item *item, unsigned serial, int64_t opened_us, const char *parent) {
    long day = hours_day(opened_us);
    *course = (struct course){
        .plot = plot, .item = item, .world = world, .serial = serial, .length = plot_length(plot)};
    course->random = course_mix(course_mix(world, (uint64_t)day), serial);
    number_case(course, day);
    snprintf(course->parent, sizeof course->parent, "%s", parent);
    course->at[0] = opened_us;
    for (size_t step = 1; step < course->length; step++) {
        double part = (double)(course_mix(course->random, step) % 1000) / 1000;
        double hours = plot_step(plot, step)->hours * (0.6 + 0.8 * part);
        int64_t earliest = course->at[step - 1] + BETWEEN_US;
        int64_t at = hours_later(course->at[step - 1], hours);
        course->at[step] = at > earliest ? at : earliest;
    }
}

bool course_finished(const struct course *course) {
    return course->dropped || course->next >= course->length;
}

void course_move(struct course *course, int64_t now_us) {
    size_t step = course->next;
    int64_t earliest = step ? course->at[step - 1] + BETWEEN_US : now_us;
    course->at[step] = now_us > earliest ? now_us : earliest;
}

/* What the texts of one step are filled with. */
struct filling {
    const struct course *course;
    const struct person *person;
    const char *topic;
    char due[HOURS_DATE_TEXT];
    struct arena *arena;
};

static const char *name_of(const struct person *person) {
    return person ? person->name : "";
}

static const char *value_of(const struct filling *with, const char *name, size_t length) {
    const struct item *item = with->course->item;
    const struct {
        const char *name, *value;
    } values[] = {{"item", item->name},
                  {"agency", item->office->agency},
                  {"materials", item->materials},
                  {"missing", item->missing},
                  {"visit", item->visit},
                  {"certificate", item->certificate},
                  {"basis", item->basis},
                  {"topic", with->topic},
                  {"due", with->due},
                  {"handler", name_of(with->person)},
                  {"phone", with->person ? with->person->phone : ""}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (strlen(values[i].name) == length && !memcmp(values[i].name, name, length))
            return values[i].value;
    return "";
}

/* The text with its {placeholders} filled in; NULL without memory. */
static char *fill(const struct filling *with, const char *text) {
    struct buffer out;
    buffer_init(&out, 4000);
    while (text && *text) {
        size_t plain = strcspn(text, "{");
        buffer_append(&out, text, plain);
        text += plain;
        const char *close = *text ? strchr(text, '}') : NULL;
        if (!close)
            break;
        buffer_text(&out, value_of(with, text + 1, (size_t)(close - text - 1)));
        text = close + 1;
    }
    char *filled = out.failed ? NULL : arena_text(with->arena, buffer_string(&out), out.length);
    buffer_free(&out);
    return filled;
}

/* A part of the event, empty. */
static void *part(struct arena *arena, const ProtobufCMessageDescriptor *descriptor) {
    void *memory = arena_alloc(arena, descriptor->sizeof_message);
    if (memory)
        protobuf_c_message_init(descriptor, memory);
    return memory;
}

static bool set_handler(wb_event *event, const struct person *person, struct arena *arena) {
    if (!person)
        return true;
    wb_handler *handler = part(arena, &waybill__v1__handler__descriptor);
    if (!handler)
        return false;
    handler->name = (char *)person->name;
    handler->post = (char *)person->post;
    handler->unit = (char *)person->unit;
    handler->phone = (char *)person->phone;
    handler->staff_no = (char *)person->staff_no;
    event->handler = handler;
    return true;
}

static void set_due(struct filling *with, int64_t at_us, int workdays) {
    with->due[0] = 0;
    if (!workdays)
        return;
    long day = hours_day(at_us);
    if (day < with->course->due_day)
        day = with->course->due_day;
    hours_date_text(hours_workday_after(day, workdays), with->due);
}

static bool add_notice(wb_event *event, struct filling *with, const struct plot_notice *from) {
    set_due(with, event->occurred_at_us, from->due_workdays);
    wb_notice *notice = part(with->arena, &waybill__v1__notice__descriptor);
    char *title = fill(with, from->title), *text = fill(with, from->text);
    char *due = arena_text(with->arena, with->due, strlen(with->due));
    if (!notice || !title || !text || !due)
        return false;
    notice->kind = from->kind;
    notice->title = title;
    notice->text = text;
    notice->due_date = due;
    event->notices[event->n_notices++] = notice;
    return true;
}

static bool set_notices(wb_event *event, struct filling *with, const struct plot_step *step) {
    event->notices = arena_alloc(with->arena, PLOT_NOTICES * sizeof(void *));
    if (!event->notices)
        return false;
    for (size_t i = 0; i < PLOT_NOTICES && step->notices[i].title; i++)
        if (!add_notice(event, with, &step->notices[i]))
            return false;
    return true;
}

static bool set_decision(wb_event *event, struct filling *with, const struct plot_step *step) {
    if (step->special || step->stage == WB_STAGE(EXTENDED) || (!step->summary && !step->reason))
        return true;
    Waybill__V1__Decision *decision = part(with->arena, &waybill__v1__decision__descriptor);
    if (!decision)
        return false;
    decision->summary = fill(with, step->summary);
    decision->reason = fill(with, step->reason);
    decision->remedy = fill(with, step->remedy);
    decision->competent_office = fill(with, step->competent_office);
    decision->basis = (char *)with->course->item->basis;
    if (step->document) {
        int year, month, day;
        hours_date(hours_day(event->occurred_at_us), &year, &month, &day);
        decision->document_no =
            arena_printf(with->arena, "%s〔%d〕第%05u号", with->course->item->office->word, year,
                         with->course->serial);
    }
    event->decision = decision;
    return decision->summary && decision->reason && decision->remedy &&
           decision->competent_office && decision->document_no;
}

/* The beginning and the end of a special procedure carry the same id. */
static bool set_special(wb_event *event, struct filling *with, const struct plot_step *step) {
    if (!step->special)
        return true;
    Waybill__V1__SpecialProcedure *special =
        part(with->arena, &waybill__v1__special_procedure__descriptor);
    if (!special)
        return false;
    special->id = arena_printf(with->arena, "%s-1", with->course->case_no);
    special->type = (char *)step->special;
    special->days_allowed = (uint32_t)step->days;
    special->reason = fill(with, step->reason);
    special->result = fill(with, step->result);
    if (step->days)
        special->approver = (char *)name_of(with->person);
    event->special = special;
    return special->id && special->reason && special->result;
}

static bool set_extension(wb_event *event, struct filling *with, const struct plot_step *step) {
    if (step->stage != WB_STAGE(EXTENDED))
        return true;
    Waybill__V1__Extension *extension = part(with->arena, &waybill__v1__extension__descriptor);
    if (!extension)
        return false;
    extension->days = (uint32_t)step->days;
    extension->approver = (char *)name_of(with->person);
    extension->reason = fill(with, step->reason);
    event->extension = extension;
    return extension->reason;
}

static bool set_attributes(wb_event *event, struct filling *with) {
    Waybill__V1__Attribute *attribute = part(with->arena, &waybill__v1__attribute__descriptor);
    Waybill__V1__Attribute **list = arena_alloc(with->arena, sizeof(void *));
    if (!attribute || !list)
        return false;
    attribute->name = (char *)"演示数据";
    attribute->value = (char *)"人物、办件均为虚构";
    list[0] = attribute;
    event->attributes = list;
    event->n_attributes = 1;
    return true;
}

static char *event_id(const struct course *course, size_t step, struct arena *arena) {
    char text[DIGEST_TEXT];
    struct digest digest;
    digest_start(&digest);
    digest_number(&digest, course->world);
    digest_part(&digest, course->case_no, strlen(course->case_no));
    digest_number(&digest, step);
    digest_finish(&digest, text);
    return arena_text(arena, text, strlen(text));
}

static bool set_identity(wb_event *event, const struct course *course, size_t number,
                         struct arena *arena) {
    const struct plot_step *step = plot_step(course->plot, number);
    const struct item *item = course->item;
    event->event_id = event_id(course, number, arena);
    event->kind = step->kind;
    event->case_no = (char *)course->case_no;
    event->parent_case_no = (char *)course->parent;
    event->stage = step->stage;
    event->occurred_at_us = course->at[number];
    event->utc_offset_minutes = HOURS_UTC_OFFSET_MINUTES;
    event->item_code = (char *)item->code;
    event->item_name = (char *)item->name;
    event->region_code = (char *)DISTRICT_REGION;
    event->agency = (char *)item->office->agency;
    if (step->kind != WAYBILL__V1__KIND__KIND_PROGRESS) {
        size_t replaced = plot_replaced(course->plot, number);
        event->replaces = event_id(course, replaced, arena);
        /* What is corrected happened when it happened. */
        if (step->kind == WAYBILL__V1__KIND__KIND_CORRECTION)
            event->occurred_at_us = course->at[replaced];
    }
    return event->event_id && event->replaces;
}

wb_event *course_event(const struct course *course, size_t number, struct arena *arena) {
    const struct plot_step *step = plot_step(course->plot, number);
    struct filling with = {
        .course = course, .topic = plot_topic(course->plot, number), .arena = arena};
    if (step->role != ROLE_NOBODY)
        with.person = district_person(course->item->office, step->role, course->random);
    wb_event *event = part(arena, &waybill__v1__event__descriptor);
    if (!event || !set_identity(event, course, number, arena))
        return NULL;
    event->step = fill(&with, step->name);
    bool whole = event->step && set_handler(event, with.person, arena) &&
                 set_notices(event, &with, step) && set_decision(event, &with, step) &&
                 set_special(event, &with, step) && set_extension(event, &with, step) &&
                 set_attributes(event, &with);
    return whole ? event : NULL;
}
