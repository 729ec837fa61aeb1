/* Files for a test, and what it prints. */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include <stddef.h>

/* A new file with these bytes. The path lasts until the next call; scratch_remove removes it. */
const char *scratch_file(const void *data, size_t bytes);
const char *scratch_text(const char *text);
void scratch_remove(void);

/* Between the two, what is written to the descriptor goes to a file. capture_end gives it as text,
 * which lasts until the next capture_end. One capture at a time. */
void capture_begin(int fd);
const char *capture_end(void);

#endif
