/* Files built into the program: style sheet and script, served under names that hold a digest of
 * their contents, so that a browser may keep them for good; the icon, and the API's documents. */
#ifndef SUBSCRIBERS_GATEWAY_ASSET_H
#define SUBSCRIBERS_GATEWAY_ASSET_H

#include <stdbool.h>
#include <stddef.h>

struct asset {
    const unsigned char *data;
    size_t bytes;
    const char *type; /* media type */
    bool immutable;   /* its name says what it holds */
};

/* Names the assets; before the functions below. */
void asset_open(void);
/* "/assets/case.4f1d….css" for "case.css"; "" if there is none. */
const char *asset_path(const char *name);
/* By path; NULL if there is none. */
const struct asset *asset_find(const char *path);

#endif
