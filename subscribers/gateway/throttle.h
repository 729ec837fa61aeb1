/* Who guesses codes is made to wait, without locking out who knows them.
 *
 * A wrong code takes from three buckets: that of the block of addresses which it came from, that of
 * the case, and that of the two together (three tries, another one every five minutes). The first
 * two fill at their rates and hold what comes in two minutes. A question may be put if
 *
 *   - the same code has lately opened the same case for the same block (it is known), or
 *   - the block's bucket is not empty, and not both the case's and that of block and case are.
 *
 * So whoever types the code of a case on which a thousand strangers guess gets in, and so does a
 * page that is open while a neighbour behind the same address guesses. What was under way when a
 * bucket ran empty is still charged, so that guessing side by side gains nothing in the long run; a
 * bucket owes at most what comes in ten minutes. docs/decisions/0011-throttle.md says why.
 *
 * Memory is fixed. Where a table is full, the bucket nearest to being full, or what was known for
 * longest, gives way; that is counted. */
#ifndef SUBSCRIBERS_GATEWAY_THROTTLE_H
#define SUBSCRIBERS_GATEWAY_THROTTLE_H

#include <stdint.h>

struct throttle;

struct throttle_rates {
    int64_t block_per_minute; /* wrong codes; 0: no limit */
    int64_t case_per_minute;
};

/* A question about a case, while it is under way: keyed hashes of what it was about. */
struct attempt {
    uint64_t block, subject, both, known; /* subject 0: no case */
};

/* NULL without memory. */
struct throttle *throttle_new(const struct throttle_rates *rates);
void throttle_free(struct throttle *throttle); /* NULL is allowed */

/* peer: as http_peer gives it. case_no NULL: it is no case that the code opens, only the block
 * counts. */
struct attempt throttle_attempt(const struct throttle *throttle, const char *peer,
                                const char *case_no, const char *code);
/* 0: the question may be put; it is then told how it came out, if it did. Else the seconds after
 * which it may be put if nothing else happens; that is counted. */
int throttle_wait_s(struct throttle *throttle, const struct attempt *attempt);
void throttle_right(struct throttle *throttle, const struct attempt *attempt);
void throttle_wrong(struct throttle *throttle, const struct attempt *attempt);

#endif
