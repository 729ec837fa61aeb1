#include "hours.h"

#include <stdio.h>
#include <time.h>

#define DAY_SECONDS 86400
#define SECOND_US   INT64_C(1000000)
#define UTC_OFFSET  INT64_C(28800) /* HOURS_UTC_OFFSET_MINUTES in seconds */
#define THURSDAY    3              /* 1970-01-01, Monday being 0 */

static const struct {
    int begin, end; /* seconds of the day */
} shifts[] = {{9 * 3600, 12 * 3600}, {13 * 3600 + 1800, 17 * 3600}};

static int64_t local_seconds(int64_t us) {
    int64_t seconds = us / SECOND_US - (us % SECOND_US < 0);
    return seconds + UTC_OFFSET;
}

long hours_day(int64_t us) {
    int64_t seconds = local_seconds(us);
    return (long)(seconds / DAY_SECONDS - (seconds % DAY_SECONDS < 0));
}

int hours_second(int64_t us) {
    return (int)(local_seconds(us) - (int64_t)hours_day(us) * DAY_SECONDS);
}

int64_t hours_at(long day, int second) {
    return ((int64_t)day * DAY_SECONDS + second - UTC_OFFSET) * SECOND_US;
}

static int weekday(long day) {
    return (int)(((day + THURSDAY) % 7 + 7) % 7);
}

bool hours_is_workday(long day) {
    return weekday(day) < 5;
}

long hours_ordinal(long day) {
    int today = weekday(day);
    long monday = day - today;
    return (monday + THURSDAY) / 7 * 5 + (today < 5 ? today : 5);
}

long hours_workday_after(long day, int workdays) {
    while (workdays > 0)
        workdays -= hours_is_workday(++day);
    return day;
}

int64_t hours_later(int64_t us, double hours) {
    long day = hours_day(us);
    int second = hours_second(us);
    int64_t left = (int64_t)(hours * 3600);
    for (;; day++, second = 0) {
        if (!hours_is_workday(day))
            continue;
        for (int i = 0; i < 2; i++) {
            int from = second > shifts[i].begin ? second : shifts[i].begin;
            if (from >= shifts[i].end)
                continue;
            if (left < shifts[i].end - from)
                return hours_at(day, from + (int)left);
            left -= shifts[i].end - from;
        }
    }
}

void hours_date(long day, int *year, int *month, int *day_of_month) {
    time_t seconds = (time_t)day * DAY_SECONDS;
    struct tm date;
    gmtime_r(&seconds, &date);
    *year = date.tm_year + 1900;
    *month = date.tm_mon + 1;
    *day_of_month = date.tm_mday;
}

const char *hours_date_text(long day, char text[HOURS_DATE_TEXT]) {
    int year, month, day_of_month;
    hours_date(day, &year, &month, &day_of_month);
    snprintf(text, HOURS_DATE_TEXT, "%04u-%02u-%02u", (unsigned)year % 10000, (unsigned)month % 100,
             (unsigned)day_of_month % 100);
    return text;
}
