/* Numbers with a unit behind them, as people write durations and sizes: 30d, 5min, 64KiB. */
#ifndef COMMON_QUANTITY_H
#define COMMON_QUANTITY_H

#include <stdint.h>

struct quantity_unit {
    const char *name;
    int64_t factor;
};

/* The largest first; the last has no name. */
extern const struct quantity_unit quantity_bytes[]; /* GiB, MiB, KiB, B */
extern const struct quantity_unit quantity_ms[];    /* d, h, min, s, ms */

/* Digits, with one of the units behind them, in any case, or without one; units NULL: always
 * without. What does not fit becomes the largest number. 0, or -1 if the text is anything else. */
int quantity_parse(const char *text, const struct quantity_unit *units, int64_t *value);

/* In the largest unit that divides it: 65536 is 64KiB. Returns text. */
#define QUANTITY_TEXT 32
const char *quantity_format(int64_t value, const struct quantity_unit *units,
                            char text[QUANTITY_TEXT]);

#endif
