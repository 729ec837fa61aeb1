#include "broker/audience/redact.h"

#include <string.h>

#include "broker/audience/mask.h"
#include "broker/audience/officer.h"
#include "proto/bounds.h"
#include "proto/wire.h"

/* What becomes of a field. */
enum deed {
    DROP,
    KEEP,     /* a number */
    MASK,     /* a text: a person's numbers in it are made unreadable */
    WHOLE,    /* a text that is of use whole or not at all: left out if it has such a number */
    CASE,     /* a case's number: as it is */
    LINK,     /* as WHOLE, of a URL */
    WORD,     /* a text if it is one of the known words */
    DESCEND,  /* a part: by its own rules */
    DISCLOSE, /* a handler, or the name of who approved: as the item's disclosure has it */
};

enum part { EVENT, HANDLER, NOTICE, SPECIAL, EXTENSION, DECISION, ALERT, PARTS };

struct rule {
    const char *name;
    enum wire_type type;
    uint8_t deeds[3]; /* for staff, applicant, public */
    uint8_t part;     /* of DESCEND and DISCLOSE */
};

enum { STAFF, APPLICANT, PUBLIC }; /* of deeds */

#define FIELDS 32 /* numbers of a message's fields, from 1 */

/* The number of each field stands in brackets. A test holds this against event.proto and against
 * PROTOCOL.md. */
/* clang-format off */
static const struct rule rules[PARTS][FIELDS] = {
    [EVENT] = {
        [1] = {"event_id", WIRE_BYTES, {WHOLE, DROP, DROP}, 0},
        [2] = {"kind", WIRE_VARINT, {KEEP, KEEP, KEEP}, 0},
        [3] = {"case_no", WIRE_BYTES, {CASE, CASE, DROP}, 0},
        [4] = {"parent_case_no", WIRE_BYTES, {CASE, CASE, DROP}, 0},
        [5] = {"stage", WIRE_VARINT, {KEEP, KEEP, KEEP}, 0},
        [6] = {"step", WIRE_BYTES, {MASK, MASK, DROP}, 0},
        [7] = {"occurred_at_us", WIRE_VARINT, {KEEP, KEEP, KEEP}, 0},
        [8] = {"utc_offset_minutes", WIRE_VARINT, {KEEP, KEEP, KEEP}, 0},
        [9] = {"date_only", WIRE_VARINT, {KEEP, KEEP, KEEP}, 0},
        [10] = {"handler", WIRE_BYTES, {DESCEND, DISCLOSE, DROP}, HANDLER},
        [11] = {"notices", WIRE_BYTES, {DESCEND, DESCEND, DROP}, NOTICE},
        [12] = {"item_code", WIRE_BYTES, {WHOLE, WHOLE, WHOLE}, 0},
        [13] = {"item_name", WIRE_BYTES, {MASK, MASK, MASK}, 0},
        [14] = {"region_code", WIRE_BYTES, {WHOLE, WHOLE, WHOLE}, 0},
        [15] = {"agency", WIRE_BYTES, {MASK, MASK, MASK}, 0},
        [16] = {"replaces", WIRE_BYTES, {WHOLE, DROP, DROP}, 0},
        [17] = {"special", WIRE_BYTES, {DESCEND, DESCEND, DESCEND}, SPECIAL},
        [18] = {"extension", WIRE_BYTES, {DESCEND, DESCEND, DESCEND}, EXTENSION},
        [19] = {"decision", WIRE_BYTES, {DESCEND, DESCEND, DROP}, DECISION},
        [20] = {"alert", WIRE_BYTES, {DESCEND, DESCEND, DESCEND}, ALERT},
        [21] = {"attributes", WIRE_BYTES, {DROP, DROP, DROP}, 0},
        [22] = {"traceparent", WIRE_BYTES, {DROP, DROP, DROP}, 0},
    },
    [HANDLER] = {
        [1] = {"handler.name", WIRE_BYTES, {MASK, DISCLOSE, DROP}, 0},
        [2] = {"handler.post", WIRE_BYTES, {MASK, DISCLOSE, DROP}, 0},
        [3] = {"handler.unit", WIRE_BYTES, {MASK, DISCLOSE, DROP}, 0},
        [4] = {"handler.phone", WIRE_BYTES, {MASK, DISCLOSE, DROP}, 0},
        [5] = {"handler.staff_no", WIRE_BYTES, {MASK, DISCLOSE, DROP}, 0},
    },
    [NOTICE] = {
        [1] = {"notices.kind", WIRE_VARINT, {KEEP, KEEP, DROP}, 0},
        [2] = {"notices.title", WIRE_BYTES, {MASK, MASK, DROP}, 0},
        [3] = {"notices.text", WIRE_BYTES, {MASK, MASK, DROP}, 0},
        [4] = {"notices.url", WIRE_BYTES, {LINK, LINK, DROP}, 0},
        [5] = {"notices.due_date", WIRE_BYTES, {WHOLE, WHOLE, DROP}, 0},
    },
    [SPECIAL] = {
        [1] = {"special.id", WIRE_BYTES, {WHOLE, WHOLE, DROP}, 0},
        [2] = {"special.type", WIRE_BYTES, {MASK, MASK, WORD}, 0},
        [3] = {"special.approver", WIRE_BYTES, {MASK, DISCLOSE, DROP}, 0},
        [4] = {"special.reason", WIRE_BYTES, {MASK, MASK, DROP}, 0},
        [5] = {"special.days_allowed", WIRE_VARINT, {KEEP, KEEP, KEEP}, 0},
        [6] = {"special.result", WIRE_BYTES, {MASK, MASK, DROP}, 0},
    },
    [EXTENSION] = {
        [1] = {"extension.days", WIRE_VARINT, {KEEP, KEEP, KEEP}, 0},
        [2] = {"extension.approver", WIRE_BYTES, {MASK, DISCLOSE, DROP}, 0},
        [3] = {"extension.reason", WIRE_BYTES, {MASK, MASK, DROP}, 0},
    },
    [DECISION] = {
        [1] = {"decision.summary", WIRE_BYTES, {MASK, MASK, DROP}, 0},
        [2] = {"decision.reason", WIRE_BYTES, {MASK, MASK, DROP}, 0},
        [3] = {"decision.basis", WIRE_BYTES, {MASK, MASK, DROP}, 0},
        [4] = {"decision.remedy", WIRE_BYTES, {MASK, MASK, DROP}, 0},
        [5] = {"decision.competent_office", WIRE_BYTES, {MASK, MASK, DROP}, 0},
        [6] = {"decision.document_no", WIRE_BYTES, {MASK, MASK, DROP}, 0},
    },
    [ALERT] = {
        [1] = {"alert.clock", WIRE_VARINT, {KEEP, KEEP, KEEP}, 0},
        [2] = {"alert.light", WIRE_VARINT, {KEEP, KEEP, KEEP}, 0},
        [3] = {"alert.promised", WIRE_VARINT, {KEEP, KEEP, KEEP}, 0},
        [4] = {"alert.days_left", WIRE_VARINT, {KEEP, KEEP, KEEP}, 0},
        [5] = {"alert.deadline", WIRE_BYTES, {WHOLE, WHOLE, WHOLE}, 0},
    },
};
/* clang-format on */

/* What event.proto names for special.type. */
static const char *const words[] = {"听证", "招标", "拍卖", "检验",
                                    "检测", "检疫", "鉴定", "专家评审"};

enum { CASE_NO = 3, PARENT_CASE_NO = 4, OCCURRED_AT_US = 7, ITEM_CODE = 12 };

struct walk {
    unsigned audience; /* of deeds */
    redact_ask *ask;
    const void *arg;
    struct slice case_no, parent_case_no, item_code; /* as far as they were met */
    /* Parts that wait for the item's code, which may come behind them. None comes twice in an event
     * that was admitted; should one, the last counts. */
    struct slice late[PARTS];
    uint8_t late_number[PARTS];
    enum disclosure disclosure;
    bool texts;  /* some were written */
    bool astray; /* and the case's number came behind them: another walk, which knows it */
    bool broken;
};

static uint8_t *put_varint(uint8_t *at, uint64_t value) {
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put_tag(uint8_t *at, uint32_t number, enum wire_type type) {
    return put_varint(at, number << 3 | type);
}

static uint8_t *put_text(uint8_t *at, uint32_t number, struct slice text) {
    if (!text.length)
        return at;
    at = put_varint(put_tag(at, number, WIRE_BYTES), text.length);
    memcpy(at, text.data, text.length);
    return at + text.length;
}

static bool holds(struct slice text, struct slice part) {
    return part.length && text.length &&
           memmem(text.data, text.length, part.data, part.length) != NULL;
}

/* The case's own number is no person's; where the audience may not know it, a text that has it in
 * it is left out. */
static uint8_t *put_masked(struct walk *w, uint8_t *at, uint32_t number, struct slice text) {
    bool numbered = w->audience != PUBLIC;
    w->texts = true;
    if (!text.length || (!numbered && (holds(text, w->case_no) || holds(text, w->parent_case_no))))
        return at;
    uint8_t *end = put_text(at, number, text);
    mask_text(end - text.length, text.length, numbered ? w->case_no : (struct slice){0});
    return end;
}

static uint8_t *put_disclosed(uint8_t *at, uint32_t number, const struct officer_text *text) {
    size_t length = text->first.length + text->space + text->second.length;
    if (!text->first.length && !text->second.length)
        return at;
    at = put_varint(put_tag(at, number, WIRE_BYTES), length);
    uint8_t *start = at;
    if (text->first.length)
        memcpy(at, text->first.data, text->first.length);
    at += text->first.length;
    if (text->space)
        *at++ = ' ';
    if (text->second.length)
        memcpy(at, text->second.data, text->second.length);
    mask_text(start, length, (struct slice){0});
    return start + length;
}

/* All numbers but the time are at most 32 bits wide. */
static uint8_t *put_number(uint8_t *at, enum part part, const struct wire_field *f) {
    bool wide = part == EVENT && f->number == OCCURRED_AT_US;
    uint64_t value = wide ? f->value : (uint32_t)f->value;
    return value ? put_varint(put_tag(at, f->number, WIRE_VARINT), value) : at;
}

static bool is_word(struct slice text) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (text.length == strlen(words[i]) && memcmp(text.data, words[i], text.length) == 0)
            return true;
    return false;
}

static uint8_t *put_part(struct walk *w, uint8_t *at, uint32_t number, enum part part,
                         struct slice body);

static uint8_t *put_field(struct walk *w, uint8_t *at, enum part part, const struct wire_field *f) {
    const struct rule *rule = &rules[part][f->number];
    struct slice text = {f->data, f->length};
    switch ((enum deed)rule->deeds[w->audience]) {
    case KEEP:
        return put_number(at, part, f);
    case MASK:
        return put_masked(w, at, f->number, text);
    case WHOLE:
        return mask_finds(text) ? at : put_text(at, f->number, text);
    case CASE:
        return put_text(at, f->number, text);
    case LINK:
        return mask_finds_in_url(text) ? at : put_text(at, f->number, text);
    case WORD:
        return is_word(text) ? put_text(at, f->number, text) : at;
    case DESCEND:
        return put_part(w, at, f->number, (enum part)rule->part, text);
    case DISCLOSE: /* put_fields' and put_part's */
    case DROP:
        break;
    }
    return at;
}

/* The parts with names in them wait until the item is known. */
static bool is_late(const struct rule *rule) {
    return rule->part == HANDLER || rule->part == SPECIAL || rule->part == EXTENSION;
}

static void note(struct walk *w, const struct wire_field *f, const struct rule *rule) {
    struct slice text = {f->data, f->length};
    if (f->number == CASE_NO) {
        w->astray = w->astray || (w->texts && !w->case_no.length);
        w->case_no = text;
    } else if (f->number == PARENT_CASE_NO) {
        w->astray = w->astray || (w->texts && !w->parent_case_no.length);
        w->parent_case_no = text;
    } else if (f->number == ITEM_CODE)
        w->item_code = text;
    if (is_late(rule)) {
        w->late[rule->part] = text;
        w->late_number[rule->part] = (uint8_t)f->number;
    }
}

static uint8_t *put_fields(struct walk *w, uint8_t *at, enum part part, struct slice body) {
    struct wire wire = {body.data, body.data + body.length};
    struct wire_field f, approver = {0};
    int more;
    while ((more = wire_next(&wire, &f)) == 1) {
        const struct rule *rule = f.number < FIELDS ? &rules[part][f.number] : NULL;
        if (!rule || !rule->name || rule->type != f.type)
            continue;
        if (part == EVENT)
            note(w, &f, rule);
        if (part != EVENT || !is_late(rule))
            at = put_field(w, at, part, &f);
        if (part != EVENT && rule->deeds[w->audience] == DISCLOSE)
            approver = f; /* once: what is written may be longer than what it is made from */
    }
    w->broken = w->broken || more < 0;
    if (approver.length) {
        struct officer_text text =
            officer_approver((struct slice){approver.data, approver.length}, w->disclosure);
        at = put_disclosed(at, approver.number, &text);
    }
    return at;
}

static uint8_t *put_handler(struct walk *w, uint8_t *at, struct slice body) {
    struct wire wire = {body.data, body.data + body.length};
    struct wire_field f;
    struct officer officer = {0};
    int more;
    while ((more = wire_next(&wire, &f)) == 1)
        if (f.number < OFFICER_TEXTS && f.type == WIRE_BYTES)
            officer.texts[f.number] = (struct slice){f.data, f.length};
    w->broken = w->broken || more < 0;
    for (unsigned field = 1; field < OFFICER_TEXTS; field++) {
        struct officer_text text = officer_disclosed(&officer, w->disclosure, field);
        at = put_disclosed(at, field, &text);
    }
    return at;
}

static size_t varint_size(size_t value) {
    return value < 0x80 ? 1 : value < 0x4000 ? 2 : 3;
}

/* With its length before it, for which room is left by what the part has at most. */
static uint8_t *put_part(struct walk *w, uint8_t *at, uint32_t number, enum part part,
                         struct slice body) {
    uint8_t *length_at = put_tag(at, number, WIRE_BYTES);
    size_t room = varint_size(body.length + OFFICER_GROWTH);
    uint8_t *start = length_at + room;
    bool disclose = part == HANDLER && rules[EVENT][number].deeds[w->audience] == DISCLOSE;
    uint8_t *end = disclose ? put_handler(w, start, body) : put_fields(w, start, part, body);
    size_t length = (size_t)(end - start);
    if (length == 0)
        return at;
    if (varint_size(length) < room) {
        memmove(length_at + varint_size(length), start, length);
        end -= room - varint_size(length);
    }
    put_varint(length_at, length);
    return end;
}

static uint8_t *put_late(struct walk *w, uint8_t *at) {
    bool asked = false;
    for (unsigned part = 0; part < PARTS; part++) {
        uint8_t number = w->late_number[part];
        if (!number || rules[EVENT][number].deeds[w->audience] == DROP)
            continue;
        if (!asked)
            w->disclosure = w->ask(w->arg, w->item_code);
        asked = true;
        at = put_part(w, at, number, (enum part)part, w->late[part]);
    }
    return at;
}

size_t redact_event(Waybill__V1__Audience audience, redact_ask *ask, const void *arg,
                    struct slice event, uint8_t *out) {
    struct walk w = {.ask = ask, .arg = arg};
    if (event.length > LIMIT_EVENT_BYTES || audience < WAYBILL__V1__AUDIENCE__AUDIENCE_STAFF ||
        audience > WAYBILL__V1__AUDIENCE__AUDIENCE_PUBLIC)
        return 0;
    w.audience = (unsigned)audience - WAYBILL__V1__AUDIENCE__AUDIENCE_STAFF;
    uint8_t *end = put_fields(&w, out, EVENT, event);
    if (w.astray)
        end = put_fields(&w, out, EVENT, event);
    end = put_late(&w, end);
    return w.broken ? 0 : (size_t)(end - out);
}
