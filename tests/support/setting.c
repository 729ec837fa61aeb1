#include "tests/support/setting.h"

#include <argp.h>
#include <inttypes.h>
#include <stdlib.h>

#define NAMELESS 256 /* keys of settings without a letter begin here, as argp wants it */

struct reading {
    const struct setting *settings;
    void *into;
    bool given[SETTINGS_MAX];
};

static uint64_t number(const struct setting *setting, const char *text, struct argp_state *state) {
    char *end = NULL;
    uint64_t value = strtoull(text, &end, 10), most = setting->most ? setting->most : UINT64_MAX;
    if (*text >= '0' && *text <= '9' && !*end && value >= setting->least && value <= most)
        return value;
    if (setting->most)
        argp_error(state, "--%s '%s': a number from %" PRIu64 " to %" PRIu64 " is needed",
                   setting->name, text, setting->least, most);
    else
        argp_error(state, "--%s '%s': a number from %" PRIu64 " is needed", setting->name, text,
                   setting->least);
    return 0;
}

static void take(struct reading *reading, size_t i, char *text, struct argp_state *state) {
    const struct setting *setting = &reading->settings[i];
    void *place = (char *)reading->into + setting->at;
    reading->given[i] = true;
    if (setting->kind == SETTING_NUMBER)
        *(uint64_t *)place = number(setting, text, state);
    else if (setting->kind == SETTING_FLAG)
        *(bool *)place = true;
    else
        *(const char **)place = text;
}

static error_t take_argument(struct reading *reading, char *text, struct argp_state *state) {
    for (size_t i = 0; reading->settings[i].words; i++)
        if (reading->settings[i].kind == SETTING_ARGUMENT && !reading->given[i]) {
            take(reading, i, text, state);
            return 0;
        }
    return ARGP_ERR_UNKNOWN;
}

static void look_for_needed(const struct reading *reading, struct argp_state *state) {
    for (size_t i = 0; reading->settings[i].words; i++) {
        const struct setting *setting = &reading->settings[i];
        if (setting->needed && !reading->given[i])
            argp_error(state, "%s%s is needed: %s", setting->name ? "--" : "",
                       setting->name ? setting->name : setting->value, setting->words);
    }
}

static int key_of(const struct setting *settings, size_t i) {
    return settings[i].letter ? settings[i].letter : NAMELESS + (int)i;
}

static error_t take_option(int key, char *text, struct argp_state *state) {
    struct reading *reading = state->input;
    if (key == ARGP_KEY_ARG)
        return take_argument(reading, text, state);
    if (key == ARGP_KEY_END)
        look_for_needed(reading, state);
    for (size_t i = 0; reading->settings[i].words; i++)
        if (reading->settings[i].name && key == key_of(reading->settings, i)) {
            take(reading, i, text, state);
            return 0;
        }
    return ARGP_ERR_UNKNOWN;
}

void settings_read(const struct setting *settings, const char *doc, int argc, char **argv,
                   void *into) {
    struct argp_option options[SETTINGS_MAX + 1] = {0};
    struct argp argp = {.options = options, .parser = take_option, .doc = doc};
    for (size_t i = 0, named = 0; settings[i].words && i < SETTINGS_MAX; i++) {
        if (settings[i].name)
            options[named++] = (struct argp_option){.name = settings[i].name,
                                                    .key = key_of(settings, i),
                                                    .arg = settings[i].value,
                                                    .doc = settings[i].words};
        else
            argp.args_doc = settings[i].value;
    }
    struct reading reading = {.settings = settings, .into = into};
    argp_parse(&argp, argc, argv, 0, NULL, &reading);
}
