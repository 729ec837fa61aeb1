/* A program's metrics: one table, written as Prometheus text. Only for the loop's thread.
 *
 * A metric may have one label, or two; its values, or pairs of values, are bounded (METRICS_LABELS
 * a metric, then "other"). */
#ifndef COMMON_METRICS_H
#define COMMON_METRICS_H

#include <stddef.h>
#include <stdint.h>

struct buffer;

#define METRICS_LABELS 256

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
    const char *name; /* waybill_events_admitted_total */
    enum metric_type type;
    const char *label; /* its name, "source", two names, "source,code", or NULL */
    const char *help;
};

struct metrics;

/* The table is kept by reference; metrics are named by their index in it. NULL without memory. */
struct metrics *metrics_new(const struct metric *table, size_t count);
void metrics_free(struct metrics *metrics);

void metrics_add(struct metrics *metrics, size_t metric, const char *label_value, int64_t by);
/* Of a metric with two labels. */
void metrics_add2(struct metrics *metrics, size_t metric, const char *first, const char *second,
                  int64_t by);
void metrics_set(struct metrics *metrics, size_t metric, const char *label_value, int64_t value);
/* Forgets all of its labels and values: they are about to be set anew. */
void metrics_clear(struct metrics *metrics, size_t metric);
/* A histogram takes microseconds and is written in seconds (buckets 100 us to 100 s, three a
 * decade). It has no label. */
void metrics_observe_us(struct metrics *metrics, size_t metric, int64_t us);
/* Of a metric with labels, NULL gives the sum over its values; of a histogram, the observations.
 */
int64_t metrics_value(const struct metrics *metrics, size_t metric, const char *label_value);

/* Prometheus text exposition 0.0.4, with process_resident_memory_bytes, process_cpu_seconds_total,
 * process_open_fds and process_start_time_seconds. */
void metrics_write(const struct metrics *metrics, struct buffer *out);

#endif
