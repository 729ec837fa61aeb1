/* An imaginary office and its events: about 300 bytes each, as many as wanted, the same every time.
 *
 * An event is known by its number, from 0. A thousand cases are under way at a time; each gets ten
 * events, and the cases' events are interleaved. */
#ifndef TESTS_BENCH_OFFICE_H
#define TESTS_BENCH_OFFICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/event.h>

struct office {
    bool scattered_ids; /* ids without an order, like random UUIDs; else a running number */
    wb_event event;     /* the last one that was made, and what it points to */
    wb_handler handler;
    wb_notice notice, *notices[1];
    Waybill__V1__Attribute attribute, *attributes[1];
    char event_id[48], case_no[48], step[64];
};

/* It points into itself: not to be copied afterwards. */
void office_init(struct office *office, bool scattered_ids);

/* The event of that number; it lasts until the next call. */
const wb_event *office_event(struct office *office, uint64_t number);

/* The number of the case that event belongs to, and the text that a case is known by. */
uint64_t office_case_of(uint64_t number);
void office_name_case(char *text, size_t size, uint64_t case_number);

/* The first event of the case of that number, which is no case of office_event's. */
const wb_event *office_opening(struct office *office, uint64_t case_number);

/* office_event of that number, but of such a case. */
const wb_event *office_touch(struct office *office, uint64_t number, uint64_t case_number);

/* A further event of such a case, with this text for its step. */
const wb_event *office_step(struct office *office, uint64_t case_number, uint64_t number,
                            const char *step);

#endif
