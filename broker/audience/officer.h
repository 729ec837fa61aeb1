/* What applicants are told of the people who handle their case, as the item's disclosure has it:
 *
 *   full    the handler as published
 *   title   surname with post as the name, unit, phone
 *   number  staff number, post, unit, phone
 *   office  unit, phone
 *
 * Written around the handler's own bytes: nothing is unpacked. */
#ifndef BROKER_AUDIENCE_OFFICER_H
#define BROKER_AUDIENCE_OFFICER_H

#include "broker/access/disclosure.h"

/* A name and a post that is missing may make a text longer than what it is made from: by so many
 * bytes at most. */
#define OFFICER_GROWTH 32

/* The texts of a waybill.v1.Handler, by field number; [0] is not used. They lie in the event. */
#define OFFICER_TEXTS 6
struct officer {
    struct slice texts[OFFICER_TEXTS];
};
enum { OFFICER_NAME = 1, OFFICER_POST, OFFICER_UNIT, OFFICER_PHONE, OFFICER_STAFF_NO };

/* A text that is disclosed: one or two slices, put together, with a space between or not. */
struct officer_text {
    struct slice first, second;
    bool space;
};

/* Which text is disclosed in that field; empty: none. A text that has the name in it goes with the
 * name. */
struct officer_text officer_disclosed(const struct officer *officer, enum disclosure disclosure,
                                      unsigned field);
/* Of somebody of whom the name alone is known, and that they approved. */
struct officer_text officer_approver(struct slice name, enum disclosure disclosure);

/* The family name in a name, {0} where it cannot be told: of Chinese names the first character, or
 * two (Ouyang); behind the last dot of a transcribed one; in Latin letters before a comma, the one
 * word in capitals, or the last word. One word alone has none. */
struct slice officer_surname(struct slice name);

#endif
