/* Plays the district: first what happened up to now, then what happens while it runs. */
#ifndef DEMO_PLAY_H
#define DEMO_PLAY_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <waybill/error.h>

struct play_options {
    const char *ingest, *source;
    const char *server_key, *key_file; /* NULL or empty: none */
    const char *sample;                /* a file, or NULL */
    uint64_t seed;
    unsigned cases, days; /* of the history */
    double rate;          /* events a second while it runs */
    bool once;            /* the history alone */
};

/* Returns when all is done (once) or *stop is set: 0; -1 and err when it cannot go on. */
int play(const struct play_options *options, const volatile sig_atomic_t *stop,
         struct wb_error *err);

#endif
