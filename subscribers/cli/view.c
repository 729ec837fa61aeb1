#include "view.h"

#include "proto/field.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void take_audience(struct view *view, const char *name, struct argp_state *state) {
    int audience = audience_parse(name);
    if (audience < 0)
        argp_error(state, "--audience '%s': it is full, staff, applicant or public", name);
    view->audience = (wb_audience)audience;
}

/* The first word of the file. A token never stands on the command line, which others can read. */
static void take_token(struct view *view, const char *path, struct argp_state *state) {
    char line[sizeof view->token + 1] = "";
    errno = 0;
    FILE *file = fopen(path, "re");
    bool got = file && fgets(line, sizeof line, file);
    int reason = errno;
    if (file)
        fclose(file);
    const char *word = line + strspn(line, " \t");
    size_t length = strcspn(word, " \t\r\n");
    if (!got && reason)
        argp_error(state, "--token-file '%s': %s", path, strerror(reason));
    else if (length == 0 || length >= sizeof view->token)
        argp_error(state,
                   "--token-file '%s' does not begin with a token, as waybill admin token add "
                   "prints it",
                   path);
    snprintf(view->token, sizeof view->token, "%.*s", (int)length, word);
}

bool view_take(struct view *view, int option, const char *value, struct argp_state *state) {
    if (option == VIEW_OPTION_AUDIENCE)
        take_audience(view, value, state);
    else if (option == VIEW_OPTION_TOKEN_FILE)
        take_token(view, value, state);
    else
        return false;
    return true;
}

const char *view_token(const struct view *view) {
    return view->token[0] ? view->token : NULL;
}
