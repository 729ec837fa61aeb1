/* An NDJSON file, with a mapping and as events. The first byte chooses. */
#include "fuzz.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    if (bytes == 0)
        return 0;
    const struct pieces pieces = {
        .new_reader = ndjson_reader_new,
        .options = {.whole = data[0] & 1},
        .mapping = data[0] & 1 ? NULL : MAPPINGS "/ndjson.yaml",
        .piece = 1 + (data[0] >> 4),
    };
    pieces_check(&pieces, data + 1, bytes - 1);
    return 0;
}
