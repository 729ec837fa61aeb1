/* The broker's configuration, as options.def lists it. */
#ifndef BROKER_OPTIONS_H
#define BROKER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"

struct options {
    char *database, *ingest, *live, *streams, *http, *public_url, *log_level;
    char *live_staff, *live_applicant, *live_public;
    char *key_file, *curve, *disclosure;
    int64_t partition, retention, code_life;
    int64_t window_events, window_bytes, batch_events, batch_bytes, pending_bytes, recent_bytes;
    int64_t outstanding_bytes;
    int64_t max_sessions, ping_interval, credit_events, subscriptions, stop_grace;
};

/* True if who connects to this endpoint has to show a key. */
bool options_keyed(const struct options *options, const char *endpoint);

extern struct options options_values;
extern const struct config_program options_program;

#endif
