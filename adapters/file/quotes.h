/* Watches the quotes of CSV ahead of libcsv, which goes on with a quoted value when text stands
 * behind its closing quote: the quote that was to begin the next value would end this one, and rows
 * would be merged. What is said of bytes here agrees with libcsv: a value is quoted if a quote is
 * its first character behind space, and a quote within it is written twice. */
#ifndef FILE_QUOTES_H
#define FILE_QUOTES_H

#include <stddef.h>

enum quotes_state {
    QUOTES_BEFORE, /* a value, or in the space before it */
    QUOTES_PLAIN,  /* in a value without quotes */
    QUOTES_WITHIN, /* in a quoted value */
    QUOTES_CLOSED, /* behind a quote in it: its end, or the first of two */
    QUOTES_BEHIND, /* in the space behind its end */
    QUOTES_LOST,   /* in what may not stand there, up to the end of the line */
};

struct quotes {
    enum quotes_state state; /* QUOTES_BEFORE to begin with */
    char delimiter;
};

/* How many of the bytes are in order; less than all: the next one may not stand behind the end of a
 * quoted value, and quotes_skip has to follow. */
size_t quotes_scan(struct quotes *quotes, const char *text, size_t bytes);

/* How many bytes to leave out after that: up to the end of the line, all if it has not come yet; 0
 * if nothing is wrong. */
size_t quotes_skip(struct quotes *quotes, const char *text, size_t bytes);

#endif
