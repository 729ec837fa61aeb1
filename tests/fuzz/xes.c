/* A XES log. The first byte chooses how strictly it is read. */
#include "fuzz.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    if (bytes == 0)
        return 0;
    const struct pieces pieces = {
        .new_reader = xes_reader_new,
        .options = {.zone_known = data[0] & 1, .lax = data[0] & 2},
        .mapping = MAPPINGS "/xes.yaml",
        .piece = 1 + (data[0] >> 4),
    };
    pieces_check(&pieces, data + 1, bytes - 1);
    return 0;
}
