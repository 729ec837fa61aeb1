/* The cases that somebody follows, by number, and what was delivered of each in this turn. */
#ifndef SUBSCRIBERS_GATEWAY_TOPIC_H
#define SUBSCRIBERS_GATEWAY_TOPIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"

#define TOPIC_EVENTS 256    /* gathered of one case before they have to be written out */
#define TOPIC_BYTES  131072 /* the same, about */

struct follower;

/* Events of one case, as text, in their order. Exists from the first of a turn to its end. */
struct gathering {
    struct buffer text;
    size_t count;
    struct {
        uint64_t offset;
        size_t begin; /* in the text */
    } events[TOPIC_EVENTS];
};

struct topic {
    struct topic *next; /* in its bucket */
    struct topic *next_dirty;
    struct follower *first;
    struct wb_place *place;      /* stands with the broker; NULL: the case is not followed (yet) */
    uint64_t last;               /* the newest event of the case that was delivered */
    struct gathering *gathering; /* NULL: nothing gathered */
    uint64_t hash;
    char case_no[];
};

struct topics {
    struct topic **buckets;
    size_t bucket_count, count;
    struct topic *dirty; /* those with something gathered */
};

int topics_open(struct topics *topics); /* -1 without memory */
void topics_close(struct topics *topics);

struct topic *topic_find(const struct topics *topics, const char *case_no);
struct topic *topic_get(struct topics *topics, const char *case_no); /* NULL without memory */
/* When nobody follows it any more. Not while something is gathered for it. */
void topic_drop(struct topics *topics, struct topic *topic);

/* 0: gathered, 1: gathered, and the topic is full: it has to be written out now, -1: no memory. */
int topic_gather(struct topics *topics, struct topic *topic, uint64_t offset, const char *data);
/* The text of the gathered events behind the cursor; "" with *bytes 0 if there are none. *count:
 * how many. */
const void *topic_behind(const struct topic *topic, uint64_t cursor, size_t *bytes, size_t *count);
/* The next topic with something gathered, NULL if there is none; then topic_clear it. */
struct topic *topics_dirty(const struct topics *topics);
void topic_clear(struct topics *topics); /* the one that topics_dirty gave */

#endif
