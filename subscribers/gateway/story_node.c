#include "subscribers/gateway/story_node.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/buffer.h"
#include "subscribers/gateway/catalogue.h"
#include "subscribers/gateway/moment.h"

#define LATE_US (24 * INT64_C(3600000000)) /* entered so long after it happened: worth saying */

void story_put(json_t *object, const char *name, json_t *value) {
    json_object_set_new(object, name, value ? value : json_null());
}

const char *story_member(const json_t *object, const char *name) {
    return json_string_value(json_object_get(object, name));
}

json_t *story_words(const struct teller *teller, const char *key) {
    return json_string(language_text(teller->language, key));
}

json_t *story_stage(const struct teller *teller, const json_t *node, const char *part) {
    char key[80];
    const char *stage = story_member(node, "stage");
    snprintf(key, sizeof key, "stage.%s.%s", stage ? stage : "NONE", part);
    return story_words(teller, key);
}

json_t *story_tel(const char *phone) {
    char number[32];
    size_t length = 0;
    for (; phone && *phone && length < sizeof number - 1; phone++) {
        if ((*phone >= '0' && *phone <= '9') || (*phone == '+' && !length))
            number[length++] = *phone;
        else if (!strchr("-() .", *phone))
            break; /* an extension, which cannot be dialled with the rest */
    }
    number[length] = 0;
    return length >= 3 ? json_pack("s+", "tel:", number) : NULL;
}

static json_t *optional(const json_t *object, const char *name) {
    json_t *value = json_object_get(object, name);
    return value ? json_incref(value) : NULL;
}

/* "www.example.gov.cn", so that a person sees where a link leads. */
static json_t *url_host(const char *url) {
    const char *host = strstr(url, "://") + 3;
    size_t length = strcspn(host, "/?#");
    for (const char *at; (at = memchr(host, '@', length));) {
        length -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    return json_stringn(host, length);
}

static bool is_link(const char *url) {
    return url && (!strncasecmp(url, "https://", 8) || !strncasecmp(url, "http://", 7));
}

json_t *story_notice(const struct teller *teller, const json_t *notice) {
    json_t *told = json_object();
    char key[64];
    const char *kind = story_member(notice, "kind"), *url = story_member(notice, "url");
    snprintf(key, sizeof key, "notice.%s", kind ? kind : "information");
    story_put(told, "kind", story_words(teller, key));
    story_put(told, "title", optional(notice, "title"));
    story_put(told, "text", optional(notice, "text"));
    bool link = is_link(url);
    story_put(told, "url",
              link ? json_pack("{s:s, s:o*}", "href", url, "host", url_host(url)) : NULL);
    story_put(told, "due",
              moment_due(teller->language, story_member(notice, "due_date"), teller->now_us));
    story_put(told, "told", NULL);
    return told;
}

static void add_row(const struct teller *teller, json_t *rows, const char *key,
                    const json_t *text) {
    if (json_is_string(text))
        json_array_append_new(rows, json_pack("{s:s, s:O}", "label",
                                              language_text(teller->language, key), "text", text));
}

static void add_days(const struct teller *teller, json_t *rows, const char *key,
                     const json_t *days) {
    char count[24];
    if (!json_is_integer(days))
        return;
    snprintf(count, sizeof count, "%" JSON_INTEGER_FORMAT, json_integer_value(days));
    json_t *text = language_format(
        teller->language, json_integer_value(days) == 1 ? "detail.days_one" : "detail.days",
        "count", count, NULL);
    add_row(teller, rows, key, text);
    json_decref(text);
}

json_t *story_details(const struct teller *teller, const json_t *node) {
    json_t *rows = json_array();
    const json_t *special = json_object_get(node, "special");
    add_row(teller, rows, "detail.special_type", json_object_get(special, "type"));
    add_row(teller, rows, "detail.special_reason", json_object_get(special, "reason"));
    add_days(teller, rows, "detail.special_days", json_object_get(special, "days_allowed"));
    add_row(teller, rows, "detail.special_result", json_object_get(special, "result"));
    add_row(teller, rows, "detail.approver", json_object_get(special, "approver"));
    const json_t *extension = json_object_get(node, "extension");
    add_days(teller, rows, "detail.extension_days", json_object_get(extension, "days"));
    add_row(teller, rows, "detail.extension_reason", json_object_get(extension, "reason"));
    add_row(teller, rows, "detail.approver", json_object_get(extension, "approver"));
    const json_t *decision = json_object_get(node, "decision");
    static const char *const members[] = {"summary",          "reason", "basis",
                                          "competent_office", "remedy", "document_no"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        char key[64];
        snprintf(key, sizeof key, "detail.%s", members[i]);
        add_row(teller, rows, key, json_object_get(decision, members[i]));
    }
    return rows;
}

static json_t *told_notices(const struct teller *teller, const json_t *node) {
    json_t *told = json_array();
    size_t i;
    json_t *notice;
    json_array_foreach(json_object_get(node, "notices"), i, notice) {
        json_array_append_new(told, story_notice(teller, notice));
    }
    return told;
}

json_t *story_officer(const struct teller *teller, const json_t *handler) {
    const char *name = story_member(handler, "name");
    const char *number = story_member(handler, "staff_no");
    if (name || !number)
        return name ? json_string(name) : NULL;
    return language_format(teller->language, "case.staff_no", "number", number, NULL);
}

/* "李雷 · 首席代表 · 审批一科", with the agency where it is not the case's. */
static json_t *tell_handler(const struct teller *teller, const json_t *node) {
    const json_t *handler = json_object_get(node, "handler");
    const char *agency = story_member(node, "agency");
    const char *usual = story_member(teller->state, "agency");
    json_t *officer = story_officer(teller, handler);
    const char *parts[] = {json_string_value(officer), story_member(handler, "post"),
                           story_member(handler, "unit"),
                           agency && (!usual || strcmp(agency, usual) != 0) ? agency : NULL};
    struct buffer text;
    buffer_init(&text, 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i])
            buffer_printf(&text, "%s%s", text.length ? " · " : "", parts[i]);
    json_decref(officer);
    const char *phone = story_member(handler, "phone");
    json_t *told = text.length || phone ? json_object() : NULL;
    if (told) {
        story_put(told, "text", text.length ? json_string(buffer_string(&text)) : NULL);
        story_put(told, "phone", optional(handler, "phone"));
        story_put(told, "tel", story_tel(phone));
    }
    buffer_free(&text);
    return told;
}

/* How the node stands, and where to read what took its place. */
static void tell_standing(const struct teller *teller, const json_t *node, json_t *told) {
    const char *standing = story_member(node, "standing");
    json_int_t by = json_integer_value(json_object_get(node, "replaced_by"));
    bool corrected = standing && !strcmp(standing, "corrected");
    bool retracted = standing && !strcmp(standing, "retracted");
    bool unmatched = standing && !strcmp(standing, "unmatched");
    const char *mark = corrected   ? "case.corrected"
                       : retracted ? "case.retracted"
                       : unmatched ? "case.unmatched"
                                   : NULL;
    story_put(told, "struck", json_boolean(corrected || retracted));
    story_put(told, "mark", mark ? story_words(teller, mark) : NULL);
    story_put(told, "link", NULL);
    if (by && (corrected || retracted)) {
        char href[32];
        snprintf(href, sizeof href, "#n%" JSON_INTEGER_FORMAT, by);
        story_put(told, "link",
                  json_pack("{s:s, s:o*}", "href", href, "text",
                            story_words(teller, corrected ? "case.see_replacement"
                                                          : "case.see_retraction")));
    }
}

static json_t *tell_lateness(const struct teller *teller, const json_t *node) {
    const char *recorded = story_member(node, "recorded_at");
    int64_t occurred_us = moment_us(story_member(node, "occurred_at"));
    int64_t recorded_us = moment_us(recorded);
    if (!occurred_us || !recorded_us || recorded_us - occurred_us < LATE_US)
        return NULL;
    json_t *time =
        moment_time(teller->language, recorded, story_member(node, "occurred_at"), teller->now_us);
    const char *text = story_member(time, "text");
    json_t *words =
        text ? language_format(teller->language, "case.recorded_late", "time", text, NULL) : NULL;
    json_decref(time);
    return words;
}

json_t *story_node(const struct teller *teller, const json_t *node) {
    json_t *told = json_object();
    char id[32];
    json_t *offset = json_object_get(node, "offset");
    const char *kind = story_member(node, "kind");
    bool correction = kind && !strcmp(kind, "correction");
    bool retraction = kind && !strcmp(kind, "retraction");
    snprintf(id, sizeof id, "n%" JSON_INTEGER_FORMAT, json_integer_value(offset));
    story_put(told, "id", json_string(id));
    story_put(told, "offset", json_incref(offset));
    story_put(told, "stage",
              retraction ? story_words(teller, "case.retraction")
                         : story_stage(teller, node, "label"));
    story_put(told, "step",
              retraction ? story_words(teller, "case.retraction_text") : optional(node, "step"));
    story_put(
        told, "time",
        moment_time(teller->language, story_member(node, "occurred_at"), NULL, teller->now_us));
    story_put(told, "late", tell_lateness(teller, node));
    story_put(told, "handler", tell_handler(teller, node));
    story_put(told, "notices", told_notices(teller, node));
    json_t *rows = story_details(teller, node);
    story_put(told, "details", json_array_size(rows) ? json_pack("{s:O}", "rows", rows) : NULL);
    json_decref(rows);
    story_put(told, "tag", correction ? story_words(teller, "case.correction") : NULL);
    bool current = json_integer_value(offset) ==
                   json_integer_value(json_object_get(teller->state, "current_offset"));
    story_put(told, "current", json_boolean(current));
    tell_standing(teller, node, told);
    return told;
}
