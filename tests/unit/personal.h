/* Personal numbers made up from a seed, in the forms in which people write them, and a search that
 * is not taken in by how they are written. */
#ifndef TESTS_UNIT_PERSONAL_H
#define TESTS_UNIT_PERSONAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct personal {
    char digits[24]; /* ASCII, without anything in between, and without a prefix */
    char text[128];  /* as it is written */
};

enum personal_kind { PERSONAL_ID, PERSONAL_OLD_ID, PERSONAL_MOBILE, PERSONAL_CARD, PERSONAL_KINDS };

uint64_t personal_random(uint64_t *seed);
void personal_make(uint64_t *seed, enum personal_kind kind, struct personal *personal);

/* Whether the bytes hold the number, in full-width digits or with separators or not. */
bool personal_is_in(const struct personal *personal, const void *data, size_t bytes);

#endif
