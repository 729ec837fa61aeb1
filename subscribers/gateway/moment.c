#include "subscribers/gateway/moment.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/timestamp.h"
#include "proto/field.h"
#include "subscribers/gateway/catalogue.h"

#define DAY_S          86400
#define US             1000000
#define URGENT_DAYS    3
#define LOCAL_NOW(now) ((now) / US + INT64_C(60) * FIELD_DEFAULT_OFFSET)

static bool parse(const char *text, struct timestamp *time) {
    return text && timestamp_parse(text, strlen(text), FIELD_DEFAULT_OFFSET, time);
}

static struct tm civil(int64_t local_s) {
    time_t seconds = (time_t)local_s;
    struct tm tm;
    gmtime_r(&seconds, &tm);
    return tm;
}

static json_t *say_date(const struct language *language, const struct tm *tm, int64_t now_us) {
    char year[16], day[16];
    struct tm now = civil(LOCAL_NOW(now_us));
    snprintf(year, sizeof year, "%d", tm->tm_year + 1900);
    snprintf(day, sizeof day, "%d", tm->tm_mday);
    const char *month = language_entry(language, "date.months", (size_t)tm->tm_mon);
    return language_format(language, tm->tm_year == now.tm_year ? "date.short" : "date.full",
                           "year", year, "month", month, "day", day, NULL);
}

static struct tm civil_of(const struct timestamp *time) {
    return civil(time->us / US + (int64_t)time->offset_minutes * 60);
}

static const char *say_clock(const struct tm *tm, char text[16]) {
    strftime(text, 16, "%H:%M", tm);
    return text;
}

static json_t *say(const struct language *language, const struct timestamp *time, int64_t now_us) {
    struct tm tm = civil_of(time);
    json_t *date = say_date(language, &tm, now_us);
    if (time->date_only || !date)
        return date;
    char clock[16];
    json_t *text = language_format(language, "date.with_time", "date", json_string_value(date),
                                   "time", say_clock(&tm, clock), NULL);
    json_decref(date);
    return text;
}

json_t *moment_stamp(const struct language *language, const char *text, int64_t now_us) {
    struct timestamp time;
    char clock[16];
    if (!parse(text, &time))
        return json_null();
    struct tm tm = civil_of(&time);
    return json_pack("{s:o*, s:s?}", "date", say_date(language, &tm, now_us), "clock",
                     time.date_only ? NULL : say_clock(&tm, clock));
}

json_t *moment_time(const struct language *language, const char *text, const char *offset_from,
                    int64_t now_us) {
    struct timestamp time, other;
    if (!parse(text, &time))
        return json_null();
    if (parse(offset_from, &other))
        time.offset_minutes = other.offset_minutes;
    return json_pack("{s:o*, s:s}", "text", say(language, &time, now_us), "iso", text);
}

json_t *moment_date(const struct language *language, const char *text, const char *offset_from,
                    int64_t now_us) {
    struct timestamp time, other;
    if (!parse(text, &time))
        return json_null();
    if (parse(offset_from, &other))
        time.offset_minutes = other.offset_minutes;
    time.date_only = true;
    return say(language, &time, now_us);
}

int moment_days_left(const char *date, int64_t now_us) {
    struct timestamp time;
    if (!parse(date, &time) || !time.date_only)
        return INT32_MIN;
    int64_t last = time.us / US + (int64_t)time.offset_minutes * 60;
    return (int)(last / DAY_S - LOCAL_NOW(now_us) / DAY_S);
}

static json_t *say_left(const struct language *language, int days) {
    char count[16];
    if (days == 0 || days == 1)
        return json_string(language_text(language, days ? "due.tomorrow" : "due.today"));
    snprintf(count, sizeof count, "%d", days < 0 ? -days : days);
    const char *key = days > 0 ? "due.left" : days == -1 ? "due.past_one" : "due.past";
    return language_format(language, key, "count", count, NULL);
}

json_t *moment_due(const struct language *language, const char *date, int64_t now_us) {
    int days = moment_days_left(date, now_us);
    struct timestamp time;
    if (days == INT32_MIN || !parse(date, &time))
        return json_null();
    struct tm tm = civil_of(&time);
    json_t *day = say_date(language, &tm, now_us);
    json_t *with_weekday =
        language_format(language, "date.with_weekday", "date", json_string_value(day), "weekday",
                        language_entry(language, "date.weekdays", (size_t)tm.tm_wday), NULL);
    json_t *by = language_format(language, "due.by", "date", json_string_value(with_weekday), NULL);
    json_decref(day);
    json_decref(with_weekday);
    return json_pack("{s:o*, s:o*, s:s, s:b}", "date", by, "words", say_left(language, days), "iso",
                     date, "urgent", days <= URGENT_DAYS);
}

bool moment_same(const char *a, const char *b) {
    struct timestamp x, y;
    return parse(a, &x) && parse(b, &y) && x.us == y.us;
}

int64_t moment_us(const char *text) {
    struct timestamp time;
    if (!parse(text, &time))
        return 0;
    return time.date_only ? time.us + (int64_t)DAY_S * US : time.us;
}
