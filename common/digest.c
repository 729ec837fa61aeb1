#include "common/digest.h"

#include <assert.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#define DIGEST_BYTES 16

static_assert(sizeof(struct digest) >= sizeof(crypto_generichash_state), "the state must fit");
static_assert(_Alignof(struct digest) >= _Alignof(crypto_generichash_state), "and be aligned");
static_assert(DIGEST_TEXT == 2 * DIGEST_BYTES + 1, "two digits a byte and the NUL");

/* Without sodium_init() libsodium hashes with its slowest code. It fails only where the system has
 * no source of randomness. */
static void start_sodium(void) {
    if (sodium_init() < 0)
        abort();
}

static void need_sodium(void) {
    static once_flag once = ONCE_FLAG_INIT;
    call_once(&once, start_sodium);
}

static crypto_generichash_state *state(struct digest *digest) {
    return (crypto_generichash_state *)digest->state;
}

void digest_start(struct digest *digest) {
    need_sodium();
    crypto_generichash_init(state(digest), NULL, 0, DIGEST_BYTES);
}

/* Little-endian on every machine: the text that comes out is stored. */
static void update_u64(struct digest *digest, uint64_t value) {
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++, value >>= 8)
        bytes[i] = (unsigned char)value;
    crypto_generichash_update(state(digest), bytes, sizeof bytes);
}

void digest_part(struct digest *digest, const void *data, size_t bytes) {
    update_u64(digest, bytes);
    if (bytes)
        crypto_generichash_update(state(digest), data, bytes);
}

void digest_number(struct digest *digest, uint64_t value) {
    update_u64(digest, sizeof value);
    update_u64(digest, value);
}

void digest_finish(struct digest *digest, char text[DIGEST_TEXT]) {
    unsigned char bytes[DIGEST_BYTES];
    crypto_generichash_final(state(digest), bytes, sizeof bytes);
    sodium_bin2hex(text, DIGEST_TEXT, bytes, sizeof bytes);
}

static_assert(DIGEST_SHA256 == crypto_hash_sha256_BYTES, "a SHA-256");

void digest_sha256(const void *data, size_t bytes, uint8_t digest[DIGEST_SHA256]) {
    need_sodium();
    crypto_hash_sha256(digest, data, bytes);
}

void random_bytes(void *to, size_t bytes) {
    need_sodium();
    randombytes_buf(to, bytes);
}

uint64_t digest_short(const void *data, size_t bytes) {
    static unsigned char key[crypto_shorthash_KEYBYTES];
    static bool keyed;
    unsigned char hash[crypto_shorthash_BYTES];
    uint64_t number;
    if (!keyed) {
        need_sodium();
        randombytes_buf(key, sizeof key);
        keyed = true;
    }
    crypto_shorthash(hash, data, bytes, key);
    memcpy(&number, hash, sizeof number);
    return number ? number : 1;
}

uint64_t random_u64(void) {
    need_sodium();
    uint64_t value;
    do
        randombytes_buf(&value, sizeof value);
    while (!value);
    return value;
}
