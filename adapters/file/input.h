/* The bytes of a file or of standard input, unpacked if they begin as gzip does. */
#ifndef FILE_INPUT_H
#define FILE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <waybill/error.h>

#define INPUT_CHUNK 65536

struct input;

/* "-" is standard input. NULL and err (WB_E_SYSTEM) if it cannot be opened. */
struct input *input_open(const char *path, struct wb_error *err);
void input_close(struct input *input);

/* Whether there is something for input_read; waits at most so long for that. A pipe may keep silent
 * for hours. */
bool input_ready(const struct input *input, int ms);

/* Up to size bytes; 0 at the end; -1 and err. A packed file that is cut off or damaged gives all
 * that can be unpacked first, then the error. -1 with err->code WB_OK where a pipe has nothing yet,
 * or not enough, and where a signal came. */
ssize_t input_read(struct input *input, char *data, size_t size, struct wb_error *err);

const char *input_name(const struct input *input); /* "standard input" for "-" */
uint64_t input_done(const struct input *input);    /* bytes of the file itself that are read */
uint64_t input_size(const struct input *input);    /* of the file itself; 0: not known */

#endif
