/* Administers a Waybill database: who may publish and follow, and whether the log is sound. Works
 * on the database directly, with or without a broker running; a running one notices within a
 * second. Everything here waits for the database. */
#ifndef WAYBILL_ADMIN_H
#define WAYBILL_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

typedef struct wb_admin wb_admin;

/* Connects, and applies the schema where it is older than the program. NULL and err. */
wb_admin *wb_admin_open(const char *database, struct wb_error *err);
void wb_admin_close(wb_admin *admin); /* NULL is allowed */

struct wb_admin_list {
    const char *const *values;
    size_t count;
};

struct wb_admin_source {
    const char *name;
    bool enabled, registered;
    const char *keys[2];                                  /* Z85, or NULL */
    struct wb_admin_list agencies, regions, items, cases; /* prefixes; empty: any */
    int32_t rate_events, event_bytes;
    int64_t since_us;
};

/* Adds a source, or registers one that so far only spoke on loopback; fails if it is registered. */
int wb_admin_source_add(wb_admin *admin, const struct wb_admin_source *source,
                        struct wb_error *err);
/* Replaces grants and limits, keeps keys. */
int wb_admin_source_set(wb_admin *admin, const struct wb_admin_source *source,
                        struct wb_error *err);
int wb_admin_source_enable(wb_admin *admin, const char *name, bool enabled, struct wb_error *err);
/* Adds a second key beside the first; with both there, drop first: the older one goes. */
int wb_admin_source_rotate(wb_admin *admin, const char *name, const char *new_key,
                           struct wb_error *err);
/* Takes the older of two keys away: the rotation is done. */
int wb_admin_source_retire(wb_admin *admin, const char *name, struct wb_error *err);
/* Calls fn for each, ordered by name. What it points to lasts until fn returns. */
int wb_admin_sources(wb_admin *admin, void (*fn)(void *arg, const struct wb_admin_source *source),
                     void *arg, struct wb_error *err);

struct wb_admin_follower {
    const char *name;
    bool enabled, streams, live;
    const char *keys[2];
    int64_t since_us;
};
int wb_admin_follower_add(wb_admin *admin, const struct wb_admin_follower *follower,
                          struct wb_error *err);
int wb_admin_follower_enable(wb_admin *admin, const char *name, bool enabled, struct wb_error *err);
int wb_admin_follower_rotate(wb_admin *admin, const char *name, const char *new_key,
                             struct wb_error *err);
int wb_admin_follower_retire(wb_admin *admin, const char *name, struct wb_error *err);
int wb_admin_followers(wb_admin *admin,
                       void (*fn)(void *arg, const struct wb_admin_follower *follower), void *arg,
                       struct wb_error *err);

struct wb_admin_entry {
    int64_t at_us;
    const char *actor, *action, *subject, *detail;
    int64_t count;
};
/* The newest entries, at most limit, the oldest of them first. */
int wb_admin_audit(wb_admin *admin, size_t limit,
                   void (*fn)(void *arg, const struct wb_admin_entry *entry), void *arg,
                   struct wb_error *err);

/* Walks the log in one snapshot. Each finding is told once, in words with offsets; the first
 * findings_max of them. progress may be NULL. Returns 0 if the log is sound, -1 and err otherwise.
 */
struct wb_admin_verified {
    uint64_t first_offset, last_offset, events, kept, cases, leaves, findings;
};
int wb_admin_verify(wb_admin *admin, size_t findings_max,
                    void (*finding)(void *arg, const char *words),
                    void (*progress)(void *arg, uint64_t offset, uint64_t last_offset), void *arg,
                    struct wb_admin_verified *verified, struct wb_error *err);

#endif
