#include "broker/access/disclosure.h"

#include <string.h>

static const char *const names[] = {"full", "title", "number", "office"};

const char *disclosure_name(enum disclosure disclosure) {
    return names[disclosure];
}

bool disclosure_find(const char *name, enum disclosure *disclosure) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) {
            *disclosure = (enum disclosure)i;
            return true;
        }
    return false;
}
