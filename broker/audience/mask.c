#include "broker/audience/mask.h"

#include <string.h>

#define DIGITS_LEAST  11 /* of the shortest number that is looked for */
#define DIGITS_MOST   19
#define ID_DIGITS     18
#define ID_CHECK_X    10   /* the check character X, as a digit */
#define CELLS         4096 /* digits of one chain; as long as any text of an event */
#define APART_MOST    3    /* separators between two groups */
#define URL_BYTES_MAX 2048

/* Digits that follow one another, perhaps with separators in between. What is written without a
 * separator is a group; a number begins where a group begins and ends where one ends. An X behind a
 * digit is a group of its own. */
struct chain {
    size_t cells, groups;
    uint16_t at[CELLS];
    uint8_t width[CELLS], digit[CELLS];
    uint16_t group[CELLS + 1]; /* the first cell of each, and the number of cells behind the last */
};

struct text {
    const uint8_t *data;
    size_t length;
};

/* How many bytes at `at` are a digit, ASCII or full-width (U+FF10 to U+FF19), and which; 0: none.
 */
static size_t digit_at(const struct text *t, size_t at, uint8_t *digit) {
    const uint8_t *p = t->data + at;
    if ((uint8_t)(p[0] - '0') <= 9) {
        *digit = (uint8_t)(p[0] - '0');
        return 1;
    }
    if (p[0] == 0xef && t->length - at >= 3 && p[1] == 0xbc && (uint8_t)(p[2] - 0x90) <= 9) {
        *digit = (uint8_t)(p[2] - 0x90);
        return 3;
    }
    return 0;
}

/* The same of X, x and their full-width forms (U+FF38, U+FF58). */
static size_t check_x_at(const struct text *t, size_t at) {
    const uint8_t *p = t->data + at;
    if (at >= t->length)
        return 0;
    if (p[0] == 'X' || p[0] == 'x')
        return 1;
    if (t->length - at >= 3 && p[0] == 0xef &&
        ((p[1] == 0xbc && p[2] == 0xb8) || (p[1] == 0xbd && p[2] == 0x98)))
        return 3;
    return 0;
}

/* The same of one space, hyphen or dot in any of the forms that input methods make, and of what is
 * not seen at all: it comes along when a number is copied from a page. */
static size_t separator_at(const struct text *t, size_t at) {
    static const char *const wide[] = {
        "\xc2\xa0",     /* no-break space */
        "\xc2\xad",     /* soft hyphen */
        "\xc2\xb7",     /* middle dot */
        "\xe3\x80\x80", /* ideographic space */
        "\xef\xbc\x8d", /* full-width hyphen */
        "\xe2\x80\x90", /* hyphen */
        "\xe2\x80\x91", /* non-breaking hyphen */
        "\xe2\x80\x93", /* en dash */
        "\xe2\x80\x94", /* em dash */
        "\xe2\x80\xaf", /* narrow no-break space */
        "\xe2\x81\xa0", /* word joiner */
        "\xe2\x88\x92", /* minus */
        "\xef\xbb\xbf", /* byte order mark */
        "\xef\xbc\x8e", /* full-width full stop */
    };
    const uint8_t *p = t->data + at;
    if (at >= t->length)
        return 0;
    if (p[0] == ' ' || p[0] == '-' || p[0] == '.' || p[0] == '\t')
        return 1;
    /* U+2000 to U+200F: spaces of all widths, down to none. */
    if (t->length - at >= 3 && p[0] == 0xe2 && p[1] == 0x80 && p[2] >= 0x80 && p[2] <= 0x8f)
        return 3;
    for (size_t i = 0; p[0] >= 0x80 && i < sizeof wide / sizeof *wide; i++) {
        size_t length = strlen(wide[i]);
        if (t->length - at >= length && memcmp(p, wide[i], length) == 0)
            return length;
    }
    return 0;
}

static void add_cell(struct chain *c, size_t at, size_t width, uint8_t digit) {
    c->at[c->cells] = (uint16_t)at;
    c->width[c->cells] = (uint8_t)width;
    c->digit[c->cells++] = digit;
}

static void end_group(struct chain *c) {
    if (c->cells > c->group[c->groups])
        c->group[++c->groups] = (uint16_t)c->cells;
}

/* The bytes of the separators at `at` if a digit or the check character follows them, else 0. */
static size_t apart(const struct text *t, size_t at) {
    size_t start = at, length;
    uint8_t digit;
    for (int i = 0; i < APART_MOST && (length = separator_at(t, at)) > 0; i++)
        at += length;
    return at < t->length && (digit_at(t, at, &digit) || check_x_at(t, at)) ? at - start : 0;
}

/* The chain that begins with the digit at `at`: where it ends. */
static size_t read_chain(const struct text *t, size_t at, struct chain *c) {
    uint8_t digit = 0;
    c->cells = c->groups = c->group[0] = 0;
    while (at < t->length && c->cells < CELLS - 1) {
        size_t width = digit_at(t, at, &digit);
        if (width) {
            add_cell(c, at, width, digit);
        } else if ((width = check_x_at(t, at)) > 0) {
            end_group(c);
            add_cell(c, at, width, ID_CHECK_X);
            end_group(c);
        } else if ((width = apart(t, at)) > 0) {
            end_group(c);
        } else {
            break;
        }
        at += width;
    }
    end_group(c);
    return at;
}

static unsigned number_of(const uint8_t *d, size_t count) {
    unsigned number = 0;
    for (size_t i = 0; i < count; i++)
        number = number * 10 + d[i];
    return number;
}

static bool digits_alone(const uint8_t *d, size_t count) {
    return memchr(d, ID_CHECK_X, count) == NULL;
}

static bool is_day(unsigned month, unsigned day) {
    static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1];
}

/* GB 11643: region, date of birth, serial number, check character. */
static bool is_identity(const uint8_t d[ID_DIGITS]) {
    static const uint8_t weights[] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
    static const uint8_t checks[] = {1, 0, ID_CHECK_X, 9, 8, 7, 6, 5, 4, 3, 2};
    unsigned year = number_of(d + 6, 4), sum = 0;
    if (d[0] == 0 || !digits_alone(d, ID_DIGITS - 1) || year < 1850 || year > 2099 ||
        !is_day(number_of(d + 10, 2), number_of(d + 12, 2)))
        return false;
    for (size_t i = 0; i < ID_DIGITS - 1; i++)
        sum += weights[i] * d[i];
    return checks[sum % 11] == d[ID_DIGITS - 1];
}

/* The form of before 1999 has no check digit, so its region has to be one (GB/T 2260). */
static bool is_old_identity(const uint8_t d[15]) {
    static const uint8_t last[] = {[1] = 5, [2] = 3, [3] = 7, [4] = 6, [5] = 4, [6] = 5};
    unsigned first = d[0], second = d[1];
    bool region =
        (first >= 1 && first <= 6 && second >= (first == 5 ? 0 : 1) && second <= last[first]) ||
        (first == 7 && second == 1) || (first == 8 && (second == 1 || second == 2));
    return region && is_day(number_of(d + 8, 2), number_of(d + 10, 2));
}

static bool is_mobile(const uint8_t d[11]) {
    return d[0] == 1 && d[1] >= 3;
}

/* How cards begin that are issued or taken in China: UnionPay and its banks' own (62, 60, 81,
 * 955…, 103), Visa, Mastercard, American Express, JCB, Diners, Discover. */
static bool begins_as_card(const uint8_t *d, size_t count) {
    unsigned two = number_of(d, 2), three = number_of(d, 3), four = number_of(d, 4);
    if (d[0] == 4)
        return count == 13 || count == 16 || count == 19;
    if (two == 62 || two == 60 || two == 81 || two == 65 || three == 955)
        return count >= 16 || (two == 62 && count >= 13);
    if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720))
        return count == 16;
    if (two == 34 || two == 37)
        return count == 15;
    if (three <= 305 && three >= 300)
        return count == 14;
    return (two == 35 && count >= 16) || ((two == 36 || two == 38 || two == 39) && count == 14) ||
           (three == 103 && count == 19);
}

static bool is_card(const uint8_t *d, size_t count) {
    unsigned sum = 0;
    if (count < 13 || count > DIGITS_MOST || !begins_as_card(d, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        unsigned value = d[count - 1 - i] * (i % 2 ? 2u : 1u);
        sum += value > 9 ? value - 9 : value;
    }
    return sum % 10 == 0;
}

/* Whether the groups, `sizes` of them, are as the pattern has it: "344". One of digit by digit fits
 * all. */
static bool grouped_as(const uint8_t *sizes, size_t count, const char *pattern) {
    if (strlen(pattern) != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (sizes[i] != pattern[i] - '0')
            return false;
    return true;
}

static bool one_by_one(const uint8_t *sizes, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (sizes[i] != 1)
            return false;
    return true;
}

/* A number of eleven digits is no rarity, so it has to be written as people write a mobile number.
 */
static bool grouped_as_mobile(const uint8_t *sizes, size_t count) {
    static const char *const patterns[] = {"344", "434", "443", "335", "38", "74"};
    if (count == 1 || one_by_one(sizes, count))
        return true;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (grouped_as(sizes, count, patterns[i]))
            return true;
    return false;
}

static bool grouped_as_card(const uint8_t *sizes, size_t count) {
    if (count == 1 || one_by_one(sizes, count) || grouped_as(sizes, count, "465") ||
        grouped_as(sizes, count, "464"))
        return true;
    if (count == 2 && (sizes[0] == 6 || sizes[0] == 8))
        return true;
    for (size_t i = 0; i + 1 < count; i++)
        if (sizes[i] != 4)
            return false;
    return true;
}

/* With a prefix that stands in the first group: 86138 0013 8000. */
static bool is_mobile_prefixed(const uint8_t *d, size_t count, const uint8_t *sizes,
                               size_t groups) {
    static const uint8_t prefixes[][4] = {{0}, {8, 6}, {0, 0, 8, 6}};
    static const size_t lengths[] = {1, 2, 4};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t length = lengths[i];
        uint8_t rest[DIGITS_MOST];
        if (count != length + 11 || sizes[0] <= length || memcmp(d, prefixes[i], length) != 0 ||
            !is_mobile(d + length))
            continue;
        memcpy(rest, sizes, groups);
        rest[0] = (uint8_t)(rest[0] - length);
        return grouped_as_mobile(rest, groups);
    }
    return false;
}

/* Whether these digits, all of them, in groups of these sizes, are a person's number. */
static bool is_personal(const uint8_t *d, size_t count, const uint8_t *sizes, size_t groups) {
    if (count == ID_DIGITS && is_identity(d))
        return true;
    if (!digits_alone(d, count))
        return false;
    if (count == 15 && is_old_identity(d) &&
        (groups == 1 || one_by_one(sizes, groups) || grouped_as(sizes, groups, "663")))
        return true;
    if (count == 11 && is_mobile(d) && grouped_as_mobile(sizes, groups))
        return true;
    return is_mobile_prefixed(d, count, sizes, groups) ||
           (is_card(d, count) && grouped_as_card(sizes, groups));
}

/* The number of groups, from this one, that are a person's number: the most; 0: none are. */
static size_t match(const struct chain *c, size_t group) {
    uint8_t sizes[DIGITS_MOST];
    size_t first = c->group[group], found = 0;
    for (size_t n = 0; group + n < c->groups && n < DIGITS_MOST; n++) {
        size_t count = c->group[group + n + 1] - first;
        if (count > DIGITS_MOST)
            break;
        sizes[n] = (uint8_t)(c->group[group + n + 1] - c->group[group + n]);
        if (count >= DIGITS_LEAST && is_personal(&c->digit[first], count, sizes, n + 1))
            found = n + 1;
        if (c->digit[first + count - 1] == ID_CHECK_X)
            break; /* no number goes on behind it */
    }
    return found;
}

/* What is done with a number that was found. */
struct mask {
    const struct text *text;
    uint8_t *into; /* the text, NULL: to be looked at only */
    struct slice spared;
    size_t found;
};

static bool is_spared(const struct mask *m, const struct chain *c, size_t first, size_t last) {
    size_t at = c->at[first], end = (size_t)c->at[last] + c->width[last];
    return m->spared.length &&
           memmem(m->spared.data, m->spared.length, m->text->data + at, end - at) != NULL;
}

static void cover(struct mask *m, const struct chain *c, size_t first, size_t behind) {
    if (is_spared(m, c, first, behind - 1))
        return;
    m->found++;
    for (size_t i = first; m->into && i < behind; i++)
        memcpy(m->into + c->at[i], c->width[i] == 1 ? "*" : "\xef\xbc\x8a", c->width[i]);
}

/* Two numbers that were written without anything in between: an identity number, which is known by
 * its check, inside a longer group, and what is left on both sides of it. */
static void look_inside(struct mask *m, const struct chain *c, size_t group) {
    size_t first = c->group[group], behind = c->group[group + 1], last = behind;
    bool x = group + 1 < c->groups && c->digit[behind] == ID_CHECK_X;
    for (size_t i = first; i + ID_DIGITS <= behind + (x ? 1 : 0); i++) {
        uint8_t left = (uint8_t)(i - first);
        if (!is_identity(&c->digit[i]))
            continue;
        cover(m, c, i, i + ID_DIGITS);
        if (i - first <= DIGITS_MOST && i > first && is_personal(&c->digit[first], left, &left, 1))
            cover(m, c, first, i);
        first = i + ID_DIGITS;
        i = first - 1;
        last = first;
    }
    uint8_t rest = (uint8_t)(behind > last ? behind - last : 0);
    if (last < behind && behind - last <= DIGITS_MOST &&
        is_personal(&c->digit[last], rest, &rest, 1))
        cover(m, c, last, behind);
}

static void look_at_chain(struct mask *m, const struct chain *c) {
    for (size_t i = 0; i < c->groups;) {
        size_t groups = match(c, i);
        if (groups)
            cover(m, c, c->group[i], c->group[i + groups]);
        else if (c->group[i + 1] - c->group[i] >= ID_DIGITS - 1)
            look_inside(m, c, i);
        i += groups ? groups : 1;
    }
}

typedef uint8_t lanes __attribute__((vector_size(16)));
#define ONES UINT64_C(0x0101010101010101)

/* Nearly all texts end here: too few digits for any such number. A full-width one begins with EF.
 */
static bool may_hold(const uint8_t *data, size_t bytes) {
    size_t count = 0, i = 0;
    for (; i + sizeof(lanes) <= bytes && count < DIGITS_LEAST; i += sizeof(lanes)) {
        lanes text, sum;
        memcpy(&text, data + i, sizeof text);
        sum = (lanes)((text - '0') <= 9) | (lanes)(text == 0xef); /* 255 where it is one */
        uint64_t halves[2];
        memcpy(halves, &sum, sizeof halves);
        count += ((halves[0] & ONES) + (halves[1] & ONES)) * ONES >> 56; /* the sum of all bytes */
    }
    for (; i < bytes && count < DIGITS_LEAST; i++)
        count += ((uint8_t)(data[i] - '0') <= 9) | (data[i] == 0xef);
    return count >= DIGITS_LEAST;
}

/* Positions in a chain are 16 bits wide: a longer text is looked at in parts that overlap. */
#define PART_BYTES    60000
#define OVERLAP_BYTES 1000

static void look_at_part(struct mask *m, const struct text *t) {
    struct chain c;
    uint8_t digit;
    m->text = t;
    for (size_t at = 0; at < t->length;) {
        if (!digit_at(t, at, &digit)) {
            at++;
            continue;
        }
        at = read_chain(t, at, &c);
        if (c.cells >= DIGITS_LEAST)
            look_at_chain(m, &c);
    }
}

static size_t look(const uint8_t *data, size_t bytes, uint8_t *into, struct slice spared) {
    struct mask m = {.spared = spared};
    if (!data || bytes < DIGITS_LEAST || !may_hold(data, bytes))
        return 0;
    for (size_t at = 0;; at += PART_BYTES - OVERLAP_BYTES) {
        size_t rest = bytes - at;
        struct text part = {data + at, rest < PART_BYTES ? rest : PART_BYTES};
        m.into = into ? into + at : NULL;
        look_at_part(&m, &part);
        if (rest <= PART_BYTES)
            return m.found;
    }
}

/* What is left beside a number that was masked may be one, too, now that it stands alone. */
size_t mask_text(uint8_t *text, size_t bytes, struct slice spared) {
    size_t found, all = 0;
    while ((found = look(text, bytes, text, spared)) > 0)
        all += found;
    return all;
}

bool mask_finds(struct slice text) {
    return look(text.data, text.length, NULL, (struct slice){0}) > 0;
}

static int hex(uint8_t c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 87 : -1;
}

bool mask_finds_in_url(struct slice url) {
    uint8_t plain[URL_BYTES_MAX];
    size_t length = 0;
    if (url.length < DIGITS_LEAST || !may_hold(url.data, url.length))
        return false;
    if (url.length > sizeof plain)
        return true;
    for (size_t i = 0; i < url.length; i++) {
        uint8_t c = url.data[i];
        int high = c == '%' && url.length - i > 2 ? hex(url.data[i + 1]) : -1;
        int low = high >= 0 ? hex(url.data[i + 2]) : -1;
        if (low >= 0) {
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        plain[length++] = c == '+' ? ' ' : c;
    }
    return mask_finds(url) || mask_finds((struct slice){plain, length});
}
