#include "broker/fanout/topics.h"

#include <stdlib.h>
#include <string.h>

#include "common/digest.h"

#define SLOTS (2 * TOPICS_MAX)

/* The topics of one kind that were asked for by their whole text, as hashes: two that look alike
 * cost a message that libzmq throws away. */
struct wanted {
    bool all;
    size_t count;
    uint64_t *hashes; /* SLOTS of them, 0 is empty; NULL: none yet */
};

struct topics {
    enum topic_kind whole;
    struct wanted wanted[TOPIC_KINDS];
};

static const char *const prefixes[TOPIC_KINDS] = {"case/", "item/", "region/", "agency/", "log\n"};

const char *topic_prefix(enum topic_kind kind) {
    return prefixes[kind];
}

struct topics *topics_new(enum topic_kind whole) {
    struct topics *t = calloc(1, sizeof *t);
    if (t)
        t->whole = whole;
    return t;
}

void topics_free(struct topics *t) {
    if (!t)
        return;
    for (size_t i = 0; i < TOPIC_KINDS; i++)
        free(t->wanted[i].hashes);
    free(t);
}

/* Where the hash is, or where it would stand. */
static size_t place_of(const struct wanted *w, uint64_t hash) {
    size_t at = hash % SLOTS;
    while (w->hashes[at] && w->hashes[at] != hash)
        at = (at + 1) % SLOTS;
    return at;
}

static void add(struct wanted *w, const char *text, size_t bytes) {
    uint64_t hash = digest_short(text, bytes);
    if (!w->hashes)
        w->hashes = calloc(SLOTS, sizeof *w->hashes);
    size_t at = w->hashes ? place_of(w, hash) : 0;
    if (w->hashes && w->hashes[at])
        return;
    if (!w->hashes || w->count >= TOPICS_MAX) {
        w->all = true;
        return;
    }
    w->count++;
    w->hashes[at] = hash;
}

void topics_subscribe(struct topics *t, const void *text, size_t bytes) {
    const char *asked = text;
    if (bytes == 0)
        t->wanted[t->whole].all = true;
    for (size_t i = 0; i < TOPIC_KINDS && bytes > 0; i++) {
        struct wanted *w = &t->wanted[i];
        size_t length = strlen(prefixes[i]);
        if (memcmp(asked, prefixes[i], bytes < length ? bytes : length) != 0 || w->all)
            continue;
        if (bytes > length && asked[bytes - 1] == '\n')
            add(w, asked + length, bytes - length - 1);
        else
            w->all = true;
    }
}

bool topics_any(const struct topics *t, enum topic_kind kind) {
    return t->wanted[kind].all || t->wanted[kind].count > 0;
}

bool topics_wanted(const struct topics *t, enum topic_kind kind, struct slice value) {
    const struct wanted *w = &t->wanted[kind];
    if (w->all || w->count == 0)
        return w->all;
    uint64_t hash = digest_short(value.data, value.length);
    return w->hashes[place_of(w, hash)] == hash;
}
