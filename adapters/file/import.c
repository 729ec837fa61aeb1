#include "adapters/file/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/file/convert.h"
#include "adapters/file/delivery.h"
#include "adapters/file/input.h"
#include "adapters/file/progress.h"
#include "adapters/file/reader.h"
#include "adapters/file/rejects.h"
#include "adapters/file/replay.h"
#include "adapters/file/report.h"
#include "common/buffer.h"
#include "common/timestamp.h"
#include "proto/json.h"
#include "proto/problem.h"
#include "proto/validate.h"

#define KEEP_ALIVE_RECORDS 4096
#define KEEP_ALIVE_MS      200 /* while a pipe gives nothing */

struct import {
    const struct import_options *options;
    struct columns *columns;
    struct mapping *mapping; /* NULL: none */
    struct convert convert;
    struct input *input;
    struct reader *reader;
    struct rejects *rejects;
    struct delivery *delivery; /* NULL: a dry run */
    struct sorter *sorter;     /* NULL: in the file's order */
    struct progress progress;
    struct report report;
    struct buffer packed;   /* an event on its way to the sorter */
    struct buffer record;   /* as JSON, where rejects keep it */
    struct wb_error failed; /* why the run ended early */
    json_t *samples;        /* of a dry run with --json */
};

static bool stopped(const struct import *import) {
    return *import->options->stop != 0;
}

static void say(struct import *import, const struct wb_error *err) {
    char words[600];
    progress_clear(&import->progress);
    fprintf(stderr, "waybill-adapter-file: %s\n", problem_line(err, words, sizeof(words)));
}

static const char *record_text(struct import *import, const struct record *record) {
    if (!rejects_keeps(import->rejects))
        return NULL;
    buffer_clear(&import->record);
    record_json(record, &import->record);
    return buffer_string(&import->record);
}

static void reject(struct import *import, const struct record *record, const struct wb_error *why) {
    rejects_add(import->rejects, record_line(record), why, record_text(import, record));
}

static bool is_about_event(const struct wb_error *err) {
    return err->code >= 200 && err->code < 300;
}

static int show(struct import *import, const wb_event *event) {
    if (import->report.events >= import->options->dry_events)
        return 0;
    json_t *json = event_to_json(event);
    if (!json)
        return problem(&import->failed, WB_E_SYSTEM, "out of memory");
    if (import->samples)
        return json_array_append_new(import->samples, json);
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    fputc('\n', stdout);
    json_decref(json);
    return 0;
}

/* What the sorter holds of an event: its size, its bytes, the record as JSON with a NUL. */
static int put_aside(struct import *import, const struct record *record, const wb_event *event) {
    const char *text = record_text(import, record);
    size_t bytes = protobuf_c_message_get_packed_size(&event->base);
    struct buffer *packed = &import->packed;
    buffer_clear(packed);
    buffer_append(packed, &bytes, sizeof(bytes));
    uint8_t *to = buffer_reserve(packed, bytes);
    if (!to)
        return problem(&import->failed, WB_E_SYSTEM, "out of memory");
    packed->length += protobuf_c_message_pack(&event->base, to);
    if (text)
        buffer_append(packed, text, strlen(text) + 1);
    if (packed->failed)
        return problem(&import->failed, WB_E_SYSTEM, "out of memory");
    struct sorter_entry entry = {.time = event->occurred_at_us,
                                 .tag = record_line(record),
                                 .data = packed->data,
                                 .bytes = packed->length};
    return sorter_add(import->sorter, &entry, &import->failed);
}

/* A valid event goes where this run takes it. -1 ends the run for import->failed. */
static int pass_on(struct import *import, const struct record *record, const wb_event *event) {
    struct wb_error why = {0};
    if (import->sorter || !import->delivery) {
        if (event_validate(event, &why)) {
            reject(import, record, &why);
            return 0;
        }
        int result = import->sorter ? put_aside(import, record, event) : show(import, event);
        import->report.events += result == 0;
        return result;
    }
    int result = delivery_send(import->delivery, event, record_line(record),
                               record_text(import, record), &why);
    import->report.events += result == 0;
    if (result && is_about_event(&why)) {
        reject(import, record, &why);
        return 0;
    }
    import->failed = why;
    return result;
}

/* The broker ends a session that is silent for long; acknowledgements are handled here too. */
static int keep_alive(struct import *import) {
    return import->delivery ? delivery_wait(import->delivery, 0, &import->failed) : 0;
}

static int on_record(void *arg, struct record *record, const struct wb_error *fault) {
    struct import *import = arg;
    struct wb_error why = {0};
    wb_event *event = NULL;
    int result = 0;
    import->report.read++;
    if (import->report.read % KEEP_ALIVE_RECORDS == 0 && keep_alive(import))
        return -1;
    progress_tick(&import->progress, input_done(import->input), input_size(import->input),
                  import->report.read);
    if (fault) {
        reject(import, record, fault);
        return stopped(import) ? -1 : 0;
    }
    switch (convert_record(&import->convert, record, &event, &why)) {
    case MAPPING_EVENT:
        result = pass_on(import, record, event);
        break;
    case MAPPING_SKIPPED:
        import->report.skipped++;
        break;
    case MAPPING_REJECTED:
        reject(import, record, &why);
        break;
    }
    return result || stopped(import) ? -1 : 0;
}

/* Reads to the end: 0; -1 where import->failed says why, READER_STOPPED when told to. */
static int read_all(struct import *import) {
    static char chunk[INPUT_CHUNK];
    while (!stopped(import)) {
        if (!input_ready(import->input, KEEP_ALIVE_MS)) {
            if (keep_alive(import))
                return -1;
            continue;
        }
        ssize_t bytes = input_read(import->input, chunk, sizeof(chunk), &import->failed);
        if (bytes < 0 && import->failed.code == WB_OK)
            continue;
        if (bytes < 0)
            return -1;
        int result =
            bytes > 0 ? import->reader->feed(import->reader, chunk, (size_t)bytes, &import->failed)
                      : import->reader->finish(import->reader, &import->failed);
        if (result != 0 || bytes == 0)
            return result;
    }
    return READER_STOPPED;
}

static int replay_send(void *arg, const struct sorter_entry *entry, struct wb_error *err) {
    struct import *import = arg;
    const uint8_t *data = entry->data;
    size_t bytes, from = sizeof(bytes);
    memcpy(&bytes, data, sizeof(bytes));
    const char *record = from + bytes < entry->bytes ? (const char *)data + from + bytes : NULL;
    arena_reset(&import->convert.arena);
    wb_event *event =
        waybill__v1__event__unpack(&import->convert.arena.protobuf, bytes, data + from);
    if (!event)
        return problem(err, WB_E_SYSTEM, "no memory for the event");
    import->report.events++;
    progress_tick(&import->progress, import->report.events, sorter_count(import->sorter),
                  import->report.events);
    int result = delivery_send(import->delivery, event, entry->tag, record, err);
    if (result == 0 || !is_about_event(err))
        return result;
    rejects_add(import->rejects, entry->tag, err, record);
    err->code = WB_OK;
    return 0;
}

static int replay_pause(void *arg, int ms, struct wb_error *err) {
    const struct import *import = arg;
    return delivery_wait(import->delivery, ms, err);
}

static int64_t replay_now(void *arg) {
    (void)arg;
    return monotonic_us();
}

static bool replay_stopped(void *arg) {
    return stopped(arg);
}

static int replay(struct import *import, struct wb_error *err) {
    struct replay_outlet outlet = {.send = replay_send,
                                   .pause = replay_pause,
                                   .now_us = replay_now,
                                   .stopped = replay_stopped,
                                   .arg = import};
    if (sorter_sort(import->sorter, err))
        return -1;
    import->report.events = 0;
    return replay_run(import->sorter, import->options->factor, &outlet, err);
}

/* Everything that was read goes out, also if reading failed; the first failure is what is told. */
static void deliver(struct import *import) {
    struct wb_error later = {0};
    bool sent =
        !import->sorter || import->failed.code == WB_OK || import->failed.code == WB_E_FORMAT;
    if (!import->delivery)
        return;
    if (sent && import->sorter && !stopped(import) && replay(import, &later))
        sent = false;
    if (sent && !stopped(import))
        delivery_finish(import->delivery, &later);
    if (import->failed.code == WB_OK)
        import->failed = later;
    struct delivery_counts counts = delivery_counts(import->delivery);
    import->report.acknowledged = counts.acknowledged;
    import->report.repeats = counts.repeats;
    import->report.unacknowledged = delivery_pending(import->delivery);
}

static void put_report(struct import *import) {
    const struct report *report = &import->report;
    FILE *to = report->dry ? stdout : stderr;
    if (import->options->json) {
        json_t *json = report_json(report);
        if (import->samples)
            json_object_set(json, "events", import->samples);
        json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        fputc('\n', stdout);
        json_decref(json);
    }
    if (!import->options->quiet && !(import->options->json && report->dry))
        report_findings(report, report->dry, to);
    if (!import->options->quiet)
        report_summary(report, stderr);
}

/* Who stops a run is told what it leaves, also where --quiet was given: the status alone would say
 * that something failed. */
static void say_stopped(struct import *import) {
    fputs("waybill-adapter-file: stopped", stderr);
    if (import->delivery)
        fprintf(stderr,
                "; %llu events have no acknowledgement: run it again, what is known is recognised",
                (unsigned long long)import->report.unacknowledged);
    fputc('\n', stderr);
}

static enum import_status finish(struct import *import, int64_t began_us) {
    struct report *report = &import->report;
    deliver(import);
    report->seconds = (double)(monotonic_us() - began_us) / 1e6;
    progress_clear(&import->progress);
    /* A call that the signal cut short says that it took too long. */
    if (stopped(import) && import->failed.code == WB_E_TIMEOUT)
        import->failed.code = WB_OK;
    if (import->failed.code != WB_OK)
        say(import, &import->failed);
    if (stopped(import))
        say_stopped(import);
    put_report(import);
    bool all = report->complete && import->failed.code == WB_OK && !stopped(import) &&
               report->unacknowledged == 0 && rejects_count(import->rejects) == 0;
    return all ? IMPORT_DONE : IMPORT_PARTLY;
}

static bool ends_with(const char *text, size_t bytes, const char *end) {
    size_t length = strlen(end);
    return bytes >= length && strncmp(text + bytes - length, end, length) == 0;
}

static const char *format_of(const struct import *import) {
    const char *path = import->options->path;
    size_t bytes = strlen(path);
    if (import->options->format)
        return import->options->format;
    if (import->mapping && mapping_source(import->mapping)->format)
        return mapping_source(import->mapping)->format;
    if (ends_with(path, bytes, ".gz"))
        bytes -= 3;
    return ends_with(path, bytes, ".csv")                                          ? "csv"
           : ends_with(path, bytes, ".xes")                                        ? "xes"
           : ends_with(path, bytes, ".ndjson") || ends_with(path, bytes, ".jsonl") ? "ndjson"
                                                                                   : NULL;
}

static int open_reader(struct import *import, struct wb_error *err) {
    const char *format = format_of(import);
    struct reader_options options = {.name = input_name(import->input),
                                     .columns = import->columns,
                                     .sink = on_record,
                                     .arg = import,
                                     .whole = !import->mapping,
                                     .lax = import->options->lax};
    if (import->mapping) {
        options.delimiter = mapping_source(import->mapping)->delimiter;
        options.encoding = mapping_source(import->mapping)->encoding;
        options.zone_known = mapping_source(import->mapping)->has_zone;
    }
    if (!format) {
        problem(err, WB_E_USAGE, "the format of %.100s is not known", options.name);
        return problem_hint(err, "say --format csv, ndjson or xes");
    }
    if (strcmp(format, "ndjson") != 0 && !import->mapping) {
        problem(err, WB_E_USAGE, "%s files need a mapping to become events", format);
        return problem_hint(err, "give --mapping FILE; docs/mapping.md shows how to write one");
    }
    import->reader = strcmp(format, "csv") == 0   ? csv_reader_new(&options, err)
                     : strcmp(format, "xes") == 0 ? xes_reader_new(&options, err)
                                                  : ndjson_reader_new(&options, err);
    return import->reader ? 0 : -1;
}

static int open_rules(struct import *import, struct wb_error *err) {
    import->columns = columns_new();
    if (!import->columns)
        return problem(err, WB_E_SYSTEM, "out of memory");
    if (!import->options->mapping)
        return 0;
    import->mapping = mapping_load(import->options->mapping, import->columns, err);
    return import->mapping ? 0 : -1;
}

static int open_delivery(struct import *import, struct wb_error *err) {
    const struct import_options *options = import->options;
    struct delivery_options delivery = {.endpoint = options->endpoint,
                                        .source = options->source,
                                        .server_key = options->server_key,
                                        .key_file = options->key_file,
                                        .spool = options->spool,
                                        .quiet = options->quiet,
                                        .stop = options->stop,
                                        .rejects = import->rejects,
                                        .progress = &import->progress};
    if (options->dry_run) {
        import->samples = options->json ? json_array() : NULL;
        return 0;
    }
    import->delivery = delivery_open(&delivery, err);
    if (!import->delivery || delivery_begin(import->delivery, err))
        return -1;
    import->sorter = options->replay ? sorter_new(0, err) : NULL;
    return options->replay && !import->sorter ? -1 : 0;
}

static int open_all(struct import *import, struct wb_error *err) {
    const struct import_options *options = import->options;
    if (open_rules(import, err))
        return -1;
    import->input = input_open(options->path, err);
    if (!import->input)
        return -1;
    struct rejects_options rejects = {.path = options->rejects,
                                      .name = input_name(import->input),
                                      .input = options->path,
                                      .mapping = options->mapping,
                                      .quiet = options->quiet,
                                      .progress = &import->progress};
    import->rejects = rejects_new(&rejects, err);
    if (!import->rejects || open_reader(import, err))
        return -1;
    convert_init(&import->convert, import->mapping);
    import->report = (struct report){.dry = options->dry_run,
                                     .rejects = import->rejects,
                                     .mapping = import->mapping,
                                     .columns = import->columns};
    return open_delivery(import, err);
}

static enum import_status close_all(struct import *import, enum import_status status) {
    struct wb_error err = {0};
    delivery_close(import->delivery);
    sorter_free(import->sorter);
    if (import->reader)
        import->reader->free(import->reader);
    input_close(import->input);
    convert_free(&import->convert);
    mapping_free(import->mapping);
    columns_free(import->columns);
    buffer_free(&import->packed);
    buffer_free(&import->record);
    json_decref(import->samples);
    if (rejects_close(import->rejects, &err)) {
        say(import, &err);
        status = status == IMPORT_DONE ? IMPORT_PARTLY : status;
    }
    if (fflush(stdout) != 0)
        status = status == IMPORT_DONE ? IMPORT_PARTLY : status;
    return status;
}

enum import_status import_run(const struct import_options *options) {
    struct import import = {.options = options};
    struct wb_error err = {0};
    int64_t began_us = monotonic_us();
    buffer_init(&import.packed, 0);
    buffer_init(&import.record, 0);
    convert_init(&import.convert, NULL);
    if (open_all(&import, &err)) {
        say(&import, &err);
        return close_all(&import, err.code == WB_E_SYSTEM ? IMPORT_PARTLY : IMPORT_INVALID);
    }
    progress_begin(&import.progress, options->quiet);
    int result = read_all(&import);
    import.report.complete = result == 0;
    return close_all(&import, finish(&import, began_us));
}
