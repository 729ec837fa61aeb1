#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[32];
static char captured[16384];
static int captured_fd = -1, saved_fd = -1;
static FILE *capture;

static void must(int held, const char *what) {
    if (held)
        return;
    perror(what);
    abort();
}

const char *scratch_file(const void *data, size_t bytes) {
    snprintf(path, sizeof path, "/tmp/waybill-test-XXXXXX");
    int fd = mkstemp(path);
    must(fd >= 0, "mkstemp");
    must(write(fd, data, bytes) == (ssize_t)bytes, "write");
    close(fd);
    return path;
}

const char *scratch_text(const char *text) {
    return scratch_file(text, strlen(text));
}

void scratch_remove(void) {
    unlink(path);
}

void capture_begin(int fd) {
    fflush(NULL);
    capture = tmpfile();
    must(capture != NULL, "tmpfile");
    captured_fd = fd;
    saved_fd = dup(fd);
    must(saved_fd >= 0 && dup2(fileno(capture), fd) >= 0, "dup");
}

const char *capture_end(void) {
    fflush(NULL);
    must(dup2(saved_fd, captured_fd) >= 0, "dup2");
    close(saved_fd);
    rewind(capture);
    captured[fread(captured, 1, sizeof captured - 1, capture)] = '\0';
    fclose(capture);
    return captured;
}
