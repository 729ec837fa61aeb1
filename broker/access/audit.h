/* Refusals on their way into the audit: like ones (the same subject, the same error) become one
 * row. The first is due within a second; while they go on the pauses double, up to a minute.
 *
 * Bounded: AUDIT_SUBJECTS pairs of subject and error, half of them for strangers; what comes beyond
 * is audited as "(others)", so nobody can push anybody else's refusals out. */
#ifndef BROKER_ACCESS_AUDIT_H
#define BROKER_ACCESS_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

#define AUDIT_SUBJECTS 256

struct audit;
struct buffer;

struct audit *audit_new(void); /* NULL without memory */
void audit_free(struct audit *audit);

/* Words say where it came from; "" adds nothing. stranger: the subject is no registered name. */
void audit_add(struct audit *audit, const char *subject, bool stranger, const struct wb_error *err,
               const char *words, int64_t now_us);

/* Writes what is due as three arrays in PostgreSQL's binary form: subjects, counts, details. Rows:
 * 0 if nothing is due. The buffers are cleared first. */
size_t audit_take(struct audit *audit, struct buffer *subjects, struct buffer *counts,
                  struct buffer *details, int64_t now_us);
/* What was taken is written, or has to be taken again. */
void audit_settle(struct audit *audit, bool written);

#endif
