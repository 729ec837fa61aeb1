/* A CSV file. The first byte chooses how it is to be read. */
#include "fuzz.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const char delimiters[] = {',', ';', '\t', '|'};
    static const char *const encodings[] = {NULL, "GB18030", "UTF-16LE", "UTF-8"};
    if (bytes == 0)
        return 0;
    const struct pieces pieces = {
        .new_reader = csv_reader_new,
        .options = {.delimiter = delimiters[data[0] & 3], .encoding = encodings[data[0] >> 2 & 3]},
        .mapping = MAPPINGS "/csv.yaml",
        .piece = 1 + (data[0] >> 4),
    };
    pieces_check(&pieces, data + 1, bytes - 1);
    return 0;
}
