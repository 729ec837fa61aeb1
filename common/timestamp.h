/* Points in time: microseconds since 1970-01-01T00:00:00Z, with the offset of local time. */
#ifndef COMMON_TIMESTAMP_H
#define COMMON_TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMESTAMP_TEXT 40 /* bytes that the longest text needs, with its NUL */

struct timestamp {
    int64_t us;
    int16_t offset_minutes; /* of local time from UTC, -1439 to 1439 */
    bool date_only;         /* the text had no time of day */
};

int64_t timestamp_now_us(void); /* the wall clock */
int64_t monotonic_us(void);     /* for durations; no relation to the wall clock */

/* RFC 3339, also with ' ' for 'T', a comma before the fraction, an offset without colon or without
 * minutes; or a date alone, taken as local midnight at default_offset_minutes. A time without an
 * offset gets default_offset_minutes. Digits behind the microseconds are cut off. False if the text
 * is anything else. Leap second 60 is taken as the second after 59. */
bool timestamp_parse(const char *text, size_t bytes, int default_offset_minutes,
                     struct timestamp *out);

/* strptime(3) with the format, in the process's zone as set by timestamp_zone(); the zone's rule at
 * that time gives the offset, unless the format has %z. */
bool timestamp_parse_format(const char *text, const char *format, struct timestamp *out);

/* Sets the process's zone by its IANA name. False if the system does not know the name. */
bool timestamp_zone(const char *name);

/* Gives local time without an offset the process's zone. */
bool timestamp_parse_local(const char *text, size_t bytes, struct timestamp *out);

/* RFC 3339 with milliseconds, or with microseconds where there are any; a date alone if date_only.
 * An offset of 0 is written 'Z'. Returns text, which holds TIMESTAMP_TEXT bytes. */
const char *timestamp_format(const struct timestamp *time, char *text);

#endif
