#include "sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/buffer.h"

static struct columns *columns;
static struct buffer out;

static int on_record(void *arg, struct record *record, const struct wb_error *fault) {
    struct sink *sink = arg;
    size_t bytes;
    if (sink->records < 64)
        snprintf(sink->ids[sink->records], sizeof(sink->ids[0]), "%s", record_id(record));
    sink->records++;
    sink->faults += fault != NULL;
    buffer_printf(&out, "%llu%c", (unsigned long long)record_line(record), fault ? '!' : ':');
    if (fault)
        buffer_printf(&out, " %s", fault->detail);
    else if (record_raw(record, &bytes) && record_count(record) == 0)
        buffer_printf(&out, " %.*s", (int)bytes, record_raw(record, &bytes));
    for (size_t i = 0; !fault && i < record_count(record); i++) {
        int column = record_column(record, i);
        const char *value = record_value(record, column, &bytes);
        buffer_printf(&out, " %s=%s", columns_at(columns, column)->name, value);
    }
    buffer_printf(&out, "\n");
    return sink->most && sink->records == sink->most ? -1 : 0;
}

void sink_read(struct sink *sink, sink_new *new_reader, struct reader_options options,
               const char *data, size_t bytes, size_t piece) {
    unsigned most = sink->most;
    memset(sink, 0, sizeof(*sink));
    sink->most = most;
    buffer_init(&out, sizeof(sink->text) - 1);
    columns = columns_new();
    assert_non_null(columns);
    options.name = "input";
    options.columns = columns;
    options.sink = on_record;
    options.arg = sink;
    struct reader *reader = new_reader(&options, &sink->err);
    assert_non_null(reader);
    for (size_t at = 0; at < bytes && sink->result == 0;) {
        size_t next = piece && piece < bytes - at ? piece : bytes - at;
        char copy[64 * 1024]; /* a sanitizer sees reads behind the piece */
        next = next < sizeof(copy) ? next : sizeof(copy);
        memcpy(copy, data + at, next);
        sink->result = reader->feed(reader, copy, next, &sink->err);
        at += next;
    }
    if (sink->result == 0)
        sink->result = reader->finish(reader, &sink->err);
    reader->free(reader);
    columns_free(columns);
    snprintf(sink->text, sizeof(sink->text), "%s", buffer_string(&out));
    buffer_free(&out);
}

void sink_text(struct sink *sink, sink_new *new_reader, struct reader_options options,
               const char *text) {
    sink_read(sink, new_reader, options, text, strlen(text), 0);
}
