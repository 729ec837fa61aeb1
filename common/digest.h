/* Identifiers derived from content: the same record always gets the same one. BLAKE2b (RFC 7693)
 * from libsodium. SHA-256 for what other programs have to compute alike. */
#ifndef COMMON_DIGEST_H
#define COMMON_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_TEXT 33 /* 32 hexadecimal digits and the NUL */

struct digest {
    unsigned char state[384] __attribute__((aligned(64))); /* crypto_generichash_state */
};

void digest_start(struct digest *digest);
/* Each part is hashed with its length before it, so that ("ab","c") differs from ("a","bc"). */
void digest_part(struct digest *digest, const void *data, size_t bytes);
void digest_number(struct digest *digest, uint64_t value);
/* 128 bits, as hexadecimal text. */
void digest_finish(struct digest *digest, char text[DIGEST_TEXT]);

#define DIGEST_SHA256 32 /* bytes */
void digest_sha256(const void *data, size_t bytes, uint8_t digest[DIGEST_SHA256]);

/* For hash tables: SipHash under a key of this process, so that nobody can choose what meets in one
 * bucket. Never 0. */
uint64_t digest_short(const void *data, size_t bytes);

/* Random 64 bits, not 0, for session numbers. */
uint64_t random_u64(void);
/* Random bytes that nobody can guess, for secrets. */
void random_bytes(void *to, size_t bytes);

#endif
