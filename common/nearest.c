#include "common/nearest.h"

#include <stddef.h>
#include <string.h>

#define WORD_MAX 63

static size_t min(size_t a, size_t b) {
    return a < b ? a : b;
}

/* One row of the table of distances between all beginnings of both words, worked down. */
static size_t distance(const char *from, const char *to) {
    size_t rows = strnlen(from, WORD_MAX), columns = strnlen(to, WORD_MAX);
    size_t row[WORD_MAX + 1];
    for (size_t j = 0; j <= columns; j++)
        row[j] = j;
    for (size_t i = 1; i <= rows; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t replaced = diagonal + (from[i - 1] != to[j - 1]);
            diagonal = row[j];
            row[j] = min(replaced, min(row[j], row[j - 1]) + 1);
        }
    }
    return row[columns];
}

const char *nearest(const char *word, const char *const *known) {
    const char *best = NULL;
    size_t fewest = (size_t)-1;
    for (; *known; known++) {
        size_t letters = distance(word, *known);
        if (letters < fewest) {
            fewest = letters;
            best = *known;
        }
    }
    return best;
}
