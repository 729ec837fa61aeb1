#include "adapters/file/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "common/standard_streams.h"
#include "proto/problem.h"

enum packing { PACKING_UNKNOWN, PACKING_NONE, PACKING_GZIP };

struct input {
    int fd;
    char *name;
    uint64_t done, size;
    enum packing packing;
    bool ended;  /* of the file itself */
    bool within; /* a gzip member: its trailer has not come yet */
    bool broken; /* err says why, from the next call on */
    struct wb_error err;
    z_stream zip;
    unsigned char raw[INPUT_CHUNK];
    size_t raw_at, raw_bytes;
};

static int open_file(const char *path, struct wb_error *err) {
    if (strcmp(path, "-") == 0 && !standard_streams_readable()) {
        problem(err, WB_E_SYSTEM, "standard input is closed");
        problem_hint(err, "name a file, or give '-' something to read");
        return -1;
    }
    if (strcmp(path, "-") == 0)
        return STDIN_FILENO;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        problem(err, WB_E_SYSTEM, "%.160s cannot be opened: %s", path, strerror(errno));
        problem_hint(err, "check the path and who may read it");
    }
    return fd;
}

struct input *input_open(const char *path, struct wb_error *err) {
    struct stat info;
    int fd = open_file(path, err);
    if (fd < 0)
        return NULL;
    struct input *input = calloc(1, sizeof(*input));
    char *name = strdup(strcmp(path, "-") == 0 ? "standard input" : path);
    if (!input || !name) {
        problem(err, WB_E_SYSTEM, "no memory to read %.160s", path);
        free(input);
        free(name);
        if (fd != STDIN_FILENO)
            close(fd);
        return NULL;
    }
    input->fd = fd;
    input->name = name;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
        input->size = (uint64_t)info.st_size;
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return input;
}

void input_close(struct input *input) {
    if (!input)
        return;
    if (input->packing == PACKING_GZIP)
        inflateEnd(&input->zip);
    if (input->fd != STDIN_FILENO)
        close(input->fd);
    free(input->name);
    free(input);
}

const char *input_name(const struct input *input) {
    return input->name;
}

uint64_t input_done(const struct input *input) {
    return input->done;
}

uint64_t input_size(const struct input *input) {
    return input->size;
}

static size_t left(const struct input *input) {
    return input->raw_bytes - input->raw_at;
}

/* Has a pipe, for now, nothing to give? */
static bool is_silent(const struct input *input, int ms) {
    struct pollfd poll_fd = {.fd = input->fd, .events = POLLIN};
    return input->size == 0 && poll(&poll_fd, 1, ms) <= 0;
}

/* More of the file behind what is left of it: 1, 0 at its end, -1 and err, which is WB_OK if a pipe
 * has nothing yet. */
static int fill(struct input *input, struct wb_error *err) {
    if (is_silent(input, 0)) {
        *err = (struct wb_error){.code = WB_OK};
        return -1;
    }
    if (input->raw_at > 0) {
        input->raw_bytes -= input->raw_at;
        memmove(input->raw, input->raw + input->raw_at, input->raw_bytes);
        input->raw_at = 0;
    }
    ssize_t got = read(input->fd, input->raw + input->raw_bytes, INPUT_CHUNK - input->raw_bytes);
    if (got < 0 && errno == EINTR) {
        *err = (struct wb_error){.code = WB_OK};
        return -1;
    }
    if (got < 0)
        return problem(err, WB_E_SYSTEM, "%.160s cannot be read: %s", input->name, strerror(errno));
    input->ended = got == 0;
    input->raw_bytes += (size_t)got;
    input->done += (uint64_t)got;
    return got > 0;
}

bool input_ready(const struct input *input, int ms) {
    size_t needed = input->packing == PACKING_UNKNOWN ? 2 : 1;
    return input->ended || left(input) >= needed || !is_silent(input, ms);
}

/* A pipe may give the first byte alone. */
static int detect(struct input *input, struct wb_error *err) {
    while (left(input) < 2 && !input->ended)
        if (fill(input, err) < 0)
            return -1;
    bool gzip = left(input) >= 2 && input->raw[0] == 0x1f && input->raw[1] == 0x8b;
    input->packing = gzip ? PACKING_GZIP : PACKING_NONE;
    if (!gzip)
        return 0;
    input->within = true;
    if (inflateInit2(&input->zip, 15 + 16) == Z_OK)
        return 0;
    input->packing = PACKING_NONE;
    return problem(err, WB_E_SYSTEM, "no memory to unpack %.160s", input->name);
}

static ssize_t read_plain(struct input *input, char *data, size_t size, struct wb_error *err) {
    if (left(input) == 0 && !input->ended && fill(input, err) < 0)
        return -1;
    size_t bytes = left(input) < size ? left(input) : size;
    memcpy(data, input->raw + input->raw_at, bytes);
    input->raw_at += bytes;
    return (ssize_t)bytes;
}

static int truncated(struct input *input, struct wb_error *err) {
    problem(err, WB_E_FORMAT, "%.160s ends in the middle of its gzip data, after %llu bytes",
            input->name, (unsigned long long)input->done);
    return problem_hint(err, "what could be unpacked was read; fetch the file again");
}

static int damaged(struct input *input, struct wb_error *err) {
    problem(err, WB_E_FORMAT, "%.140s: the gzip data is damaged before byte %llu: %s", input->name,
            (unsigned long long)(input->done - left(input)),
            input->zip.msg ? input->zip.msg : "not gzip");
    return problem_hint(err, "what could be unpacked was read; fetch the file again");
}

/* Behind a member comes another, padding with zeros, or the end. 1: a member, 0: the end. */
static int next_member(struct input *input, struct wb_error *err) {
    while (true) {
        while (left(input) > 0 && input->raw[input->raw_at] == 0)
            input->raw_at++;
        if (left(input) > 0)
            break;
        if (input->ended)
            return 0;
        if (fill(input, err) < 0)
            return -1;
    }
    inflateReset(&input->zip);
    input->within = true;
    return 1;
}

/* One step of zlib: bytes unpacked, which may be none, or -1 and err. */
static ssize_t unpack(struct input *input, char *data, size_t size, struct wb_error *err) {
    input->zip.next_in = input->raw + input->raw_at;
    input->zip.avail_in = (uInt)left(input);
    input->zip.next_out = (unsigned char *)data;
    input->zip.avail_out = (uInt)size;
    int result = inflate(&input->zip, Z_NO_FLUSH);
    input->raw_at = input->raw_bytes - input->zip.avail_in;
    ssize_t bytes = (ssize_t)(size - input->zip.avail_out);
    if (result == Z_STREAM_END)
        input->within = false;
    else if (result != Z_OK && result != Z_BUF_ERROR) {
        input->broken = true;
        damaged(input, &input->err);
        if (bytes == 0)
            *err = input->err;
        return bytes > 0 ? bytes : -1;
    }
    return bytes;
}

static ssize_t read_gzip(struct input *input, char *data, size_t size, struct wb_error *err) {
    while (true) {
        if (!input->within) {
            int more = next_member(input, err);
            if (more <= 0)
                return more;
        }
        if (left(input) == 0 && !input->ended && fill(input, err) < 0)
            return -1;
        ssize_t bytes = unpack(input, data, size, err);
        if (bytes != 0)
            return bytes;
        if (input->within && left(input) == 0 && input->ended)
            return truncated(input, err);
    }
}

ssize_t input_read(struct input *input, char *data, size_t size, struct wb_error *err) {
    struct wb_error ignored;
    err = err ? err : &ignored;
    if (input->broken) {
        *err = input->err;
        return -1;
    }
    if (input->packing == PACKING_UNKNOWN && detect(input, err))
        return -1;
    return input->packing == PACKING_GZIP ? read_gzip(input, data, size, err)
                                          : read_plain(input, data, size, err);
}
