#include "common/timestamp.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define US_PER_S   1000000
#define DAY_S      86400
#define CYCLE_DAYS 146097 /* in 400 years */
#define EPOCH_DAYS 719162 /* from 0001-01-01 to 1970-01-01 */

/* A local time as it is written, in the proleptic Gregorian calendar. */
struct civil {
    int year, month, day, hour, minute, second, us;
    int offset_minutes;
    bool has_time, has_offset;
};

static const int month_starts[2][13] = {
    {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365},
    {0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366}};

static int64_t clock_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

int64_t timestamp_now_us(void) {
    return clock_us(CLOCK_REALTIME);
}

int64_t monotonic_us(void) {
    return clock_us(CLOCK_MONOTONIC);
}

static bool is_leap(int64_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool is_date(int year, int month, int day) {
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1)
        return false;
    const int *starts = month_starts[is_leap(year)];
    return day <= starts[month] - starts[month - 1];
}

static int64_t days_since_epoch(int year, int month, int day) {
    int before = year - 1;
    return 365 * (int64_t)before + before / 4 - before / 100 + before / 400 +
           month_starts[is_leap(year)][month - 1] + day - 1 - EPOCH_DAYS;
}

static int64_t civil_us(const struct civil *civil, int offset_minutes) {
    int64_t seconds = days_since_epoch(civil->year, civil->month, civil->day) * DAY_S +
                      (int64_t)civil->hour * 3600 + (int64_t)civil->minute * 60 + civil->second;
    return (seconds - (int64_t)offset_minutes * 60) * US_PER_S + civil->us;
}

static bool digit(char c) {
    return c >= '0' && c <= '9';
}

static int two_digits(const char *at) {
    return digit(at[0]) && digit(at[1]) ? (at[0] - '0') * 10 + at[1] - '0' : -1;
}

/* Takes any number of digits, of which six count. */
static const char *parse_fraction(const char *at, const char *end, struct civil *civil) {
    const char *first = ++at;
    int unit = US_PER_S / 10;
    for (; at < end && digit(*at); at++, unit /= 10)
        civil->us += (*at - '0') * unit;
    return at > first ? at : NULL;
}

/* Z, +HH:MM, +HHMM or +HH, up to the end of the text. */
static bool parse_offset(const char *at, const char *end, struct civil *civil) {
    civil->has_offset = true;
    if (*at == 'Z' || *at == 'z')
        return at + 1 == end;
    size_t left = (size_t)(end - at) - 1;
    if ((*at != '+' && *at != '-') || (left != 2 && left != 4 && left != 5))
        return false;
    int hours = two_digits(at + 1);
    int minutes = left == 2 ? 0 : two_digits(end - 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || (left == 5 && at[3] != ':'))
        return false;
    civil->offset_minutes = hours * 60 + minutes;
    if (*at == '-')
        civil->offset_minutes = -civil->offset_minutes;
    return true;
}

static bool parse_time(const char *at, const char *end, struct civil *civil) {
    if (end - at < 9 || (at[0] != 'T' && at[0] != 't' && at[0] != ' ') || at[3] != ':' ||
        at[6] != ':')
        return false;
    civil->has_time = true;
    civil->hour = two_digits(at + 1);
    civil->minute = two_digits(at + 4);
    civil->second = two_digits(at + 7);
    if (civil->hour < 0 || civil->hour > 23 || civil->minute < 0 || civil->minute > 59 ||
        civil->second < 0 || civil->second > 60)
        return false;
    at += 9;
    if (at < end && (*at == '.' || *at == ','))
        at = parse_fraction(at, end, civil);
    return at && (at == end || parse_offset(at, end, civil));
}

static bool parse_civil(const char *text, size_t bytes, struct civil *civil) {
    *civil = (struct civil){0};
    if (bytes < 10 || text[4] != '-' || text[7] != '-')
        return false;
    int century = two_digits(text), rest = two_digits(text + 2);
    if (century < 0 || rest < 0)
        return false;
    civil->year = century * 100 + rest;
    civil->month = two_digits(text + 5);
    civil->day = two_digits(text + 8);
    if (!is_date(civil->year, civil->month, civil->day))
        return false;
    return bytes == 10 || parse_time(text + 10, text + bytes, civil);
}

static void from_civil(const struct civil *civil, int offset_minutes, struct timestamp *out) {
    out->us = civil_us(civil, offset_minutes);
    out->offset_minutes = (int16_t)offset_minutes;
    out->date_only = !civil->has_time;
}

bool timestamp_parse(const char *text, size_t bytes, int default_offset_minutes,
                     struct timestamp *out) {
    struct civil civil;
    if (!parse_civil(text, bytes, &civil))
        return false;
    from_civil(&civil, civil.has_offset ? civil.offset_minutes : default_offset_minutes, out);
    return true;
}

/* In the process's zone. A time that a change of the clocks skipped becomes the one that mktime(3)
 * makes of it. The time is computed from the offset in whole minutes and not taken from mktime:
 * where a zone's offset has seconds (before about 1900) the local time stays as it was written. */
static bool from_local(struct tm *tm, int us, bool has_time, struct timestamp *out) {
    tm->tm_wday = -1; /* stays so if mktime fails: its -1 is also a time */
    mktime(tm);
    struct civil civil = {.year = tm->tm_year + 1900,
                          .month = tm->tm_mon + 1,
                          .day = tm->tm_mday,
                          .hour = tm->tm_hour,
                          .minute = tm->tm_min,
                          .second = tm->tm_sec,
                          .us = us,
                          .has_time = has_time};
    if (tm->tm_wday < 0 || !is_date(civil.year, civil.month, civil.day))
        return false;
    from_civil(&civil, (int)(tm->tm_gmtoff / 60), out);
    return true;
}

bool timestamp_parse_local(const char *text, size_t bytes, struct timestamp *out) {
    struct civil civil;
    if (!parse_civil(text, bytes, &civil))
        return false;
    if (civil.has_offset) {
        from_civil(&civil, civil.offset_minutes, out);
        return true;
    }
    struct tm tm = {.tm_year = civil.year - 1900,
                    .tm_mon = civil.month - 1,
                    .tm_mday = civil.day,
                    .tm_hour = civil.hour,
                    .tm_min = civil.minute,
                    .tm_sec = civil.second,
                    .tm_isdst = -1};
    return from_local(&tm, civil.us, civil.has_time, out);
}

/* What a strptime format speaks of. */
struct format_parts {
    bool year, month, day, time, offset, zone_name;
};

static struct format_parts format_parts(const char *format) {
    struct format_parts parts = {0};
    for (const char *at = strchr(format, '%'); at; at = strchr(at, '%')) {
        at++;
        at += strspn(at, "-_0^#EO123456789");
        if (!*at)
            break;
        parts.year |= strchr("YyDFcxs", *at) != NULL;
        parts.month |= strchr("mbBhjDFcxs", *at) != NULL;
        parts.day |= strchr("dejDFcxs", *at) != NULL;
        parts.time |= strchr("HIklMSTRrXcsp", *at) != NULL;
        parts.offset |= *at == 'z';
        parts.zone_name |= *at == 'Z';
        at++; /* also behind "%%" */
    }
    return parts;
}

bool timestamp_parse_format(const char *text, const char *format, struct timestamp *out) {
    struct format_parts parts = format_parts(format);
    /* strptime passes over a zone's name without a look at it, which would give a wrong time. */
    if (!parts.year || !parts.month || !parts.day || parts.zone_name)
        return false;
    struct tm tm = {.tm_mday = 1, .tm_isdst = -1};
    const char *end = strptime(text, format, &tm);
    bool far = tm.tm_year < -1900 || tm.tm_year > 9999; /* seconds (%s) reach any year of an int */
    if (!end || *end || far || !is_date(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday))
        return false;
    if (!parts.offset)
        return from_local(&tm, 0, parts.time, out);
    struct civil civil = {.year = tm.tm_year + 1900,
                          .month = tm.tm_mon + 1,
                          .day = tm.tm_mday,
                          .hour = tm.tm_hour,
                          .minute = tm.tm_min,
                          .second = tm.tm_sec,
                          .has_time = parts.time};
    if (tm.tm_gmtoff <= -DAY_S || tm.tm_gmtoff >= DAY_S)
        return false;
    from_civil(&civil, (int)(tm.tm_gmtoff / 60), out);
    return true;
}

/* glibc takes UTC for a name that it does not know and says nothing, so look at the file. */
static bool zone_exists(const char *name) {
    if (!*name || *name == '/' || strstr(name, "..") ||
        name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/")])
        return false;
    const char *directory = getenv("TZDIR");
    char path[512], magic[4];
    int length = snprintf(path, sizeof path, "%s/%s",
                          directory && *directory ? directory : "/usr/share/zoneinfo", name);
    if (length < 0 || length >= (int)sizeof path)
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_zone = read(fd, magic, sizeof magic) == sizeof magic && !memcmp(magic, "TZif", 4);
    close(fd);
    return is_zone;
}

bool timestamp_zone(const char *name) {
    /* UTC needs no file: a container may have none. */
    if (strcmp(name, "UTC") != 0 && !zone_exists(name))
        return false;
    if (setenv("TZ", name, 1))
        return false;
    tzset();
    return true;
}

/* The date of a day, for every number of days that microseconds in 64 bits can reach. */
static void date_of(int64_t days, int64_t *year, int *month, int *day) {
    days += EPOCH_DAYS;
    int64_t cycle = days / CYCLE_DAYS - (days % CYCLE_DAYS < 0);
    int within = (int)(days - cycle * CYCLE_DAYS);
    int years = within / 365; /* right, or one too many: there are 97 leap days */
    if (within < 365 * years + years / 4 - years / 100 + years / 400)
        years--;
    within -= 365 * years + years / 4 - years / 100 + years / 400;
    *year = cycle * 400 + years + 1;
    const int *starts = month_starts[is_leap(*year)];
    for (*month = 1; within >= starts[*month]; ++*month)
        ;
    *day = within - starts[*month - 1] + 1;
}

const char *timestamp_format(const struct timestamp *time, char *text) {
    int64_t seconds = time->us / US_PER_S - (time->us % US_PER_S < 0);
    int us = (int)(time->us % US_PER_S);
    if (us < 0)
        us += US_PER_S;
    seconds += (int64_t)time->offset_minutes * 60;
    int64_t days = seconds / DAY_S - (seconds % DAY_S < 0);
    int second = (int)(seconds - days * DAY_S);
    int64_t year;
    int month, day;
    date_of(days, &year, &month, &day);

    size_t room = TIMESTAMP_TEXT;
    int length = snprintf(text, room, "%04lld-%02d-%02d", (long long)year, month, day);
    if (time->date_only)
        return text;
    length += snprintf(text + length, room - (size_t)length, "T%02d:%02d:%02d", second / 3600,
                       second / 60 % 60, second % 60);
    if (us % 1000)
        length += snprintf(text + length, room - (size_t)length, ".%06d", us);
    else
        length += snprintf(text + length, room - (size_t)length, ".%03d", us / 1000);
    int offset = time->offset_minutes;
    if (offset)
        snprintf(text + length, room - (size_t)length, "%c%02d:%02d", offset < 0 ? '-' : '+',
                 abs(offset) / 60, abs(offset) % 60);
    else
        memcpy(text + length, "Z", 2);
    return text;
}
