/* As whom a command sees the log or a case: --audience, and --token-file. */
#ifndef CLI_VIEW_H
#define CLI_VIEW_H

#include <argp.h>
#include <stdbool.h>
#include <waybill/subscriber.h>

struct view {
    wb_audience audience; /* UNSPECIFIED: the widest that the broker gives */
    char token[129];      /* "": none */
};

/* clang-format off */
#define VIEW_OPTIONS \
    {"audience", VIEW_OPTION_AUDIENCE, "A", 0, \
     "as full, staff, applicant or public may see it (default: the widest that one may)", 0}, \
    {"token-file", VIEW_OPTION_TOKEN_FILE, "FILE", 0, \
     "in the name of the token in this file, which waybill admin token made", 0}
/* clang-format on */
enum { VIEW_OPTION_AUDIENCE = 1100, VIEW_OPTION_TOKEN_FILE };

/* Takes one of VIEW_OPTIONS; a wrong value is a usage error. False if the option is another. */
bool view_take(struct view *view, int option, const char *value, struct argp_state *state);

/* NULL: none. */
const char *view_token(const struct view *view);

#endif
