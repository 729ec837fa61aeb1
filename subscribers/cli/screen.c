#include "screen.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_MIN 40
#define COLUMNS_MAX 100 /* longer lines are hard to read */

static const char *const styles[STYLES] = {
    [PLAIN] = "",          [BOLD] = "\033[1m",   [FAINT] = "\033[2m",
    [GOOD] = "\033[1;32m", [BAD] = "\033[1;31m", [STRUCK] = "\033[2;9m",
};

void screen_init(struct screen *screen, FILE *out) {
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    struct winsize size;
    *screen = (struct screen){.out = out};
    if (!isatty(fileno(out)))
        return;
    screen->colour = !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
    screen->columns = 80;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col >= COLUMNS_MIN)
        screen->columns = size.ws_col < COLUMNS_MAX ? size.ws_col : COLUMNS_MAX;
}

/* The next character, U+FFFD for what is none. Texts come checked from the broker; those of the
 * command line do not. */
static uint32_t next(const char **text) {
    const unsigned char *at = (const unsigned char *)*text;
    int more = at[0] < 0x80 ? 0 : at[0] < 0xc2 ? -1 : at[0] < 0xe0 ? 1 : at[0] < 0xf0 ? 2 : 3;
    uint32_t character = more <= 0 ? at[0] : at[0] & (0x3fu >> more);
    for (int i = 1; i <= more; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            more = -1;
            break;
        }
        character = character << 6 | (at[i] & 0x3f);
    }
    *text += more < 0 ? 1 : more + 1;
    if (more < 0 || character > 0x10ffff)
        return 0xfffd;
    return character;
}

/* Widths as terminals have them: Unicode Standard Annex 11, East Asian Width, without the ranges
 * that no text of an office holds. */
static int width(uint32_t character) {
    static const struct {
        uint32_t first, last;
        int width;
    } ranges[] = {
        {0x0300, 0x036f, 0},   {0x1100, 0x115f, 2},   {0x200b, 0x200f, 0},   {0x2028, 0x202e, 0},
        {0x2060, 0x2064, 0},   {0x2e80, 0x303e, 2},   {0x3041, 0x4dbf, 2},   {0x4e00, 0xa4cf, 2},
        {0xa960, 0xa97f, 2},   {0xac00, 0xd7a3, 2},   {0xf900, 0xfaff, 2},   {0xfe00, 0xfe0f, 0},
        {0xfe30, 0xfe6f, 2},   {0xfeff, 0xfeff, 0},   {0xff00, 0xff60, 2},   {0xffe0, 0xffe6, 2},
        {0x1f300, 0x1f64f, 2}, {0x1f680, 0x1f6ff, 2}, {0x1f900, 0x1f9ff, 2}, {0x20000, 0x3fffd, 2},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (character >= ranges[i].first && character <= ranges[i].last)
            return ranges[i].width;
    return 1;
}

/* What is shown for it: C0 and C1 controls and the marks that turn text around are not. */
static uint32_t shown(uint32_t character) {
    if (character == '\n' || character == '\t' || character == '\r')
        return ' ';
    if (character < 0x20 || (character >= 0x7f && character < 0xa0))
        return '?';
    if ((character >= 0x2028 && character <= 0x202e) ||
        (character >= 0x2066 && character <= 0x2069))
        return '?';
    return character;
}

static void put(struct screen *screen, uint32_t character) {
    FILE *out = screen->out;
    if (character < 0x80) {
        putc((int)character, out);
    } else if (character < 0x800) {
        putc((int)(0xc0 | character >> 6), out);
    } else if (character < 0x10000) {
        putc((int)(0xe0 | character >> 12), out);
        putc((int)(0x80 | (character >> 6 & 0x3f)), out);
    } else {
        putc((int)(0xf0 | character >> 18), out);
        putc((int)(0x80 | (character >> 12 & 0x3f)), out);
        putc((int)(0x80 | (character >> 6 & 0x3f)), out);
    }
    if (character >= 0x80)
        putc((int)(0x80 | (character & 0x3f)), out);
    screen->column += width(character);
}

static void begin(struct screen *screen, enum style style) {
    if (screen->colour)
        fputs(styles[style], screen->out);
}

static void end(struct screen *screen, enum style style) {
    if (screen->colour && *styles[style])
        fputs("\033[0m", screen->out);
}

int screen_width(const char *text) {
    int columns = 0;
    while (*text)
        columns += width(shown(next(&text)));
    return columns;
}

void screen_put(struct screen *screen, enum style style, const char *text) {
    begin(screen, style);
    while (*text)
        put(screen, shown(next(&text)));
    end(screen, style);
}

void screen_to(struct screen *screen, int column) {
    while (screen->column < column)
        put(screen, ' ');
}

void screen_line(struct screen *screen) {
    putc('\n', screen->out);
    screen->column = 0;
}

/* Punctuation that does not begin a line. */
static bool closes(uint32_t character) {
    static const uint32_t marks[] = {0x3001, 0x3002, 0x300b, 0x300d, 0x300f, 0x3011,
                                     0xff01, 0xff09, 0xff0c, 0xff1a, 0xff1b, 0xff1f};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (character == marks[i])
            return true;
    return false;
}

/* The end of what must stay on one line: a word of letters, or one wide character, with what closes
 * it. */
static const char *piece(const char *text, int *columns) {
    const char *at = text;
    uint32_t character = next(&at);
    *columns = width(shown(character));
    if (character == ' ' || character == '\n')
        return at;
    bool wide = *columns == 2;
    while (*at && *at != ' ' && *at != '\n') {
        const char *before = at;
        character = shown(next(&at));
        if ((wide || width(character) == 2) && !closes(character))
            return before;
        *columns += width(character);
    }
    return at;
}

void screen_prose(struct screen *screen, enum style style, int indent, const char *text) {
    begin(screen, style);
    while (*text) {
        int columns;
        const char *stop = piece(text, &columns);
        bool full = screen->columns && screen->column + columns > screen->columns &&
                    screen->column > indent;
        if (*text == '\n' || full) {
            end(screen, style);
            screen_line(screen);
            screen_to(screen, indent);
            begin(screen, style);
        }
        bool blank = *text == '\n' || (*text == ' ' && full);
        while (text < stop) {
            uint32_t character = shown(next(&text));
            if (!blank)
                put(screen, character);
        }
    }
    end(screen, style);
}
