/* Lists of texts, as administration takes them and the tables hold them. */
#ifndef BROKER_ADMIN_LIST_H
#define BROKER_ADMIN_LIST_H

#include <jansson.h>
#include <waybill/admin.h>
#include <waybill/error.h>

struct buffer;

#define LIST_MAX 256

/* Whether they are prefixes of the field's values; -1 and err. */
int list_check_prefixes(const struct wb_admin_list *list, const char *field, struct wb_error *err);

/* As PostgreSQL reads an array: {"a","b"}. */
void list_put(struct buffer *out, const struct wb_admin_list *list);

/* From a column of to_json. The caller releases what is returned, which the texts lie in. */
json_t *list_read(const char *column, const char *values[LIST_MAX], struct wb_admin_list *list);

#endif
