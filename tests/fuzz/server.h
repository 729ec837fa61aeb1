/* A real HTTP server in this process, and one client that says whatever a target gives it. */
#ifndef TESTS_FUZZ_SERVER_H
#define TESTS_FUZZ_SERVER_H

#include <stddef.h>

#include "common/http.h"

struct buffer;

/* Once: it lasts as long as the process. */
void server_start(http_handler *handler, void *arg);

/* Says the bytes on a connection of its own, then nothing more, and takes all that is answered into
 * out, which is cleared. The connection is gone when it returns. */
void server_say(const void *data, size_t bytes, struct buffer *out);

/* What stands between the blank line and the end of the first answer; "" if there is none. */
const char *server_body(struct buffer *answers);

#endif
