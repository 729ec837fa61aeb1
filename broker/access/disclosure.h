/* What applicants may see of the person who handles their case. An operator says it for items
 * (waybill.item, `waybill admin item`), the option `disclosure` for all others. */
#ifndef BROKER_ACCESS_DISCLOSURE_H
#define BROKER_ACCESS_DISCLOSURE_H

#include "proto/frame.h"

enum disclosure {
    DISCLOSURE_FULL,   /* as the office published it */
    DISCLOSURE_TITLE,  /* surname and title */
    DISCLOSURE_NUMBER, /* the staff number, no name */
    DISCLOSURE_OFFICE  /* unit and phone alone */
};

const char *disclosure_name(enum disclosure disclosure);
/* False if no rule has that name. */
bool disclosure_find(const char *name, enum disclosure *disclosure);

struct access;
/* Of the longest code in waybill.item that the item's begins with; else the option's. Before the
 * tables were read, and without access: DISCLOSURE_OFFICE. */
enum disclosure access_disclosure(const struct access *access, struct slice item_code);

#endif
