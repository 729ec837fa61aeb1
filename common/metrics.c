#include "common/metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/timestamp.h"

#define LABEL_BYTES 128                  /* of a label's value; the rest is cut off */
#define SLOTS       (2 * METRICS_LABELS) /* of the hash table: half of them stay empty */
#define PROC_BYTES  1024
#define OTHER       "other"
#define BETWEEN     "\x1f" /* two values that are held as one */

static const struct bucket {
    int64_t us;
    const char *seconds;
} buckets[] = {
    {100, "0.0001"},  {200, "0.0002"},  {500, "0.0005"},  {1000, "0.001"},    {2000, "0.002"},
    {5000, "0.005"},  {10000, "0.01"},  {20000, "0.02"},  {50000, "0.05"},    {100000, "0.1"},
    {200000, "0.2"},  {500000, "0.5"},  {1000000, "1"},   {2000000, "2"},     {5000000, "5"},
    {10000000, "10"}, {20000000, "20"}, {50000000, "50"}, {100000000, "100"},
};

enum { BUCKETS = sizeof buckets / sizeof *buckets };

struct labelled {
    char *value;
    int64_t number;
};

struct series {
    int64_t number;                /* without label; of a labelled metric, what went to OTHER */
    struct labelled *labels;       /* METRICS_LABELS of them, once there is one */
    uint16_t *slots;               /* by hash: index in labels + 1, or 0 */
    size_t count;                  /* of labels */
    int64_t observed[BUCKETS + 1]; /* of a histogram, the last beyond all buckets */
    int64_t sum_us;
};

struct metrics {
    const struct metric *table;
    size_t count;
    double started;
    struct series series[];
};

/* The first bytes of a file under /proc, as text; "" if it cannot be read. */
static const char *read_proc(const char *path, char text[PROC_BYTES]) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, text, PROC_BYTES - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

/* The text behind so many words. */
static const char *skip_words(const char *text, int words) {
    for (; words > 0; words--) {
        text += strspn(text, " ");
        text += strcspn(text, " ");
    }
    return text;
}

/* The kernel tells it in ticks since the machine was started. */
static double start_time(void) {
    char text[PROC_BYTES];
    double now = (double)timestamp_now_us() / 1e6;
    double uptime = strtod(read_proc("/proc/uptime", text), NULL);
    /* Field 22; the second is the program's name in brackets, which may hold anything. */
    const char *name_end = strrchr(read_proc("/proc/self/stat", text), ')');
    if (!name_end || uptime <= 0)
        return now;
    double ticks = strtod(skip_words(name_end + 1, 19), NULL);
    return now - uptime + ticks / (double)sysconf(_SC_CLK_TCK);
}

struct metrics *metrics_new(const struct metric *table, size_t count) {
    struct metrics *metrics = calloc(1, sizeof *metrics + count * sizeof(struct series));
    if (!metrics)
        return NULL;
    metrics->table = table;
    metrics->count = count;
    metrics->started = start_time();
    return metrics;
}

void metrics_free(struct metrics *metrics) {
    if (!metrics)
        return;
    for (size_t i = 0; i < metrics->count; i++) {
        struct series *series = &metrics->series[i];
        for (size_t j = 0; j < series->count; j++)
            free(series->labels[j].value);
        free(series->labels);
        free(series->slots);
    }
    free(metrics);
}

static uint32_t hash(const char *text, size_t bytes) {
    uint32_t value = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < bytes; i++)
        value = (value ^ (unsigned char)text[i]) * 16777619u;
    return value;
}

/* Of the value; not in the middle of a character. */
static size_t label_bytes(const char *value) {
    size_t bytes = strnlen(value, LABEL_BYTES);
    if (bytes == LABEL_BYTES)
        while (bytes && (value[bytes] & 0xc0) == 0x80)
            bytes--;
    return bytes;
}

/* The slot that holds the value, or the empty one where it belongs. */
static uint16_t *find_slot(const struct series *series, const char *value, size_t bytes) {
    for (uint32_t at = hash(value, bytes);; at++) {
        uint16_t *slot = &series->slots[at % SLOTS];
        if (!*slot)
            return slot;
        const char *held = series->labels[*slot - 1].value;
        if (!strncmp(held, value, bytes) && !held[bytes])
            return slot;
    }
}

static int make_tables(struct series *series) {
    if (!series->labels)
        series->labels = calloc(METRICS_LABELS, sizeof *series->labels);
    if (!series->slots)
        series->slots = calloc((size_t)SLOTS, sizeof *series->slots);
    return series->labels && series->slots ? 0 : -1;
}

/* The number to change. When there is no place or no memory for the value it is OTHER's. */
static int64_t *number_of(struct metrics *metrics, size_t metric, const char *value) {
    struct series *series = &metrics->series[metric];
    if (!metrics->table[metric].label || !value || !strcmp(value, OTHER) || make_tables(series))
        return &series->number;
    size_t bytes = label_bytes(value);
    uint16_t *slot = find_slot(series, value, bytes);
    if (!*slot) {
        char *copy = series->count < METRICS_LABELS ? strndup(value, bytes) : NULL;
        if (!copy)
            return &series->number;
        series->labels[series->count++] = (struct labelled){.value = copy};
        *slot = (uint16_t)series->count;
    }
    return &series->labels[*slot - 1].number;
}

void metrics_add(struct metrics *metrics, size_t metric, const char *label_value, int64_t by) {
    *number_of(metrics, metric, label_value) += by;
}

void metrics_add2(struct metrics *metrics, size_t metric, const char *first, const char *second,
                  int64_t by) {
    char pair[LABEL_BYTES];
    snprintf(pair, sizeof pair, "%s" BETWEEN "%s", first, second);
    *number_of(metrics, metric, pair) += by;
}

void metrics_set(struct metrics *metrics, size_t metric, const char *label_value, int64_t value) {
    *number_of(metrics, metric, label_value) = value;
}

void metrics_clear(struct metrics *metrics, size_t metric) {
    struct series *series = &metrics->series[metric];
    for (size_t i = 0; i < series->count; i++)
        free(series->labels[i].value);
    if (series->slots)
        memset(series->slots, 0, (size_t)SLOTS * sizeof *series->slots);
    series->count = 0;
    series->number = 0;
}

void metrics_observe_us(struct metrics *metrics, size_t metric, int64_t us) {
    struct series *series = &metrics->series[metric];
    if (us < 0)
        us = 0;
    size_t bucket = 0;
    while (bucket < BUCKETS && us > buckets[bucket].us)
        bucket++;
    series->observed[bucket]++;
    series->sum_us += us;
    series->number++;
}

int64_t metrics_value(const struct metrics *metrics, size_t metric, const char *label_value) {
    const struct series *series = &metrics->series[metric];
    if (!metrics->table[metric].label)
        return series->number;
    if (label_value && !strcmp(label_value, OTHER))
        return series->number;
    if (label_value) {
        uint16_t slot =
            series->slots ? *find_slot(series, label_value, label_bytes(label_value)) : 0;
        return slot ? series->labels[slot - 1].number : 0;
    }
    int64_t sum = series->number;
    for (size_t i = 0; i < series->count; i++)
        sum += series->labels[i].number;
    return sum;
}

static void write_escaped(struct buffer *out, const char *text, size_t bytes) {
    for (const char *end = text + bytes; text < end; text++) {
        if (*text == '\n')
            buffer_text(out, "\\n");
        else if (*text == '\\' || *text == '"')
            buffer_printf(out, "\\%c", *text);
        else
            buffer_append(out, text, 1);
    }
}

/* A value that was cut before its second part, and OTHER, stand for both labels. */
static void write_labelled(struct buffer *out, const struct metric *metric, const char *value,
                           int64_t number) {
    const char *name = metric->label;
    buffer_printf(out, "%s{", metric->name);
    for (;;) {
        size_t name_bytes = strcspn(name, ","), bytes = strcspn(value, BETWEEN);
        buffer_printf(out, "%.*s=\"", (int)name_bytes, name);
        write_escaped(out, value, bytes);
        buffer_text(out, "\"");
        if (!name[name_bytes])
            break;
        buffer_text(out, ",");
        name += name_bytes + 1;
        value += value[bytes] ? bytes + 1 : 0;
    }
    buffer_printf(out, "} %lld\n", (long long)number);
}

static void write_histogram(struct buffer *out, const struct metric *metric,
                            const struct series *series) {
    int64_t sum = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        sum += series->observed[i];
        buffer_printf(out, "%s_bucket{le=\"%s\"} %lld\n", metric->name, buckets[i].seconds,
                      (long long)sum);
    }
    buffer_printf(out, "%s_bucket{le=\"+Inf\"} %lld\n", metric->name, (long long)series->number);
    buffer_printf(out, "%s_sum %lld.%06d\n", metric->name, (long long)(series->sum_us / 1000000),
                  (int)(series->sum_us % 1000000));
    buffer_printf(out, "%s_count %lld\n", metric->name, (long long)series->number);
}

static void write_head(struct buffer *out, const char *name, const char *type, const char *help) {
    buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_process(const struct metrics *metrics, struct buffer *out) {
    char text[PROC_BYTES];
    long pages = strtol(skip_words(read_proc("/proc/self/statm", text), 1), NULL, 10);
    write_head(out, "process_resident_memory_bytes", "gauge", "Memory that is held in RAM.");
    buffer_printf(out, "process_resident_memory_bytes %ld\n", pages * sysconf(_SC_PAGESIZE));

    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    int64_t us = (int64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
                 used.ru_utime.tv_usec + used.ru_stime.tv_usec;
    write_head(out, "process_cpu_seconds_total", "counter", "Processor time used.");
    buffer_printf(out, "process_cpu_seconds_total %lld.%06d\n", (long long)(us / 1000000),
                  (int)(us % 1000000));

    int descriptors = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (directory) {
        while (readdir(directory))
            descriptors++;
        closedir(directory);
        descriptors -= 3; /* ".", ".." and the directory itself */
    }
    write_head(out, "process_open_fds", "gauge", "Open file descriptors.");
    buffer_printf(out, "process_open_fds %d\n", descriptors);
    write_head(out, "process_start_time_seconds", "gauge", "When it was started, since 1970.");
    buffer_printf(out, "process_start_time_seconds %.2f\n", metrics->started);
}

void metrics_write(const struct metrics *metrics, struct buffer *out) {
    static const char *const types[] = {"counter", "gauge", "histogram"};
    for (size_t i = 0; i < metrics->count; i++) {
        const struct metric *metric = &metrics->table[i];
        const struct series *series = &metrics->series[i];
        write_head(out, metric->name, types[metric->type], metric->help);
        if (metric->type == METRIC_HISTOGRAM) {
            write_histogram(out, metric, series);
            continue;
        }
        if (!metric->label) {
            buffer_printf(out, "%s %lld\n", metric->name, (long long)series->number);
            continue;
        }
        for (size_t j = 0; j < series->count; j++)
            write_labelled(out, metric, series->labels[j].value, series->labels[j].number);
        if (series->number)
            write_labelled(out, metric, OTHER, series->number);
    }
    write_process(metrics, out);
}
