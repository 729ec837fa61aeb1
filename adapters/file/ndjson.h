/* One JSON value a line, read as strictly wherever it is needed. */
#ifndef FILE_NDJSON_H
#define FILE_NDJSON_H

#include <jansson.h>
#include <stddef.h>
#include <waybill/error.h>

/* New reference to the object that the line holds; NULL and err if it holds anything else. */
json_t *ndjson_parse(const char *line, size_t bytes, struct wb_error *err);

#endif
