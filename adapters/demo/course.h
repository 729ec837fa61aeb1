/* One application on its way: an item, a plot, and when each step happens. All of it follows from
 * the world, the day and the serial number, so that a program that starts again tells the same
 * story, and its events are recognised as repeats.
 *
 * Case numbers have 19 digits, as 3204112026112000017: the division code (6), the date of the
 * application (8), and the serial number of that day (5). Serial numbers are taken
 *
 *   from     0  by the history: a hundred for each of 90 worlds
 *   from 10000  by what is submitted while the demonstration runs: 10000 + the second of the day
 *   from 96400  by the sample cases: a hundred for each of 36 worlds
 *
 * A world is what the seed, the number of cases and the days of history make together: programs
 * that were started with different ones seldom speak of the same case. */
#ifndef DEMO_COURSE_H
#define DEMO_COURSE_H

#include "common/arena.h"
#include "plot.h"

#define COURSE_NUMBER         20
#define COURSE_SERIAL_HISTORY 0
#define COURSE_SERIAL_LIVE    10000
#define COURSE_SERIAL_SAMPLE  96400
#define COURSE_SERIALS        100 /* of a day and world, in the history and for the samples */
#define COURSE_CODE           128

struct course {
    char case_no[COURSE_NUMBER], parent[COURSE_NUMBER];
    const struct plot *plot;
    const struct item *item;
    uint64_t world, random; /* the demonstration's; the case's own */
    unsigned serial;
    size_t length, next;    /* steps; the first that was not published */
    int64_t at[PLOT_STEPS]; /* when each happens, or happened */
    long due_day;           /* no appointment is made for a day before this one */

    /* what became of the events */
    size_t pending; /* published, without a receipt */
    bool repeated;  /* the log had the last one already */
    size_t fresh;   /* those that it did not have */
    bool dropped;   /* one was refused: no more of it */
    char code[COURSE_CODE];
};

/* Opened at a time; the steps' times follow by office hours. parent: a case number, or "". */
void course_init(struct course *course, uint64_t world, const struct plot *plot,
                 const struct item *item, unsigned serial, int64_t opened_us, const char *parent);

bool course_finished(const struct course *course);
/* Steps after this time are moved: the next one happens now. */
void course_move(struct course *course, int64_t now_us);
/* The event of a step, in the arena; NULL without memory. */
wb_event *course_event(const struct course *course, size_t step, struct arena *arena);

/* A number without any pattern that follows from two others. */
uint64_t course_mix(uint64_t a, uint64_t b);

#endif
