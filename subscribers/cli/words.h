/* What a person reads for the values of the contract, in Chinese and English: one table each. */
#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include <stdint.h>

enum language { CHINESE, ENGLISH, LANGUAGES };

/* Fixed phrases of the courier view. */
enum phrase {
    PHRASE_SINCE,
    PHRASE_HANDLER,
    PHRASE_PHONE,
    PHRASE_STAFF_NO,
    PHRASE_NOTICES,
    PHRASE_DUE,
    PHRASE_OVERDUE,
    PHRASE_TIMELINE,
    PHRASE_OLDER, /* nodes are left out */
    PHRASE_LIVE,
    PHRASE_CORRECTED_BY, /* with an offset */
    PHRASE_RETRACTED_BY,
    PHRASE_UNMATCHED,
    PHRASE_CORRECTS,
    PHRASE_RETRACTS,
    PHRASE_ENDED,
    PHRASE_NOTHING, /* every event was retracted */
    PHRASE_PARENT,
    PHRASE_DECISION,
    PHRASE_REASON,
    PHRASE_BASIS,
    PHRASE_REMEDY,
    PHRASE_OFFICE,
    PHRASE_DOCUMENT,
    PHRASE_EXTENDED, /* with days */
    PHRASE_TYPE,
    PHRASE_ALLOWED, /* with days */
    PHRASE_RESULT,
    PHRASE_APPROVER,
    PHRASE_ANOMALY,
    PHRASES
};

/* Never NULL; for a number that is none the name in the contract. */
const char *words_stage(int stage, enum language language);
const char *words_kind(int kind, enum language language);
const char *words_notice(int kind, enum language language);
const char *words_anomaly(int anomaly, enum language language);
const char *words(enum phrase phrase, enum language language);

/* "3 天前", "in 2 days": how far the time is from now, coarsely. Returns text. */
const char *words_distance(int64_t us, int64_t now_us, enum language language, char *text,
                           unsigned long size);

#endif
