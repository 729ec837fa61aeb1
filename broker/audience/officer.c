#include "broker/audience/officer.h"

#include <string.h>

#include "proto/wire.h"

#define NAME_LEAST 4 /* bytes of a name that is looked for in other texts: two characters */

/* In the place of a post that is not known. */
static const char somebody[] = "工作人员", approver[] = "批准人";

/* Two characters of three bytes each. */
#define COMPOUND_BYTES 6
static const char compound[][COMPOUND_BYTES + 1] = {
    "欧阳", "太史", "端木", "上官", "司马", "东方", "独孤", "南宫", "万俟", "闻人", "夏侯", "诸葛",
    "尉迟", "公羊", "赫连", "澹台", "皇甫", "宗政", "濮阳", "公冶", "太叔", "申屠", "公孙", "慕容",
    "仲孙", "钟离", "长孙", "宇文", "司徒", "鲜于", "司空", "闾丘", "子车", "亓官", "司寇", "巫马",
    "公西", "颛孙", "壤驷", "公良", "漆雕", "乐正", "宰父", "谷梁", "拓跋", "夹谷", "轩辕", "令狐",
    "段干", "百里", "呼延", "东郭", "南门", "羊舌", "微生", "梁丘", "左丘", "西门", "第五", "南荣",
    "即墨", "达奚", "褚师", "纳兰", "歐陽", "東方", "獨孤", "諸葛", "尉遲", "赫連", "澹臺", "濮陽",
    "公孫", "鍾離", "長孫", "鮮于", "呼延", "聞人", "慕容", "司馬", "上官", "令狐", "夏侯",
};

static struct slice slice_of(const char *text) {
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static struct slice cut(struct slice text, size_t from, size_t to) {
    return (struct slice){text.data + from, to - from};
}

static bool begins_with(struct slice text, const char *with) {
    size_t length = strlen(with);
    return text.length >= length && memcmp(text.data, with, length) == 0;
}

static bool is_han(struct slice text) {
    const uint8_t *p = text.data;
    return text.length >= 3 && ((p[0] >= 0xe4 && p[0] <= 0xe9) || (p[0] == 0xe3 && p[1] >= 0x90) ||
                                (p[0] == 0xf0 && p[1] >= 0xa0));
}

static bool is_latin(uint8_t c) {
    return ((c | 32) >= 'a' && (c | 32) <= 'z') || (c >= 0xc3 && c <= 0xc9);
}

static struct slice han_surname(struct slice name) {
    size_t one = wire_utf8_next((const char *)name.data, name.length);
    for (size_t i = 0; name.length > COMPOUND_BYTES && i < sizeof compound / sizeof *compound; i++)
        if (memcmp(name.data, compound[i], COMPOUND_BYTES) == 0)
            return cut(name, 0, COMPOUND_BYTES);
    return one ? cut(name, 0, one) : (struct slice){0};
}

/* Behind the last of the dots that stand between the parts of a transcribed name, or 0. */
static size_t behind_dots(struct slice name) {
    static const char *const dots[] = {"\xc2\xb7", "\xe2\x80\xa2", "\xe2\x80\xa7", "\xe3\x83\xbb"};
    size_t behind = 0;
    for (size_t i = 0; i < name.length; i++) {
        if (name.data[i] != 0xc2 && name.data[i] != 0xe2 && name.data[i] != 0xe3)
            continue;
        for (size_t k = 0; k < sizeof dots / sizeof *dots; k++)
            if (begins_with(cut(name, i, name.length), dots[k]))
                behind = i + strlen(dots[k]);
    }
    return behind;
}

static bool all_capitals(struct slice word) {
    for (size_t i = 0; i < word.length; i++)
        if (word.data[i] >= 'a' && word.data[i] <= 'z')
            return false;
    return word.length > 1;
}

static struct slice latin_surname(struct slice name) {
    const uint8_t *comma = memchr(name.data, ',', name.length);
    struct slice last = {0}, capitals = {0};
    size_t words = 0, in_capitals = 0;
    if (comma)
        return cut(name, 0, (size_t)(comma - name.data));
    for (size_t at = 0; at < name.length;) {
        const uint8_t *space = memchr(name.data + at, ' ', name.length - at);
        size_t end = space ? (size_t)(space - name.data) : name.length;
        if (end > at) {
            last = cut(name, at, end);
            words++;
            if (all_capitals(last)) {
                capitals = last;
                in_capitals++;
            }
        }
        at = end + 1;
    }
    return words < 2 ? (struct slice){0} : in_capitals == 1 ? capitals : last;
}

struct slice officer_surname(struct slice name) {
    while (name.length && name.data[0] == ' ')
        name = cut(name, 1, name.length);
    while (name.length && name.data[name.length - 1] == ' ')
        name.length--;
    for (size_t i = 0; i < name.length; i++)
        if (name.data[i] >= '0' && name.data[i] <= '9')
            return (struct slice){0}; /* that is no name */
    size_t dots = behind_dots(name);
    if (dots)
        return cut(name, dots, name.length);
    if (is_han(name))
        return han_surname(name);
    return name.length && is_latin(name.data[0]) ? latin_surname(name) : (struct slice){0};
}

static bool holds(struct slice text, struct slice name) {
    return name.length >= NAME_LEAST && text.length &&
           memmem(text.data, text.length, name.data, name.length) != NULL;
}

static struct officer_text titled(struct slice name, struct slice post, const char *otherwise) {
    struct officer_text text = {.first = officer_surname(name), .second = post};
    if (!post.length || holds(post, name))
        text.second = slice_of(otherwise);
    text.space = text.first.length && is_latin(text.first.data[0]);
    return text;
}

/* As bits: the fields that are told as they are. */
static bool is_told(enum disclosure disclosure, unsigned field) {
    static const unsigned told[] = {
        [DISCLOSURE_FULL] = 1 << OFFICER_NAME | 1 << OFFICER_POST | 1 << OFFICER_UNIT |
                            1 << OFFICER_PHONE | 1 << OFFICER_STAFF_NO,
        [DISCLOSURE_TITLE] = 1 << OFFICER_POST | 1 << OFFICER_UNIT | 1 << OFFICER_PHONE,
        [DISCLOSURE_NUMBER] =
            1 << OFFICER_POST | 1 << OFFICER_UNIT | 1 << OFFICER_PHONE | 1 << OFFICER_STAFF_NO,
        [DISCLOSURE_OFFICE] = 1 << OFFICER_UNIT | 1 << OFFICER_PHONE,
    };
    return told[disclosure] & 1u << field;
}

struct officer_text officer_disclosed(const struct officer *o, enum disclosure disclosure,
                                      unsigned field) {
    struct slice name = o->texts[OFFICER_NAME], text = o->texts[field];
    bool titles = disclosure == DISCLOSURE_TITLE && name.length > 0;
    if (titles && field == OFFICER_NAME)
        return titled(name, o->texts[OFFICER_POST], somebody);
    if ((titles && field == OFFICER_POST) || !is_told(disclosure, field) ||
        (disclosure != DISCLOSURE_FULL && holds(text, name)))
        return (struct officer_text){0};
    return (struct officer_text){.first = text};
}

struct officer_text officer_approver(struct slice name, enum disclosure disclosure) {
    if (disclosure == DISCLOSURE_FULL)
        return (struct officer_text){.first = name};
    if (disclosure == DISCLOSURE_TITLE && name.length)
        return titled(name, (struct slice){0}, approver);
    return (struct officer_text){0};
}
