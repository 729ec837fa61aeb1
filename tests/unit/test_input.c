#include "adapters/file/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "scratch.h"

#define TEXT_BYTES 300000

static char text[TEXT_BYTES], read_back[600000];
static unsigned char packed[600000];

static int setup(void **state) {
    (void)state;
    unsigned seed = 1;
    for (size_t i = 0; i < TEXT_BYTES; i++)
        text[i] = (char)('a' + (seed = seed * 1103515245u + 12345u) % 61 % 26);
    return 0;
}

static size_t pack(const char *from, size_t bytes, unsigned char *to) {
    z_stream zip = {0};
    assert_int_equal(deflateInit2(&zip, 6, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
    zip.next_in = (unsigned char *)from;
    zip.avail_in = (uInt)bytes;
    zip.next_out = to;
    zip.avail_out = (uInt)(sizeof(packed) - (size_t)(to - packed));
    assert_int_equal(deflate(&zip, Z_FINISH), Z_STREAM_END);
    size_t length = zip.total_out;
    deflateEnd(&zip);
    return length;
}

/* Reads the file to its end or fault: bytes read; *err as the input left it. */
static size_t read_file(const void *data, size_t bytes, size_t piece, struct wb_error *err) {
    size_t got = 0;
    ssize_t more;
    *err = (struct wb_error){0};
    struct input *input = input_open(scratch_file(data, bytes), err);
    assert_non_null(input);
    assert_int_equal(input_size(input), bytes);
    while ((more = input_read(input, read_back + got, piece, err)) > 0) {
        got += (size_t)more;
        assert_true(got <= sizeof(read_back));
    }
    if (more == 0)
        assert_int_equal(input_done(input), bytes);
    input_close(input);
    scratch_remove();
    return got;
}

static void test_plain(void **state) {
    (void)state;
    struct wb_error err;
    assert_int_equal(read_file(text, TEXT_BYTES, 1000, &err), TEXT_BYTES);
    assert_memory_equal(read_back, text, TEXT_BYTES);
    assert_int_equal(read_file("", 0, 10, &err), 0);
    assert_int_equal(read_file("\x1f", 1, 10, &err), 1);
    assert_int_equal(err.code, WB_OK);
}

static void test_gzip(void **state) {
    (void)state;
    struct wb_error err;
    size_t bytes = pack(text, TEXT_BYTES, packed);
    assert_int_equal(read_file(packed, bytes, 4096, &err), TEXT_BYTES);
    assert_memory_equal(read_back, text, TEXT_BYTES);
    assert_int_equal(err.code, WB_OK);
    assert_int_equal(read_file(packed, pack("", 0, packed), 16, &err), 0);
    assert_int_equal(err.code, WB_OK);
}

/* As `cat a.gz b.gz` makes it, with the zeros that a tape leaves behind. */
static void test_gzip_members(void **state) {
    (void)state;
    struct wb_error err;
    size_t bytes = pack(text, 1000, packed);
    bytes += pack(text + 1000, 2000, packed + bytes);
    memset(packed + bytes, 0, 512);
    assert_int_equal(read_file(packed, bytes + 512, 100, &err), 3000);
    assert_memory_equal(read_back, text, 3000);
    assert_int_equal(err.code, WB_OK);
}

static void test_truncated_gzip_gives_what_it_has(void **state) {
    (void)state;
    struct wb_error err;
    size_t bytes = pack(text, TEXT_BYTES, packed);
    size_t got = read_file(packed, bytes / 2, 4096, &err);
    assert_true(got > TEXT_BYTES / 3 && got < TEXT_BYTES);
    assert_memory_equal(read_back, text, got);
    assert_int_equal(err.code, WB_E_FORMAT);
    assert_non_null(strstr(err.detail, "ends in the middle of its gzip data"));
    assert_int_equal(read_file(packed, bytes - 1, 4096, &err), TEXT_BYTES);
    assert_int_equal(err.code, WB_E_FORMAT);
    assert_int_equal(read_file(packed, 3, 4096, &err), 0);
    assert_int_equal(err.code, WB_E_FORMAT);
}

static void test_damaged_gzip_gives_what_it_has(void **state) {
    (void)state;
    struct wb_error err;
    size_t bytes = pack(text, TEXT_BYTES, packed);
    packed[bytes - 6] ^= 0x55; /* of the checksum */
    assert_int_equal(read_file(packed, bytes, 4096, &err), TEXT_BYTES);
    assert_int_equal(err.code, WB_E_FORMAT);
    assert_non_null(strstr(err.detail, "damaged"));
    packed[0] = 0x1f, packed[bytes / 2] ^= 0xff, packed[bytes / 2 + 1] ^= 0xff;
    read_file(packed, bytes, 4096, &err);
    assert_int_equal(err.code, WB_E_FORMAT);
    bytes = pack(text, 100, packed);
    memset(packed + bytes, 'g', 7);
    assert_int_equal(read_file(packed, bytes + 7, 4096, &err), 100);
    assert_int_equal(err.code, WB_E_FORMAT);
}

static void test_not_there(void **state) {
    (void)state;
    struct wb_error err = {0};
    assert_null(input_open("/nowhere/at/all", &err));
    assert_int_equal(err.code, WB_E_SYSTEM);
    assert_non_null(strstr(err.detail, "/nowhere/at/all"));
}

/* What the pipe has, to its last byte. */
static size_t read_pipe(struct input *input, size_t got) {
    struct wb_error err;
    ssize_t more;
    while ((more = input_read(input, read_back + got, 64, &err)) > 0)
        got += (size_t)more;
    if (more < 0)
        assert_int_equal(err.code, WB_OK);
    return got;
}

/* A pipe gives bytes as they come, in the middle of anything, and nobody may be kept waiting. */
static void test_pipe(void **state) {
    (void)state;
    struct wb_error err = {0};
    int ends[2], saved = dup(STDIN_FILENO);
    size_t bytes = pack(text, 500, packed), got = 0;
    bytes += pack(text + 500, 300, packed + bytes);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[0], STDIN_FILENO);
    struct input *input = input_open("-", &err);
    assert_non_null(input);
    assert_string_equal(input_name(input), "standard input");
    assert_int_equal(read_pipe(input, 0), 0);
    for (size_t i = 0; i < bytes; i++) {
        assert_false(input_ready(input, 0));
        assert_int_equal(write(ends[1], packed + i, 1), 1);
        assert_true(input_ready(input, 0));
        got = read_pipe(input, got);
    }
    close(ends[1]);
    assert_true(input_ready(input, 0));
    assert_int_equal(input_read(input, read_back, 64, &err), 0);
    input_close(input);
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(ends[0]);
    assert_int_equal(got, 800);
    assert_memory_equal(read_back, text, 800);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_gzip_members),
        cmocka_unit_test(test_truncated_gzip_gives_what_it_has),
        cmocka_unit_test(test_damaged_gzip_gives_what_it_has),
        cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_pipe),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
