#include "broker/access/roster.h"

#include <stdlib.h>
#include <string.h>

#include "broker/access/token.h"
#include "common/curve.h"
#include "proto/field.h"

struct parties {
    struct party **all; /* by name */
    size_t count, room;
};

/* A rule for the items whose codes begin with this one. */
struct item {
    char *code;
    size_t length;
    enum disclosure disclosure;
    size_t parent; /* of the rules, the longest other one that this code begins with; NO_PARENT */
};
#define NO_PARENT SIZE_MAX

struct roster {
    int64_t revision;
    struct parties sources, followers;
    struct holder *holders; /* by key */
    size_t holder_count, holder_room;
    struct token **tokens; /* by digest; held */
    size_t token_count, token_room;
    struct item *items; /* by code */
    size_t item_count, item_room;
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

static void free_party(struct party *party) {
    grant_free(&party->grant);
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
    for (size_t i = 0; i < r->token_count; i++)
        token_release(r->tokens[i]);
    free(r->tokens);
    for (size_t i = 0; i < r->item_count; i++)
        free(r->items[i].code);
    free(r->items);
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

static int compare_digest(const void *digest, const void *token) {
    return memcmp(digest, (*(struct token *const *)token)->digest, DIGEST_SHA256);
}

static struct token *find_token(const struct roster *r, const uint8_t digest[DIGEST_SHA256]) {
    struct token **found = r->token_count > 0 ? bsearch(digest, r->tokens, r->token_count,
                                                        sizeof *r->tokens, compare_digest)
                                              : NULL;
    return found ? *found : NULL;
}

const struct token *roster_token(const struct roster *r, const uint8_t digest[DIGEST_SHA256]) {
    return find_token(r, digest);
}

static bool begins(struct slice code, const struct item *item) {
    return code.length >= item->length && memcmp(code.data, item->code, item->length) == 0;
}

static bool is_behind(const struct item *item, struct slice code) {
    size_t least = item->length < code.length ? item->length : code.length;
    int order = least ? memcmp(item->code, code.data, least) : 0;
    return order > 0 || (order == 0 && item->length > code.length);
}

/* Of the rules whose code is the item's or stands before it, the last: whatever rule the item's
 * code begins with, this one begins with it too, and so is the rule, or has it among its parents.
 */
static size_t find_rule(const struct roster *r, struct slice code) {
    size_t low = 0, high = r->item_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (is_behind(&r->items[middle], code))
            high = middle;
        else
            low = middle + 1;
    }
    size_t i = low > 0 ? low - 1 : NO_PARENT;
    while (i != NO_PARENT && !begins(code, &r->items[i]))
        i = r->items[i].parent;
    return i;
}

bool roster_disclosure(const struct roster *r, struct slice item_code,
                       enum disclosure *disclosure) {
    size_t i = find_rule(r, item_code);
    if (i != NO_PARENT)
        *disclosure = r->items[i].disclosure;
    return i != NO_PARENT;
}

bool holder_may_live(const struct holder *h, Waybill__V1__Audience audience) {
    return !h->source && h->party->enabled && h->party->live &&
           audiences_cover(h->party->audiences, audience);
}

/* The feeds that the key was let onto before and may not be on now. */
static audiences carry(struct holder *now, audiences before) {
    audiences lost = AUDIENCES_NONE;
    for (int i = WAYBILL__V1__AUDIENCE__AUDIENCE_FULL; i <= WAYBILL__V1__AUDIENCE__AUDIENCE_PUBLIC;
         i++) {
        audiences one = audiences_of((Waybill__V1__Audience)i);
        if (!(before & one))
            continue;
        if (now && holder_may_live(now, (Waybill__V1__Audience)i))
            now->on_live |= one;
        else
            lost |= one;
    }
    return lost;
}

audiences roster_carry_live(struct roster *to, const struct roster *from) {
    audiences lost = AUDIENCES_NONE;
    for (size_t i = 0; i < from->holder_count; i++)
        if (from->holders[i].on_live)
            lost |= carry(roster_holder(to, from->holders[i].key), from->holders[i].on_live);
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

static bool add_source(struct roster *r, const char *name, const char *const texts[ROSTER_TEXTS]) {
    struct party *party = add_party(&r->sources, name, texts[0]);
    if (!party)
        return false;
    party->grant.rate_events = (uint32_t)strtoul(texts[1], NULL, 10);
    party->grant.event_bytes = (uint32_t)strtoul(texts[2], NULL, 10);
    return true;
}

static bool add_follower(struct roster *r, const char *name,
                         const char *const texts[ROSTER_TEXTS]) {
    struct party *party = add_party(&r->followers, name, texts[0]);
    if (!party)
        return false;
    party->streams = is_true(texts[1]);
    party->live = is_true(texts[2]);
    return audiences_read(texts[3], &party->audiences);
}

static bool add_to(struct grant *grant, const char *const texts[ROSTER_TEXTS]) {
    struct grant_list *list = grant_list(grant, texts[0]);
    return list && grant_list_add(list, texts[1]);
}

static bool add_prefix(struct roster *r, const char *name, const char *const texts[ROSTER_TEXTS]) {
    struct party *party = find(&r->sources, name);
    return party && add_to(&party->grant, texts);
}

static int nibble(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A key or a digest. */
#define HEX_BYTES 32
_Static_assert(CURVE_KEY_BYTES == HEX_BYTES && DIGEST_SHA256 == HEX_BYTES, "both are read alike");

static bool read_hex(const char *text, uint8_t bytes[HEX_BYTES]) {
    if (strlen(text) != (size_t)HEX_BYTES * 2)
        return false;
    for (size_t i = 0; i < HEX_BYTES; i++) {
        int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool add_key(struct roster *r, const char *name, const char *const texts[ROSTER_TEXTS]) {
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

static bool add_token(struct roster *r, const char *name, const char *const texts[ROSTER_TEXTS]) {
    uint8_t digest[DIGEST_SHA256];
    int audience = audience_parse(texts[1]);
    if (!read_hex(name, digest) || audience < 0 ||
        (r->token_count > 0 && compare_digest(digest, &r->tokens[r->token_count - 1]) <= 0))
        return false;
    void *tokens = grown(r->tokens, r->token_count, &r->token_room, sizeof(struct token *));
    if (!tokens)
        return false;
    r->tokens = tokens;
    struct token *token = token_new(texts[0]);
    if (!token)
        return false;
    memcpy(token->digest, digest, sizeof digest);
    token->audience = (Waybill__V1__Audience)audience;
    token->enabled = is_true(texts[2]);
    token->expires_us = strtoll(texts[3], NULL, 10);
    r->tokens[r->token_count++] = token;
    return true;
}

static bool add_scope(struct roster *r, const char *name, const char *const texts[ROSTER_TEXTS]) {
    uint8_t digest[DIGEST_SHA256];
    struct token *token = read_hex(name, digest) ? find_token(r, digest) : NULL;
    return token && add_to(&token->grant, texts);
}

static bool add_item(struct roster *r, const char *code, const char *const texts[ROSTER_TEXTS]) {
    struct slice slice = {.data = (const uint8_t *)code, .length = strlen(code)};
    struct item item = {.length = slice.length, .parent = find_rule(r, slice)};
    if (!disclosure_find(texts[0], &item.disclosure) ||
        (r->item_count > 0 && strcmp(r->items[r->item_count - 1].code, code) >= 0))
        return false;
    void *items = grown(r->items, r->item_count, &r->item_room, sizeof item);
    if (!items)
        return false;
    r->items = items;
    if (!(item.code = strdup(code)))
        return false;
    r->items[r->item_count++] = item;
    return true;
}

bool roster_add(struct roster *r, int kind, const char *name,
                const char *const texts[ROSTER_TEXTS]) {
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
    case ROSTER_TOKEN:
        return add_token(r, name, texts);
    case ROSTER_SCOPE:
        return add_scope(r, name, texts);
    case ROSTER_ITEM:
        return add_item(r, name, texts);
    default:
        return false;
    }
}
