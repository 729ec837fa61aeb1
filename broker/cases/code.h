/* The applicant's code: a keyed hash of the case number, printed on the receipt, so that nobody
 * needs an account to follow a case and nobody can guess one. Why the key lies in the database:
 * docs/decisions/0005-code-key.md. */
#ifndef BROKER_CASES_CODE_H
#define BROKER_CASES_CODE_H

#include <stdbool.h>

#include "proto/frame.h"

#define CODE_TEXT 15 /* "XXXX-XXXX-XXXX" and its NUL */

/* 32 bytes; copied. Until then every code is wrong. */
void code_key(const unsigned char *key);

/* Twelve symbols of Crockford's base 32, 60 bits. */
void code_of_case(struct slice case_no, char code[CODE_TEXT]);

/* In time that does not depend on the code. Takes small letters, spaces, no hyphens, and O, I, L
 * for the digits that they are mistaken for. */
bool code_matches(struct slice case_no, const char *code);

#endif
