#include "personal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t personal_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static unsigned below(uint64_t *seed, unsigned end) {
    return (unsigned)(personal_random(seed) >> 20) % end;
}

static unsigned region(uint64_t *seed) {
    static const unsigned provinces[] = {11, 13, 23, 31, 32, 33, 44, 51, 54, 65, 82};
    return provinces[below(seed, 11)] * 10000 + below(seed, 100) * 100 + below(seed, 100);
}

/* Digits and the check character by the formula of GB 11643 (ISO 7064, MOD 11-2), not by its table
 * of weights. */
static void make_id(uint64_t *seed, char digits[24]) {
    unsigned remainder = 0;
    snprintf(digits, 24, "%06u%04u%02u%02u%03u", region(seed), 1900 + below(seed, 126),
             1 + below(seed, 12), 1 + below(seed, 28), below(seed, 1000));
    for (int i = 0; i < 17; i++)
        remainder = (remainder + (unsigned)(digits[i] - '0')) * 2 % 11;
    digits[17] = "10X98765432"[remainder];
    digits[18] = '\0';
}

static void make_card(uint64_t *seed, char digits[24]) {
    static const struct {
        const char *begin;
        size_t length;
    } kinds[] = {{"621700", 19}, {"622202", 19}, {"6228", 19}, {"62284", 16}, {"4", 16},
                 {"53", 16},     {"37", 15},     {"3528", 16}, {"955880", 19}};
    size_t kind = below(seed, 9), length = kinds[kind].length, begin = strlen(kinds[kind].begin);
    unsigned sum = 0;
    memcpy(digits, kinds[kind].begin, begin);
    for (size_t i = begin; i + 1 < length; i++)
        digits[i] = (char)('0' + below(seed, 10));
    for (size_t i = 0; i + 1 < length; i++) {
        unsigned digit = (unsigned)(digits[length - 2 - i] - '0');
        sum += i % 2 ? digit : digit * 2 / 10 + digit * 2 % 10;
    }
    digits[length - 1] = (char)('0' + (10 - sum % 10) % 10);
    digits[length] = '\0';
}

/* Where people leave room: behind how many digits, by kind. */
static const char *pattern(uint64_t *seed, enum personal_kind kind, const char *digits) {
    static const char *const mobiles[] = {"344", "443", "434", "38", "74", "335"};
    if (kind == PERSONAL_ID)
        return below(seed, 2) ? "684" : "6444";
    if (kind == PERSONAL_OLD_ID)
        return "663";
    if (kind == PERSONAL_MOBILE)
        return mobiles[below(seed, 6)];
    return strlen(digits) == 15 ? "465" : strlen(digits) == 16 ? "4444" : "44443";
}

static void write_digit(char *text, size_t size, char digit, bool wide) {
    size_t length = strlen(text);
    if (!wide)
        snprintf(text + length, size - length, "%c", digit);
    else if (digit == 'X')
        snprintf(text + length, size - length, "Ｘ");
    else
        snprintf(text + length, size - length, "\xef\xbc%c", (char)(0x90 + digit - '0'));
}

static void write_out(uint64_t *seed, enum personal_kind kind, struct personal *p) {
    static const char *const prefixes[] = {"", "", "+86", "+86 ", "86", "0086", "0", "+86-"};
    static const char *const separators[] = {" ", "-", "  ", " - ", "　", "－"};
    const char *groups = below(seed, 2) ? pattern(seed, kind, p->digits) : "";
    const char *separator = separators[below(seed, 6)];
    bool wide = below(seed, 4) == 0, apart = below(seed, 12) == 0;
    size_t in_group = 0;
    snprintf(p->text, sizeof p->text, "%s",
             kind == PERSONAL_MOBILE && !apart ? prefixes[below(seed, 8)] : "");
    for (const char *d = p->digits; *d; d++) {
        if (d > p->digits && (apart || (*groups && in_group == (size_t)(*groups - '0')))) {
            snprintf(p->text + strlen(p->text), sizeof p->text - strlen(p->text), "%s", separator);
            in_group = 0;
            groups += *groups != '\0';
        }
        write_digit(p->text, sizeof p->text, *d, wide);
        in_group++;
    }
}

void personal_make(uint64_t *seed, enum personal_kind kind, struct personal *p) {
    if (kind == PERSONAL_ID)
        make_id(seed, p->digits);
    else if (kind == PERSONAL_CARD)
        make_card(seed, p->digits);
    else if (kind == PERSONAL_MOBILE)
        snprintf(p->digits, sizeof p->digits, "1%u%09u", 3 + below(seed, 7),
                 below(seed, 1000000000));
    else
        snprintf(p->digits, sizeof p->digits, "%06u%02u%02u%02u%03u", region(seed),
                 30 + below(seed, 70), 1 + below(seed, 12), 1 + below(seed, 28), below(seed, 1000));
    write_out(seed, kind, p);
}

bool personal_is_in(const struct personal *p, const void *data, size_t bytes) {
    const uint8_t *in = data;
    char *plain = malloc(bytes + 1);
    size_t length = 0;
    for (size_t i = 0; i < bytes; i++) {
        bool wide = in[i] == 0xef && i + 2 < bytes;
        if (in[i] >= '0' && in[i] <= '9')
            plain[length++] = (char)in[i];
        else if (in[i] == 'X' || in[i] == 'x' || (wide && in[i + 1] == 0xbc && in[i + 2] == 0xb8))
            plain[length++] = 'X';
        else if (wide && in[i + 1] == 0xbc && in[i + 2] >= 0x90 && in[i + 2] <= 0x99)
            plain[length++] = (char)('0' + in[i + 2] - 0x90);
    }
    bool found = memmem(plain, length, p->digits, strlen(p->digits)) != NULL;
    free(plain);
    return found;
}
