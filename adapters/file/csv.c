/* CSV on libcsv: a header line, then one record a row. A row that cannot be used does not stop the
 * ones behind it; a quote that is never closed does, since nothing tells where the next row is. */
#include <csv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/file/decode.h"
#include "adapters/file/quotes.h"
#include "adapters/file/reader.h"
#include "adapters/lib/text.h"
#include "common/buffer.h"
#include "proto/problem.h"

#define PARSER_OPTIONS (CSV_REPALL_NL | CSV_STRICT_FINI | CSV_APPEND_NULL)

struct csv_reader {
    struct reader reader; /* the first member */
    struct reader_options options;
    struct csv_parser parser;
    struct quotes quotes; /* what the parser has been given ends in this state */
    struct decode *decode;
    struct buffer text; /* the piece at hand, as UTF-8 */
    struct record *record;
    int columns[RECORD_MEMBERS_MAX]; /* by position */
    size_t width;                    /* columns in the header */
    bool has_header;                 /* it is complete */
    size_t at;                       /* fields of the row so far */
    uint64_t line, row_line;         /* of what is read, and of the row's beginning, from 1 */
    bool after_return;               /* the last row ended with CR, so an LF belongs to it */
    bool stopped;
    struct wb_error fault;  /* of the row, WB_OK: none */
    struct wb_error broken; /* of the file */
};

/* libcsv keeps a field until it is complete: without this bound an open quote would take the rest
 * of the file into memory. */
static void *bounded_realloc(void *memory, size_t bytes) {
    return bytes > RECORD_BYTES_MAX + 4096 ? NULL : realloc(memory, bytes);
}

static int break_off(struct csv_reader *csv, const char *detail, const char *hint) {
    problem(&csv->broken, WB_E_FORMAT, "%.100s:%llu: %s", csv->options.name,
            (unsigned long long)csv->row_line, detail);
    return problem_hint(&csv->broken, "%s", hint);
}

static void name_column(struct csv_reader *csv, const char *name, size_t bytes) {
    char unique[COLUMN_NAME_BYTES + 1];
    size_t at, length, unused;
    if (csv->width == RECORD_MEMBERS_MAX) {
        break_off(csv, "the header has more than 4096 columns",
                  "look whether the delimiter is right: csv.delimiter");
        return;
    }
    if (bytes > COLUMN_NAME_BYTES - 16 || text_check(name, bytes, &at, &length) != TEXT_CLEAN) {
        break_off(csv, "the header line is too long or not in the file's encoding",
                  "say csv.encoding in the mapping: GB18030, ISO-8859-1, ...");
        return;
    }
    snprintf(unique, sizeof(unique), "%.*s", (int)bytes, name);
    /* A header may repeat a name or leave it out: the column is called by its position then. */
    int column = bytes > 0 ? columns_enter(csv->options.columns, unique, bytes) : COLUMN_NONE;
    if (column == COLUMN_NONE || record_value(csv->record, column, &unused)) {
        snprintf(unique + bytes, sizeof(unique) - bytes, "#%zu", csv->width + 1);
        column = columns_enter(csv->options.columns, unique, strlen(unique));
    }
    if (column == COLUMN_NONE || record_put(csv->record, column, "", 0, NULL))
        break_off(csv, "the header's names are not different", "give each column its own name");
    else {
        columns_at(csv->options.columns, column)->present = true;
        csv->columns[csv->width++] = column;
    }
}

static const char *column_name(const struct csv_reader *csv, size_t at) {
    return columns_at(csv->options.columns, csv->columns[at])->name;
}

static void text_fault(struct csv_reader *csv, enum text_fault fault, const char *text, size_t at,
                       size_t bytes) {
    static const char *const words[] = {
        [TEXT_CLEAN] = "",
        [TEXT_NOT_UTF8] = "bytes that the encoding does not have",
        [TEXT_NUL] = "a NUL",
        [TEXT_TWICE] = "text that was encoded as UTF-8 twice",
    };
    char hex[64];
    problem(&csv->fault, WB_E_FIELD_TEXT, "column \"%.80s\" has %s from byte %zu: %s",
            column_name(csv, csv->at), words[fault], at + 1,
            text_hex(text + at, bytes, 12, hex, sizeof(hex)));
    if (fault == TEXT_TWICE)
        problem_hint(&csv->fault, "a program before took UTF-8 for Latin-1; export the row again");
    else if (csv->options.encoding)
        problem_hint(&csv->fault, "mend the row, or see whether the file is %.40s throughout",
                     csv->options.encoding);
    else
        problem_hint(&csv->fault, "mend the row, or say csv.encoding in the mapping");
}

static uint64_t count_lines(const char *text, size_t bytes) {
    uint64_t lines = 0;
    const char *end = text + bytes;
    while ((text = memchr(text, '\n', (size_t)(end - text)))) {
        lines++;
        text++;
    }
    return lines;
}

static void take_value(struct csv_reader *csv, char *text, size_t bytes) {
    size_t at, length;
    if (csv->at == 0)
        record_begin(csv->record, csv->row_line);
    if (csv->at >= csv->width) {
        csv->at += bytes > 0; /* empty ones behind the last column do no harm */
        return;
    }
    enum text_fault fault = text_check(text, bytes, &at, &length);
    if (fault != TEXT_CLEAN && csv->fault.code == WB_OK)
        text_fault(csv, fault, text, at, length);
    struct wb_error why = {0};
    if (record_put(csv->record, csv->columns[csv->at], text, bytes, &why) &&
        csv->fault.code == WB_OK)
        csv->fault = why;
    csv->at++;
}

static void on_field(void *data, size_t bytes, void *arg) {
    struct csv_reader *csv = arg;
    char *text = data ? data : (char[]){""};
    if (csv->stopped || csv->broken.code != WB_OK)
        return;
    csv->after_return = false;
    csv->line += bytes > 0 ? count_lines(text, bytes) : 0;
    if (csv->options.encoding)
        bytes = decode_restore(text, bytes);
    if (csv->has_header)
        take_value(csv, text, bytes);
    else
        name_column(csv, text, bytes);
}

static void check_width(struct csv_reader *csv) {
    if (csv->at == csv->width || csv->fault.code != WB_OK)
        return;
    problem(&csv->fault, WB_E_FORMAT, "the row has %s%zu values, the header has %zu columns",
            csv->at > csv->width ? "at least " : "", csv->at, csv->width);
    problem_hint(&csv->fault, csv->at > csv->width ? "quote values that hold the delimiter"
                                                   : "see whether the row was cut off");
}

static void end_row(struct csv_reader *csv) {
    check_width(csv);
    const struct wb_error *fault = csv->fault.code != WB_OK ? &csv->fault : NULL;
    if (!fault)
        record_seen(csv->record, 0);
    csv->stopped = csv->options.sink(csv->options.arg, csv->record, fault) != 0;
    csv->fault.code = WB_OK;
    csv->at = 0;
}

/* With CSV_REPALL_NL every line end is told, also of empty lines, and CR LF as two. */
static void on_row(int end, void *arg) {
    struct csv_reader *csv = arg;
    if (csv->stopped || csv->broken.code != WB_OK)
        return;
    if (csv->at > 0)
        end_row(csv);
    csv->has_header |= csv->width > 0;
    if (end == '\r' || (end == '\n' && !csv->after_return))
        csv->line++;
    csv->after_return = end == '\r';
    csv->row_line = csv->line;
}

static int parser_fault(struct csv_reader *csv, struct wb_error *err) {
    if (csv->broken.code == WB_OK && csv_error(&csv->parser) == CSV_EPARSE)
        break_off(csv, "the file ends within a quoted value", "close the quote in this row");
    else if (csv->broken.code == WB_OK)
        break_off(csv, "a value in this row is larger than 1 MiB",
                  "look for a quote that is not closed");
    *err = csv->broken;
    return -1;
}

/* Text behind the end of a quoted value: the row is lost, since nobody knows what was meant. */
static void quote_fault(struct csv_reader *csv) {
    static const char hint[] = "write a quote within a quoted value twice: \"a \"\"b\"\" c\"";
    if (!csv->has_header) {
        break_off(csv, "text stands behind a closing quote in the header", hint);
        return;
    }
    if (csv->fault.code != WB_OK)
        return;
    if (csv->at < csv->width)
        problem(&csv->fault, WB_E_FORMAT, "text stands behind the closing quote of \"%.80s\"",
                column_name(csv, csv->at));
    else
        problem(&csv->fault, WB_E_FORMAT, "text stands behind the closing quote of value %zu",
                csv->at + 1);
    problem_hint(&csv->fault, "%s", hint);
}

static int parse(struct csv_reader *csv, struct wb_error *err) {
    const char *text = (const char *)csv->text.data;
    size_t bytes = csv->text.length;
    if (csv->text.failed)
        return problem(err, WB_E_SYSTEM, "no memory to read %.100s", csv->options.name);
    while (bytes > 0 && !csv->stopped) {
        size_t skipped = quotes_skip(&csv->quotes, text, bytes);
        size_t good = quotes_scan(&csv->quotes, text + skipped, bytes - skipped);
        if (good > 0 &&
            csv_parse(&csv->parser, text + skipped, good, on_field, on_row, csv) != good)
            return parser_fault(csv, err);
        text += skipped + good;
        bytes -= skipped + good;
        if (bytes > 0)
            quote_fault(csv);
        if (csv->broken.code != WB_OK)
            return parser_fault(csv, err);
    }
    buffer_clear(&csv->text);
    return csv->stopped ? READER_STOPPED : 0;
}

static int feed(struct reader *reader, const char *data, size_t bytes, struct wb_error *err) {
    struct csv_reader *csv = (struct csv_reader *)reader;
    decode_feed(csv->decode, data, bytes, false, &csv->text);
    return parse(csv, err);
}

static int finish(struct reader *reader, struct wb_error *err) {
    struct csv_reader *csv = (struct csv_reader *)reader;
    decode_feed(csv->decode, "", 0, true, &csv->text);
    int result = parse(csv, err);
    if (result != 0)
        return result;
    /* Strict from the beginning libcsv would refuse 5" in a value without quotes. */
    csv_set_opts(&csv->parser, PARSER_OPTIONS | CSV_STRICT);
    if (csv_fini(&csv->parser, on_field, on_row, csv) != 0 || csv->broken.code != WB_OK)
        return parser_fault(csv, err);
    if (csv->width == 0) {
        break_off(csv, "there is no header line", "the first line must name the columns");
        return parser_fault(csv, err);
    }
    return csv->stopped ? READER_STOPPED : 0;
}

static void reader_free(struct reader *reader) {
    struct csv_reader *csv = (struct csv_reader *)reader;
    csv_free(&csv->parser);
    decode_free(csv->decode);
    record_free(csv->record);
    buffer_free(&csv->text);
    free(csv);
}

struct reader *csv_reader_new(const struct reader_options *options, struct wb_error *err) {
    struct csv_reader *csv = calloc(1, sizeof(*csv));
    if (!csv) {
        problem(err, WB_E_SYSTEM, "no memory for a reader");
        return NULL;
    }
    csv->reader = (struct reader){.feed = feed, .finish = finish, .free = reader_free};
    csv->options = *options;
    csv->line = csv->row_line = 1;
    csv_init(&csv->parser, PARSER_OPTIONS);
    csv_set_realloc_func(&csv->parser, bounded_realloc);
    csv_set_blk_size(&csv->parser, 4096);
    csv->quotes.delimiter = options->delimiter ? options->delimiter : CSV_COMMA;
    if (options->delimiter)
        csv_set_delim(&csv->parser, (unsigned char)options->delimiter);
    buffer_init(&csv->text, 0);
    csv->decode = decode_new(options->encoding, err);
    csv->record = record_new(options->columns);
    if (csv->decode && csv->record)
        return &csv->reader;
    if (csv->decode)
        problem(err, WB_E_SYSTEM, "no memory for a reader");
    reader_free(&csv->reader);
    return NULL;
}
