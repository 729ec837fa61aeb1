/* A list of brokers as options and environment have it: "tcp://a:7411,tcp://b:7411", divided by
 * commas or spaces. The first is tried first. */
#ifndef COMMON_ENDPOINTS_H
#define COMMON_ENDPOINTS_H

#include <stddef.h>
#include <waybill/error.h>

#define ENDPOINTS_MAX  8
#define ENDPOINT_BYTES 256 /* of one, its NUL included */

struct endpoints {
    size_t count; /* at least 1 */
    char text[ENDPOINTS_MAX][ENDPOINT_BYTES];
};

/* -1 and WB_E_USAGE, naming the one that is no endpoint, where the list is empty or too long, or
 * names a broker twice. */
int endpoints_parse(struct endpoints *list, const char *text, struct wb_error *err);

#endif
