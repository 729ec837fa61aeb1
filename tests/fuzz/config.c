/* A program's configuration file. */
#include "common/config.h"

#include "fuzz.h"

struct values {
    char *name, *path;
    int64_t count, size, wait_ms;
    bool loud;
};

#define ROW(name, type, value, min, max)                                                           \
    { #name, type, offsetof(struct values, name), value, min, max, "", "It is there to be set." }

static const struct config_option rows[] = {
    ROW(name, CONFIG_TEXT, "waybill", 0, 0),    ROW(path, CONFIG_TEXT, "", 0, 0),
    ROW(count, CONFIG_NUMBER, "7", -5, 4096),   ROW(size, CONFIG_BYTES, "64KiB", 1, 1 << 30),
    ROW(wait_ms, CONFIG_MS, "15s", 0, 3600000), ROW(loud, CONFIG_BOOL, "no", 0, 0),
};

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    fuzz_hush();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct values values = {0};
    const struct config_program program = {.name = "fuzz",
                                           .about = "Reads a configuration.",
                                           .options = rows,
                                           .count = sizeof rows / sizeof *rows,
                                           .values = &values};
    const char *argv[] = {"fuzz", "--config", fuzz_file(data, bytes), NULL};
    enum config_outcome outcome = config_load(&program, 3, (char **)argv);
    FUZZ_CHECK(outcome != CONFIG_DONE);
    if (outcome == CONFIG_RUN) {
        FUZZ_CHECK(values.name && values.path);
        FUZZ_CHECK(values.count >= -5 && values.count <= 4096);
        FUZZ_CHECK(values.size >= 1 && values.size <= 1 << 30);
        FUZZ_CHECK(values.wait_ms >= 0 && values.wait_ms <= 3600000);
        config_free(&program);
    }
    FUZZ_CHECK(!values.name && !values.path);
    return 0;
}
