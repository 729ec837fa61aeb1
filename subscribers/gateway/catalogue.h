/* What citizens read, in every language: the files of subscribers/web/messages, built into the
 * program. A further language is a further file. The one with the lowest language.order is the
 * default, and stands in for texts that another lacks. */
#ifndef SUBSCRIBERS_GATEWAY_CATALOGUE_H
#define SUBSCRIBERS_GATEWAY_CATALOGUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <waybill/error.h>

#define CATALOGUE_LANGUAGES 16

struct language {
    const char *code; /* "zh" */
    json_t *texts;
    const struct language *fallback; /* NULL in the default language */
};

struct catalogue {
    struct language languages[CATALOGUE_LANGUAGES];
    size_t count;
};

/* NULL and err if a file is not what it should be. */
struct catalogue *catalogue_open(struct wb_error *err);
void catalogue_free(struct catalogue *catalogue); /* NULL is allowed */

/* By code; NULL if there is none. */
const struct language *catalogue_find(const struct catalogue *catalogue, const char *code);
/* The best for an Accept-Language header (RFC 9110, 12.5.4), which may be NULL; else the default.
 */
const struct language *catalogue_negotiate(const struct catalogue *catalogue, const char *accept);

/* By dotted key; the key itself if no language has it. */
const char *language_text(const struct language *language, const char *key);
/* The entry of a list, as language_text. */
const char *language_entry(const struct language *language, const char *key, size_t index);
/* The text with {name} replaced by the value, for each name and value up to NULL. A new reference,
 * NULL without memory. */
json_t *language_format(const struct language *language, const char *key, ...)
    __attribute__((sentinel));

#endif
