/* Texts that are to be times. */
#include "common/timestamp.h"

#include <stdlib.h>
#include <string.h>

#include "adapters/lib/moment.h"
#include "fuzz.h"

/* Four digits of year, by whatever offset. */
#define FIRST_US (INT64_C(-62135596800) * 1000000)
#define END_US   (INT64_C(253402300800) * 1000000)
#define DAY_US   (INT64_C(86400) * 1000000)

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    FUZZ_CHECK(timestamp_zone("Europe/Amsterdam"));
    return 0;
}

/* An offset or a leap second may carry local time out of the years that have four digits. */
static bool has_text(const struct timestamp *time) {
    int64_t local = time->us + time->offset_minutes * INT64_C(60000000);
    return local >= FIRST_US && local < END_US;
}

/* The text of a time is a time, the same one. */
static void check(const struct timestamp *time) {
    char text[TIMESTAMP_TEXT], other[TIMESTAMP_TEXT];
    struct timestamp again;
    FUZZ_CHECK(time->us >= FIRST_US - DAY_US && time->us < END_US + DAY_US);
    FUZZ_CHECK(abs(time->offset_minutes) < 1440);
    timestamp_format(time, text);
    if (!has_text(time))
        return;
    FUZZ_CHECK(timestamp_parse(text, strlen(text), time->offset_minutes, &again));
    FUZZ_CHECK(again.date_only == time->date_only && again.offset_minutes == time->offset_minutes);
    FUZZ_CHECK(strcmp(timestamp_format(&again, other), text) == 0);
    FUZZ_CHECK(time->date_only || again.us == time->us);
}

/* A format, a NUL, a text: as a mapping gives the one and its source the other. */
static void check_format(const char *format, const char *text) {
    struct timestamp time;
    struct moment_formats formats = {.formats = {(char *)format}, .count = 1, .has_zone = true};
    if (timestamp_parse_format(text, format, &time))
        check(&time);
    if (moment_check(format, true, NULL) == 0 && moment_parse(&formats, text, &time, NULL) == 0)
        check(&time);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const char *const formats[] = {"%Y-%m-%d %H:%M:%S", "%d.%m.%y %I:%M %p", "%s",
                                          "%Y%m%d%H%M%S%z",    "%Y年%m月%d日 %k时", "%Y %j"};
    struct timestamp time;
    char *text = fuzz_text(data, bytes);
    size_t length = strlen(text);
    if (timestamp_parse((const char *)data, bytes, 480, &time)) {
        FUZZ_CHECK(length == bytes);
        check(&time);
    }
    if (timestamp_parse_local((const char *)data, bytes, &time))
        check(&time);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        check_format(formats[i], text);
    if (length < bytes)
        check_format(text, text + length + 1);
    free(text);
    return 0;
}
