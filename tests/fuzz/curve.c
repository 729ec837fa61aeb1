/* A key file, and a text that is to be a key. */
#include "common/curve.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "proto/problem.h"
#include "proto/wire.h"

static void check_key(const char *text) {
    uint8_t bytes[CURVE_KEY_BYTES];
    char again[CURVE_KEY_TEXT];
    FUZZ_CHECK(curve_to_bytes(text, bytes) == curve_is_key(text));
    if (!curve_is_key(text))
        return;
    curve_to_text(bytes, again);
    FUZZ_CHECK(strcmp(again, text) == 0);
}

static void check_file(const char *path, bool secret) {
    struct wb_error err = {0};
    struct curve_keys keys;
    char line[600];
    if (curve_read(path, secret, &keys, &err)) {
        FUZZ_CHECK(err.code == WB_E_KEY_FILE && err.detail[0]);
        problem_line(&err, line, sizeof line);
        FUZZ_CHECK(wire_utf8(line, strlen(line), false));
        FUZZ_CHECK(!keys.secret_key[0]);
        return;
    }
    FUZZ_CHECK(curve_is_key(keys.public_key));
    FUZZ_CHECK(!secret || keys.secret_key[0]);
    curve_forget(&keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    const char *path = fuzz_file(data, bytes);
    char *text = fuzz_text(data, bytes);
    check_key(text);
    check_file(path, false);
    check_file(path, true);
    free(text);
    return 0;
}
