#include "broker/cases/opened.h"

#include <stdlib.h>

#include "common/digest.h"

#define CASES 65536 /* in one generation */
#define SLOTS ((size_t)2 * CASES)

/* The hash is keyed and stands for the case: two that meet would only spare one a look into the
 * log, for the code is checked each time. A slot whose hash is 0 is free. */
struct slot {
    uint64_t hash;
    int64_t until_us;
};

/* The younger generation takes what is noted; when it is full it becomes the elder, whose cases are
 * forgotten unless they were met meanwhile. */
static struct slot *younger, *elder;
static size_t younger_count;

static uint64_t hash_of(struct slice case_no) {
    return digest_short(case_no.data, case_no.length);
}

/* The slot of the hash, or the free one where it belongs. */
static struct slot *find(struct slot *slots, uint64_t hash) {
    size_t at = hash % SLOTS;
    while (slots[at].hash && slots[at].hash != hash)
        at = (at + 1) % SLOTS;
    return &slots[at];
}

static void note(uint64_t hash, int64_t until_us) {
    if (younger && younger_count == CASES) {
        free(elder);
        elder = younger;
        younger = NULL;
    }
    if (!younger) {
        younger = calloc(SLOTS, sizeof *younger);
        younger_count = 0;
    }
    if (!younger)
        return;
    struct slot *slot = find(younger, hash);
    younger_count += !slot->hash;
    *slot = (struct slot){hash, until_us};
}

void opened_note(struct slice case_no, int64_t until_us) {
    note(hash_of(case_no), until_us);
}

bool opened_holds(struct slice case_no, int64_t now_us) {
    uint64_t hash = hash_of(case_no);
    const struct slot *slot = younger ? find(younger, hash) : NULL;
    if (slot && slot->hash)
        return now_us < slot->until_us;
    slot = elder ? find(elder, hash) : NULL;
    if (!slot || !slot->hash || now_us >= slot->until_us)
        return false;
    note(hash, slot->until_us);
    return true;
}

void opened_clear(void) {
    free(younger);
    free(elder);
    younger = elder = NULL;
    younger_count = 0;
}
