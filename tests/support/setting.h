/* What a program of the tests is told on its command line: a table of settings that fill a struct.
 *
 *     static const struct setting settings[] = {
 *         {"events", 'n', "N", "how many (1000)", SETTING_NUMBER,
 *          .at = offsetof(struct load, events), .least = 1},
 *         {0},
 *     };
 *
 * Text belongs to argv, a number is a uint64_t, a flag a bool. Without a setting the struct keeps
 * what it had. */
#ifndef TESTS_SUPPORT_SETTING_H
#define TESTS_SUPPORT_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SETTINGS_MAX 24

enum setting_kind {
    SETTING_TEXT,
    SETTING_NUMBER, /* decimal, from least to most; most 0: no bound */
    SETTING_FLAG,
    SETTING_ARGUMENT, /* a text without a name; shown as value */
};

struct setting {
    const char *name;
    char letter; /* 0: none */
    const char *value, *words;
    enum setting_kind kind;
    size_t at;
    uint64_t least, most;
    bool needed;
};

/* Ends the program with words where something is not valid, and after --help. doc: what the program
 * does, for --help. */
void settings_read(const struct setting *settings, const char *doc, int argc, char **argv,
                   void *into);

#endif
