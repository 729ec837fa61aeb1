/* When an office works: Monday to Friday, 9:00 to 12:00 and 13:30 to 17:00, by China's clock. Days
 * are counted from 1970-01-01 there. */
#ifndef DEMO_HOURS_H
#define DEMO_HOURS_H

#include <stdbool.h>
#include <stdint.h>

#define HOURS_UTC_OFFSET_MINUTES 480
#define HOURS_DATE_TEXT          11 /* "2026-03-02" and the NUL */

long hours_day(int64_t us);   /* of a time in microseconds since 1970 UTC */
int hours_second(int64_t us); /* of that day */
int64_t hours_at(long day, int second);
bool hours_is_workday(long day);
/* How many working days there were before this day: the same number for a day, whoever asks when.
 */
long hours_ordinal(long day);
long hours_workday_after(long day, int workdays);
/* So many working hours later. */
int64_t hours_later(int64_t us, double hours);
/* The parts of the date, and the date as text. */
void hours_date(long day, int *year, int *month, int *day_of_month);
const char *hours_date_text(long day, char text[HOURS_DATE_TEXT]);

#endif
