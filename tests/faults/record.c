#include "tests/faults/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 512

/* Up to the end of the last whole line. */
static long read_lines(FILE *file, const char *letters, char *last, size_t size, uint64_t *lines) {
    char line[LINE_BYTES];
    long whole = 0;
    while (fgets(line, sizeof line, file)) {
        size_t bytes = strlen(line);
        if (line[bytes - 1] != '\n')
            break;
        whole = ftell(file);
        if (!strchr(letters, line[0]))
            continue;
        line[bytes - 1] = '\0';
        snprintf(last, size, "%s", line);
        ++*lines;
    }
    return whole;
}

int record_open(const char *path, const char *letters, char *last, size_t size, uint64_t *lines) {
    FILE *file = fopen(path, "a+");
    last[0] = '\0';
    *lines = 0;
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    rewind(file);
    int record = dup(fileno(file));
    if (record < 0 || ftruncate(record, read_lines(file, letters, last, size, lines)) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        fclose(file);
        return -1;
    }
    fclose(file);
    return record;
}

void record_line(int record, const char *format, ...) {
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (bytes > (int)sizeof line - 2)
        bytes = (int)sizeof line - 2;
    line[bytes++] = '\n';
    if (write(record, line, (size_t)bytes) != bytes) {
        fprintf(stderr, "the record cannot be written: %s\n", strerror(errno));
        _exit(3);
    }
}
