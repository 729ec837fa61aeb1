/* Puts any number of entries in the order of their time, in bounded memory: what does not fit is
 * sorted and written out as a run, and the runs are merged in the end. Entries of the same time
 * keep the order in which they came.
 *
 * The runs lie in one file in $TMPDIR (else /tmp) that has no name, so that nothing stays behind
 * however the program ends. */
#ifndef FILE_SORTER_H
#define FILE_SORTER_H

#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

#define SORTER_MEMORY   33554432 /* bytes of entries before a run is written */
#define SORTER_RUNS_MAX 512

struct sorter;

struct sorter_entry {
    int64_t time;
    uint64_t tag; /* the caller's */
    const void *data;
    size_t bytes;
};

/* memory: 0 for SORTER_MEMORY. NULL and err without memory. */
struct sorter *sorter_new(size_t memory, struct wb_error *err);
void sorter_free(struct sorter *sorter);

/* Copies the entry, of at most SORTER_MEMORY / 4 bytes. -1 and err: the disk is full or fails, or
 * SORTER_RUNS_MAX runs are written. */
int sorter_add(struct sorter *sorter, const struct sorter_entry *entry, struct wb_error *err);

/* Ends the adding. */
int sorter_sort(struct sorter *sorter, struct wb_error *err);
/* 1: the next entry, whose data lasts until the next call; 0: there are no more; -1 and err. */
int sorter_next(struct sorter *sorter, struct sorter_entry *entry, struct wb_error *err);

uint64_t sorter_count(const struct sorter *sorter);

#endif
