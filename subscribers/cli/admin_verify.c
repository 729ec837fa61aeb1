/* waybill admin verify: walks the log and proves that it is sound. */
#include "admin.h"

#include "command.h"
#include "screen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FINDINGS_DEFAULT 20
#define FINDINGS_MAX     100000

struct verify {
    struct admin_common common;
    uint64_t findings, cases;
    struct screen screen;
    const char *pass;
    bool progress; /* a line of it stands on standard error */
    json_t *found; /* check: [words] */
    json_t *checks;
};

enum { OPTION_FINDINGS = 256, OPTION_CASES };

static uint64_t number(struct argp_state *state, const char *option, const char *text,
                       uint64_t most) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end || *text < '0' || *text > '9' || value > most)
        argp_error(state, "%s '%s': write a number up to %llu", option, text,
                   (unsigned long long)most);
    return value;
}

static error_t parse(int key, char *text, struct argp_state *state) {
    struct verify *verify = state->input;
    if (admin_parse(&verify->common, key, text))
        return 0;
    switch (key) {
    case OPTION_FINDINGS:
        verify->findings = number(state, "--findings", text, FINDINGS_MAX);
        return 0;
    case OPTION_CASES:
        verify->cases = number(state, "--cases", text, INT32_MAX);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void end_progress(struct verify *verify) {
    if (verify->progress)
        fputs("\r\033[K", stderr);
    verify->progress = false;
}

static void on_progress(void *arg, uint64_t done, uint64_t of) {
    struct verify *verify = arg;
    if (!isatty(STDERR_FILENO) || !of)
        return;
    fprintf(stderr, "\r%s: %3u %%\033[K", verify->pass,
            (unsigned)(done < of ? 100 * done / of : 100));
    verify->progress = true;
}

static void on_begin(void *arg, const char *pass) {
    struct verify *verify = arg;
    verify->pass = pass;
}

static void on_finding(void *arg, const char *check, const char *words) {
    struct verify *verify = arg;
    json_t *list = json_object_get(verify->found, check);
    if (!list) {
        list = json_array();
        json_object_set_new(verify->found, check, list);
    }
    json_array_append_new(list, json_string(words));
}

static void print_check(struct verify *verify, const char *check, const char *proves,
                        uint64_t findings, const json_t *told) {
    struct screen *screen = &verify->screen;
    screen_put(screen, findings ? BAD : GOOD, findings ? "✗" : "✓");
    screen_to(screen, 2);
    screen_put(screen, BOLD, check);
    screen_to(screen, 14);
    screen_put(screen, PLAIN, proves);
    screen_line(screen);
    for (size_t i = 0; i < json_array_size(told); i++) {
        screen_to(screen, 4);
        screen_put(screen, PLAIN, json_string_value(json_array_get(told, i)));
        screen_line(screen);
    }
    if (findings > json_array_size(told)) {
        char more[64];
        snprintf(more, sizeof more, "… and %llu more",
                 (unsigned long long)(findings - json_array_size(told)));
        screen_to(screen, 4);
        screen_put(screen, FAINT, more);
        screen_line(screen);
    }
}

static void on_end(void *arg, const char *check, const char *proves, uint64_t findings) {
    struct verify *verify = arg;
    json_t *told = json_object_get(verify->found, check);
    end_progress(verify);
    if (verify->common.json)
        json_array_append_new(verify->checks,
                              json_pack("{s:s, s:s, s:I, s:o}", "name", check, "proves", proves,
                                        "findings", (json_int_t)findings, "told",
                                        told ? json_incref(told) : json_array()));
    else
        print_check(verify, check, proves, findings, told);
    fflush(stdout);
}

static bool print_verdict(struct verify *verify, const struct wb_admin_verified *v) {
    if (verify->common.json) {
        json_t *object = json_pack(
            "{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "sound", v->findings == 0,
            "first_offset", (json_int_t)v->first_offset, "last_offset", (json_int_t)v->last_offset,
            "events", (json_int_t)v->events, "kept", (json_int_t)v->kept, "cases",
            (json_int_t)v->cases, "long_cases", (json_int_t)v->long_cases, "leaves",
            (json_int_t)v->leaves, "findings", (json_int_t)v->findings, "checks", verify->checks);
        return command_print_json("admin", object) && command_flush("admin");
    }
    if (v->last_offset < v->first_offset)
        puts("\nThe log holds no events.");
    else
        printf(
            "\noffsets %llu to %llu: %llu events in %llu leaves, %llu kept, %llu cases checked\n",
            (unsigned long long)v->first_offset, (unsigned long long)v->last_offset,
            (unsigned long long)v->events, (unsigned long long)v->leaves,
            (unsigned long long)v->kept, (unsigned long long)(v->cases - v->long_cases));
    if (v->long_cases)
        printf("%llu cases have more events than are shown of a case, and were passed over\n",
               (unsigned long long)v->long_cases);
    if (v->findings)
        printf("The log is not sound: %llu findings.\n", (unsigned long long)v->findings);
    else
        puts("The log is sound.");
    return command_flush("admin");
}

static int perform(struct verify *verify) {
    const struct wb_admin_verify how = {.findings_max = verify->findings,
                                        .cases_max = verify->cases,
                                        .begin = on_begin,
                                        .progress = on_progress,
                                        .finding = on_finding,
                                        .end = on_end,
                                        .arg = verify};
    struct wb_admin_verified verified;
    struct wb_error err;
    wb_admin *admin = wb_admin_open(verify->common.database, false, &err);
    int status = admin ? wb_admin_verify(admin, &how, &verified, &err) : -1;
    end_progress(verify);
    wb_admin_close(admin);
    if (status != 0)
        return admin_complain(&err);
    bool printed = print_verdict(verify, &verified);
    return printed && verified.findings == 0 ? COMMAND_DONE : COMMAND_FAILED;
}

int admin_verify(const struct admin_action *action, int argc, char **argv) {
    (void)action;
    static const struct argp_option options[] = {
        {"findings", OPTION_FINDINGS, "N", 0, "tell N findings of each check, count the rest (20)",
         0},
        {"cases", OPTION_CASES, "N", 0, "compute N cases again, taken at random (all)", 0},
        ADMIN_OPTIONS};
    static const struct argp argp = {
        options,
        parse,
        NULL,
        "Walks the log in one snapshot and proves that nothing is missing, nothing there twice, "
        "and every case's state what its events say."
        "\vReads only; a standby will do. The exit status is 0 if the log is sound.",
        NULL,
        NULL,
        NULL};
    struct verify verify = {.common = ADMIN_COMMON_INIT, .findings = FINDINGS_DEFAULT};
    argp_parse(&argp, argc, argv, 0, NULL, &verify);
    screen_init(&verify.screen, stdout);
    verify.found = json_object();
    verify.checks = json_array();
    int status = perform(&verify);
    json_decref(verify.found);
    json_decref(verify.checks);
    return status;
}
