/* The fields of an event, in one table: their names for people and files, their limits, what text
 * they take. Validation, the JSON form, the mapping files and PROTOCOL.md's table come from it. */
#ifndef PROTO_FIELD_H
#define PROTO_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>
#include <waybill/event.h>

struct arena;

enum field_type {
    FIELD_NAME,   /* one line of text */
    FIELD_PROSE,  /* text that may have newlines */
    FIELD_ID,     /* one line, without space at either end */
    FIELD_URL,    /* http:// or https:// */
    FIELD_DATE,   /* YYYY-MM-DD */
    FIELD_DIGITS, /* digits only */
    FIELD_NUMBER, /* uint32, up to max */
    FIELD_STAGE,  /* ACCEPTED */
    FIELD_KIND,   /* progress */
    FIELD_TIME,   /* RFC 3339; fills occurred_at_us, utc_offset_minutes and date_only */
    FIELD_NOTICE, /* materials */
    FIELD_CLOCK,  /* decision */
    FIELD_LIGHT,  /* yellow */
    FIELD_FLAG,   /* true or false */
    FIELD_DAYS,   /* int32, up to max either way */
    FIELD_TRACE   /* traceparent of W3C Trace Context */
};

/* The message that a field stands in. */
enum field_part {
    PART_EVENT,
    PART_HANDLER,
    PART_SPECIAL,
    PART_EXTENSION,
    PART_DECISION,
    PART_NOTICE,
    PART_ALERT, /* of the service clock: no source sends it */
    PART_COUNT
};

struct field {
    const char *name; /* dotted: case_no, handler.name, notices.title, decision.reason */
    enum field_type type;
    enum field_part part;
    size_t max;    /* bytes, or the largest number */
    size_t offset; /* of the member in the part's struct */
};

extern const struct field fields[]; /* sorted by name */
extern const size_t field_count;
extern const struct field field_attribute_name, field_attribute_value;

/* The range of occurred_at_us (1970 to 2200) and of utc_offset_minutes. */
#define FIELD_TIME_END_US    INT64_C(7258118400000000)
#define FIELD_OFFSET_MINUTES 1080
/* The offset that a date without time and offset gets: Asia/Shanghai's. */
#define FIELD_DEFAULT_OFFSET 480

/* By dotted name, NULL if there is none. "attributes.NAME" is not in the table: see field_set. */
const struct field *field_find(const char *name);

/* Whether a text that is not empty fits a field of text: FIELD_TOO_LONG, FIELD_TEXT, FIELD_VALUE.
 */
int field_check(const struct field *field, const char *text, struct wb_error *err);

/* The same without words, of a text that needs no NUL behind it. Not for an empty one. */
bool field_fits(const struct field *field, const char *text, size_t bytes);

/* The same for the name and value of an attribute. */
int field_check_attribute(const char *name, const char *value, struct wb_error *err);

/* Sets one field from text, as mapping files and NDJSON readers have it: the text is copied into
 * the arena and the part that it belongs to (handler, special …) is created when it is first
 * needed. "notices.title" and its like speak of the event's last notice, creating the first;
 * "attributes.X" adds an attribute. An empty text leaves the field unset. A time of day needs an
 * offset from UTC; a date alone is taken at FIELD_DEFAULT_OFFSET. Returns 0, or -1 and err naming
 * field and value (FIELD_VALUE, STAGE_UNKNOWN, TIME_RANGE, FIELD_TOO_LONG, …; SYSTEM if the arena
 * is full). */
int field_set(wb_event *event, struct arena *arena, const char *name, const char *text,
              struct wb_error *err);

/* Adds an empty notice, which becomes the last one; NULL if memory or LIMIT_NOTICES is reached. */
wb_notice *field_add_notice(wb_event *event, struct arena *arena);

const char *stage_name(int stage);      /* "ACCEPTED"; "UNKNOWN" for a number that is none */
int stage_parse(const char *name);      /* also "STAGE_ACCEPTED", any case; -1 */
bool stage_ends(int stage);             /* the case is over */
const char *kind_name(int kind);        /* "progress" */
int kind_parse(const char *name);       /* -1 */
const char *notice_kind_name(int kind); /* "materials" */
int notice_kind_parse(const char *name);
const char *clock_name(int clock); /* "decision" */
int clock_parse(const char *name); /* -1 */
const char *light_name(int light); /* "yellow" */
int light_parse(const char *name);
const char *standing_name(int standing); /* "current" */
const char *anomaly_name(int anomaly);   /* "after_end" */
const char *audience_name(int audience); /* "staff" */
int audience_parse(const char *name);    /* -1; never UNSPECIFIED */

#endif
