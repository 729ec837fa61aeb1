/* waybill track: one case as a courier would show a parcel. */
#include "command.h"

#include "common/timestamp.h"
#include "courier.h"
#include "proto/json.h"
#include "proto/problem.h"
#include "screen.h"
#include "view.h"
#include "watch.h"
#include "words.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>
#include <waybill/subscriber.h>

#define ANSWER_MS 10000
#define IDLE_MS   200

struct track {
    char *case_no;
    struct command_keys keys;
    struct view view;
    const char *streams, *code; /* code: NULL without one */
    bool follow, json;
    enum language language;
    struct screen screen;
};

enum { OPTION_JSON = 256, OPTION_LANG };

static const struct argp_option options[] = {
    {"code", 'c', "CODE", 0, "the code from the receipt: ask as the applicant does", 0},
    {"follow", 'f', NULL, 0, "go on, and print what happens as it happens", 0},
    {"streams", 's', "ENDPOINT", 0, "the broker's streams endpoint, or several (WAYBILL_STREAMS)",
     0},
    {"json", OPTION_JSON, NULL, 0, "one JSON object a line: the case, then each new event", 0},
    {"lang", OPTION_LANG, "zh|en", 0, "language of the words (default: zh)", 0},
    VIEW_OPTIONS,
    COMMAND_KEY_OPTIONS,
    {NULL, 0, NULL, 0, NULL, 0},
};

static error_t parse(int key, char *text, struct argp_state *state) {
    struct track *track = state->input;
    switch (key) {
    case 'c':
        track->code = text;
        return 0;
    case 'f':
        track->follow = true;
        return 0;
    case 's':
        track->streams = text;
        return 0;
    case OPTION_JSON:
        track->json = true;
        return 0;
    case OPTION_LANG:
        if (strcmp(text, "zh") != 0 && strcmp(text, "en") != 0)
            argp_error(state, "--lang '%s': write zh or en", text);
        track->language = strcmp(text, "en") == 0 ? ENGLISH : CHINESE;
        return 0;
    case ARGP_KEY_ARG:
        if (track->case_no)
            argp_error(state, "one case at a time: '%s' is one too many", text);
        track->case_no = text;
        return 0;
    case ARGP_KEY_END:
        if (!track->case_no || !*track->case_no)
            argp_error(state, "name a case");
        if (track->code && view_token(&track->view))
            argp_error(state, "--code and --token-file exclude one another");
        return 0;
    default:
        return command_take_key(&track->keys, key, text) ||
                       view_take(&track->view, key, text, state)
                   ? 0
                   : ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options,
    parse,
    "CASE",
    "Shows where an application stands, who has it, what to know and do, and what has happened.",
    NULL,
    NULL,
    NULL};

/* These are false when the output is closed or full, which has then been said. */

static bool print_json(json_t *object) {
    return command_print_json("track", object) && command_flush("track");
}

static bool print_case(struct track *track, const wb_case *answer) {
    if (track->json)
        return print_json(case_answer_to_json(answer));
    courier_case(&track->screen, answer, track->language, timestamp_now_us());
    if (track->follow) {
        screen_line(&track->screen);
        screen_put(&track->screen, FAINT, words(PHRASE_LIVE, track->language));
        screen_line(&track->screen);
    }
    return command_flush("track");
}

static bool print_event(struct track *track, const wb_record *record) {
    if (track->json)
        return print_json(record_to_json(record));
    courier_event(&track->screen, record, track->language);
    return command_flush("track");
}

/* The subscription began before the case was asked for: what the answer holds is passed over. */
static int follow(struct track *track, wb_subscription *subscription, uint64_t through,
                  struct watch *watch) {
    while (!command_stopped) {
        const wb_record *record;
        struct wb_error err;
        int got = wb_subscription_next(subscription, IDLE_MS, &record, &err);
        if (got < 0) {
            command_complain("track", &err);
            return COMMAND_FAILED;
        }
        if (got && record->offset > through && !print_event(track, record))
            return COMMAND_FAILED;
        watch_tick(watch);
    }
    return COMMAND_DONE;
}

static wb_subscription *subscribe(const struct track *track, wb_subscriber *subscriber,
                                  struct wb_error *err) {
    wb_filter filter = WB_FILTER_INIT;
    char *case_nos[] = {track->case_no};
    filter.case_nos = case_nos;
    filter.n_case_nos = 1;
    struct wb_subscribe_options as = {.audience = track->view.audience,
                                      .token = view_token(&track->view)};
    if (!as.audience && track->code)
        as.audience = WB_AUDIENCE(APPLICANT); /* as the answer about the case is */
    return wb_subscribe_with(subscriber, WB_FROM_NOW, &filter, &as, NULL, NULL, err);
}

static int show(struct track *track, wb_subscriber *subscriber, struct watch *watch) {
    wb_subscription *subscription = NULL;
    wb_case *answer;
    struct wb_error err;
    if (track->follow && !(subscription = subscribe(track, subscriber, &err))) {
        command_complain("track", &err);
        return COMMAND_FAILED;
    }
    const struct wb_case_options as = {
        .code = track->code, .token = view_token(&track->view), .audience = track->view.audience};
    if (wb_case_get_with(subscriber, track->case_no, &as, ANSWER_MS, &answer, &err)) {
        command_complain("track", &err);
        return COMMAND_FAILED;
    }
    if (track->follow)
        command_catch_signals(); /* before the first word: from here on Ctrl-C is no failure */
    uint64_t through = answer->through_offset;
    bool printed = print_case(track, answer);
    wb_case_free(answer);
    if (!printed)
        return COMMAND_FAILED;
    if (!track->follow)
        return COMMAND_DONE;
    return follow(track, subscription, through, watch);
}

int command_track(int argc, char **argv) {
    struct track track = {
        .streams = COMMAND_STREAMS, .keys = command_keys_default(), .language = CHINESE};
    argp_parse(&argp, argc, argv, 0, NULL, &track);
    screen_init(&track.screen, stdout);
    struct watch watch;
    wb_subscriber *subscriber = watch_open(&watch, "track", track.streams, &track.keys);
    if (!subscriber)
        return watch.status;
    int status = show(&track, subscriber, &watch);
    wb_subscriber_close(subscriber);
    return status;
}
