#include "common/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Event ids are stored: these texts may never change. They are those of Python's
 * hashlib.blake2b(digest_size=16) over each part's length as 8 bytes, little-endian, and the part.
 */
static void gives_the_same_text_for_ever(void **state) {
    (void)state;
    struct digest digest;
    char text[DIGEST_TEXT];
    digest_start(&digest);
    digest_finish(&digest, text);
    assert_string_equal(text, "cae66941d9efbd404e4d88758ea67670");
    digest_start(&digest);
    digest_part(&digest, "ab", 2);
    digest_part(&digest, "c", 1);
    digest_finish(&digest, text);
    assert_string_equal(text, "4826ed043ab3cdec576d8541fa5d5a80");
    digest_start(&digest);
    digest_number(&digest, 0x0102030405060708);
    digest_finish(&digest, text);
    assert_string_equal(text, "f7e9e021c2ba43316e2806020b89eccc");
}

static void tells_parts_apart(void **state) {
    (void)state;
    struct digest digest;
    char text[DIGEST_TEXT];
    digest_start(&digest);
    digest_part(&digest, "a", 1);
    digest_part(&digest, "bc", 2);
    digest_finish(&digest, text);
    assert_string_equal(text, "f14abc19c330e936bb9c8506d69bac9b");
    char without[DIGEST_TEXT], with[DIGEST_TEXT];
    digest_start(&digest);
    digest_finish(&digest, without);
    digest_start(&digest);
    digest_part(&digest, NULL, 0); /* an empty part is a part */
    digest_finish(&digest, with);
    assert_string_not_equal(without, with);
}

static void random_numbers_differ(void **state) {
    (void)state;
    uint64_t ones = 0, zeroes = 0, last = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t value = random_u64();
        assert_true(value != 0 && value != last);
        ones |= value;
        zeroes |= ~value;
        last = value;
    }
    assert_true(ones == UINT64_MAX && zeroes == UINT64_MAX);
}

/* FIPS 180-2, appendix B.1. */
static void sha256_is_the_one_that_others_compute(void **state) {
    (void)state;
    static const uint8_t expected[DIGEST_SHA256] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                                    0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                                    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                                    0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    uint8_t digest[DIGEST_SHA256];
    digest_sha256("abc", 3, digest);
    assert_memory_equal(digest, expected, sizeof expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_is_the_one_that_others_compute),
        cmocka_unit_test(gives_the_same_text_for_ever),
        cmocka_unit_test(tells_parts_apart),
        cmocka_unit_test(random_numbers_differ),
    };
    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
