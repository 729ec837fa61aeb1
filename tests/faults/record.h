/* A file that lines are only ever added to, each by one write: what was done so far survives the
 * end of the program that did it, however it ends. It belongs to one thread. */
#ifndef TESTS_FAULTS_RECORD_H
#define TESTS_FAULTS_RECORD_H

#include <stddef.h>
#include <stdint.h>

/* Opens the file or makes it. 'last' becomes the last line that begins with one of the letters, ""
 * if there is none, and 'lines' their number. A line that was cut off in the middle is taken away.
 * -1 after saying on standard error why. */
int record_open(const char *path, const char *letters, char *last, size_t size, uint64_t *lines);

/* Adds one line. The program ends if it cannot be written: a record with a hole proves nothing. */
__attribute__((format(printf, 2, 3))) void record_line(int record, const char *format, ...);

#endif
