#include "adapters/lib/mapping.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/lib/mapping_rules.h"
#include "common/arena.h"
#include "proto/problem.h"

static void free_skips(struct mapping *mapping) {
    for (size_t i = 0; i < mapping->skip_count; i++) {
        template_free(mapping->skips[i].when);
        free(mapping->skips[i].is);
    }
    free(mapping->skips);
}

void mapping_free(struct mapping *mapping) {
    if (!mapping)
        return;
    for (size_t i = 0; i < mapping->rule_count; i++)
        template_free(mapping->rules[i].template);
    for (size_t i = 0; i < mapping->id_count; i++)
        template_free(mapping->ids[i]);
    for (size_t i = 0; i < mapping->unmapped_count; i++) {
        free(mapping->unmapped[i].value);
        free(mapping->unmapped[i].example);
    }
    free_skips(mapping);
    free(mapping->unmapped);
    free(mapping->words);
    free(mapping->blank.values);
    template_free(mapping->stage_from);
    buffer_free(&mapping->scratch);
    yaml_close(mapping->file);
    free(mapping);
}

const struct mapping_source *mapping_source(const struct mapping *mapping) {
    return &mapping->source;
}

size_t mapping_unmapped(const struct mapping *mapping, const struct mapping_unmapped **all,
                        uint64_t *more) {
    *all = mapping->unmapped;
    *more = mapping->unmapped_more;
    return mapping->unmapped_count;
}

static enum template_fill fill(struct mapping *mapping, const struct template *template,
                               const struct record *record, const char **text) {
    return template_fill(template, record, &mapping->blank, &mapping->scratch, text);
}

static bool is_skipped(struct mapping *mapping, const struct record *record) {
    for (size_t i = 0; i < mapping->skip_count; i++) {
        const struct mapping_skip *skip = &mapping->skips[i];
        const char *text;
        fill(mapping, skip->when, record, &text);
        for (size_t j = 0; j < skip->count; j++)
            if (strcmp(text, skip->is[j]) == 0)
                return true;
    }
    return false;
}

static int set_time(struct mapping *mapping, const struct mapping_rule *rule, const char *text,
                    wb_event *event, struct wb_error *err) {
    struct timestamp time;
    if (moment_parse(&mapping->times, text, &time, err)) {
        if (err)
            snprintf(err->field, sizeof(err->field), "%s", rule->name);
        return -1;
    }
    event->occurred_at_us = time.us;
    event->utc_offset_minutes = time.offset_minutes;
    event->date_only = time.date_only;
    return 0;
}

/* A day, whatever the source writes behind it; what is no time of a known format is left to
 * field_set, which refuses it unless it is a date. */
static int set_date(struct mapping *mapping, const struct mapping_rule *rule, const char *text,
                    wb_event *event, struct arena *arena, struct wb_error *err) {
    char day[TIMESTAMP_TEXT];
    struct timestamp time;
    if (moment_parse(&mapping->times, text, &time, NULL) == 0) {
        time.date_only = true;
        text = timestamp_format(&time, day);
    }
    return field_set(event, arena, rule->name, text, err);
}

static int set_field(struct mapping *mapping, const struct mapping_rule *rule, const char *text,
                     wb_event *event, struct arena *arena, struct wb_error *err) {
    if (text[0] == '\0')
        return 0;
    if (rule->field && rule->field->type == FIELD_TIME)
        return set_time(mapping, rule, text, event, err);
    if (rule->field && rule->field->type == FIELD_DATE)
        return set_date(mapping, rule, text, event, arena, err);
    return field_set(event, arena, rule->name, text, err);
}

static int lacks_value(struct mapping *mapping, const struct mapping_rule *rule,
                       const struct record *record, struct wb_error *err) {
    problem_field(err, WB_E_FIELD_MISSING, rule->name, "%s: the record has no value for \"%.100s\"",
                  rule->name, template_lack(rule->template, record, &mapping->blank));
    return problem_hint(err, "fill the column at the source, or skip such records");
}

static int apply_rules(struct mapping *mapping, const struct record *record, struct arena *arena,
                       wb_event *event, bool conditional, unsigned *parts, struct wb_error *err) {
    for (size_t i = 0; i < mapping->rule_count; i++) {
        const struct mapping_rule *rule = &mapping->rules[i];
        unsigned part = rule->field ? 1u << rule->field->part : 0;
        const char *text;
        if (rule->conditional != conditional || (conditional && !(*parts & part)))
            continue;
        enum template_fill filled = fill(mapping, rule->template, record, &text);
        if ((rule->required && filled == TEMPLATE_EMPTY) ||
            (rule->whole && filled == TEMPLATE_PARTIAL))
            return lacks_value(mapping, rule, record, err);
        if (set_field(mapping, rule, text, event, arena, err))
            return -1;
        if (!rule->constant && text[0])
            *parts |= part;
    }
    return 0;
}

static int by_value(const void *text, const void *word) {
    return strcmp(text, ((const struct mapping_word *)word)->value);
}

static struct mapping_unmapped *find_unmapped(struct mapping *mapping, const char *value) {
    size_t last = mapping->unmapped_last;
    for (size_t i = 0; i < mapping->unmapped_count; i++) {
        size_t at = (last + i) % mapping->unmapped_count; /* the same value often comes again */
        if (strncmp(mapping->unmapped[at].value, value, MAPPING_UNMAPPED_BYTES) == 0) {
            mapping->unmapped_last = at;
            return &mapping->unmapped[at];
        }
    }
    return NULL;
}

static void note_unmapped(struct mapping *mapping, const struct record *record, const char *value,
                          const char *case_no) {
    struct mapping_unmapped *found = find_unmapped(mapping, value);
    if (found) {
        found->count++;
        return;
    }
    if (!mapping->unmapped)
        mapping->unmapped = calloc(MAPPING_UNMAPPED_MAX, sizeof(*mapping->unmapped));
    if (!mapping->unmapped || mapping->unmapped_count == MAPPING_UNMAPPED_MAX) {
        mapping->unmapped_more++;
        return;
    }
    struct mapping_unmapped new = {.from = template_text(mapping->stage_from),
                                   .value = strndup(value, MAPPING_UNMAPPED_BYTES),
                                   .count = 1,
                                   .first_line = record_line(record),
                                   .example = strdup(case_no)};
    if (!new.value || !new.example) {
        free(new.value);
        free(new.example);
        mapping->unmapped_more++;
        return;
    }
    mapping->unmapped_last = mapping->unmapped_count;
    mapping->unmapped[mapping->unmapped_count++] = new;
}

static int apply_stage(struct mapping *mapping, const struct record *record, wb_event *event,
                       struct wb_error *err) {
    const char *text;
    char value[PROBLEM_VALUE];
    if (!mapping->stage_from)
        return 0;
    fill(mapping, mapping->stage_from, record, &text);
    const struct mapping_word *word =
        bsearch(text, mapping->words, mapping->word_count, sizeof(*word), by_value);
    int stage = word ? word->stage : mapping->otherwise;
    if (stage >= 0) {
        event->stage = (wb_stage)stage;
        return 0;
    }
    note_unmapped(mapping, record, text, event->case_no);
    problem_field(err, WB_E_UNMAPPED, "stage", "the stage's dictionary has no entry for %s",
                  problem_value(text, strlen(text), value));
    return problem_hint(err, "add it under stage.dictionary, or give the stage an 'otherwise'");
}

/* The identity lasts for ever: it must not change when the mapping's other rules do, so it comes
 * from the record alone. */
static int set_id(struct mapping *mapping, struct record *record, struct arena *arena,
                  wb_event *event, struct wb_error *err) {
    char derived[DIGEST_TEXT];
    const char *id = derived, *text;
    struct digest digest;
    bool filled = mapping->id_count == 0;
    if (mapping->sets_event_id)
        return 0;
    if (mapping->id_count == 0)
        id = record_id(record);
    else
        digest_start(&digest);
    for (size_t i = 0; i < mapping->id_count; i++) {
        filled |= fill(mapping, mapping->ids[i], record, &text) != TEMPLATE_EMPTY;
        digest_part(&digest, text, strlen(text));
    }
    if (!filled) {
        problem_field(err, WB_E_FIELD_MISSING, "event_id",
                      "all columns of event_id are empty in this record");
        return problem_hint(err, "name columns that every record fills");
    }
    if (mapping->id_count > 0)
        digest_finish(&digest, derived);
    event->event_id = arena_text(arena, id, strlen(id));
    return event->event_id ? 0 : problem(err, WB_E_SYSTEM, "no memory for the event");
}

enum mapping_outcome mapping_apply(struct mapping *mapping, struct record *record,
                                   struct arena *arena, wb_event **event, struct wb_error *err) {
    unsigned parts = 0;
    if (is_skipped(mapping, record))
        return MAPPING_SKIPPED;
    wb_event *made = arena_alloc(arena, sizeof(*made));
    if (!made) {
        problem(err, WB_E_SYSTEM, "no memory for the event");
        return MAPPING_REJECTED;
    }
    waybill__v1__event__init(made);
    if (set_id(mapping, record, arena, made, err) ||
        apply_rules(mapping, record, arena, made, false, &parts, err) ||
        apply_rules(mapping, record, arena, made, true, &parts, err) ||
        apply_stage(mapping, record, made, err))
        return MAPPING_REJECTED;
    *event = made;
    return MAPPING_EVENT;
}
