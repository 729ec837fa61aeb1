#include "broker/access/audiences.h"

#include <stdio.h>
#include <string.h>

#include "proto/field.h"

#define BIT(name) (1u << WAYBILL__V1__AUDIENCE__AUDIENCE_##name)

/* By the audience: what has to be in a set for it. */
static const audiences covered_by[] = {
    [WAYBILL__V1__AUDIENCE__AUDIENCE_FULL] = BIT(FULL),
    [WAYBILL__V1__AUDIENCE__AUDIENCE_STAFF] = BIT(STAFF) | BIT(FULL),
    [WAYBILL__V1__AUDIENCE__AUDIENCE_APPLICANT] = BIT(APPLICANT) | BIT(FULL),
    [WAYBILL__V1__AUDIENCE__AUDIENCE_PUBLIC] =
        BIT(PUBLIC) | BIT(STAFF) | BIT(APPLICANT) | BIT(FULL),
};

audiences audiences_of(Waybill__V1__Audience audience) {
    return audience >= WAYBILL__V1__AUDIENCE__AUDIENCE_FULL &&
                   audience <= WAYBILL__V1__AUDIENCE__AUDIENCE_PUBLIC
               ? 1u << audience
               : AUDIENCES_NONE;
}

bool audiences_read(const char *text, audiences *set) {
    char name[16];
    *set = AUDIENCES_NONE;
    while (*text) {
        size_t length = strcspn(text, ",");
        snprintf(name, sizeof name, "%.*s", length < sizeof name ? (int)length : 0, text);
        int audience = audience_parse(name);
        if (audience < 0)
            return false;
        *set |= audiences_of((Waybill__V1__Audience)audience);
        text += length;
        text += *text == ',';
    }
    return true;
}

bool audiences_cover(audiences set, Waybill__V1__Audience audience) {
    return audiences_of(audience) && (set & covered_by[audience]);
}

Waybill__V1__Audience audiences_widest(audiences set) {
    Waybill__V1__Audience list[AUDIENCES_MAX];
    return audiences_list(set, list) ? list[0] : WAYBILL__V1__AUDIENCE__AUDIENCE_UNSPECIFIED;
}

size_t audiences_list(audiences set, Waybill__V1__Audience list[AUDIENCES_MAX]) {
    size_t count = 0;
    for (int i = WAYBILL__V1__AUDIENCE__AUDIENCE_FULL; i <= WAYBILL__V1__AUDIENCE__AUDIENCE_PUBLIC;
         i++)
        if (audiences_cover(set, (Waybill__V1__Audience)i))
            list[count++] = (Waybill__V1__Audience)i;
    return count;
}
