/* A file that may be packed: whatever size is read at once, the same bytes come. */
#include <stdlib.h>

#include "adapters/file/input.h"
#include "fuzz.h"

#define UNPACKED_MAX ((size_t)1 << 18) /* of what a few bytes can swell to */

struct reading {
    size_t bytes;
    uint64_t sum; /* of them, the same in whatever pieces they come */
    int code;     /* of the error at the end */
};

/* FNV-1a */
static void add(struct reading *reading, const char *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        reading->sum = (reading->sum ^ (unsigned char)data[i]) * UINT64_C(1099511628211);
    reading->bytes += bytes;
}

static struct reading read_all(const char *path, size_t piece) {
    struct reading reading = {0};
    struct wb_error err = {0};
    char *data = malloc(piece);
    struct input *input = input_open(path, &err);
    ssize_t got;
    FUZZ_CHECK(input && data);
    while ((got = input_read(input, data, piece, &err)) > 0 && reading.bytes < UNPACKED_MAX) {
        FUZZ_CHECK((size_t)got <= piece);
        add(&reading, data, (size_t)got);
    }
    reading.code = got < 0 ? err.code : WB_OK;
    FUZZ_CHECK(got >= 0 || (err.code == WB_E_FORMAT && err.detail[0]));
    FUZZ_CHECK(input_done(input) <= input_size(input));
    input_close(input);
    free(data);
    return reading;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    const char *path = fuzz_file(data, bytes);
    struct reading large = read_all(path, 65536), small = read_all(path, 113);
    if (large.bytes >= UNPACKED_MAX)
        return 0;
    FUZZ_CHECK(large.bytes == small.bytes && large.sum == small.sum && large.code == small.code);
    return 0;
}
