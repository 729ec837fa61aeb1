/* waybill link: what an applicant needs to follow a case, and its QR code. */
#include "command.h"

#include "common/buffer.h"
#include "proto/problem.h"
#include "qr.h"
#include "screen.h"
#include "watch.h"

#include <argp.h>
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <waybill/subscriber.h>

#define ANSWER_MS  10000
#define LINK_BYTES 2048

struct link {
    struct command_keys keys;
    const char *streams, *case_no, *gateway; /* gateway: NULL for what the broker announces */
    bool json, no_qr;
};

enum { OPTION_JSON = 256, OPTION_NO_QR };

static const struct argp_option options[] = {
    {"gateway", 'g', "URL", 0,
     "where citizens reach the gateway (WAYBILL_GATEWAY, else what the broker announces)", 0},
    {"streams", 's', "ENDPOINT", 0, "the broker's streams endpoint, or several (WAYBILL_STREAMS)",
     0},
    {"json", OPTION_JSON, NULL, 0, "one JSON object: case_no, code, link", 0},
    {"no-qr", OPTION_NO_QR, NULL, 0, "do not draw the QR code", 0},
    COMMAND_KEY_OPTIONS,
    {NULL, 0, NULL, 0, NULL, 0},
};

static error_t parse(int key, char *text, struct argp_state *state) {
    struct link *link = state->input;
    switch (key) {
    case 'g':
        link->gateway = text;
        return 0;
    case 's':
        link->streams = text;
        return 0;
    case OPTION_JSON:
        link->json = true;
        return 0;
    case OPTION_NO_QR:
        link->no_qr = true;
        return 0;
    case ARGP_KEY_ARG:
        if (link->case_no)
            argp_error(state, "one case at a time: '%s' is one too many", text);
        link->case_no = text;
        return 0;
    case ARGP_KEY_END:
        if (!link->case_no || !*link->case_no)
            argp_error(state, "name a case");
        if (link->gateway && strncmp(link->gateway, "http://", 7) != 0 &&
            strncmp(link->gateway, "https://", 8) != 0)
            argp_error(state, "the gateway '%s' is no address; write it as https://HOST",
                       link->gateway);
        return 0;
    default:
        return command_take_key(&link->keys, key, text) ? 0 : ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {options,
                                 parse,
                                 "CASE",
                                 "Prints the link and the code with which an applicant follows a "
                                 "case, and the link's QR code.",
                                 NULL,
                                 NULL,
                                 NULL};

/* RFC 3986: all but the unreserved characters as %XX. */
static void put_segment(struct buffer *out, const char *text) {
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if (*at < 0x80 && (isalnum(*at) || strchr("-._~", *at)))
            buffer_append(out, at, 1);
        else
            buffer_printf(out, "%%%02X", *at);
}

static void put_link(struct buffer *out, const char *gateway, const char *case_no,
                     const char *code) {
    size_t length = strlen(gateway);
    while (length && gateway[length - 1] == '/')
        length--;
    buffer_append(out, gateway, length);
    buffer_text(out, "/c/");
    put_segment(out, case_no);
    buffer_text(out, "/");
    put_segment(out, code);
}

static int print_json(const wb_case *answer, const char *text) {
    json_t *object = json_pack("{ssssss}", "case_no", answer->state->case_no, "code", answer->code,
                               "link", text);
    bool done = command_print_json("link", object) && command_flush("link");
    return done ? COMMAND_DONE : COMMAND_FAILED;
}

static int print(const struct link *link, const wb_case *answer, const char *text) {
    if (link->json)
        return print_json(answer, text);
    struct screen screen;
    screen_init(&screen, stdout);
    printf("%s\n%s\n", text, answer->code);
    if (!link->no_qr) {
        putchar('\n');
        if (qr_draw(stdout, text, screen.colour)) {
            fprintf(stderr, "waybill link: the link is too long for a QR code\n");
            return COMMAND_FAILED;
        }
    }
    return command_flush("link") ? COMMAND_DONE : COMMAND_FAILED;
}

static int show(const struct link *link, wb_subscriber *subscriber, struct buffer *text,
                struct wb_error *err) {
    wb_case *answer;
    if (wb_case_get(subscriber, link->case_no, NULL, 1, ANSWER_MS, &answer, err))
        return -1;
    const char *gateway = link->gateway ? link->gateway : wb_subscriber_public_url(subscriber);
    int status = -1;
    if (!*gateway) {
        problem(err, WB_E_USAGE, "the gateway's address is not known, so there is no link");
        problem_hint(err, "give --gateway URL, or set public_url for the broker");
    } else if (!*answer->code) {
        problem(err, WB_E_CASE_NOT_FOUND, "the broker gives no code for case '%.100s'",
                link->case_no);
    } else {
        put_link(text, gateway, answer->state->case_no, answer->code);
        if (text->failed)
            problem(err, WB_E_USAGE, "the link is longer than %d bytes", LINK_BYTES);
        else
            status = print(link, answer, buffer_string(text));
    }
    wb_case_free(answer);
    return status;
}

int command_link(int argc, char **argv) {
    struct link link = {.streams = COMMAND_STREAMS,
                        .keys = command_keys_default(),
                        .gateway = command_setting("WAYBILL_GATEWAY", NULL)};
    argp_parse(&argp, argc, argv, 0, NULL, &link);
    struct watch watch;
    wb_subscriber *subscriber = watch_open(&watch, "link", link.streams, &link.keys);
    if (!subscriber)
        return watch.status;
    struct wb_error err;
    struct buffer text;
    buffer_init(&text, LINK_BYTES);
    int status = show(&link, subscriber, &text, &err);
    if (status < 0)
        command_complain("link", &err);
    buffer_free(&text);
    wb_subscriber_close(subscriber);
    return status < 0 ? COMMAND_FAILED : status;
}
