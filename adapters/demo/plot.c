#include "plot.h"

#include <assert.h>
#include <string.h>

#define INFORMATION WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_INFORMATION
#define MATERIALS   WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_MATERIALS
#define FEE         WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_FEE
#define VISIT       WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_VISIT
#define RESULT      WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_RESULT
#define REMEDY      WAYBILL__V1__NOTICE_KIND__NOTICE_KIND_REMEDY

#define APPEAL                                                                                            \
    "可以自收到本决定之日起六十日内向常州市新北区人民政府申请行政复议，" \
    "或者在六个月内依法向人民法院提起行政诉讼。"

enum key {
    END,
    SUBMIT,
    RECEIVE,
    ASK,
    ANSWER,
    NOT_REQUIRED,
    NOT_ACCEPT,
    ACCEPT,
    ACCEPT_WRONG,
    ACCEPT_MENDED,
    REVIEW,
    INSPECT,
    INSPECTED,
    PAY,
    FORWARD,
    FORWARDED_BACK,
    EXPERTS,
    EXPERTS_DONE,
    HEARING,
    HEARING_DONE,
    EXTEND,
    GRANT,
    GRANT_WRONG,
    GRANT_RETRACTED,
    REFUSE,
    COLLECT,
    POST,
    WITHDRAW,
    TERMINATE,
    REVOKE,
    CANCEL,
    QUICK_RECEIVE,
    QUICK_ACCEPT,
    QUICK_GRANT,
    QUICK_DELIVER,
    JOINT_ACCEPT,
    JOINT_SHARE,
    JOINT_VISIT,
    JOINT_GRANT,
    PART_RECEIVE,
    TOPIC_ASSIGN,
    TOPIC_STUDY,
    TOPIC_SITE,
    TOPIC_OPINION,
};

static const struct plot_step steps[] = {
    [SUBMIT] =
        {.stage = WB_STAGE(SUBMITTED),
         .name = "网上申报",
         .role = ROLE_NOBODY,
         .notices = {{INFORMATION, "申请已提交",
                      "您的申请（{item}）已发送至{agency}，工作时间内一般在一个工作日内收件。",
                      0}}},
    [RECEIVE] = {.stage = WB_STAGE(RECEIVED),
                 .name = "窗口收件",
                 .role = ROLE_COUNTER,
                 .hours = 2,
                 .notices = {{INFORMATION, "已收件",
                              "已收到下列材料：{materials}。五个工作日内告知是否受理。", 0}}},
    [ASK] = {.stage = WB_STAGE(CORRECTION_REQUESTED),
             .name = "一次性补正告知",
             .role = ROLE_COUNTER,
             .hours = 4,
             .notices = {{MATERIALS, "请补正材料",
                          "还缺：{missing}。请在{due}"
                          "前通过网上办事大厅上传或送交窗口；补正期间不计入办理时限。",
                          5}}},
    [ANSWER] = {.stage = WB_STAGE(CORRECTION_RECEIVED),
                .name = "补正收讫",
                .role = ROLE_COUNTER,
                .hours = 9,
                .notices = {{INFORMATION, "补正材料已收到",
                             "{missing}已收齐，受理期限自今日起重新计算。", 0}}},
    [NOT_REQUIRED] = {.stage = WB_STAGE(NOT_REQUIRED),
                      .name = "无需许可告知",
                      .role = ROLE_COUNTER,
                      .hours = 5,
                      .summary = "申请事项依法不需要取得行政许可，不予办理，不影响您开展该项活动。",
                      .reason = "规模在法定起点以下，不属于本事项（{item}）的范围。"},
    [NOT_ACCEPT] = {.stage = WB_STAGE(NOT_ACCEPTED),
                    .name = "不予受理",
                    .role = ROLE_COUNTER,
                    .hours = 6,
                    .notices = {{REMEDY, "您可以怎么做", APPEAL, 0}},
                    .summary = "依法不属于本机关职权范围，不予受理。",
                    .reason = "经营场所在常州市天宁区境内，应当由所在地的主管部门办理。",
                    .remedy = APPEAL,
                    .competent_office = "常州市天宁区政务服务中心综合窗口",
                    .document = true},
    [ACCEPT] = {.stage = WB_STAGE(ACCEPTED),
                .name = "受理",
                .role = ROLE_COUNTER,
                .hours = 4,
                .notices = {{INFORMATION, "已受理",
                             "材料齐全、符合法定形式，自今日起计算办理时限。查询电话：{phone}。",
                             0}}},
    [ACCEPT_WRONG] = {.stage = WB_STAGE(ACCEPTED),
                      .name = "受理",
                      .role = ROLE_COUNTER,
                      .hours = 4,
                      .notices = {{VISIT, "现场踏勘安排",
                                   "{due}上午到现场踏勘，请安排一位熟悉情况的同志在场。", 1}}},
    [ACCEPT_MENDED] =
        {.stage = WB_STAGE(ACCEPTED),
         .kind = WAYBILL__V1__KIND__KIND_CORRECTION,
         .name = "受理（更正踏勘日期）",
         .role = ROLE_COUNTER,
         .hours = 2,
         .notices = {{VISIT, "现场踏勘安排（已更正）",
                      "原通知的日期有误，改为{due}上午到现场踏勘，给您带来不便，请谅解。", 4}},
         .of = ACCEPT_WRONG},
    [REVIEW] = {.stage = WB_STAGE(UNDER_REVIEW),
                .name = "材料审查",
                .role = ROLE_REVIEWER,
                .hours = 6,
                .notices = {{INFORMATION, "正在审查",
                             "{materials}正在由{handler}审查，依据：{basis}。", 0}}},
    [INSPECT] = {.stage = WB_STAGE(UNDER_REVIEW),
                 .name = "现场勘验预约",
                 .role = ROLE_REVIEWER,
                 .hours = 4,
                 .notices =
                     {{VISIT, "请准备现场勘验",
                       "两名工作人员将在{due}前到现场勘验，主要看：{visit}。到场前一天电话联系您。",
                       3}}},
    [INSPECTED] = {.stage = WB_STAGE(UNDER_REVIEW),
                   .name = "现场勘验",
                   .role = ROLE_REVIEWER,
                   .hours = 10,
                   .notices = {{INFORMATION, "现场勘验已完成",
                                "{visit}符合要求，勘验记录已归入案卷，下一步提请作出决定。", 0}}},
    [PAY] = {.stage = WB_STAGE(UNDER_REVIEW),
             .name = "缴费通知",
             .role = ROLE_COUNTER,
             .hours = 3,
             .notices =
                 {{FEE, "请缴纳检测费",
                   "第三方检测费三百元，请在{due}前扫描受理单上的缴费码支付；逾期将影响出证时间。",
                   5}}},
    [FORWARD] = {.stage = WB_STAGE(FORWARDED),
                 .name = "初审后报送市级",
                 .role = ROLE_CHIEF,
                 .hours = 8,
                 .notices =
                     {{INFORMATION, "已报送上级机关",
                       "初审意见和全部材料已报送市级主管部门，本件尚未办结，结果仍在此处公布。",
                       0}}},
    [FORWARDED_BACK] = {.stage = WB_STAGE(UNDER_REVIEW),
                        .name = "市级复核意见",
                        .role = ROLE_REVIEWER,
                        .hours = 14,
                        .notices = {{INFORMATION, "市级复核已完成", "市级主管部门同意初审意见。",
                                     0}}},
    [EXPERTS] =
        {.stage = WB_STAGE(SPECIAL_PROCEDURE),
         .name = "组织专家评审",
         .role = ROLE_CHIEF,
         .hours = 5,
         .notices =
             {{INFORMATION, "专家评审期间不计入办理时限",
               "需要由五位专家评审，所需时间为十个工作日，期间办理时限中止，评审结束后恢复。", 10}},
         .special = "专家评审",
         .reason = "项目技术方案超出常规，依照《中华人民共和国行政许可法》第四十五条组织专家评审。",
         .days = 10},
    [EXPERTS_DONE] =
        {.stage = WB_STAGE(RESUMED),
         .name = "专家评审结束",
         .role = ROLE_REVIEWER,
         .hours = 16,
         .notices = {{INFORMATION, "专家评审已通过",
                      "专家组原则同意，提出三条意见，均已在材料中落实；办理时限恢复计算。", 0}},
         .special = "专家评审",
         .result = "原则同意"},
    [HEARING] = {.stage = WB_STAGE(SPECIAL_PROCEDURE),
                 .name = "举行听证",
                 .role = ROLE_CHIEF,
                 .hours = 5,
                 .notices = {{VISIT, "听证通知",
                              "因涉及相邻住户的重大利益，定于{due}"
                              "在政务服务中心三楼听证室举行听证，请携带身份证明参加。",
                              7}},
                 .special = "听证",
                 .reason = "相邻住户申请听证，依照《中华人民共和国行政许可法》第四十七条举行。",
                 .days = 20},
    [HEARING_DONE] = {.stage = WB_STAGE(RESUMED),
                      .name = "听证结束",
                      .role = ROLE_REVIEWER,
                      .hours = 18,
                      .notices = {{INFORMATION, "听证笔录已送达",
                                   "将根据听证笔录作出决定，办理时限恢复计算。", 0}},
                      .special = "听证",
                      .result = "听证笔录已由双方签字"},
    [EXTEND] =
        {.stage = WB_STAGE(EXTENDED),
         .name = "延长办理期限",
         .role = ROLE_CHIEF,
         .hours = 12,
         .notices =
             {{INFORMATION, "办理期限延长十个工作日",
               "申请量集中，现场核查尚未排完，经负责人批准延长；如对延期有异议，请拨打{phone}。",
               0}},
         .reason = "现场核查尚未完成，二十个工作日内不能作出决定。",
         .days = 10},
    [GRANT] = {.stage = WB_STAGE(GRANTED),
               .name = "准予许可决定",
               .role = ROLE_CHIEF,
               .hours = 6,
               .notices = {{RESULT, "准予许可",
                            "已作出准予许可的决定，十个工作日内向您颁发、送达{certificate}。", 0},
                           {VISIT, "领取方式",
                            "可在{due}前到窗口领取，也可以选择邮寄；请带受理单。", 10}},
               .summary = "准予许可，颁发{certificate}。",
               .document = true},
    [GRANT_WRONG] = {.stage = WB_STAGE(GRANTED),
                     .name = "准予许可决定",
                     .role = ROLE_CHIEF,
                     .hours = 6,
                     .notices = {{RESULT, "准予许可", "已作出准予许可的决定。", 0}},
                     .summary = "准予许可，颁发{certificate}。"},
    [GRANT_RETRACTED] =
        {.stage = WB_STAGE(UNSPECIFIED),
         .kind = WAYBILL__V1__KIND__KIND_RETRACTION,
         .name = "撤回误录的决定",
         .role = ROLE_CHIEF,
         .hours = 1,
         .notices = {{INFORMATION, "上一条记录有误",
                      "把另一件办件的决定误录到了本件，本件仍在审查中，特此更正并致歉。", 0}},
         .of = GRANT_WRONG},
    [REFUSE] = {.stage = WB_STAGE(REFUSED),
                .name = "不予许可决定",
                .role = ROLE_CHIEF,
                .hours = 8,
                .notices = {{RESULT, "不予许可",
                             "很遗憾，本次申请未获许可，理由见决定书；整改后可以重新申请。", 0},
                            {REMEDY, "不服本决定怎么办", APPEAL, 0}},
                .summary = "不予许可。",
                .reason = "现场勘验发现{visit}不符合要求，经书面告知后仍未整改到位。",
                .remedy = APPEAL,
                .document = true},
    [COLLECT] = {.stage = WB_STAGE(DELIVERED),
                 .name = "窗口领取",
                 .role = ROLE_COUNTER,
                 .hours = 7,
                 .notices = {{RESULT, "证件已领取",
                              "{certificate}已由申请人在窗口领取，本件办结。欢迎评价本次服务。",
                              0}}},
    [POST] = {.stage = WB_STAGE(DELIVERED),
              .name = "邮寄送达",
              .role = ROLE_COUNTER,
              .hours = 9,
              .notices = {{RESULT, "证件已签收",
                           "{certificate}已邮寄签收，本件办结；电子证照同步到“苏服办”。", 0}}},
    [WITHDRAW] = {.stage = WB_STAGE(WITHDRAWN),
                  .name = "申请人撤回",
                  .role = ROLE_COUNTER,
                  .hours = 5,
                  .notices = {{INFORMATION, "已按您的要求撤回",
                               "材料可在三十日内到窗口取回，今后可以重新申请。", 0}},
                  .reason = "申请人书面撤回申请。"},
    [TERMINATE] = {.stage = WB_STAGE(TERMINATED),
                   .name = "终止办理",
                   .role = ROLE_CHIEF,
                   .hours = 12,
                   .notices = {{INFORMATION, "本件已终止",
                                "未在规定期限内补正，可备齐材料后重新申请。", 0}},
                   .reason = "申请人在规定期限内未补正材料。",
                   .remedy = APPEAL},
    [REVOKE] =
        {.stage = WB_STAGE(REVOKED),
         .name = "撤销许可",
         .role = ROLE_CHIEF,
         .hours = 20,
         .notices = {{REMEDY, "不服本决定怎么办", APPEAL, 0}},
         .summary =
             "撤销已颁发的{certificate}。",
         .reason =
             "复核发现申请材料中的租赁合同系伪造，依照《中华人民共和国行政许可法》第六十九条撤销。",
         .remedy = APPEAL,
         .document = true},
    [CANCEL] = {.stage = WB_STAGE(CANCELLED),
                .name = "注销许可",
                .role = ROLE_COUNTER,
                .hours = 20,
                .notices = {{INFORMATION, "已办理注销", "{certificate}已注销，请交回证件原件。",
                             0}},
                .summary = "注销{certificate}。",
                .reason =
                    "持证人停止经营并申请注销，依照《中华人民共和国行政许可法》第七十条办理。"},
    [QUICK_RECEIVE] = {.stage = WB_STAGE(RECEIVED),
                       .name = "收件",
                       .role = ROLE_COUNTER,
                       .hours = 0.5,
                       .notices = {{INFORMATION, "已收件", "已收到：{materials}。", 0}}},
    [QUICK_ACCEPT] = {.stage = WB_STAGE(ACCEPTED),
                      .name = "当场受理",
                      .role = ROLE_COUNTER,
                      .hours = 0.3,
                      .notices = {{INFORMATION, "即办件", "本事项即来即办，一般当天办结。", 0}}},
    [QUICK_GRANT] = {.stage = WB_STAGE(GRANTED),
                     .name = "办结",
                     .role = ROLE_COUNTER,
                     .hours = 1.5,
                     .notices = {{RESULT, "已办结", "{certificate}已生成。", 0}},
                     .summary = "准予办理，出具{certificate}。"},
    [QUICK_DELIVER] = {.stage = WB_STAGE(DELIVERED),
                       .name = "送达",
                       .role = ROLE_COUNTER,
                       .hours = 0.3,
                       .notices = {{RESULT, "可下载电子件",
                                    "{certificate}的电子件可在“苏服办”下载，与纸质件同等有效。",
                                    0}}},
    [JOINT_ACCEPT] =
        {.stage = WB_STAGE(ACCEPTED),
         .name = "一表受理",
         .role = ROLE_COUNTER,
         .hours = 4,
         .notices = {{INFORMATION, "一次告知、一表受理",
                      "一份材料由各部门共用，您不必分别提交；各部门的进度显示在下面的办件中。",
                      0}}},
    [JOINT_SHARE] = {.stage = WB_STAGE(FORWARDED),
                     .name = "分送各部门并联办理",
                     .role = ROLE_REVIEWER,
                     .hours = 1,
                     .notices = {{INFORMATION, "已分送",
                                  "已分送市场监管、卫生健康、城市管理三个部门同时办理。", 0}}},
    [JOINT_VISIT] = {.stage = WB_STAGE(UNDER_REVIEW),
                     .name = "联合踏勘",
                     .role = ROLE_REVIEWER,
                     .hours = 10,
                     .notices = {{VISIT, "三个部门一次上门",
                                  "{due}前联合踏勘：{visit}，请安排人员在场。", 4}}},
    [JOINT_GRANT] = {.stage = WB_STAGE(GRANTED),
                     .name = "统一出证",
                     .role = ROLE_CHIEF,
                     .hours = 50,
                     .notices = {{RESULT, "证照已齐", "{certificate}已全部办好，可一次领取。", 0}},
                     .summary = "各部门均准予许可。"},
    [PART_RECEIVE] = {.stage = WB_STAGE(RECEIVED),
                      .name = "接收“一件事”分送件",
                      .role = ROLE_COUNTER,
                      .hours = 6,
                      .notices = {{INFORMATION, "材料由综合窗口转来", "无需您另行提交材料。", 0}}},
    [TOPIC_ASSIGN] = {.stage = WB_STAGE(UNDER_REVIEW),
                      .name = "{topic}：交办",
                      .role = ROLE_REVIEWER,
                      .hours = 1,
                      .notices = {{INFORMATION, "开始审查{topic}",
                                   "已交由{handler}审查{topic}，联系电话{phone}。", 0}}},
    [TOPIC_STUDY] = {.stage = WB_STAGE(UNDER_REVIEW),
                     .name = "{topic}：资料核对",
                     .role = ROLE_REVIEWER,
                     .hours = 1,
                     .notices = {{MATERIALS, "请备好{topic}的原件",
                                  "资料核对中，如需查验原件将在{due}前电话联系您，目前不必送来。",
                                  2}}},
    [TOPIC_SITE] = {.stage = WB_STAGE(UNDER_REVIEW),
                    .name = "{topic}：现场核查",
                    .role = ROLE_REVIEWER,
                    .hours = 1,
                    .notices = {{VISIT, "现场核查{topic}",
                                 "核查人员已到达施工现场，请项目负责人配合。", 0}}},
    [TOPIC_OPINION] = {.stage = WB_STAGE(UNDER_REVIEW),
                       .name = "{topic}：出具意见",
                       .role = ROLE_CHIEF,
                       .hours = 1,
                       .notices = {{INFORMATION, "{topic}符合要求",
                                    "审查意见：{topic}符合要求，已归入案卷。", 0}}},
};

/* What a building permit is examined for, one after the other, in the sample. */
static const char *const topics[] = {"建设资金落实", "施工图设计文件", "质量监督手续",
                                     "安全监督手续", "项目管理人员",   "消防设计",
                                     "人防工程",     "建筑节能",       "绿色施工和扬尘控制",
                                     "工资保证金",   "工伤保险",       "施工许可条件汇总"};

#define TOPIC TOPIC_ASSIGN, TOPIC_STUDY, TOPIC_SITE, TOPIC_OPINION

#define PLOT(item_class, ...)                                                                      \
    {                                                                                              \
        .class = item_class, .keys = (const unsigned char[]) {                                     \
            __VA_ARGS__, END                                                                       \
        }                                                                                          \
    }

const struct plot plot_sample =
    PLOT(ITEM_LICENCE, SUBMIT, RECEIVE, ASK, ANSWER, ACCEPT, REVIEW, INSPECT, /* behind it */
         TOPIC, TOPIC, TOPIC, TOPIC, TOPIC, TOPIC, EXPERTS, EXPERTS_DONE, TOPIC, TOPIC, TOPIC,
         TOPIC, TOPIC, TOPIC, INSPECTED, GRANT, COLLECT);

#define PLAIN SUBMIT, RECEIVE, ACCEPT, REVIEW

static const struct plot turns[] = {
    PLOT(ITEM_LICENCE, PLAIN, INSPECT, INSPECTED, GRANT, COLLECT),
    PLOT(ITEM_QUICK, SUBMIT, QUICK_RECEIVE, QUICK_ACCEPT, QUICK_GRANT, QUICK_DELIVER),
    PLOT(ITEM_LICENCE, SUBMIT, RECEIVE, ASK, ANSWER, ACCEPT, REVIEW, INSPECT, INSPECTED, GRANT,
         POST),
    PLOT(ITEM_LICENCE, PLAIN, EXPERTS, EXPERTS_DONE, GRANT, COLLECT),
    PLOT(ITEM_LICENCE, PLAIN, INSPECT, INSPECTED, REFUSE),
    PLOT(ITEM_QUICK, SUBMIT, QUICK_RECEIVE, QUICK_ACCEPT, QUICK_GRANT, QUICK_DELIVER),
    PLOT(ITEM_LICENCE, PLAIN, PAY, FORWARD, FORWARDED_BACK, GRANT, POST),
    {ITEM_PARENT,
     (const unsigned char[]){SUBMIT, RECEIVE, JOINT_ACCEPT, JOINT_SHARE, JOINT_VISIT, JOINT_GRANT,
                             COLLECT, END},
     true},
    PLOT(ITEM_LICENCE, SUBMIT, RECEIVE, ACCEPT_WRONG, ACCEPT_MENDED, REVIEW, INSPECTED, GRANT,
         COLLECT),
    PLOT(ITEM_LICENCE, PLAIN, INSPECT, EXTEND, INSPECTED, GRANT, POST),
    PLOT(ITEM_LICENCE, SUBMIT, RECEIVE, NOT_ACCEPT),
    PLOT(ITEM_QUICK, SUBMIT, QUICK_RECEIVE, ASK, ANSWER, QUICK_ACCEPT, QUICK_GRANT, QUICK_DELIVER),
    PLOT(ITEM_LICENCE, PLAIN, GRANT_WRONG, GRANT_RETRACTED, INSPECT, INSPECTED, GRANT, COLLECT),
    PLOT(ITEM_LICENCE, PLAIN, WITHDRAW),
    PLOT(ITEM_LICENCE, SUBMIT, RECEIVE, ASK, TERMINATE),
    PLOT(ITEM_LICENCE, PLAIN, GRANT, COLLECT, CANCEL),
    PLOT(ITEM_LICENCE, PLAIN, HEARING, HEARING_DONE, GRANT, POST),
    PLOT(ITEM_LICENCE, SUBMIT, RECEIVE, NOT_REQUIRED),
    PLOT(ITEM_LICENCE, PLAIN, GRANT, COLLECT, REVOKE),
};

static const struct plot part = PLOT(ITEM_LICENCE, PART_RECEIVE, ACCEPT, REVIEW, INSPECTED, GRANT);

const struct plot *plot_turn(unsigned long number) {
    return &turns[number % (sizeof turns / sizeof *turns)];
}

const struct plot *plot_part(void) {
    return &part;
}

size_t plot_length(const struct plot *plot) {
    size_t length = strlen((const char *)plot->keys);
    assert(length <= PLOT_STEPS);
    return length;
}

const struct plot_step *plot_step(const struct plot *plot, size_t step) {
    return &steps[plot->keys[step]];
}

size_t plot_replaced(const struct plot *plot, size_t step) {
    int key = plot_step(plot, step)->of;
    assert(key);
    size_t at = step;
    while (plot->keys[--at] != key)
        assert(at);
    return at;
}

const char *plot_topic(const struct plot *plot, size_t step) {
    if (plot->keys[step] < TOPIC_ASSIGN)
        return "";
    size_t topic = 0;
    for (size_t i = 0; i < step; i++)
        topic += plot->keys[i] == TOPIC_OPINION;
    return topics[topic % (sizeof topics / sizeof *topics)];
}
