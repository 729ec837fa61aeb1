/* A program's configuration: one table from which parser, --help and documentation come.
 *
 * A value comes from, each overriding the one before: the table's default, the YAML file given by
 * --config (flat: `name: value`), the environment (WAYBILL_NAME; empty is as good as not set), the
 * command line (--name=value, with '-' for '_'). */
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

enum config_type {
    CONFIG_TEXT,   /* char *, owned by the configuration */
    CONFIG_NUMBER, /* int64_t */
    CONFIG_BOOL,   /* bool: true, false, yes, no, on, off */
    CONFIG_BYTES,  /* int64_t: 64KiB, 1MiB, 1GiB or a number */
    CONFIG_MS      /* int64_t: 500ms, 15s, 5min, 2h, 30d or a number of milliseconds */
};

struct config_option {
    const char *name; /* public_url */
    enum config_type type;
    size_t offset;     /* in the program's struct */
    const char *value; /* the default, as it would be written in the file */
    int64_t min, max;  /* of numbers, bytes and milliseconds */
    const char *unit;  /* "events", or "" */
    const char *help;  /* one sentence */
};

struct config_program {
    const char *name; /* "waybilld" */
    const char *about;
    const struct config_option *options;
    size_t count;
    void *values; /* the program's struct */
    /* Looks at the values together; may be NULL. Returns -1 and err. */
    int (*validate)(const void *values, struct wb_error *err);
};

enum config_outcome {
    CONFIG_RUN,     /* go on */
    CONFIG_DONE,    /* --help, --version, --check and --config-reference: said, exit 0 */
    CONFIG_INVALID, /* the reason is on standard error, exit 2 */
};

/* Reads the command line (argp: --help, --version, --check, --config FILE, --config-reference,
 * which prints the table as Markdown, and one long option a row). */
enum config_outcome config_load(const struct config_program *program, int argc, char **argv);
void config_free(const struct config_program *program);

#endif
