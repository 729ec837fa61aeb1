#include "broker/cases/code.h"

#include <ctype.h>
#include <sodium.h>
#include <string.h>

#define SYMBOLS 12

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
static unsigned char the_key[crypto_generichash_KEYBYTES];
static bool has_key;

void code_key(const unsigned char *key) {
    memcpy(the_key, key, sizeof the_key);
    has_key = true;
}

static void symbols_of_case(struct slice case_no, char symbols[SYMBOLS]) {
    static const unsigned char purpose[] = "waybill case code 1";
    unsigned char hash[crypto_generichash_BYTES_MIN];
    crypto_generichash_state state;
    crypto_generichash_init(&state, the_key, sizeof the_key, sizeof hash);
    crypto_generichash_update(&state, purpose, sizeof purpose);
    crypto_generichash_update(&state, case_no.data, case_no.length);
    crypto_generichash_final(&state, hash, sizeof hash);
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | hash[i];
    for (int i = 0; i < SYMBOLS; i++, bits >>= 5)
        symbols[i] = alphabet[bits & 31];
}

void code_of_case(struct slice case_no, char code[CODE_TEXT]) {
    char symbols[SYMBOLS];
    char *at = code;
    symbols_of_case(case_no, symbols);
    for (int i = 0; i < SYMBOLS; i++) {
        if (i && i % 4 == 0)
            *at++ = '-';
        *at++ = symbols[i];
    }
    *at = '\0';
}

static char symbol_meant(char c) {
    int upper = toupper((unsigned char)c);
    return (char)(upper == 'O' ? '0' : upper == 'I' || upper == 'L' ? '1' : upper);
}

bool code_matches(struct slice case_no, const char *code) {
    char expected[SYMBOLS], given[SYMBOLS] = {0};
    size_t count = 0;
    symbols_of_case(case_no, expected);
    for (; *code; code++) {
        if (*code == '-' || *code == ' ')
            continue;
        if (count < SYMBOLS)
            given[count] = symbol_meant(*code);
        count++;
    }
    bool equal = sodium_memcmp(expected, given, SYMBOLS) == 0;
    return equal && count == SYMBOLS && has_key;
}
