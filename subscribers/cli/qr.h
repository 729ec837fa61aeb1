/* A QR code (ISO/IEC 18004) drawn with half blocks: two rows of modules in a line of text. */
#ifndef CLI_QR_H
#define CLI_QR_H

#include <stdbool.h>
#include <stdio.h>

/* With colour the modules are black on white whatever the terminal's own colours are; without it
 * the light modules are drawn, as a dark terminal needs. A quiet zone of four modules is around.
 * Returns -1 if the text is too long for a code. */
int qr_draw(FILE *out, const char *text, bool colour);

#endif
