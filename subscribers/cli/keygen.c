/* waybill keygen: a key pair for a broker, a source or a follower. */
#include "command.h"

#include "common/curve.h"
#include "common/timestamp.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

#define FILE_DEFAULT "./waybill.key"

struct keygen {
    const char *out;
    bool json;
};

enum { OPTION_JSON = 256 };

static const struct argp_option options[] = {
    {"out", 'o', "FILE", 0, "where the pair goes (" FILE_DEFAULT "); FILE.pub gets the public half",
     0},
    {"json", OPTION_JSON, NULL, 0, "one JSON object: public_key, key_file, public_file", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

static error_t parse(int key, char *text, struct argp_state *state) {
    struct keygen *keygen = state->input;
    switch (key) {
    case 'o':
        if (!*text)
            argp_error(state, "--out: name a file");
        keygen->out = text;
        return 0;
    case OPTION_JSON:
        keygen->json = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s': write --out %s", text, text);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options,
    parse,
    NULL,
    "Makes a key pair and prints the public key."
    "\vFILE holds the secret and is readable by its owner alone: it stays on the machine that uses "
    "it. FILE.pub goes to the operator of the broker (waybill admin source add NAME --key "
    "FILE.pub), and the broker's to everybody. A file that exists is never overwritten.",
    NULL,
    NULL,
    NULL};

static bool print(const struct keygen *keygen, const struct curve_keys *keys) {
    char public_file[4096];
    snprintf(public_file, sizeof public_file, "%s.pub", keygen->out);
    if (keygen->json)
        return command_print_json("keygen",
                                  json_pack("{s:s, s:s, s:s}", "public_key", keys->public_key,
                                            "key_file", keygen->out, "public_file", public_file)) &&
               command_flush("keygen");
    puts(keys->public_key);
    return command_flush("keygen");
}

int command_keygen(int argc, char **argv) {
    struct keygen keygen = {.out = FILE_DEFAULT};
    struct curve_keys keys;
    struct wb_error err;
    char comment[80], now_text[TIMESTAMP_TEXT];
    argp_parse(&argp, argc, argv, 0, NULL, &keygen);
    const struct timestamp now = {.us = timestamp_now_us(), .date_only = true};
    snprintf(comment, sizeof comment, "waybill key pair of %s", timestamp_format(&now, now_text));
    int status = curve_generate(&keys, &err);
    if (status == 0)
        status = curve_write(keygen.out, &keys, comment, &err);
    if (status != 0) {
        curve_forget(&keys);
        command_complain("keygen", &err);
        return COMMAND_FAILED;
    }
    bool printed = print(&keygen, &keys);
    curve_forget(&keys);
    return printed ? COMMAND_DONE : COMMAND_FAILED;
}
