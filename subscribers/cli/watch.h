/* Tells the person at the terminal that the broker is away, once each time, and that it is back. */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "command.h"

#include <stdbool.h>
#include <stdint.h>
#include <waybill/subscriber.h>

struct watch {
    const char *command;  /* "tail" */
    const char *endpoint; /* or several; kept by reference, as the command */
    wb_subscriber *subscriber;
    int status;       /* to exit with where watch_open gave NULL */
    int64_t since_us; /* waiting for the first session since then */
    bool up, told;    /* a session is open; its absence has been said */
};

/* Opens a subscriber that is watched. NULL after saying why. The watch outlives the subscriber. */
wb_subscriber *watch_open(struct watch *watch, const char *command, const char *endpoint,
                          const struct command_keys *keys);

/* To be called now and then while waiting: says so when the broker has not been reached at all. */
void watch_tick(struct watch *watch);

#endif
