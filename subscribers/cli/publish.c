/* waybill publish: NDJSON in, one line out for each acknowledgement. */
#include "command.h"

#include "common/arena.h"
#include "common/digest.h"
#include "common/standard_streams.h"
#include "common/timestamp.h"
#include "lines.h"
#include "proto/bounds.h"
#include "proto/field.h"
#include "proto/json.h"
#include "proto/problem.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <waybill/publisher.h>

#define PENDING_MAX   8192                        /* lines without an acknowledgement */
#define PENDING_BYTES ((size_t)8 * 1024 * 1024)   /* of them */
#define SPOOLED_BYTES ((size_t)256 * 1024 * 1024) /* the same with a spool */
#define HELD_MAX      256                         /* events that are put into the spool together */
#define ARENA_BYTES   ((size_t)16 * 1024 * 1024)  /* one event, parsed */
#define WORD_AFTER_US INT64_C(2000000)            /* without the broker, before it is said */

struct publish {
    const char *source, *ingest, *file, *spool;
    struct command_keys keys;
    bool json, codes;
    int timeout_ms; /* without any acknowledgement; -1: none */

    wb_publisher *publisher;
    struct arena arena;
    struct lines lines;
    size_t published, repeated, refused;
    bool up, told;        /* the session; that it is waited for */
    int64_t waiting_us;   /* since when events wait and nothing comes */
    size_t pending_bytes; /* of events without a receipt */
    size_t held;          /* events that are not in the spool yet */
    struct wb_error fatal;
    bool failed;
};

/* Of a line, or line 0 and an event that an earlier run put into the spool. */
static void print_refusal(struct publish *p, size_t line, const char *event_id,
                          const struct wb_error *err) {
    p->refused++;
    if (p->json) {
        json_t *object =
            json_pack("{s{siss#ssssssss}}", "refusal", "code", err->code, "name",
                      problem_name(err->code), (int)strlen(problem_name(err->code)), "message",
                      err->message, "detail", err->detail, "hint", err->hint, "field", err->field);
        if (object && line)
            json_object_set_new(object, "line", json_integer((json_int_t)line));
        else if (object)
            json_object_set_new(object, "event_id", json_string(event_id));
        command_print_json("publish", object);
        return;
    }
    char words[600];
    fflush(stdout);
    if (line)
        fprintf(stderr, "line %zu: %s\n", line, problem_line(err, words, sizeof words));
    else
        fprintf(stderr, "%s, stored by an earlier run: %s\n", event_id,
                problem_line(err, words, sizeof words));
}

static void print_receipt(const struct publish *p, size_t line, const struct wb_receipt *receipt) {
    char link[1024] = "";
    if (p->codes)
        wb_publisher_link(p->publisher, receipt->case_no, receipt->code, link, sizeof link);
    if (p->json) {
        json_t *object =
            json_pack("{sIsbssss}", "offset", (json_int_t)receipt->offset, "repeat",
                      receipt->repeat, "event_id", receipt->event_id, "case_no", receipt->case_no);
        if (object && line)
            json_object_set_new(object, "line", json_integer((json_int_t)line));
        if (object && p->codes)
            json_object_set_new(object, "code", json_string(receipt->code));
        if (object && *link)
            json_object_set_new(object, "link", json_string(link));
        command_print_json("publish", object);
        return;
    }
    printf("offset %" PRIu64 "  %s  %s", receipt->offset, receipt->case_no,
           receipt->stage ? stage_name(receipt->stage) : kind_name(receipt->kind));
    if (p->codes)
        printf("  code %s", receipt->code);
    if (*link)
        printf("  link %s", link);
    puts(receipt->repeat ? "  repeat" : "");
}

static void on_receipt(void *arg, const struct wb_receipt *receipt) {
    struct publish *p = arg;
    size_t line = (uintptr_t)receipt->tag;
    p->waiting_us = monotonic_us();
    if (receipt->refusal) {
        print_refusal(p, line, receipt->event_id, receipt->refusal);
    } else {
        p->published += !receipt->repeat;
        p->repeated += receipt->repeat;
        print_receipt(p, line, receipt);
    }
    if (line)
        p->pending_bytes -= receipt->bytes;
}

static void on_session(void *arg, bool up, const char *words) {
    struct publish *p = arg;
    fflush(stdout);
    if (!up || p->told)
        fprintf(stderr, "waybill publish: %s\n", words);
    p->told = false;
    p->up = up;
}

/* Whoever waits should know what for. False when it took too long. */
static bool patience(struct publish *p) {
    int64_t waited_us = monotonic_us() - p->waiting_us;
    if (!p->up && !p->told && waited_us >= WORD_AFTER_US) {
        fflush(stdout);
        fprintf(stderr, "waybill publish: waiting for the broker at %s\n", p->ingest);
        p->told = true;
    }
    return p->timeout_ms < 0 || waited_us < p->timeout_ms * INT64_C(1000);
}

/* Lets the publisher work for at most timeout_ms. False when nothing more can be published. */
static bool pump(struct publish *p, int timeout_ms) {
    if (wb_publisher_poll(p->publisher, timeout_ms, &p->fatal)) {
        command_complain("publish", &p->fatal);
        return false;
    }
    if (!wb_publisher_pending(p->publisher)) {
        p->waiting_us = monotonic_us();
        return true;
    }
    if (patience(p))
        return true;
    problem(&p->fatal, WB_E_TIMEOUT, "no acknowledgement from %s; events that wait: %zu", p->ingest,
            wb_publisher_pending(p->publisher));
    command_complain("publish", &p->fatal);
    return false;
}

/* An event that has no id gets one made from all that it says: the same line, the same event. */
static bool name_event(struct publish *p, const json_t *json, wb_event *event) {
    if (event->event_id && *event->event_id)
        return true;
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    char id[DIGEST_TEXT];
    if (!text)
        return false;
    struct digest digest;
    digest_start(&digest);
    digest_part(&digest, text, strlen(text));
    digest_finish(&digest, id);
    free(text);
    event->event_id = arena_text(&p->arena, id, strlen(id));
    return event->event_id;
}

static wb_event *parse(struct publish *p, const char *line, size_t length, struct wb_error *err) {
    json_error_t where;
    wb_event *event = NULL;
    arena_reset(&p->arena);
    json_t *json = json_loadb(line, length, JSON_REJECT_DUPLICATES, &where);
    if (!json) {
        problem(err, WB_E_FORMAT, "column %d: %s, in '%.*s'", where.column, where.text,
                (int)(length < 60 ? length : 60), line);
        problem_hint(err, "write one JSON object a line");
    } else if (event_from_json(json, &p->arena, &event, err)) {
        event = NULL;
    } else if (!name_event(p, json, event)) {
        problem(err, WB_E_SYSTEM, "no memory");
        event = NULL;
    }
    json_decref(json);
    return event;
}

static bool is_blank(const char *line, size_t length) {
    while (length && isspace((unsigned char)line[length - 1]))
        length--;
    return length == 0;
}

/* Is this error of the event, so that the next line may fare better? */
static bool is_of_the_event(const struct wb_error *err) {
    return err->code >= WB_E_EVENT_MALFORMED && err->code < WB_E_SYSTEM;
}

/* False, so that nothing more is read. */
static bool give_up(struct publish *p, const struct wb_error *err) {
    p->failed = true;
    if (!command_stopped)
        command_complain("publish", err);
    return false;
}

/* The library holds twice as many bytes, and then waits within a call for as long as it takes. A
 * spool holds more, but fails when it is full. */
static bool has_room(const struct publish *p) {
    if (p->spool)
        return p->pending_bytes < SPOOLED_BYTES;
    return wb_publisher_pending(p->publisher) < PENDING_MAX && p->pending_bytes < PENDING_BYTES;
}

/* Puts what is held on the disk. */
static bool store(struct publish *p) {
    struct wb_error err;
    bool done = !p->held || !wb_publisher_release(p->publisher, &err);
    p->held = 0;
    return done || give_up(p, &err);
}

static bool publish_line(struct publish *p, const char *line, size_t length) {
    static const char bom[] = "\xef\xbb\xbf";
    if (p->lines.number == 1 && length >= 3 && !memcmp(line, bom, 3)) {
        line += 3;
        length -= 3;
    }
    if (is_blank(line, length))
        return true;
    struct wb_error err;
    wb_event *event = parse(p, line, length, &err);
    if (!event) {
        print_refusal(p, p->lines.number, NULL, &err);
        return true;
    }
    while (!has_room(p) && !command_stopped)
        if (!pump(p, 100)) {
            p->failed = true;
            return false;
        }
    size_t bytes = protobuf_c_message_get_packed_size(&event->base);
    /* The tag is the line itself, not an address. */
    void *tag = (void *)(uintptr_t)p->lines.number; // NOLINT(performance-no-int-to-ptr)
    p->pending_bytes += bytes;
    if (p->spool && p->held++ == 0)
        wb_publisher_hold(p->publisher);
    if (!wb_publisher_send(p->publisher, event, tag, &err))
        return p->held < HELD_MAX || store(p);
    p->pending_bytes -= bytes;
    if (!is_of_the_event(&err))
        return give_up(p, &err);
    print_refusal(p, p->lines.number, NULL, &err);
    return true;
}

/* Takes the next line, or lets the publisher work while there is none. False at the end. */
static bool publish_next(struct publish *p) {
    const char *line;
    size_t length;
    struct wb_error err;
    bool pending = wb_publisher_pending(p->publisher) > 0;
    switch (lines_next(&p->lines, pending ? 0 : 500, &line, &length)) {
    case LINES_LINE:
        return publish_line(p, line, length);
    case LINES_TOO_LONG:
        problem(&err, WB_E_FORMAT, "the line is longer than %zu bytes", LINES_BYTES_MAX);
        problem_hint(&err, "write one event a line");
        print_refusal(p, p->lines.number, NULL, &err);
        return true;
    case LINES_NONE:
        fflush(stdout);
        if (!store(p))
            return false;
        p->failed |= !pump(p, pending ? 20 : 0);
        return !p->failed;
    case LINES_ERROR:
        problem(&err, WB_E_SYSTEM, "reading %s: %s", p->file, strerror(errno));
        command_complain("publish", &err);
        p->failed = true;
        return false;
    case LINES_END:
        break;
    }
    return false;
}

static void print_summary(const struct publish *p, int64_t took_us) {
    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr,
            "%zu published, %zu known already, %zu refused, %zu without acknowledgement, "
            "in %.1f s\n",
            p->published, p->repeated, p->refused, wb_publisher_pending(p->publisher),
            (double)took_us / 1e6);
}

static int publish_all(struct publish *p) {
    int64_t begin_us = monotonic_us();
    p->waiting_us = begin_us;
    while (!command_stopped && !ferror(stdout) && publish_next(p))
        ;
    store(p);
    while (!command_stopped && !p->failed && wb_publisher_pending(p->publisher))
        p->failed |= !pump(p, 100);
    if (!command_stopped && !p->failed)
        wb_publisher_flush(p->publisher, 0, NULL); /* the spool knows it all at once */
    size_t pending = wb_publisher_pending(p->publisher);
    if (command_stopped) {
        fflush(stdout);
        fprintf(stderr,
                "waybill publish: stopped; %zu events have no acknowledgement: run it again, what "
                "is known is recognised\n",
                pending);
    }
    if (p->spool && pending)
        fprintf(stderr, "waybill publish: %zu events wait in %s, and go with the next run\n",
                pending, p->spool);
    print_summary(p, monotonic_us() - begin_us);
    if (!command_flush("publish")) {
        fputs("waybill publish: not all acknowledgements could be written\n", stderr);
        return COMMAND_FAILED;
    }
    bool all = !p->failed && !command_stopped && !pending && !p->refused;
    return all ? COMMAND_DONE : COMMAND_FAILED;
}

enum { OPTION_INGEST = 256, OPTION_JSON, OPTION_CODES, OPTION_TIMEOUT, OPTION_SPOOL };

static const struct argp_option options[] = {
    {"source", 's', "NAME", 0, "In whose name the events come; required", 0},
    {"ingest", OPTION_INGEST, "ENDPOINT", 0,
     "The broker's ingest endpoint, or several [$WAYBILL_INGEST]", 0},
    COMMAND_KEY_OPTIONS,
    {"json", OPTION_JSON, 0, 0, "Print acknowledgements and refusals as JSON", 0},
    {"codes", OPTION_CODES, 0, 0, "Print each case's code and link", 0},
    {"spool", OPTION_SPOOL, "FILE", 0,
     "Keep what has no acknowledgement in this file, and send what an earlier run left there", 0},
    {"timeout", OPTION_TIMEOUT, "SECONDS", 0,
     "Give up when nothing is acknowledged for so long [wait for ever]", 0},
    {0}};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct publish *p = state->input;
    switch (key) {
    case 's':
        p->source = arg;
        break;
    case OPTION_INGEST:
        p->ingest = arg;
        break;
    case OPTION_JSON:
        p->json = true;
        break;
    case OPTION_SPOOL:
        p->spool = arg;
        break;
    case OPTION_CODES:
        p->codes = true;
        break;
    case OPTION_TIMEOUT:
        p->timeout_ms = command_seconds_ms(arg);
        if (p->timeout_ms < 0)
            argp_error(state, "--timeout '%s': give seconds, from 0 to 86400", arg);
        break;
    case ARGP_KEY_ARG:
        if (p->file)
            argp_error(state, "one file at a time; '%s' is the second", arg);
        p->file = arg;
        break;
    case ARGP_KEY_END:
        if (!p->file)
            argp_error(state, "name a file, or - for standard input");
        if (!p->source)
            argp_error(state, "--source is missing: in whose name do the events come?");
        break;
    default:
        return command_take_key(&p->keys, key, arg) ? 0 : ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    options,
    parse_option,
    "FILE|-",
    "Sends the events of an NDJSON file (one JSON object a line, as `waybill tail` prints them) "
    "and prints one line for each acknowledgement. An acknowledged event is committed. An event "
    "without event_id gets one derived from its contents, so that publishing a file again adds "
    "nothing.\vThe exit status is 0 if every line was acknowledged, 1 if one was refused or not "
    "acknowledged, 2 if the command line is not valid.",
    NULL,
    NULL,
    NULL};

static int publish_from(struct publish *p, int fd) {
    struct wb_error err;
    struct wb_publisher_options with = {.client = "waybill publish " WAYBILL_VERSION,
                                        .want_codes = p->codes,
                                        .server_key = p->keys.server_key,
                                        .key_file = p->keys.key_file,
                                        .receipt = on_receipt,
                                        .session = on_session,
                                        .arg = p,
                                        .stop = &command_stopped,
                                        .spool = p->spool};
    p->publisher = wb_publisher_open(p->ingest, p->source, &with, &err);
    if (!p->publisher) {
        command_complain("publish", &err);
        return err.code == WB_E_SPOOL ? COMMAND_FAILED : COMMAND_USAGE;
    }
    arena_init(&p->arena, ARENA_BYTES);
    int status = COMMAND_FAILED;
    if (lines_init(&p->lines, fd))
        status = publish_all(p);
    lines_free(&p->lines);
    arena_free(&p->arena);
    wb_publisher_close(p->publisher);
    return status;
}

int command_publish(int argc, char **argv) {
    struct publish p = {.ingest = COMMAND_INGEST, .keys = command_keys_default(), .timeout_ms = -1};
    if (argp_parse(&argp, argc, argv, 0, NULL, &p))
        return COMMAND_USAGE;
    bool standard = !strcmp(p.file, "-");
    if (standard && !standard_streams_readable()) {
        fputs("waybill publish: standard input is closed; name a file, or give '-' something to "
              "read\n",
              stderr);
        return COMMAND_FAILED;
    }
    int fd = standard ? STDIN_FILENO : open(p.file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "waybill publish: %s: %s\n", p.file, strerror(errno));
        return COMMAND_FAILED;
    }
    command_catch_signals();
    int status = publish_from(&p, fd);
    if (!standard)
        close(fd);
    return status;
}
