/* The courses that applications take: which steps follow one another, and what each says. Texts
 * hold {placeholders}, which the case fills in. */
#ifndef DEMO_PLOT_H
#define DEMO_PLOT_H

#include "district.h"

#include <stdbool.h>
#include <stddef.h>
#include <waybill/event.h>

#define PLOT_STEPS   96 /* of one case, at most */
#define PLOT_NOTICES 2
#define PLOT_SHARED  3 /* the step of a composite at which its parts begin */

struct plot_notice {
    Waybill__V1__NoticeKind kind;
    const char *title, *text; /* title NULL: no notice */
    int due_workdays;         /* after the step; 0: no date */
};

struct plot_step {
    wb_stage stage;
    Waybill__V1__Kind kind;
    const char *name; /* the office's own word for it */
    enum role role;
    double hours; /* of work since the step before, on average */
    struct plot_notice notices[PLOT_NOTICES];
    /* the decision, where the step is one; NULL: none */
    const char *summary, *reason, *remedy, *competent_office;
    bool document;       /* the decision has a number */
    const char *special; /* the kind of a special procedure that begins or ends */
    const char *result;  /* of the special procedure that ends */
    int days;            /* of the special procedure or the extension */
    int of;              /* corrects or retracts the nearest step of this key before it */
};

struct plot {
    enum item_class class;
    const unsigned char *keys; /* of the steps, ended by 0 */
    bool parts;                /* brings the parts of a composite with it */
};

/* Which case takes which course: with this number counting the cases one by one, every course comes
 * up in turn, the usual ones more often. */
const struct plot *plot_turn(unsigned long number);
const struct plot *plot_part(void); /* of each part of a composite */
/* The long course of the case that is shown to visitors: the first steps lie behind it. */
extern const struct plot plot_sample;
#define PLOT_SAMPLE_BEHIND 7

size_t plot_length(const struct plot *plot);
const struct plot_step *plot_step(const struct plot *plot, size_t step);
/* The step that this one corrects or retracts. */
size_t plot_replaced(const struct plot *plot, size_t step);
/* What the review looks at in this step of the sample; "" elsewhere. */
const char *plot_topic(const struct plot *plot, size_t step);

#endif
