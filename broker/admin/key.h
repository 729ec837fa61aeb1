/* The keys of sources and followers: at most two each, so that a new one can come before the old
 * one goes. Called inside a change. */
#ifndef BROKER_ADMIN_KEY_H
#define BROKER_ADMIN_KEY_H

#include <jansson.h>
#include <waybill/error.h>

struct buffer;
struct wb_admin;

#define KEYS_MAX        2
#define KEY_SHORT_BYTES 16

/* Whose: one of the two is NULL. */
struct holder {
    const char *kind; /* "source" */
    const char *name; /* as people call it */
    const char *source_id, *follower;
};

/* The first characters of a key, by which people tell it from others. Returns text. */
const char *key_short(const char *key, char text[KEY_SHORT_BYTES]);

/* Adds one more; fails if it is no key, belongs to somebody, or the holder has two. What was done
 * is added to detail. */
int key_add(struct wb_admin *admin, const struct holder *holder, const char *key,
            struct buffer *detail, struct wb_error *err);
/* Takes the older of two away. */
int key_retire(struct wb_admin *admin, const struct holder *holder, struct buffer *detail,
               struct wb_error *err);

/* From the column that SQL_KEYS_OF gives; keys are NULL where there is none. */
struct keys_read {
    char text[KEYS_MAX][41];
};
void key_read(const char *column, struct keys_read *read, const char *keys[KEYS_MAX]);

#endif
