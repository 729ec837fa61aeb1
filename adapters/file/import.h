/* One run: a file's records to events, and these to the broker, in the file's order or replayed in
 * the order of time; or none of it, but told what would be sent. */
#ifndef FILE_IMPORT_H
#define FILE_IMPORT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

enum import_status {
    IMPORT_DONE = 0,    /* everything was acknowledged */
    IMPORT_PARTLY = 1,  /* something was rejected, or the input or the broker failed */
    IMPORT_INVALID = 2, /* the mapping or the options */
};

struct import_options {
    const char *path, *source, *endpoint;
    const char *server_key, *key_file;      /* NULL: none */
    const char *spool;                      /* NULL: none */
    const char *mapping, *format, *rejects; /* NULL: none */
    bool replay;                            /* in the order of time, `factor` times as fast */
    double factor;
    bool dry_run;
    size_t dry_events; /* shown */
    bool quiet, json, lax;
    const volatile sig_atomic_t *stop; /* becomes true when the program is told to end */
};

enum import_status import_run(const struct import_options *options);

#endif
