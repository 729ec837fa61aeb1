/* The rules of a mapping as mapping_load.c leaves them for mapping.c. */
#ifndef LIB_MAPPING_RULES_H
#define LIB_MAPPING_RULES_H

#include <stdbool.h>

#include "adapters/lib/mapping.h"
#include "adapters/lib/moment.h"
#include "adapters/lib/template.h"
#include "common/buffer.h"
#include "common/yaml.h"
#include "proto/field.h"

/* One line under `fields`. */
struct mapping_rule {
    const char *name;          /* case_no, attributes.channel */
    const struct field *field; /* NULL: an attribute */
    struct template *template;
    bool constant;    /* names no column */
    bool required;    /* one of its columns must have a value */
    bool whole;       /* if one has a value, all must: half a number is another number */
    bool conditional; /* a constant that stands only where a column fills the same part */
};

struct mapping_word {
    const char *value;
    int stage;
};

struct mapping_skip {
    struct template *when;
    const char **is;
    size_t count;
};

struct mapping {
    struct yaml_file *file; /* owns the texts that the rules point to */
    struct columns *columns;
    struct mapping_source source;
    struct moment_formats times;
    struct template_blank blank;

    struct mapping_rule rules[MAPPING_RULES_MAX];
    size_t rule_count;
    bool sets_event_id; /* a rule gives event_id itself */

    struct template *ids[MAPPING_IDS_MAX]; /* derive the event_id; none: the record's own */
    size_t id_count;

    struct template *stage_from; /* NULL: a rule gives the stage */
    struct mapping_word *words;  /* sorted by value */
    size_t word_count;
    int otherwise; /* a stage, or -1 */

    struct mapping_skip *skips;
    size_t skip_count;

    struct buffer scratch;
    struct mapping_unmapped *unmapped;
    size_t unmapped_count, unmapped_last;
    uint64_t unmapped_more;
};

#endif
