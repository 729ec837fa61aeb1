#include "subscribers/gateway/asset.h"

#include <stdio.h>
#include <string.h>

#include "common/digest.h"
#include "web_assets.h"

#define HASH_TEXT 12 /* hexadecimal digits of the digest in a name */

struct entry {
    const char *name, *stem, *suffix;
    const size_t *bytes;
    struct asset asset;
    char path[64];
};

static struct entry entries[] = {
    {"case.css",
     "case",
     "css",
     &embed_case_css_size,
     {embed_case_css, 0, "text/css; charset=utf-8", true},
     ""},
    {"case.js",
     "case",
     "js",
     &embed_case_js_size,
     {embed_case_js, 0, "text/javascript; charset=utf-8", true},
     ""},
    {"favicon.svg",
     NULL,
     NULL,
     &embed_favicon_svg_size,
     {embed_favicon_svg, 0, "image/svg+xml", false},
     "/favicon.svg"},
    {"openapi.json",
     NULL,
     NULL,
     &embed_openapi_json_size,
     {embed_openapi_json, 0, "application/json", false},
     "/api/v1/openapi.json"},
    {"asyncapi.json",
     NULL,
     NULL,
     &embed_asyncapi_json_size,
     {embed_asyncapi_json, 0, "application/json", false},
     "/api/v1/asyncapi.json"},
};

#define COUNT (sizeof entries / sizeof entries[0])

static void name_by_content(struct entry *entry) {
    struct digest digest;
    char hash[DIGEST_TEXT];
    digest_start(&digest);
    digest_part(&digest, entry->asset.data, entry->asset.bytes);
    digest_finish(&digest, hash);
    snprintf(entry->path, sizeof entry->path, "/assets/%s.%.*s.%s", entry->stem, HASH_TEXT, hash,
             entry->suffix);
}

void asset_open(void) {
    for (size_t i = 0; i < COUNT; i++) {
        entries[i].asset.bytes = *entries[i].bytes;
        if (entries[i].asset.immutable)
            name_by_content(&entries[i]);
    }
}

const char *asset_path(const char *name) {
    for (size_t i = 0; i < COUNT; i++)
        if (!strcmp(entries[i].name, name))
            return entries[i].path;
    return "";
}

const struct asset *asset_find(const char *path) {
    for (size_t i = 0; i < COUNT; i++)
        if (!strcmp(entries[i].path, path))
            return &entries[i].asset;
    return NULL;
}
