#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/audience/officer.h"

static struct slice slice_of(const char *text) {
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void surnames(void **state) {
    static const char *const cases[][2] = {
        {"张三", "张"},
        {"王", "王"},
        {"欧阳娜娜", "欧阳"},
        {"欧阳", "欧"}, /* two characters are surname and given name */
        {"諸葛亮明", "諸葛"},
        {"司马光", "司马"},
        {" 李四 ", "李"},
        {"约翰·史密斯", "史密斯"},
        {"阿卜杜拉·买买提", "买买提"},
        {"弗拉基米尔・伊里奇・列宁", "列宁"},
        {"John Smith", "Smith"},
        {"Smith, John", "Smith"},
        {"ZHANG San", "ZHANG"},
        {"Émile Zola", "Zola"},
        {"Madonna", ""},
        {"བསྟན་འཛིན", ""},
        {"3204111990", ""},
        {"张三13800138000", ""},
        {"", ""},
        {"·", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice surname = officer_surname(slice_of(cases[i][0]));
        assert_int_equal(surname.length, strlen(cases[i][1]));
        if (surname.length)
            assert_memory_equal(surname.data, cases[i][1], surname.length);
    }
}

static const char *written(const struct officer_text *text) {
    static char out[256];
    snprintf(out, sizeof out, "%.*s%s%.*s", (int)text->first.length,
             text->first.length ? (const char *)text->first.data : "", text->space ? " " : "",
             (int)text->second.length, text->second.length ? (const char *)text->second.data : "");
    return out;
}

/* Name, post, unit, phone and staff number, as they are told. */
static void expect(const char *const given[5], enum disclosure disclosure,
                   const char *const told[5]) {
    struct officer officer = {0};
    for (unsigned i = 0; i < 5; i++)
        officer.texts[i + 1] = slice_of(given[i]);
    for (unsigned i = 0; i < 5; i++) {
        struct officer_text text = officer_disclosed(&officer, disclosure, i + 1);
        assert_string_equal(written(&text), told[i]);
    }
}

static void disclosures(void **state) {
    static const char *const zhang[5] = {"张三丰", "首席代表", "审批科", "0519-85100000", "1024"};
    static const char *const nobody[5] = {"", "经办人", "审批科", "0519-85100000", ""};
    static const char *const plain[5] = {"欧阳娜娜", "", "审批科", "", ""};
    static const char *const loud[5] = {"张三丰", "经办人张三丰", "张三丰工作室", "张三丰 8510",
                                        "no-张三丰"};
    static const char *const smith[5] = {"John Smith", "Clerk", "", "", ""};
    static const char *const unknown[5] = {"Madonna", "Clerk", "", "", ""};
    (void)state;
    expect(zhang, DISCLOSURE_FULL, zhang);
    expect(zhang, DISCLOSURE_TITLE,
           (const char *[]){"张首席代表", "", "审批科", "0519-85100000", ""});
    expect(zhang, DISCLOSURE_NUMBER,
           (const char *[]){"", "首席代表", "审批科", "0519-85100000", "1024"});
    expect(zhang, DISCLOSURE_OFFICE, (const char *[]){"", "", "审批科", "0519-85100000", ""});
    expect(nobody, DISCLOSURE_TITLE, (const char *[]){"", "经办人", "审批科", "0519-85100000", ""});
    expect(plain, DISCLOSURE_TITLE, (const char *[]){"欧阳工作人员", "", "审批科", "", ""});
    expect(loud, DISCLOSURE_TITLE, (const char *[]){"张工作人员", "", "", "", ""});
    expect(loud, DISCLOSURE_NUMBER, (const char *[]){"", "", "", "", ""});
    expect(smith, DISCLOSURE_TITLE, (const char *[]){"Smith Clerk", "", "", "", ""});
    expect(unknown, DISCLOSURE_TITLE, (const char *[]){"Clerk", "", "", "", ""});
}

static void approvers(void **state) {
    (void)state;
    struct officer_text text = officer_approver(slice_of("李四"), DISCLOSURE_TITLE);
    assert_string_equal(written(&text), "李批准人");
    text = officer_approver(slice_of("李四"), DISCLOSURE_FULL);
    assert_string_equal(written(&text), "李四");
    text = officer_approver(slice_of("李四"), DISCLOSURE_NUMBER);
    assert_string_equal(written(&text), "");
    text = officer_approver(slice_of(""), DISCLOSURE_TITLE);
    assert_string_equal(written(&text), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(surnames),
        cmocka_unit_test(disclosures),
        cmocka_unit_test(approvers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
