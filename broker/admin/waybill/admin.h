/* Administers a Waybill database: who may publish, follow and see what, and whether the log is
 * sound. Works on the database directly, with or without a broker running; a running one notices
 * within a second. Everything here waits for the database.
 *
 * Functions return 0, or -1 and err; nothing was changed then. Every change and its entry in the
 * audit are one transaction. What a callback is given lasts until it returns. */
#ifndef WAYBILL_ADMIN_H
#define WAYBILL_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

typedef struct wb_admin wb_admin;

/* Connects to the database, a libpq connection string. For changes it applies the schema where it
 * is older than the program, unless a broker that is writing made it; else it writes nothing, so
 * that a standby will do, and an older schema is an error. NULL and err. */
wb_admin *wb_admin_open(const char *database, bool changes, struct wb_error *err);
void wb_admin_close(wb_admin *admin); /* NULL is allowed */

struct wb_admin_list {
    const char *const *values;
    size_t count;
};

struct wb_admin_source {
    const char *name;
    bool enabled, registered;                             /* as listed; not read by add and set */
    const char *keys[2];                                  /* Z85, or NULL; the older one first */
    struct wb_admin_list agencies, regions, items, cases; /* prefixes; empty: any */
    int32_t rate_events;                                  /* a second; 0: no limit */
    int32_t event_bytes;                                  /* 0: the contract's */
    int64_t since_us;                                     /* as listed */
};

/* Adds a source, enabled, or registers one that so far only spoke on loopback; fails if it is
 * registered, or if a key belongs to somebody. Without a key it can publish on loopback only. */
int wb_admin_source_add(wb_admin *admin, const struct wb_admin_source *source,
                        struct wb_error *err);

/* What of a source wb_admin_source_set replaces. */
enum {
    WB_ADMIN_AGENCIES = 1,
    WB_ADMIN_REGIONS = 2,
    WB_ADMIN_ITEMS = 4,
    WB_ADMIN_CASES = 8,
    WB_ADMIN_GRANTS = 15,
    WB_ADMIN_RATE = 16,
    WB_ADMIN_EVENT_BYTES = 32
};
/* Replaces the grants and limits that `what` names, of a registered source. */
int wb_admin_source_set(wb_admin *admin, const struct wb_admin_source *source, unsigned what,
                        struct wb_error *err);
/* A disabled one is cut off within a second. */
int wb_admin_source_enable(wb_admin *admin, const char *name, bool enabled, struct wb_error *err);
/* Adds a second key beside the first; fails with both there. */
int wb_admin_source_rotate(wb_admin *admin, const char *name, const char *new_key,
                           struct wb_error *err);
/* Takes the older of two keys away: the rotation is done. */
int wb_admin_source_retire(wb_admin *admin, const char *name, struct wb_error *err);
/* Calls fn for each, ordered by name. */
int wb_admin_sources(wb_admin *admin, void (*fn)(void *arg, const struct wb_admin_source *source),
                     void *arg, struct wb_error *err);

struct wb_admin_follower {
    const char *name;
    bool enabled;                   /* as listed */
    bool streams, live;             /* what it may use; one of them at least */
    const char *keys[2];            /* one at least */
    struct wb_admin_list audiences; /* full, staff, applicant, public; one at least */
    int64_t since_us;               /* as listed */
};
int wb_admin_follower_add(wb_admin *admin, const struct wb_admin_follower *follower,
                          struct wb_error *err);
/* Replaces what it may ask for. */
int wb_admin_follower_set(wb_admin *admin, const char *name, const struct wb_admin_list *audiences,
                          struct wb_error *err);
int wb_admin_follower_enable(wb_admin *admin, const char *name, bool enabled, struct wb_error *err);
int wb_admin_follower_rotate(wb_admin *admin, const char *name, const char *new_key,
                             struct wb_error *err);
int wb_admin_follower_retire(wb_admin *admin, const char *name, struct wb_error *err);
int wb_admin_followers(wb_admin *admin,
                       void (*fn)(void *arg, const struct wb_admin_follower *follower), void *arg,
                       struct wb_error *err);

/* The token of somebody who follows through a gateway. */
struct wb_admin_token {
    const char *name;
    const char *audience;                          /* staff or public */
    struct wb_admin_list agencies, regions, items; /* prefixes; empty: any */
    bool enabled, expired;                         /* as listed */
    int64_t since_us, expires_us;                  /* as listed */
};
#define WB_ADMIN_TOKEN_TEXT 64
/* Makes one that is good for lasts_ms from now. Its text is given here alone: kept is what tells
 * whether a text is it. */
int wb_admin_token_add(wb_admin *admin, const struct wb_admin_token *token, int64_t lasts_ms,
                       char text[WB_ADMIN_TOKEN_TEXT], struct wb_error *err);
/* For good: what it opened is closed within a second. */
int wb_admin_token_revoke(wb_admin *admin, const char *name, struct wb_error *err);
int wb_admin_token_remove(wb_admin *admin, const char *name, struct wb_error *err);
int wb_admin_tokens(wb_admin *admin, void (*fn)(void *arg, const struct wb_admin_token *token),
                    void *arg, struct wb_error *err);

/* What applicants see of who handles their case: full, title, number or office. */
struct wb_admin_item {
    const char *code; /* of the items that begin so; of several the longest counts */
    const char *disclosure;
};
int wb_admin_item_set(wb_admin *admin, const struct wb_admin_item *item, struct wb_error *err);
int wb_admin_item_remove(wb_admin *admin, const char *code, struct wb_error *err);
int wb_admin_items(wb_admin *admin, void (*fn)(void *arg, const struct wb_admin_item *item),
                   void *arg, struct wb_error *err);

enum wb_admin_connected { WB_ADMIN_AWAY, WB_ADMIN_CONNECTED, WB_ADMIN_UNKNOWN };

/* A durable reader. How far it is was written within the last moment. */
struct wb_admin_reader {
    const char *name, *follower, *audience; /* follower: "" where nobody was asked for a key */
    const char *client;                     /* program that it is or was connected with, or "" */
    enum wb_admin_connected connected;      /* UNKNOWN on a standby server */
    uint64_t cursor, lag_events;            /* lag: not acknowledged */
    int64_t oldest_us; /* when the oldest of them was recorded; 0: there is none, or it is gone */
    int64_t since_us, acknowledged_us;
    bool endangered; /* less than a tenth of the retention is left for it, says the broker */
    bool expired;    /* retention has removed events that it has not acknowledged */
};
int wb_admin_readers(wb_admin *admin, void (*fn)(void *arg, const struct wb_admin_reader *reader),
                     void *arg, struct wb_error *err);
/* Whoever is connected under that name is refused within a second. */
int wb_admin_reader_remove(wb_admin *admin, const char *name, struct wb_error *err);

struct wb_admin_entry {
    int64_t at_us;
    const char *actor, *action, *subject, *detail;
    int64_t count;
};
/* The newest entries, at most limit, the oldest of them first; of one subject unless it is NULL. */
int wb_admin_audit(wb_admin *admin, const char *subject, size_t limit,
                   void (*fn)(void *arg, const struct wb_admin_entry *entry), void *arg,
                   struct wb_error *err);

struct wb_admin_leaf {
    const char *name;       /* of the table in the schema waybill */
    int64_t from_us, to_us; /* of recorded_at, [from, to); 0: event_kept, which has no begin */
    uint64_t first_offset;  /* 0: event_kept, before all others */
    uint64_t events;        /* of the newest up to the head; event_kept: 0, it is not counted */
    int64_t bytes;          /* with its indexes */
    int64_t sealed_us;      /* 0: it is written to, or not yet frozen */
};
/* The leaves of the log, the oldest first. */
int wb_admin_leaves(wb_admin *admin, void (*fn)(void *arg, const struct wb_admin_leaf *leaf),
                    void *arg, struct wb_error *err);

struct wb_admin_verified {
    uint64_t first_offset, last_offset; /* of the retained log */
    uint64_t events, kept, cases, leaves;
    uint64_t long_cases; /* with more events than a case is checked with: passed over */
    uint64_t findings;   /* all of them, told or not */
};

struct wb_admin_verify {
    size_t findings_max; /* so many of each check are told; the others counted */
    uint64_t cases_max;  /* check so many cases, taken at random; 0: all */
    /* A pass over the log begins. Any of these may be NULL. */
    void (*begin)(void *arg, const char *pass);
    void (*progress)(void *arg, uint64_t done, uint64_t of); /* rows of the pass, now and then */
    void (*finding)(void *arg, const char *check, const char *words);
    /* A check is decided: what it proves, and how many findings are against it. */
    void (*end)(void *arg, const char *check, const char *proves, uint64_t findings);
    void *arg;
};

/* Walks the log in one snapshot, with a bounded memory. Returns 0 if it could be walked, also with
 * findings: verified->findings says whether the log is sound. -1 and err if it could not. */
int wb_admin_verify(wb_admin *admin, const struct wb_admin_verify *how,
                    struct wb_admin_verified *verified, struct wb_error *err);

#endif
