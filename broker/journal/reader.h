/* Reads the log from the database, on a connection of its own, so that replay never stands in the
 * way of a commit. One read at a time; further ones wait in a bounded queue. While one's rows are
 * handed out the server works on the next. */
#ifndef BROKER_JOURNAL_READER_H
#define BROKER_JOURNAL_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include <waybill/error.h>

#include "proto/frame.h"

#define READS_MAX       4096
#define READ_ROWS_MAX   256 /* in one range: at 64 KiB an event, 16 MiB */
#define READ_CASE_ROWS  4096
#define READ_CASE_BYTES (16 * 1024 * 1024)

struct reader;
struct log_record;
struct sources;

/* Called once. The records last until the function returns; on failure err says that it can be
 * tried again (BUSY) and there are none. */
typedef void reader_done(void *arg, const struct log_record *records, size_t count,
                         const struct wb_error *err);

struct reader *reader_new(uv_loop_t *loop, const char *database, const struct sources *sources);
/* Forgets the reads that wait without calling anybody. NULL is allowed. */
void reader_close(struct reader *reader);

/* The events behind `after` up to `through`, at most `limit` (READ_ROWS_MAX), in order. With case
 * numbers only those cases' (copied). A handle for reader_cancel; NULL and no call if the queue is
 * full. */
struct read *reader_range(struct reader *reader, uint64_t after, uint64_t through, size_t limit,
                          const char *const *case_nos, size_t case_count, reader_done *done,
                          void *arg);
/* The newest events of a case in order: READ_CASE_ROWS, or READ_CASE_BYTES and one more. They are
 * read from a server whose log reaches `through` at least. Goes before ranges. */
struct read *reader_case(struct reader *reader, const char *case_no, uint64_t through,
                         reader_done *done, void *arg);
/* The read will not call done any more. */
void reader_cancel(struct read *read);

#endif
