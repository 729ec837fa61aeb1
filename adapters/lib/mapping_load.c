#include <iconv.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/lib/mapping_rules.h"
#include "common/arena.h"
#include "common/nearest.h"
#include "proto/bounds.h"
#include "proto/problem.h"

#define ATTRIBUTE_PREFIX "attributes."

/* While a file is read: where things go and where complaints go. */
struct load {
    struct mapping *mapping;
    struct yaml_file *file;
    struct wb_error *err;
};

static int no_memory(struct load *load) {
    return problem(load->err, WB_E_SYSTEM, "out of memory");
}

static const struct yaml_node *member(const struct yaml_node *map, const char *name) {
    return map && yaml_kind(map) == YAML_MAP ? yaml_get(map, name) : NULL;
}

/* The node's text; complains and gives NULL if it is a list or map. A template that is not quoted
 * is a map to YAML. */
static const char *text_of(struct load *load, const struct yaml_node *node, const char *name) {
    if (yaml_kind(node) == YAML_TEXT)
        return yaml_text(node);
    yaml_problem(load->file, node, load->err, "%s is a %s, a text is needed", name,
                 yaml_kind(node) == YAML_LIST ? "list" : "map");
    problem_hint(load->err, "quote it if it begins with a brace: \"{column}\"");
    return NULL;
}

/* A list, or one text that stands for a list of one. */
static size_t texts_count(const struct yaml_node *node) {
    return yaml_kind(node) == YAML_TEXT ? 1 : yaml_count(node);
}

static const struct yaml_node *texts_at(const struct yaml_node *node, size_t index) {
    return yaml_kind(node) == YAML_TEXT ? node : yaml_at(node, index);
}

static int check_texts(struct load *load, const struct yaml_node *node, const char *name) {
    if (yaml_kind(node) == YAML_MAP)
        return yaml_problem(load->file, node, load->err, "%s is a map, a list is needed", name);
    for (size_t i = 0; i < texts_count(node); i++)
        if (!text_of(load, texts_at(node, i), name))
            return -1;
    return 0;
}

/* New array of the texts, which stay the file's. NULL without memory or if there are none. */
static const char **texts_of(const struct yaml_node *node) {
    const char **texts = calloc(texts_count(node), sizeof(*texts));
    for (size_t i = 0; texts && i < texts_count(node); i++)
        texts[i] = yaml_text(texts_at(node, i));
    return texts;
}

static struct template *template_of(struct load *load, const struct yaml_node *node,
                                    const char *name) {
    struct wb_error why = {0};
    const char *text = text_of(load, node, name);
    struct template *template = text ? template_new(text, load->mapping->columns, &why) : NULL;
    if (!text || template)
        return template;
    yaml_problem(load->file, node, load->err, "%s: %s", name, why.detail);
    problem_hint(load->err, "%s", why.hint);
    return NULL;
}

static int load_version(struct load *load, const struct yaml_node *root) {
    const struct yaml_node *node = yaml_get(root, "version");
    if (!node) {
        yaml_problem(load->file, root, load->err, "'version' is missing");
        return problem_hint(load->err, "begin the file with 'version: %d'", MAPPING_VERSION);
    }
    const char *text = text_of(load, node, "version");
    if (text && strcmp(text, "1") != 0) {
        yaml_problem(load->file, node, load->err, "version %s is not known", text);
        return problem_hint(load->err, "this program reads version %d", MAPPING_VERSION);
    }
    return text ? 0 : -1;
}

static int load_format(struct load *load, const struct yaml_node *root) {
    const struct yaml_node *node = yaml_get(root, "format");
    const char *text = node ? text_of(load, node, "format") : "";
    if (!text)
        return -1;
    if (!node)
        return 0;
    if (strcmp(text, "csv") != 0 && strcmp(text, "ndjson") != 0 && strcmp(text, "xes") != 0) {
        yaml_problem(load->file, node, load->err, "format '%.40s' is not known", text);
        return problem_hint(load->err, "use csv, ndjson or xes");
    }
    load->mapping->source.format = text;
    return 0;
}

static int load_delimiter(struct load *load, const struct yaml_node *node) {
    const char *text = text_of(load, node, "csv.delimiter");
    if (!text)
        return -1;
    bool tab = strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0;
    char c = tab ? '\t' : text[0];
    if (!tab && (strlen(text) != 1 || strchr("\"\r\n", c) || (c & 0x80))) {
        yaml_problem(load->file, node, load->err, "csv.delimiter '%.20s' cannot be used", text);
        return problem_hint(load->err, "give one ASCII character, such as ',' or ';', or 'tab'");
    }
    load->mapping->source.delimiter = c;
    return 0;
}

static int load_encoding(struct load *load, const struct yaml_node *node) {
    const char *text = text_of(load, node, "csv.encoding");
    if (!text)
        return -1;
    iconv_t converter = iconv_open("UTF-8", text);
    if (text[0] == '\0' || (intptr_t)converter == -1) {
        yaml_problem(load->file, node, load->err, "csv.encoding '%.40s' is not known", text);
        return problem_hint(load->err, "use a name that 'iconv -l' lists: UTF-8, GB18030, BIG5");
    }
    iconv_close(converter);
    load->mapping->source.encoding = text;
    return 0;
}

static int load_csv(struct load *load, const struct yaml_node *root) {
    static const char *const known[] = {"delimiter", "encoding", NULL};
    const struct yaml_node *node = yaml_get(root, "csv");
    if (!node)
        return 0;
    if (yaml_keys(load->file, node, known, load->err))
        return -1;
    const struct yaml_node *delimiter = member(node, "delimiter");
    const struct yaml_node *encoding = member(node, "encoding");
    if (delimiter && load_delimiter(load, delimiter))
        return -1;
    return encoding ? load_encoding(load, encoding) : 0;
}

static int load_zone(struct load *load, const struct yaml_node *node) {
    const char *name = text_of(load, node, "time.zone");
    if (!name)
        return -1;
    if (!timestamp_zone(name)) {
        yaml_problem(load->file, node, load->err, "time.zone '%.60s' is not known here", name);
        return problem_hint(load->err, "use a name of the IANA list, such as Asia/Shanghai; "
                                       "the package tzdata has them");
    }
    load->mapping->times.has_zone = load->mapping->source.has_zone = true;
    return 0;
}

static int load_formats(struct load *load, const struct yaml_node *node) {
    struct moment_formats *times = &load->mapping->times;
    if (check_texts(load, node, "time.formats"))
        return -1;
    if (texts_count(node) > MOMENT_FORMATS)
        return yaml_problem(load->file, node, load->err, "time.formats has more than %d entries",
                            MOMENT_FORMATS);
    for (size_t i = 0; i < texts_count(node); i++) {
        const struct yaml_node *at = texts_at(node, i);
        struct wb_error why = {0};
        if (moment_check(yaml_text(at), times->has_zone, &why)) {
            yaml_problem(load->file, at, load->err, "%s", why.detail);
            return problem_hint(load->err, "%s", why.hint);
        }
        times->formats[times->count++] = (char *)yaml_text(at);
    }
    return 0;
}

static int load_time(struct load *load, const struct yaml_node *root) {
    static const char *const known[] = {"zone", "formats", NULL};
    const struct yaml_node *node = yaml_get(root, "time");
    if (!node)
        return 0;
    if (yaml_keys(load->file, node, known, load->err))
        return -1;
    const struct yaml_node *zone = member(node, "zone"), *formats = member(node, "formats");
    if (zone && load_zone(load, zone))
        return -1;
    return formats ? load_formats(load, formats) : 0;
}

static int load_empty(struct load *load, const struct yaml_node *root) {
    const struct yaml_node *node = yaml_get(root, "empty");
    struct template_blank *blank = &load->mapping->blank;
    if (!node)
        return 0;
    if (check_texts(load, node, "empty"))
        return -1;
    blank->count = texts_count(node);
    blank->values = texts_of(node);
    return blank->values || blank->count == 0 ? 0 : no_memory(load);
}

static int unknown_field(struct load *load, const struct yaml_node *key) {
    const char *known[128];
    size_t count = 0;
    for (size_t i = 0; i < field_count && count < 127; i++)
        if (fields[i].part != PART_ALERT)
            known[count++] = fields[i].name;
    known[count] = NULL;
    yaml_problem(load->file, key, load->err, "an event has no field '%.60s'", yaml_text(key));
    return problem_hint(load->err, "did you mean '%s'? What is the source's own: attributes.NAME",
                        nearest(yaml_text(key), known));
}

static bool one_of(const char *name, const char *const *names) {
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

/* What tells one record's case or event from another's cannot be the same for all. */
static int check_column(struct load *load, const struct mapping_rule *rule,
                        const struct yaml_node *node) {
    if (strcmp(rule->name, "case_no") != 0 && strcmp(rule->name, "event_id") != 0)
        return 0;
    yaml_problem(load->file, node, load->err, "%s: '%.60s' names no column", rule->name,
                 yaml_text(node));
    return problem_hint(load->err, "every record would have the same; write \"{%.60s}\"",
                        yaml_text(node));
}

/* A constant is tried once, here, where its line can be told. */
static int check_constant(struct load *load, const struct mapping_rule *rule,
                          const struct yaml_node *node) {
    struct wb_error why = {0};
    struct arena arena;
    wb_event event = WB_EVENT_INIT;
    const char *text = template_constant(rule->template);
    if (text[0] == '\0' || (rule->field && rule->field->type == FIELD_TIME))
        return 0;
    arena_init(&arena, LIMIT_EVENT_BYTES);
    int result = field_set(&event, &arena, rule->name, text, &why);
    arena_free(&arena);
    if (result == 0)
        return 0;
    yaml_problem(load->file, node, load->err, "%s", why.detail);
    return problem_hint(load->err, "%s", why.hint);
}

static int load_rule(struct load *load, const struct yaml_node *key,
                     const struct yaml_node *value) {
    static const char *const required[] = {"case_no", "event_id", "occurred_at", NULL};
    static const char *const whole[] = {"case_no", "event_id", "parent_case_no", "replaces", NULL};
    struct mapping *mapping = load->mapping;
    struct mapping_rule *rule = &mapping->rules[mapping->rule_count];
    const char *name = yaml_text(key);
    struct wb_error why = {0};
    bool attribute = strncmp(name, ATTRIBUTE_PREFIX, strlen(ATTRIBUTE_PREFIX)) == 0;
    *rule = (struct mapping_rule){.name = name, .field = attribute ? NULL : field_find(name)};
    if (!attribute && !rule->field)
        return unknown_field(load, key);
    if (rule->field && rule->field->part == PART_ALERT) {
        yaml_problem(load->file, key, load->err, "'%.60s' is the service clock's to set", name);
        return problem_hint(load->err, "leave it out: a source publishes no alerts");
    }
    if (attribute && field_check_attribute(name + strlen(ATTRIBUTE_PREFIX), "", &why))
        return yaml_problem(load->file, key, load->err, "%s", why.detail);
    rule->template = template_of(load, value, name);
    if (!rule->template)
        return -1;
    mapping->rule_count++;
    rule->constant = template_constant(rule->template) != NULL;
    rule->required = one_of(name, required);
    rule->whole = one_of(name, whole);
    mapping->sets_event_id |= strcmp(name, "event_id") == 0;
    if (rule->constant && check_column(load, rule, value))
        return -1;
    return rule->constant ? check_constant(load, rule, value) : 0;
}

/* "notices.kind: materials" speaks of a notice that a column fills; without one there is none. */
static void mark_conditional(struct mapping *mapping) {
    unsigned filled = 0;
    for (size_t i = 0; i < mapping->rule_count; i++) {
        const struct mapping_rule *rule = &mapping->rules[i];
        if (rule->field && !rule->constant)
            filled |= 1u << rule->field->part;
    }
    filled &= ~(1u << PART_EVENT | 1u << PART_HANDLER);
    for (size_t i = 0; i < mapping->rule_count; i++) {
        struct mapping_rule *rule = &mapping->rules[i];
        rule->conditional = rule->constant && rule->field && (filled & 1u << rule->field->part);
    }
}

static int load_fields(struct load *load, const struct yaml_node *root) {
    const struct yaml_node *node = yaml_get(root, "fields");
    if (!node || yaml_kind(node) != YAML_MAP) {
        yaml_problem(load->file, node ? node : root, load->err, "'fields' is missing or no map");
        return problem_hint(load->err, "give at least case_no and occurred_at under 'fields'");
    }
    if (yaml_count(node) > MAPPING_RULES_MAX)
        return yaml_problem(load->file, node, load->err, "'fields' has more than %d entries",
                            MAPPING_RULES_MAX);
    for (size_t i = 0; i < yaml_count(node); i++)
        if (load_rule(load, yaml_key(node, i), yaml_at(node, i)))
            return -1;
    mark_conditional(load->mapping);
    static const char *const needed[] = {"case_no", "occurred_at", NULL};
    for (size_t i = 0; needed[i]; i++) {
        if (yaml_get(node, needed[i]))
            continue;
        yaml_problem(load->file, node, load->err, "'fields' does not give %s", needed[i]);
        return problem_hint(load->err, "every event needs it: %s: \"{column}\"", needed[i]);
    }
    return 0;
}

static int load_ids(struct load *load, const struct yaml_node *root) {
    const struct yaml_node *node = yaml_get(root, "event_id");
    struct mapping *mapping = load->mapping;
    if (!node)
        return 0;
    if (mapping->sets_event_id)
        return yaml_problem(load->file, node, load->err,
                            "event_id stands here and under 'fields'; leave one out");
    if (check_texts(load, node, "event_id"))
        return -1;
    if (texts_count(node) == 0 || texts_count(node) > MAPPING_IDS_MAX)
        return yaml_problem(load->file, node, load->err, "event_id needs 1 to %d entries, not %zu",
                            MAPPING_IDS_MAX, texts_count(node));
    for (; mapping->id_count < texts_count(node); mapping->id_count++) {
        const struct yaml_node *at = texts_at(node, mapping->id_count);
        struct template *template = template_of(load, at, "event_id");
        if (!template)
            return -1;
        mapping->ids[mapping->id_count] = template;
        if (!template_constant(template))
            continue;
        mapping->id_count++;
        yaml_problem(load->file, at, load->err, "event_id: '%.60s' names no column", yaml_text(at));
        return problem_hint(load->err, "write \"{%.60s}\"", yaml_text(at));
    }
    return 0;
}

static int stage_of(struct load *load, const struct yaml_node *node, const char *name, int *stage) {
    static const char *known[WB_STAGE(CANCELLED) + 1];
    const char *text = text_of(load, node, name);
    if (!text)
        return -1;
    *stage = stage_parse(text);
    if (*stage >= 0)
        return 0;
    for (int i = 0; i < WB_STAGE(CANCELLED); i++)
        known[i] = stage_name(i + 1);
    yaml_problem(load->file, node, load->err, "there is no stage '%.60s'", text);
    return problem_hint(load->err, "did you mean %s?", nearest(text, known));
}

static int by_value(const void *a, const void *b) {
    return strcmp(((const struct mapping_word *)a)->value, ((const struct mapping_word *)b)->value);
}

static int load_dictionary(struct load *load, const struct yaml_node *node) {
    struct mapping *mapping = load->mapping;
    if (yaml_kind(node) != YAML_MAP)
        return yaml_problem(load->file, node, load->err,
                            "stage.dictionary: `value: STAGE` lines are expected here");
    mapping->words = calloc(yaml_count(node) + 1, sizeof(*mapping->words));
    if (!mapping->words)
        return no_memory(load);
    for (size_t i = 0; i < yaml_count(node); i++) {
        struct mapping_word *word = &mapping->words[mapping->word_count++];
        word->value = yaml_text(yaml_key(node, i));
        if (stage_of(load, yaml_at(node, i), word->value, &word->stage))
            return -1;
    }
    qsort(mapping->words, mapping->word_count, sizeof(*mapping->words), by_value);
    return 0;
}

static int load_stage(struct load *load, const struct yaml_node *root) {
    static const char *const known[] = {"from", "dictionary", "otherwise", NULL};
    const struct yaml_node *node = yaml_get(root, "stage");
    const struct yaml_node *listed = yaml_get(root, "fields");
    bool given = yaml_get(listed, "stage") != NULL;
    if (!node && !given && !yaml_get(listed, "kind")) {
        yaml_problem(load->file, root, load->err, "nothing gives the stage");
        return problem_hint(load->err, "add 'stage:' with 'from' and 'dictionary'");
    }
    if (!node)
        return 0;
    if (given)
        return yaml_problem(load->file, node, load->err,
                            "stage stands here and under 'fields'; leave one out");
    if (yaml_keys(load->file, node, known, load->err))
        return -1;
    const struct yaml_node *from = yaml_get(node, "from");
    const struct yaml_node *dictionary = yaml_get(node, "dictionary");
    const struct yaml_node *otherwise = yaml_get(node, "otherwise");
    if (!from || !dictionary)
        return yaml_problem(load->file, node, load->err, "stage.%s is missing",
                            from ? "dictionary" : "from");
    load->mapping->stage_from = template_of(load, from, "stage.from");
    if (!load->mapping->stage_from || load_dictionary(load, dictionary))
        return -1;
    return otherwise ? stage_of(load, otherwise, "stage.otherwise", &load->mapping->otherwise) : 0;
}

static int load_skip(struct load *load, const struct yaml_node *node) {
    static const char *const known[] = {"when", "is", NULL};
    struct mapping_skip *skip = &load->mapping->skips[load->mapping->skip_count];
    if (yaml_keys(load->file, node, known, load->err))
        return -1;
    const struct yaml_node *when = yaml_get(node, "when"), *is = yaml_get(node, "is");
    if (!when || !is) {
        yaml_problem(load->file, node, load->err, "this rule has no '%s'", when ? "is" : "when");
        return problem_hint(load->err, "write {when: \"{column}\", is: [value]}");
    }
    if (check_texts(load, is, "is"))
        return -1;
    skip->when = template_of(load, when, "when");
    if (!skip->when)
        return -1;
    load->mapping->skip_count++;
    skip->count = texts_count(is);
    skip->is = texts_of(is);
    return skip->is || skip->count == 0 ? 0 : no_memory(load);
}

static int load_skips(struct load *load, const struct yaml_node *root) {
    const struct yaml_node *node = yaml_get(root, "skip");
    if (!node)
        return 0;
    if (yaml_kind(node) != YAML_LIST)
        return yaml_problem(load->file, node, load->err,
                            "skip: a list of {when: …, is: […]} is expected here");
    load->mapping->skips = calloc(yaml_count(node) + 1, sizeof(*load->mapping->skips));
    if (!load->mapping->skips)
        return no_memory(load);
    for (size_t i = 0; i < yaml_count(node); i++)
        if (load_skip(load, yaml_at(node, i)))
            return -1;
    return 0;
}

static int load_all(struct load *load) {
    static const char *const known[] = {"version", "format", "csv",  "time",     "empty",
                                        "fields",  "stage",  "skip", "event_id", NULL};
    const struct yaml_node *root = yaml_root(load->file);
    if (!root) {
        yaml_problem(load->file, NULL, load->err, "the file is empty");
        return problem_hint(load->err, "see docs/mapping.md for an example");
    }
    if (yaml_keys(load->file, root, known, load->err) || load_version(load, root) ||
        load_format(load, root) || load_csv(load, root) || load_time(load, root) ||
        load_empty(load, root) || load_fields(load, root) || load_ids(load, root) ||
        load_stage(load, root))
        return -1;
    return load_skips(load, root);
}

struct mapping *mapping_load(const char *path, struct columns *columns, struct wb_error *err) {
    struct mapping *mapping = calloc(1, sizeof(*mapping));
    if (!mapping) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    mapping->columns = columns;
    mapping->otherwise = -1;
    buffer_init(&mapping->scratch, RECORD_BYTES_MAX);
    mapping->file = yaml_open(path, MAPPING_FILE_BYTES, err);
    struct load load = {.mapping = mapping, .file = mapping->file, .err = err};
    if (mapping->file && load_all(&load) == 0)
        return mapping;
    mapping_free(mapping);
    return NULL;
}
