/* A text with places for columns: "NL-{trace.concept:name}". `{{` and `}}` are literal braces. */
#ifndef LIB_TEMPLATE_H
#define LIB_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <waybill/error.h>

#include "adapters/lib/column.h"
#include "adapters/lib/record.h"

#define TEMPLATE_BYTES 4096
#define TEMPLATE_PARTS 64

struct buffer;
struct template;

/* Values that mean "nothing" to a source ("UNKNOWN", "-"); the empty text always does. */
struct template_blank {
    const char **values; /* not owned */
    size_t count;
};

/* Enters the columns that it names and marks them as used. NULL and err (WB_E_USAGE, the detail
 * says what is wrong) if the text is no template. */
struct template *template_new(const char *text, struct columns *columns, struct wb_error *err);
void template_free(struct template *template); /* NULL is allowed */

enum template_fill {
    TEMPLATE_EMPTY,   /* it names columns and none of them has a value: the text is "" */
    TEMPLATE_PARTIAL, /* some have none */
    TEMPLATE_FULL,    /* all have one, or it names none */
};

/* The text for this record. It is the record's or scratch's, which is overwritten, and lasts until
 * either changes. A value that does not fit into scratch is left out (see its sticky error). */
enum template_fill template_fill(const struct template *template, const struct record *record,
                                 const struct template_blank *blank, struct buffer *scratch,
                                 const char **text);

/* The name of a column without a value, for a complaint; NULL if all have one. */
const char *template_lack(const struct template *template, const struct record *record,
                          const struct template_blank *blank);

const char *template_text(const struct template *template); /* as written */
/* What it always gives, if it names no column; else NULL. */
const char *template_constant(const struct template *template);

#endif
