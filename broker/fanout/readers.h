/* Durable readers: subscriptions under a name, whose cursor the broker keeps in waybill.reader.
 *
 * Who subscribes as a reader gets a hold of it. One hold has the reader at a time; others stand by
 * in the order in which they came, or take it over. A reader is opened in the database before its
 * subscription begins, so that it is known from then on; acknowledgements are collected in memory
 * and written a few times a second, all readers' in one statement. All of this happens on a
 * connection of its own, and every write asks for the writer's epoch in the readers' own rows:
 * commits are not disturbed, and a broker that lost its place moves no cursor.
 *
 * Once a second all readers are looked at: how far behind they are goes to the metrics, and one
 * that retention is about to overtake, or has overtaken, is told of once in log and audit.
 *
 * Bounded: READERS_MAX rows, HOLDS_MAX holds. */
#ifndef BROKER_FANOUT_READERS_H
#define BROKER_FANOUT_READERS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include <waybill/error.h>

#include "proto/frame.h"

#define READERS_MAX 256
#define HOLDS_MAX   4096

struct readers;
struct hold;

/* NULL without memory. */
struct readers *readers_new(uv_loop_t *loop, const char *database, int64_t retention_us);
/* After all holds were released. What was not written by then is read again by its readers. NULL is
 * allowed. */
void readers_close(struct readers *readers);

/* This broker writes in that epoch; 0: it does not, and everything waits. If another broker wrote
 * in between, the holds of the time before are lost. */
void readers_run(struct readers *readers, int64_t epoch);
/* Nothing waits to be written. */
bool readers_idle(const struct readers *readers);

struct reader_wish {
    const char *name, *follower, *client;
    Waybill__V1__Audience audience;
    const Waybill__V1__Filter *filter; /* NULL: none */
    uint64_t from;                     /* the cursor where it is new, or restarted */
    const struct wb_error *unusable;   /* not NULL: why `from` cannot be used */
    bool restart, stand_by;
};

/* Neither is called from within readers_hold, and after `lost` nothing is. */
struct hold_events {
    /* It has the reader; everything up to cursor was acknowledged. */
    void (*opened)(void *arg, uint64_t cursor);
    /* It does not get it, or has it no longer. NOT_READY: the session is to end. */
    void (*lost)(void *arg, const struct wb_error *err);
};

/* Copies the wish. NULL and err: READER if the name is not valid, BUSY. */
struct hold *readers_hold(struct readers *readers, const struct reader_wish *wish,
                          const struct hold_events *events, void *arg, struct wb_error *err);
/* All up to here is done with; also before it was opened. Never goes back. */
void readers_acknowledge(struct hold *hold, uint64_t offset);
/* Gives it back, or stops waiting for it: the next one has it. Also after `lost`. */
void readers_release(struct hold *hold);

#endif
