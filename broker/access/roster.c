#include "broker/access/roster.h"

#include <stdlib.h>
#include <string.h>

#include "common/curve.h"

struct parties {
    struct party **all; /* by name */
    size_t count, room;
};

struct roster {
    int64_t revision;
    struct parties sources, followers;
    struct holder *holders; /* by key */
    size_t holder_count, holder_room;
};

/* The items, with room for one more of so many bytes. NULL without memory: they are as before. */
static void *grown(void *items, size_t count, size_t *room, size_t bytes) {
    if (count < *room)
        return items;
    size_t larger = *room ? *room * 2 : 16;
    void *moved = reallocarray(items, larger, bytes);
    if (moved)
        *room = larger;
    return moved;
}

struct roster *roster_new(void) {
    return calloc(1, sizeof(struct roster));
}

static void free_list(struct grant_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->prefixes[i]);
    free(list->prefixes);
}

static void free_party(struct party *party) {
    free_list(&party->grant.agencies);
    free_list(&party->grant.regions);
    free_list(&party->grant.items);
    free_list(&party->grant.cases);
    free(party->name);
    free(party);
}

static void free_parties(struct parties *parties) {
    for (size_t i = 0; i < parties->count; i++)
        free_party(parties->all[i]);
    free(parties->all);
}

void roster_free(struct roster *r) {
    if (!r)
        return;
    free_parties(&r->sources);
    free_parties(&r->followers);
    free(r->holders);
    free(r);
}

/* Looking. */

static struct party *find(const struct parties *parties, const char *name) {
    size_t low = 0, high = parties->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(parties->all[middle]->name, name);
        if (order == 0)
            return parties->all[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

int64_t roster_revision(const struct roster *r) {
    return r->revision;
}

const struct party *roster_source(const struct roster *r, const char *name) {
    return find(&r->sources, name);
}

const struct party *roster_follower(const struct roster *r, const char *name) {
    return find(&r->followers, name);
}

static int compare_key(const void *key, const void *holder) {
    return memcmp(key, ((const struct holder *)holder)->key, CURVE_KEY_BYTES);
}

struct holder *roster_holder(const struct roster *r, const uint8_t key[CURVE_KEY_BYTES]) {
    return r->holder_count > 0
               ? bsearch(key, r->holders, r->holder_count, sizeof *r->holders, compare_key)
               : NULL;
}

bool holder_may_live(const struct holder *h) {
    return !h->source && h->party->enabled && h->party->live;
}

bool roster_carry_live(struct roster *to, const struct roster *from) {
    bool lost = false;
    for (size_t i = 0; i < from->holder_count; i++) {
        const struct holder *before = &from->holders[i];
        struct holder *now = before->on_live ? roster_holder(to, before->key) : NULL;
        if (now && holder_may_live(now))
            now->on_live = true;
        else if (before->on_live)
            lost = true;
    }
    return lost;
}

/* Building. */

static bool is_true(const char *text) {
    return strcmp(text, "true") == 0;
}

/* Rows come in order; what does not would never be found. */
static struct party *add_party(struct parties *parties, const char *name, const char *enabled) {
    if (parties->count > 0 && strcmp(parties->all[parties->count - 1]->name, name) >= 0)
        return NULL;
    void *all = grown(parties->all, parties->count, &parties->room, sizeof(struct party *));
    if (!all)
        return NULL;
    parties->all = all;
    struct party *party = calloc(1, sizeof *party);
    if (!party || !(party->name = strdup(name))) {
        free(party);
        return NULL;
    }
    party->enabled = is_true(enabled);
    parties->all[parties->count++] = party;
    return party;
}

static bool add_source(struct roster *r, const char *name, const char *const texts[3]) {
    struct party *party = add_party(&r->sources, name, texts[0]);
    if (!party)
        return false;
    party->grant.rate_events = (uint32_t)strtoul(texts[1], NULL, 10);
    party->grant.event_bytes = (uint32_t)strtoul(texts[2], NULL, 10);
    return true;
}

static bool add_follower(struct roster *r, const char *name, const char *const texts[3]) {
    struct party *party = add_party(&r->followers, name, texts[0]);
    if (!party)
        return false;
    party->streams = is_true(texts[1]);
    party->live = is_true(texts[2]);
    return true;
}

static struct grant_list *list_of(struct grant *grant, const char *name) {
    if (strcmp(name, "agencies") == 0)
        return &grant->agencies;
    if (strcmp(name, "regions") == 0)
        return &grant->regions;
    if (strcmp(name, "items") == 0)
        return &grant->items;
    return strcmp(name, "cases") == 0 ? &grant->cases : NULL;
}

static bool add_prefix(struct roster *r, const char *name, const char *const texts[3]) {
    struct party *party = find(&r->sources, name);
    struct grant_list *list = party ? list_of(&party->grant, texts[0]) : NULL;
    if (!list)
        return false;
    char **moved = reallocarray(list->prefixes, list->count + 1, sizeof *moved);
    if (!moved)
        return false;
    list->prefixes = moved;
    if (!(moved[list->count] = strdup(texts[1])))
        return false;
    list->count++;
    return true;
}

static int nibble(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *text, uint8_t bytes[CURVE_KEY_BYTES]) {
    if (strlen(text) != (size_t)CURVE_KEY_BYTES * 2)
        return false;
    for (size_t i = 0; i < CURVE_KEY_BYTES; i++) {
        int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool add_key(struct roster *r, const char *name, const char *const texts[3]) {
    struct holder holder = {.source = is_true(texts[1])};
    holder.party = find(holder.source ? &r->sources : &r->followers, texts[0]);
    if (!holder.party || !read_hex(name, holder.key) ||
        (r->holder_count > 0 && compare_key(holder.key, &r->holders[r->holder_count - 1]) <= 0))
        return false;
    void *holders = grown(r->holders, r->holder_count, &r->holder_room, sizeof holder);
    if (!holders)
        return false;
    r->holders = holders;
    r->holders[r->holder_count++] = holder;
    return true;
}

bool roster_add(struct roster *r, int kind, const char *name, const char *const texts[3]) {
    switch (kind) {
    case ROSTER_REVISION:
        r->revision = strtoll(texts[0], NULL, 10);
        return true;
    case ROSTER_SOURCE:
        return add_source(r, name, texts);
    case ROSTER_FOLLOWER:
        return add_follower(r, name, texts);
    case ROSTER_PREFIX:
        return add_prefix(r, name, texts);
    case ROSTER_KEY:
        return add_key(r, name, texts);
    default:
        return false;
    }
}
