#include "adapters/file/quotes.h"

#include <stdbool.h>

static bool ends_line(char c) {
    return c == '\r' || c == '\n';
}

static bool is_space(char c) {
    return c == ' ' || c == '\t';
}

/* Behind the end of a quoted value only space, a delimiter and the end of the line may come. */
static enum quotes_state after_end(const struct quotes *quotes, char c) {
    if (c == quotes->delimiter || ends_line(c))
        return QUOTES_BEFORE;
    return is_space(c) ? QUOTES_BEHIND : QUOTES_LOST;
}

static enum quotes_state next(const struct quotes *quotes, char c) {
    switch (quotes->state) {
    case QUOTES_BEFORE:
        if (c == quotes->delimiter || ends_line(c) || is_space(c))
            return QUOTES_BEFORE;
        return c == '"' ? QUOTES_WITHIN : QUOTES_PLAIN;
    case QUOTES_PLAIN:
        return c == quotes->delimiter || ends_line(c) ? QUOTES_BEFORE : QUOTES_PLAIN;
    case QUOTES_WITHIN:
        return c == '"' ? QUOTES_CLOSED : QUOTES_WITHIN;
    case QUOTES_CLOSED:
        return c == '"' ? QUOTES_WITHIN : after_end(quotes, c);
    case QUOTES_BEHIND:
        return after_end(quotes, c);
    case QUOTES_LOST:
        break;
    }
    return QUOTES_LOST;
}

size_t quotes_scan(struct quotes *quotes, const char *text, size_t bytes) {
    size_t at = 0;
    while (at < bytes && (quotes->state = next(quotes, text[at])) != QUOTES_LOST)
        at++;
    return at;
}

size_t quotes_skip(struct quotes *quotes, const char *text, size_t bytes) {
    size_t at = 0;
    if (quotes->state != QUOTES_LOST)
        return 0;
    while (at < bytes && !ends_line(text[at]))
        at++;
    if (at < bytes)
        quotes->state = QUOTES_BEHIND;
    return at;
}
