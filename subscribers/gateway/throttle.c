#include "subscribers/gateway/throttle.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/timestamp.h"
#include "subscribers/gateway/meter.h"

#define SETS     8192 /* of a table; a power of two */
#define WAYS     8    /* entries of a set */
#define SECOND   INT64_C(1000000)
#define MINUTE   (60 * SECOND)
#define OWES     (10 * MINUTE)
#define KNOWN_US (12 * 60 * MINUTE)

/* What ends at its time: a bucket that is full again then (one that is not in the table is full),
 * or what is known until then. */
struct entry {
    uint64_t key;
    int64_t until_us;
};

struct table {
    const char *name; /* for the metrics */
    int64_t every_us; /* after which one more wrong code is allowed; 0: they are not counted */
    int64_t holds_us; /* which an empty bucket takes to be full */
    struct entry sets[SETS][WAYS];
};

struct throttle {
    unsigned char key[crypto_shorthash_KEYBYTES];
    struct table blocks, cases, both, known;
};

static void set_rate(struct table *table, const char *name, int64_t per_minute) {
    table->name = name;
    table->every_us = per_minute ? MINUTE / per_minute : 0;
    table->holds_us = 2 * MINUTE;
}

struct throttle *throttle_new(const struct throttle_rates *rates) {
    struct throttle *throttle = calloc(1, sizeof *throttle);
    if (!throttle)
        return NULL;
    set_rate(&throttle->blocks, "block", rates->block_per_minute);
    set_rate(&throttle->cases, "case", rates->case_per_minute);
    throttle->both.name = "block_and_case";
    throttle->both.every_us = rates->case_per_minute ? 5 * MINUTE : 0;
    throttle->both.holds_us = 15 * MINUTE;
    throttle->known.name = "known";
    randombytes_buf(throttle->key, sizeof throttle->key);
    return throttle;
}

void throttle_free(struct throttle *throttle) {
    free(throttle);
}

/* Never 0. Keyed, because strangers choose addresses, numbers and codes. */
static uint64_t hash(const struct throttle *throttle, const void *data, size_t bytes) {
    uint64_t key;
    crypto_shorthash((unsigned char *)&key, data, bytes, throttle->key);
    return key ? key : 1;
}

struct attempt throttle_attempt(const struct throttle *throttle, const char *peer,
                                const char *case_no, const char *code) {
    struct address address = {{0}}; /* of a peer that has left already */
    address_parse(peer, strlen(peer), &address);
    uint64_t block = address_block(&address);
    struct attempt attempt = {.block = hash(throttle, &block, sizeof block)};
    if (case_no) {
        attempt.subject = hash(throttle, case_no, strlen(case_no));
        const uint64_t both[] = {attempt.block, attempt.subject};
        attempt.both = hash(throttle, both, sizeof both);
    }
    const uint64_t all[] = {attempt.block, attempt.subject, hash(throttle, code, strlen(code))};
    attempt.known = hash(throttle, all, sizeof all);
    return attempt;
}

static struct entry *find(struct table *table, uint64_t key) {
    struct entry *set = table->sets[key & (SETS - 1)];
    for (int i = 0; i < WAYS; i++)
        if (set[i].key == key)
            return &set[i];
    return NULL;
}

/* The entry of the key, or the one that gives way to it. */
static struct entry *take(struct table *table, uint64_t key, int64_t now_us) {
    struct entry *set = table->sets[key & (SETS - 1)], *found = find(table, key);
    if (found)
        return found;
    found = set;
    for (int i = 1; i < WAYS; i++)
        if (set[i].until_us < found->until_us)
            found = &set[i];
    if (found->until_us > now_us)
        meter_add(METER_THROTTLE_FULL, table->name, 1);
    *found = (struct entry){.key = key};
    return found;
}

/* How long until there is something in the bucket; 0: there is. */
static int64_t empty_us(struct table *buckets, uint64_t key, int64_t now_us) {
    const struct entry *bucket = buckets->every_us && key ? find(buckets, key) : NULL;
    if (!bucket)
        return 0;
    int64_t over_us = bucket->until_us - now_us - (buckets->holds_us - buckets->every_us);
    return over_us > 0 ? over_us : 0;
}

static void charge(struct table *buckets, uint64_t key, int64_t now_us) {
    if (!buckets->every_us || !key)
        return;
    struct entry *bucket = take(buckets, key, now_us);
    int64_t most_us = now_us + buckets->holds_us + OWES;
    if (bucket->until_us < now_us)
        bucket->until_us = now_us;
    bucket->until_us += buckets->every_us;
    if (bucket->until_us > most_us)
        bucket->until_us = most_us;
}

int throttle_wait_s(struct throttle *throttle, const struct attempt *attempt) {
    int64_t now_us = monotonic_us();
    const struct entry *known = find(&throttle->known, attempt->known);
    if (known && known->until_us > now_us)
        return 0;
    int64_t block_us = empty_us(&throttle->blocks, attempt->block, now_us);
    int64_t case_us = empty_us(&throttle->cases, attempt->subject, now_us);
    int64_t both_us = empty_us(&throttle->both, attempt->both, now_us);
    if (both_us < case_us)
        case_us = both_us;
    if (!block_us && !case_us)
        return 0;
    meter_add(METER_THROTTLED, block_us ? "block" : "case", 1);
    return (int)(((block_us > case_us ? block_us : case_us) + SECOND - 1) / SECOND);
}

void throttle_right(struct throttle *throttle, const struct attempt *attempt) {
    int64_t now_us = monotonic_us();
    take(&throttle->known, attempt->known, now_us)->until_us = now_us + KNOWN_US;
}

void throttle_wrong(struct throttle *throttle, const struct attempt *attempt) {
    int64_t now_us = monotonic_us();
    struct entry *known = find(&throttle->known, attempt->known);
    if (known) /* the link has expired since */
        *known = (struct entry){0};
    charge(&throttle->blocks, attempt->block, now_us);
    charge(&throttle->cases, attempt->subject, now_us);
    charge(&throttle->both, attempt->both, now_us);
}
