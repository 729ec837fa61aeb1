/* The district that the demonstration plays in: offices, who works there, what can be applied for.
 * The place and its division code are real and so are the kinds of applications; people, numbers
 * and everything that happens are made up, and telephone numbers lead nowhere. */
#ifndef DEMO_DISTRICT_H
#define DEMO_DISTRICT_H

#include <stddef.h>
#include <stdint.h>

#define DISTRICT_REGION "320411" /* 江苏省常州市新北区 */

enum role { ROLE_COUNTER, ROLE_REVIEWER, ROLE_CHIEF, ROLE_COUNT, ROLE_NOBODY = ROLE_COUNT };

struct person {
    const char *name, *post, *unit, *phone, *staff_no;
};

#define OFFICE_PEOPLE 2 /* in each role */

struct office {
    const char *code; /* two digits of the case numbers */
    const char *agency;
    const char *word; /* begins its documents' numbers */
    struct person people[ROLE_COUNT][OFFICE_PEOPLE];
};

enum item_class {
    ITEM_LICENCE, /* takes days */
    ITEM_QUICK,   /* done at the counter */
    ITEM_PARENT,  /* one thing that several offices do: 一件事 */
};

struct item {
    const char *code, *name;
    const struct office *office;
    enum item_class class;
    const char *materials;   /* to be handed in */
    const char *missing;     /* of them, where some are missing */
    const char *visit;       /* what an inspection looks at */
    const char *certificate; /* what is granted */
    const char *basis;       /* the provision */
};

extern const struct item district_items[];
extern const size_t district_item_count;
/* The item of the sample case, and the parts of the composite one. */
extern const struct item *const district_sample;
#define DISTRICT_PARTS 3
extern const struct item *const district_parts[DISTRICT_PARTS];

/* One of the class, the same for the same number. */
const struct item *district_item(enum item_class class, uint64_t number);
const struct person *district_person(const struct office *office, enum role role, uint64_t number);

#endif
