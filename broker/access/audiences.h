/* Sets of audiences, and which of them is contained in which. Pure. */
#ifndef BROKER_ACCESS_AUDIENCES_H
#define BROKER_ACCESS_AUDIENCES_H

#include <stdbool.h>
#include <stddef.h>
#include <waybill/v1/event.pb-c.h>

/* Bit n: the Waybill__V1__Audience n. */
typedef unsigned audiences;

#define AUDIENCES_NONE 0u
#define AUDIENCES_MAX  4 /* in one set */

audiences audiences_of(Waybill__V1__Audience audience);
/* Those that are written in the text, apart by commas: "staff,public". False: one has no such name.
 * An empty text is the empty set. */
bool audiences_read(const char *text, audiences *set);

/* Whether who has these may see what that audience sees: full covers all, and staff and applicant
 * each cover public. */
bool audiences_cover(audiences set, Waybill__V1__Audience audience);
/* The first of full, staff, applicant and public that is covered; UNSPECIFIED of none. */
Waybill__V1__Audience audiences_widest(audiences set);
/* All that are covered, the widest first: how many. */
size_t audiences_list(audiences set, Waybill__V1__Audience list[AUDIENCES_MAX]);

#endif
