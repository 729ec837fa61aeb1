/* The numbers by which a person is known, in any text: found, and made unreadable.
 *
 *   identity   18 digits with a date of birth and the check digit of GB 11643 (the last may be X),
 *              and the 15 digits of before 1999: region, date, serial number
 *   mobile     1, then 3 to 9, then nine digits; also behind 86, 0086 or 0
 *   bank card  13 to 19 digits that begin as cards do and satisfy Luhn's check (ISO/IEC 7812)
 *
 * Digits may be ASCII or full-width, and stand in the groups in which people write such numbers,
 * up to three spaces, hyphens or dots apart, or what is not seen. The checks are why most case
 * numbers and codes stay as they are.
 *
 * Every digit becomes an asterisk, of its own width: the text keeps its length and shows that a
 * number stood there. Nothing of the number is left. Its first six digits would say where a person
 * was born and the last four are what banks and offices ask for to know somebody again, so that the
 * usual 3204**********1234 is of use to who wants to be taken for them; with a surname and a date
 * it is a person. */
#ifndef BROKER_AUDIENCE_MASK_H
#define BROKER_AUDIENCE_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"

/* Pure and without allocation. The texts are UTF-8; of one that is not, nothing is read beyond its
 * end. */

/* How many numbers were masked, in place. What is part of `spared` (the case's own number) is none:
 * {0} spares nothing. */
size_t mask_text(uint8_t *text, size_t bytes, struct slice spared);

/* Whether there is one. */
bool mask_finds(struct slice text);
/* The same of a URL, also percent-encoded. One of more than 2048 bytes counts as if there were. */
bool mask_finds_in_url(struct slice url);

#endif
