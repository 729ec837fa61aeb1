#include "common/quantity.h"

#include <ctype.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

const struct quantity_unit quantity_bytes[] = {
    {"GiB", INT64_C(1) << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {NULL, 0}};
const struct quantity_unit quantity_ms[] = {{"d", 86400000}, {"h", 3600000}, {"min", 60000},
                                            {"s", 1000},     {"ms", 1},      {NULL, 0}};

/* What does not fit becomes the largest number: out of range, as strtoll has it too. */
static int64_t multiply(int64_t number, int64_t factor) {
    int64_t product;
    if (__builtin_mul_overflow(number, factor, &product))
        return number < 0 ? INT64_MIN : INT64_MAX;
    return product;
}

int quantity_parse(const char *text, const struct quantity_unit *units, int64_t *value) {
    char *end;
    const char *digits = text + (*text == '-');
    int64_t number = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)*digits))
        return -1;
    if (!*end) {
        *value = number;
        return 0;
    }
    end += *end == ' ';
    for (; units && units->name; units++)
        if (!strcasecmp(end, units->name)) {
            *value = multiply(number, units->factor);
            return 0;
        }
    return -1;
}

const char *quantity_format(int64_t value, const struct quantity_unit *units,
                            char text[QUANTITY_TEXT]) {
    while (units && units->factor > 1 && (value == 0 || value % units->factor))
        units++;
    int64_t number = units ? value / units->factor : value;
    snprintf(text, QUANTITY_TEXT, "%" PRId64 "%s", number, units && value ? units->name : "");
    return text;
}
