/* Templates of the pages: a small part of Mustache, over JSON. They can show values, repeat and
 * leave out; they cannot decide or compute, which is the view's business.
 *
 *   {{name}} {{a.b}} {{.}}   the value, always escaped for HTML (text and quoted attributes)
 *   {{#name}} … {{/name}}    once for each entry of a list; once with the object or value as the
 *                            context, if it is there and neither false, empty text nor empty list
 *   {{^name}} … {{/name}}    if it is not
 *   {{>name}}                another template in the same context
 *   {{! … }}                 nothing
 *
 * A name is looked up from the innermost context outwards; of a.b only a is. There is no way to
 * write a value without escaping it. A tag that stands alone on its line takes the line with it. */
#ifndef SUBSCRIBERS_GATEWAY_TEMPLATE_H
#define SUBSCRIBERS_GATEWAY_TEMPLATE_H

#include <jansson.h>
#include <stddef.h>
#include <waybill/error.h>

struct buffer;
struct template_set;

#define TEMPLATE_DEPTH 16 /* sections and partials inside one another */
#define TEMPLATE_NAME  48 /* bytes of a name, with its NUL */
#define TEMPLATE_SET   32 /* templates in a set */

/* NULL without memory. */
struct template_set *template_set_new(void);
void template_set_free(struct template_set *set); /* NULL is allowed */

/* Compiles the text and keeps it under the name. -1 and err, with the line, if it is not
 * well-formed. */
int template_add(struct template_set *set, const char *name, const char *text, size_t bytes,
                 struct wb_error *err);
/* After the last template: -1 and err if one names a partial that is not there. */
int template_link(struct template_set *set, struct wb_error *err);

/* Appends the page; see out's sticky error. -1 if there is no template of that name or partials
 * nest deeper than TEMPLATE_DEPTH. */
int template_render(const struct template_set *set, const char *name, const json_t *context,
                    struct buffer *out);

/* Appends text with the five characters escaped that mean something in HTML. */
void template_escape(struct buffer *out, const char *text, size_t bytes);

#endif
