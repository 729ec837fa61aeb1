/* Points in time and last days as people say them, in the local time of the place. */
#ifndef SUBSCRIBERS_GATEWAY_MOMENT_H
#define SUBSCRIBERS_GATEWAY_MOMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct language;

/* Of RFC 3339 text: {"text": "3月2日 10:05", "iso": the text}; the year is said where it is not
 * now's. offset_from: another time whose local offset is to be used, or NULL. json null if the text
 * is NULL or no time. New references, all of them. */
json_t *moment_time(const struct language *language, const char *text, const char *offset_from,
                    int64_t now_us);
/* The date alone, as text. */
json_t *moment_date(const struct language *language, const char *text, const char *offset_from,
                    int64_t now_us);
/* {"date", "clock"}, the clock null where only the day is known. */
json_t *moment_stamp(const struct language *language, const char *text, int64_t now_us);
/* Of a last day, YYYY-MM-DD: {"date": "截至 3月9日（星期一）", "words": "还有 3 天", "iso",
 * "urgent": true within three days and when past}. json null if it is none. */
json_t *moment_due(const struct language *language, const char *date, int64_t now_us);
/* Whole days from today to the last day; INT32_MIN if it is none. */
int moment_days_left(const char *date, int64_t now_us);
/* Whether both are the same point in time, however written; a date alone is its beginning. */
bool moment_same(const char *a, const char *b);
/* Microseconds since 1970, 0 if the text is NULL or no time. Of a date alone the end of the day. */
int64_t moment_us(const char *text);

#endif
