/* Text on a terminal, or on a pipe: colours where they are wanted, Chinese at its width, nothing
 * that a peer wrote taken as a command to the terminal. */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include <stdbool.h>
#include <stdio.h>

enum style { PLAIN, BOLD, FAINT, GOOD, BAD, STRUCK, STYLES };

struct screen {
    FILE *out;
    bool colour;
    int columns; /* width to wrap at; 0: do not wrap */
    int column;  /* where the next character goes, from 0 */
};

/* Colour if it is a terminal that is not dumb and NO_COLOR is not set. */
void screen_init(struct screen *screen, FILE *out);

/* Columns that the text takes. Invalid UTF-8 and control characters count as the one that is shown
 * in their place. */
int screen_width(const char *text);

/* One line of text: control characters (also newlines) are shown as a space or '?'. */
void screen_put(struct screen *screen, enum style style, const char *text);
/* Spaces up to the column. */
void screen_to(struct screen *screen, int column);
void screen_line(struct screen *screen); /* ends the line */
/* Prose, wrapped; every line after the first begins at the column `indent`. */
void screen_prose(struct screen *screen, enum style style, int indent, const char *text);

#endif
