#include "courier.h"

#include "common/timestamp.h"
#include "proto/field.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

typedef Waybill__V1__Node node;

#define INDENT 20 /* of the timeline's text, behind "2026-03-02 09:00  ● " */

static const wb_event no_event = WB_EVENT_INIT;

static const wb_event *event_of(const wb_record *record) {
    return record && record->event ? record->event : &no_event;
}

static bool is_time(int64_t us) {
    return us > 0 && us < FIELD_TIME_END_US;
}

/* "2026-03-02 09:00", local to the place of the event; "?" for what can be no event's time, as a
 * broker that is none may send it. */
static const char *local_time(int64_t us, int offset_minutes, bool date_only, char *text) {
    struct timestamp time = {
        .us = us, .offset_minutes = (int16_t)offset_minutes, .date_only = date_only};
    if (!is_time(us) || offset_minutes < -FIELD_OFFSET_MINUTES ||
        offset_minutes > FIELD_OFFSET_MINUTES)
        return memcpy(text, "?", 2);
    timestamp_format(&time, text);
    char *divider = strchr(text, 'T');
    if (divider && strlen(divider) > 6) {
        *divider = ' ';
        divider[6] = '\0';
    }
    return text;
}

/* The texts that are not empty, with a dot between them. The list ends with NULL. */
static bool put_list(struct screen *screen, enum style style, ...) {
    bool any = false;
    va_list list;
    va_start(list, style);
    for (const char *text; (text = va_arg(list, const char *));) {
        if (!*text)
            continue;
        if (any)
            screen_put(screen, FAINT, " · ");
        screen_put(screen, style, text);
        any = true;
    }
    va_end(list);
    return any;
}

static void put_labelled(struct screen *screen, int indent, const char *label, const char *text,
                         enum language language) {
    if (!*text)
        return;
    screen_to(screen, indent);
    screen_put(screen, FAINT, label);
    screen_put(screen, FAINT, language == CHINESE ? "：" : ": ");
    screen_prose(screen, PLAIN, indent, text);
    screen_line(screen);
}

static bool has_text(const wb_handler *handler) {
    return handler && (*handler->name || *handler->post || *handler->unit || *handler->phone ||
                       *handler->staff_no);
}

static void put_handler(struct screen *screen, const wb_handler *handler, enum style style,
                        enum language language) {
    char phone[400] = "", number[100] = "";
    if (!*handler->name && *handler->staff_no) /* that is what is disclosed */
        snprintf(number, sizeof number, "%s %s", words(PHRASE_STAFF_NO, language),
                 handler->staff_no);
    if (*handler->phone)
        snprintf(phone, sizeof phone, "%s %s", words(PHRASE_PHONE, language), handler->phone);
    put_list(screen, style, handler->name, number, handler->post, handler->unit, phone, NULL);
}

static void put_due(struct screen *screen, const char *date, const char *today,
                    enum language language) {
    bool over = today && strcmp(date, today) < 0;
    char text[120];
    snprintf(text, sizeof text, language == CHINESE ? "（%s %s%s%s）" : " (%s %s%s%s)",
             words(PHRASE_DUE, language), date, over ? language == CHINESE ? "，" : ", " : "",
             over ? words(PHRASE_OVERDUE, language) : "");
    screen_put(screen, over ? BAD : BOLD, text);
}

/* today: YYYY-MM-DD, to mark what is past; NULL where that is no news. */
static void put_notice(struct screen *screen, int indent, const wb_notice *notice,
                       const char *today, enum language language) {
    screen_to(screen, indent);
    screen_put(screen, BOLD, words_notice((int)notice->kind, language));
    screen_put(screen, PLAIN, language == CHINESE ? "：" : ": ");
    screen_prose(screen, PLAIN, indent + 2, notice->title);
    if (*notice->due_date)
        put_due(screen, notice->due_date, today, language);
    screen_line(screen);
    if (*notice->text) {
        screen_to(screen, indent + 2);
        screen_prose(screen, PLAIN, indent + 2, notice->text);
        screen_line(screen);
    }
    if (*notice->url) {
        screen_to(screen, indent + 2);
        screen_put(screen, PLAIN, notice->url);
        screen_line(screen);
    }
}

static void put_days(struct screen *screen, enum phrase phrase, uint32_t days,
                     enum language language) {
    char text[16] = "";
    if (days)
        snprintf(text, sizeof text, "%" PRIu32, days);
    put_labelled(screen, INDENT, words(phrase, language), text, language);
}

static void put_details(struct screen *screen, const wb_event *event, enum language language) {
    if (event->special) {
        put_labelled(screen, INDENT, words(PHRASE_TYPE, language), event->special->type, language);
        put_days(screen, PHRASE_ALLOWED, event->special->days_allowed, language);
        put_labelled(screen, INDENT, words(PHRASE_REASON, language), event->special->reason,
                     language);
        put_labelled(screen, INDENT, words(PHRASE_APPROVER, language), event->special->approver,
                     language);
        put_labelled(screen, INDENT, words(PHRASE_RESULT, language), event->special->result,
                     language);
    }
    if (event->extension) {
        put_days(screen, PHRASE_EXTENDED, event->extension->days, language);
        put_labelled(screen, INDENT, words(PHRASE_REASON, language), event->extension->reason,
                     language);
        put_labelled(screen, INDENT, words(PHRASE_APPROVER, language), event->extension->approver,
                     language);
    }
    const Waybill__V1__Decision *decision = event->decision;
    if (!decision)
        return;
    const struct {
        enum phrase phrase;
        const char *text;
    } parts[] = {
        {PHRASE_DECISION, decision->summary},     {PHRASE_REASON, decision->reason},
        {PHRASE_BASIS, decision->basis},          {PHRASE_OFFICE, decision->competent_office},
        {PHRASE_DOCUMENT, decision->document_no}, {PHRASE_REMEDY, decision->remedy},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        put_labelled(screen, INDENT, words(parts[i].phrase, language), parts[i].text, language);
}

static void put_standing(struct screen *screen, int standing, uint64_t replaced_by,
                         enum language language) {
    char text[200];
    switch (standing) {
    case WAYBILL__V1__STANDING__STANDING_CORRECTED:
        snprintf(text, sizeof text, "  [%s #%" PRIu64 "]", words(PHRASE_CORRECTED_BY, language),
                 replaced_by);
        break;
    case WAYBILL__V1__STANDING__STANDING_RETRACTED:
        snprintf(text, sizeof text, "  [%s #%" PRIu64 "]", words(PHRASE_RETRACTED_BY, language),
                 replaced_by);
        break;
    case WAYBILL__V1__STANDING__STANDING_UNMATCHED:
        snprintf(text, sizeof text, "  [%s]", words(PHRASE_UNMATCHED, language));
        break;
    default:
        return;
    }
    screen_put(screen, BAD, text);
}

/* "● 受理 · 窗口受理" and what speaks against it. */
static void put_status(struct screen *screen, const wb_record *record, int standing,
                       uint64_t replaced_by, enum language language) {
    const wb_event *event = event_of(record);
    bool stands = standing == WAYBILL__V1__STANDING__STANDING_CURRENT;
    enum style style = stands ? BOLD : STRUCK;
    screen_put(screen, stands ? GOOD : FAINT, stands ? "● " : "○ ");
    if (event->kind != WAYBILL__V1__KIND__KIND_PROGRESS) {
        screen_put(screen, style, words_kind((int)event->kind, language));
        if (event->stage)
            screen_put(screen, style, language == CHINESE ? "：" : ": ");
    }
    if (event->stage)
        screen_put(screen, style, words_stage((int)event->stage, language));
    if (*event->step) {
        screen_put(screen, FAINT, " · ");
        screen_put(screen, stands ? PLAIN : STRUCK, event->step);
    }
    char number[40];
    snprintf(number, sizeof number, "  #%" PRIu64, record->offset);
    screen_put(screen, FAINT, number);
    put_standing(screen, standing, replaced_by, language);
    screen_line(screen);
}

/* The amendment of nothing is told by its standing already. */
static void put_anomalies(struct screen *screen, const node *one, enum language language) {
    for (size_t i = 0; i < one->n_anomalies; i++)
        if (one->anomalies[i] != WAYBILL__V1__ANOMALY__ANOMALY_NOTHING_TO_AMEND)
            put_labelled(screen, INDENT, words(PHRASE_ANOMALY, language),
                         words_anomaly((int)one->anomalies[i], language), language);
}

/* replaces: the offset of the event that it corrects or retracts, 0 if none is known. */
static void put_node(struct screen *screen, const node *one, uint64_t replaces,
                     enum language language) {
    const wb_event *event = event_of(one->record);
    char time[TIMESTAMP_TEXT];
    screen_put(
        screen, PLAIN,
        local_time(event->occurred_at_us, event->utc_offset_minutes, event->date_only, time));
    screen_to(screen, INDENT - 2);
    put_status(screen, one->record, (int)one->standing, one->replaced_by, language);
    put_anomalies(screen, one, language);
    if (has_text(event->handler)) {
        screen_to(screen, INDENT);
        put_handler(screen, event->handler, PLAIN, language);
        screen_line(screen);
    }
    if (replaces) {
        bool retracts = event->kind == WAYBILL__V1__KIND__KIND_RETRACTION;
        char number[40];
        snprintf(number, sizeof number, "#%" PRIu64, replaces);
        put_labelled(screen, INDENT, words(retracts ? PHRASE_RETRACTS : PHRASE_CORRECTS, language),
                     number, language);
    }
    for (size_t i = 0; i < event->n_notices; i++)
        put_notice(screen, INDENT, event->notices[i], NULL, language);
    put_details(screen, event, language);
}

/* The offset of what the event at this offset corrects or retracts. */
static uint64_t replaced(const wb_case *answer, uint64_t by) {
    for (size_t i = 0; i < answer->n_nodes; i++)
        if (answer->nodes[i]->replaced_by == by && answer->nodes[i]->record)
            return answer->nodes[i]->record->offset;
    return 0;
}

static const wb_event *current_event(const wb_case *answer) {
    for (size_t i = 0; i < answer->n_nodes; i++) {
        const wb_record *record = answer->nodes[i]->record;
        if (record && record->offset == answer->state->current_offset)
            return event_of(record);
    }
    return &no_event;
}

static void put_headline(struct screen *screen, const Waybill__V1__CaseState *state,
                         enum language language) {
    if (state->stage) {
        screen_put(screen, GOOD, words_stage((int)state->stage, CHINESE));
        screen_put(screen, BOLD, "  ");
        screen_put(screen, BOLD, words_stage((int)state->stage, ENGLISH));
    } else {
        screen_put(screen, BOLD, words(PHRASE_NOTHING, CHINESE));
        screen_put(screen, BOLD, "  ");
        screen_put(screen, BOLD, words(PHRASE_NOTHING, ENGLISH));
    }
    if (state->ended) {
        screen_put(screen, PLAIN, language == CHINESE ? "（" : " (");
        screen_put(screen, PLAIN, words(PHRASE_ENDED, language));
        screen_put(screen, PLAIN, language == CHINESE ? "）" : ")");
    }
    screen_line(screen);
}

static void put_place(struct screen *screen, const Waybill__V1__CaseState *state,
                      enum language language) {
    put_list(screen, PLAIN, state->case_no, state->item_name, state->agency, NULL);
    screen_line(screen);
    put_labelled(screen, 0, words(PHRASE_PARENT, language), state->parent_case_no, language);
}

static void put_since(struct screen *screen, const wb_case *answer, enum language language,
                      int64_t now_us) {
    const wb_event *event = current_event(answer);
    int offset = event != &no_event ? event->utc_offset_minutes : FIELD_DEFAULT_OFFSET;
    char time[TIMESTAMP_TEXT], far[60], text[200];
    if (!is_time(answer->state->since_us))
        return;
    local_time(answer->state->since_us, offset, event->date_only, time);
    words_distance(answer->state->since_us, now_us, language, far, sizeof far);
    snprintf(text, sizeof text, language == CHINESE ? "%s %s（%s）" : "%s %s (%s)",
             words(PHRASE_SINCE, language), time, far);
    screen_put(screen, PLAIN, text);
    screen_line(screen);
    if (has_text(answer->state->handler)) {
        screen_put(screen, PLAIN, words(PHRASE_HANDLER, language));
        screen_put(screen, PLAIN, " ");
        put_handler(screen, answer->state->handler, BOLD, language);
        screen_line(screen);
    }
}

static void put_now(struct screen *screen, const wb_case *answer, enum language language,
                    int64_t now_us) {
    const wb_event *event = current_event(answer);
    char today[TIMESTAMP_TEXT];
    if (!event->n_notices)
        return;
    screen_line(screen);
    screen_put(screen, BOLD, words(PHRASE_NOTICES, language));
    screen_line(screen);
    local_time(now_us, event->utc_offset_minutes, true, today);
    for (size_t i = 0; i < event->n_notices; i++)
        put_notice(screen, 2, event->notices[i], today, language);
}

void courier_case(struct screen *screen, const wb_case *answer, enum language language,
                  int64_t now_us) {
    put_headline(screen, answer->state, language);
    put_place(screen, answer->state, language);
    put_since(screen, answer, language, now_us);
    put_now(screen, answer, language, now_us);
    screen_line(screen);
    screen_put(screen, BOLD, words(PHRASE_TIMELINE, language));
    screen_line(screen);
    for (size_t i = answer->n_nodes; i-- > 0;) {
        const node *one = answer->nodes[i];
        if (one->record)
            put_node(screen, one, replaced(answer, one->record->offset), language);
    }
    if (answer->truncated) {
        screen_to(screen, INDENT);
        screen_put(screen, FAINT, words(PHRASE_OLDER, language));
        screen_line(screen);
    }
}

void courier_event(struct screen *screen, const wb_record *record, enum language language) {
    node one = WAYBILL__V1__NODE__INIT;
    one.record = (wb_record *)record;
    put_node(screen, &one, 0, language);
}
