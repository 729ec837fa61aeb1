#include "words.h"

#include "proto/field.h"

#include <stdio.h>
#include <waybill/v1/query.pb-c.h>

typedef const char *const pair[LANGUAGES];

static pair stages[] = {
    [WB_STAGE(SUBMITTED)] = {"申请", "Submitted"},
    [WB_STAGE(RECEIVED)] = {"收件", "Received"},
    [WB_STAGE(CORRECTION_REQUESTED)] = {"补正告知", "Correction requested"},
    [WB_STAGE(CORRECTION_RECEIVED)] = {"补正收讫", "Correction received"},
    [WB_STAGE(NOT_REQUIRED)] = {"不受理（无需许可）", "No licence required"},
    [WB_STAGE(NOT_ACCEPTED)] = {"不予受理", "Not accepted"},
    [WB_STAGE(ACCEPTED)] = {"受理", "Accepted"},
    [WB_STAGE(UNDER_REVIEW)] = {"审查", "Under review"},
    [WB_STAGE(FORWARDED)] = {"报送", "Forwarded"},
    [WB_STAGE(SPECIAL_PROCEDURE)] = {"特别程序开始", "Special procedure begun"},
    [WB_STAGE(RESUMED)] = {"特别程序结束", "Special procedure ended"},
    [WB_STAGE(EXTENDED)] = {"延长期限", "Time limit extended"},
    [WB_STAGE(GRANTED)] = {"准予", "Granted"},
    [WB_STAGE(REFUSED)] = {"不予许可", "Refused"},
    [WB_STAGE(DELIVERED)] = {"颁发送达", "Delivered"},
    [WB_STAGE(WITHDRAWN)] = {"撤回申请", "Withdrawn"},
    [WB_STAGE(TERMINATED)] = {"终止", "Terminated"},
    [WB_STAGE(REVOKED)] = {"撤销", "Revoked"},
    [WB_STAGE(CANCELLED)] = {"注销", "Cancelled"},
};

static pair kinds[] = {
    [WAYBILL__V1__KIND__KIND_PROGRESS] = {"进展", "Progress"},
    [WAYBILL__V1__KIND__KIND_CORRECTION] = {"更正", "Correction"},
    [WAYBILL__V1__KIND__KIND_RETRACTION] = {"撤销记录", "Retraction"},
    [WAYBILL__V1__KIND__KIND_ALERT] = {"提醒", "Alert"},
};

static pair notices[] = {
    [WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_INFORMATION] = {"告知", "Information"},
    [WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_MATERIALS] = {"材料", "Papers"},
    [WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_FEE] = {"缴费", "Fee"},
    [WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_VISIT] = {"到场", "Visit"},
    [WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_RESULT] = {"结果", "Result"},
    [WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_REMEDY] = {"救济途径", "How to object"},
};

static pair anomalies[] = {
    [WAYBILL__V1__ANOMALY__ANOMALY_AFTER_END] = {"办结之后发生", "after the case had ended"},
    [WAYBILL__V1__ANOMALY__ANOMALY_AFTER_DECISION] = {"决定之后发生", "after the decision"},
    [WAYBILL__V1__ANOMALY__ANOMALY_AFTER_ACCEPTANCE] = {"此前已受理", "had been accepted already"},
    [WAYBILL__V1__ANOMALY__ANOMALY_WITHOUT_ACCEPTANCE] = {"此前未受理",
                                                          "had not been accepted before"},
    [WAYBILL__V1__ANOMALY__ANOMALY_WITHOUT_GRANT] = {"此前未准予", "had not been granted before"},
    [WAYBILL__V1__ANOMALY__ANOMALY_WITHOUT_REQUEST] = {"此前未告知补正",
                                                       "no correction had been requested"},
    [WAYBILL__V1__ANOMALY__ANOMALY_NOTHING_TO_RESUME] = {"没有进行中的特别程序",
                                                         "no special procedure was under way"},
    [WAYBILL__V1__ANOMALY__ANOMALY_NOTHING_TO_AMEND] = {"未找到所指的记录",
                                                        "the event that it names is not there"},
    [WAYBILL__V1__ANOMALY__ANOMALY_AHEAD_OF_TIME] = {"发生时间晚于登记时间",
                                                     "dated later than it was recorded"},
};

static pair phrases[PHRASES] = {
    [PHRASE_SINCE] = {"自", "Since"},
    [PHRASE_HANDLER] = {"经办", "With"},
    [PHRASE_PHONE] = {"电话", "phone"},
    [PHRASE_STAFF_NO] = {"工号", "staff no."},
    [PHRASE_NOTICES] = {"请知悉", "To know and do"},
    [PHRASE_DUE] = {"截止", "by"},
    [PHRASE_OVERDUE] = {"已过期", "past"},
    [PHRASE_TIMELINE] = {"办理过程", "Timeline"},
    [PHRASE_OLDER] = {"更早的节点未列出", "older nodes are not shown"},
    [PHRASE_LIVE] = {"实时跟踪中，按 Ctrl-C 结束", "Following; Ctrl-C ends it"},
    [PHRASE_CORRECTED_BY] = {"已更正，见", "corrected, see"},
    [PHRASE_RETRACTED_BY] = {"已撤销，见", "retracted, see"},
    [PHRASE_UNMATCHED] = {"未找到所指的记录", "the event that it names is not there"},
    [PHRASE_CORRECTS] = {"更正", "corrects"},
    [PHRASE_RETRACTS] = {"撤销", "retracts"},
    [PHRASE_ENDED] = {"已办结", "closed"},
    [PHRASE_NOTHING] = {"暂无有效记录", "Nothing stands"},
    [PHRASE_PARENT] = {"所属一件事", "Part of"},
    [PHRASE_DECISION] = {"决定", "Decision"},
    [PHRASE_REASON] = {"理由", "Reason"},
    [PHRASE_BASIS] = {"依据", "Basis"},
    [PHRASE_REMEDY] = {"救济途径", "Remedy"},
    [PHRASE_OFFICE] = {"应向", "Competent office"},
    [PHRASE_DOCUMENT] = {"文号", "Document"},
    [PHRASE_EXTENDED] = {"延长工作日", "Working days added"},
    [PHRASE_TYPE] = {"类型", "Type"},
    [PHRASE_ALLOWED] = {"所需工作日", "Working days needed"},
    [PHRASE_RESULT] = {"结果", "Result"},
    [PHRASE_APPROVER] = {"批准人", "Approved by"},
    [PHRASE_ANOMALY] = {"异常", "Anomaly"},
};

static const char *find(pair *table, size_t count, int value, enum language language) {
    return value >= 0 && (size_t)value < count ? table[value][language] : NULL;
}

#define FIND(table, value, language)                                                               \
    find((table), sizeof(table) / sizeof(table)[0], value, language)

const char *words_stage(int stage, enum language language) {
    const char *text = FIND(stages, stage, language);
    return text ? text : stage_name(stage);
}

const char *words_kind(int kind, enum language language) {
    const char *text = FIND(kinds, kind, language);
    return text ? text : kind_name(kind);
}

const char *words_notice(int kind, enum language language) {
    const char *text = FIND(notices, kind, language);
    return text ? text : notice_kind_name(kind);
}

const char *words_anomaly(int anomaly, enum language language) {
    const char *text = FIND(anomalies, anomaly, language);
    return text ? text : anomaly_name(anomaly);
}

const char *words(enum phrase phrase, enum language language) {
    return phrases[phrase][language];
}

/* A broker may send any number; the range of an event's time leaves room to subtract. */
static int64_t within_range(int64_t us) {
    return us < 0 ? 0 : us > FIELD_TIME_END_US ? FIELD_TIME_END_US : us;
}

const char *words_distance(int64_t us, int64_t now_us, enum language language, char *text,
                           unsigned long size) {
    static const struct {
        int64_t seconds;
        pair unit;
    } units[] = {{86400, {"天", "day"}}, {3600, {"小时", "hour"}}, {60, {"分钟", "minute"}}};
    int64_t seconds = (within_range(now_us) - within_range(us)) / 1000000;
    int64_t far = seconds < 0 ? -seconds : seconds;
    size_t unit = 0;
    while (unit < 2 && far < units[unit].seconds)
        unit++;
    long long count = far / units[unit].seconds;
    if (count == 0)
        snprintf(text, size, "%s", language == CHINESE ? "刚刚" : "just now");
    else if (language == CHINESE)
        snprintf(text, size, "%lld %s%s", count, units[unit].unit[CHINESE],
                 seconds < 0 ? "后" : "前");
    else
        snprintf(text, size, "%s%lld %s%s%s", seconds < 0 ? "in " : "", count,
                 units[unit].unit[ENGLISH], count == 1 ? "" : "s", seconds < 0 ? "" : " ago");
    return text;
}
