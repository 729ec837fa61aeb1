/* YAML files with line numbers in every complaint, on libyaml. */
#ifndef COMMON_YAML_H
#define COMMON_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <waybill/error.h>

struct yaml_file;
struct yaml_node; /* belongs to its file */

/* At most max_bytes of file. Anchors and aliases, tags, more than one document, a key that stands
 * twice or is not text are refused, and so is nesting deeper than 16. NULL and err on failure. */
struct yaml_file *yaml_open(const char *path, size_t max_bytes, struct wb_error *err);
void yaml_close(struct yaml_file *file);

/* NULL if the file is empty. */
const struct yaml_node *yaml_root(const struct yaml_file *file);

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };
enum yaml_kind yaml_kind(const struct yaml_node *node);
const char *yaml_text(const struct yaml_node *node); /* of a YAML_TEXT, as written; else NULL */
size_t yaml_count(const struct yaml_node *node);     /* of a list or map */
const struct yaml_node *yaml_at(const struct yaml_node *node, size_t index); /* value */
const struct yaml_node *yaml_key(const struct yaml_node *map, size_t index);
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key); /* NULL: absent */

/* Fills err with WB_E_CONFIG and "FILE:LINE: …"; returns -1. */
int yaml_problem(const struct yaml_file *file, const struct yaml_node *node, struct wb_error *err,
                 const char *format, ...) WB_PRINTF(4, 5);

/* Refuses keys of the map that are not in the NULL-ended list, naming the nearest that is. */
int yaml_keys(const struct yaml_file *file, const struct yaml_node *map, const char *const *known,
              struct wb_error *err);

#endif
