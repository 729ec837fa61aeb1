#include "qr.h"

#include <qrencode.h>

#define QUIET 4

static bool is_dark(const QRcode *code, int x, int y) {
    x -= QUIET;
    y -= QUIET;
    if (x < 0 || y < 0 || x >= code->width || y >= code->width)
        return false;
    return code->data[y * code->width + x] & 1;
}

int qr_draw(FILE *out, const char *text, bool colour) {
    /* Of an upper and a lower module, whether each is drawn. */
    static const char *const blocks[2][2] = {{" ", "▄"}, {"▀", "█"}};
    QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);
    if (!code)
        return -1;
    int size = code->width + 2 * QUIET;
    for (int y = 0; y < size; y += 2) {
        if (colour)
            fputs("\033[38;5;16;48;5;231m", out);
        for (int x = 0; x < size; x++) {
            bool upper = is_dark(code, x, y) == colour;
            bool lower = is_dark(code, x, y + 1) == colour && (colour || y + 1 < size);
            fputs(blocks[upper][lower], out);
        }
        fputs(colour ? "\033[0m\n" : "\n", out);
    }
    QRcode_free(code);
    return 0;
}
