#include "adapters/file/xes_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/nearest.h"
#include "proto/problem.h"

#define DECLARED_MAX 1024 /* extensions and globals, each */

const char *const xes_type_names[XES_TYPES] = {"string",  "date", "int",  "float",
                                               "boolean", "id",   "list", "container"};

/* The extensions that the standard defines, by the last part of their address. */
struct standard {
    const char *prefix, *uri;
    const char *keys[8];
};

static const struct standard standards[] = {
    {"concept", "concept.xesext", {"name", "instance"}},
    {"lifecycle", "lifecycle.xesext", {"model", "transition", "state"}},
    {"org", "org.xesext", {"resource", "role", "group"}},
    {"time", "time.xesext", {"timestamp"}},
    {"semantic", "semantic.xesext", {"modelReference"}},
    {"identity", "identity.xesext", {"id"}},
    {"cost", "cost.xesext", {"total", "currency", "drivers", "amount", "driver", "type"}},
};
#define STANDARDS (sizeof(standards) / sizeof(*standards))

struct extension {
    char *prefix;
    const struct standard *standard; /* NULL: one of the source's own */
};

struct global {
    char *key;
    enum xes_type type;
};

struct globals {
    struct global all[DECLARED_MAX];
    size_t count;
};

struct xes_rules {
    struct extension extensions[DECLARED_MAX];
    size_t extension_count;
    struct globals globals[XES_SCOPES];
};

struct xes_rules *xes_rules_new(void) {
    return calloc(1, sizeof(struct xes_rules));
}

void xes_rules_free(struct xes_rules *rules) {
    if (!rules)
        return;
    for (size_t i = 0; i < rules->extension_count; i++)
        free(rules->extensions[i].prefix);
    for (size_t scope = 0; scope < XES_SCOPES; scope++)
        for (size_t i = 0; i < rules->globals[scope].count; i++)
            free(rules->globals[scope].all[i].key);
    free(rules);
}

static const struct standard *standard_of_uri(const char *uri) {
    const char *last = strrchr(uri, '/');
    for (size_t i = 0; last && strstr(uri, "xes-standard.org") && i < STANDARDS; i++)
        if (strcmp(last + 1, standards[i].uri) == 0)
            return &standards[i];
    return NULL;
}

static const struct extension *find_extension(const struct xes_rules *rules, const char *prefix,
                                              size_t bytes) {
    for (size_t i = 0; i < rules->extension_count; i++) {
        const struct extension *extension = &rules->extensions[i];
        if (strlen(extension->prefix) == bytes && memcmp(extension->prefix, prefix, bytes) == 0)
            return extension;
    }
    return NULL;
}

int xes_rules_extension(struct xes_rules *rules, const char *name, const char *prefix,
                        const char *uri, struct wb_error *err) {
    if (prefix[0] == '\0' || prefix[strcspn(prefix, ": \t\r\n")] != '\0') {
        problem(err, WB_E_FORMAT, "the extension \"%.40s\" has the prefix \"%.40s\"", name, prefix);
        return problem_hint(err, "a prefix is one word without a colon");
    }
    if (find_extension(rules, prefix, strlen(prefix))) {
        problem(err, WB_E_FORMAT, "two extensions have the prefix \"%.40s\"", prefix);
        return problem_hint(err, "leave one out");
    }
    if (rules->extension_count == DECLARED_MAX)
        return problem(err, WB_E_FORMAT, "there are more than %d extensions", DECLARED_MAX);
    char *copy = strdup(prefix);
    if (!copy)
        return problem(err, WB_E_SYSTEM, "out of memory");
    rules->extensions[rules->extension_count++] =
        (struct extension){.prefix = copy, .standard = standard_of_uri(uri)};
    return 0;
}

static const struct global *find_global(const struct globals *globals, const char *key,
                                        size_t bytes) {
    for (size_t i = 0; i < globals->count; i++)
        if (strncmp(globals->all[i].key, key, bytes) == 0 && globals->all[i].key[bytes] == '\0')
            return &globals->all[i];
    return NULL;
}

static const char *scope_name(enum xes_scope scope) {
    return scope == XES_TRACE ? "trace" : "event";
}

int xes_rules_global(struct xes_rules *rules, enum xes_scope scope, const char *key,
                     enum xes_type type, struct wb_error *err) {
    struct globals *globals = &rules->globals[scope];
    if (find_global(globals, key, strlen(key))) {
        problem(err, WB_E_FORMAT, "the key \"%.80s\" is there twice in the globals of %s", key,
                scope_name(scope));
        return problem_hint(err, "leave one of the two out");
    }
    if (globals->count == DECLARED_MAX)
        return problem(err, WB_E_FORMAT, "there are more than %d globals", DECLARED_MAX);
    char *copy = strdup(key);
    if (!copy)
        return problem(err, WB_E_SYSTEM, "out of memory");
    globals->all[globals->count++] = (struct global){.key = copy, .type = type};
    return 0;
}

/* Keys are apart by space; one that has spaces itself stands in single quotes. */
static const char *next_key(const char **at, size_t *bytes) {
    const char *from = *at + strspn(*at, " \t\r\n");
    bool quoted = *from == '\'' && strchr(from + 1, '\'') != NULL;
    from += quoted;
    *bytes = strcspn(from, quoted ? "'" : " \t\r\n");
    *at = from + *bytes + quoted;
    return *bytes > 0 ? from : NULL;
}

int xes_rules_classifier(struct xes_rules *rules, const char *name, const char *scope,
                         const char *keys, struct wb_error *err) {
    const char *key;
    size_t bytes, count = 0;
    if (scope && strcmp(scope, "event") != 0 && strcmp(scope, "trace") != 0) {
        problem(err, WB_E_FORMAT, "the classifier \"%.40s\" has the scope \"%.40s\"", name, scope);
        return problem_hint(err, "the scope of a classifier is event or trace");
    }
    enum xes_scope of = scope && strcmp(scope, "trace") == 0 ? XES_TRACE : XES_EVENT;
    for (; (key = next_key(&keys, &bytes)); count++) {
        if (find_global(&rules->globals[of], key, bytes))
            continue;
        problem(err, WB_E_FORMAT,
                "the classifier \"%.40s\" names the key \"%.*s\", which no global"
                " of %s has",
                name, bytes > 60 ? 60 : (int)bytes, key, scope_name(of));
        return problem_hint(err, "declare the key in <global scope=\"%s\">, or mend its name",
                            scope_name(of));
    }
    if (count > 0)
        return 0;
    problem(err, WB_E_FORMAT, "the classifier \"%.40s\" names no keys", name);
    return problem_hint(err, "give the keys of attributes, with a space between them");
}

static const struct standard *standard_of_prefix(const char *prefix, size_t bytes) {
    for (size_t i = 0; i < STANDARDS; i++)
        if (strlen(standards[i].prefix) == bytes && memcmp(standards[i].prefix, prefix, bytes) == 0)
            return &standards[i];
    return NULL;
}

static int unknown_key(const struct standard *standard, const char *key, struct wb_error *err) {
    problem(err, WB_E_FORMAT, "the extension \"%s\" has no key \"%.60s\"", standard->prefix, key);
    return problem_hint(err, "did you mean %s:%s? The source's own keys have no such prefix",
                        standard->prefix, nearest(strchr(key, ':') + 1, standard->keys));
}

int xes_rules_key(const struct xes_rules *rules, const char *key, struct wb_error *err) {
    const char *colon = strchr(key, ':');
    if (!colon || rules->extension_count == 0)
        return 0;
    size_t bytes = (size_t)(colon - key);
    const struct extension *extension = find_extension(rules, key, bytes);
    if (!extension && standard_of_prefix(key, bytes)) {
        problem(err, WB_E_FORMAT,
                "the key \"%.60s\" uses the extension \"%.*s\", which the log "
                "does not declare",
                key, (int)bytes, key);
        return problem_hint(err, "add its <extension> at the beginning of the log");
    }
    if (!extension || !extension->standard)
        return 0;
    for (size_t i = 0; extension->standard->keys[i]; i++)
        if (strcmp(extension->standard->keys[i], colon + 1) == 0)
            return 0;
    return unknown_key(extension->standard, key, err);
}

int xes_rules_type(const struct xes_rules *rules, enum xes_scope scope, const char *key,
                   enum xes_type type, struct wb_error *err) {
    const struct global *global = find_global(&rules->globals[scope], key, strlen(key));
    if (!global || global->type == type)
        return 0;
    problem(err, WB_E_FORMAT, "\"%.60s\" is of type %s here, its global of %s is of type %s", key,
            xes_type_names[type], scope_name(scope), xes_type_names[global->type]);
    return problem_hint(err, "give the attribute and its global the same type");
}

static bool digits(const char *text, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

static int number(const char *text) {
    return (text[0] - '0') * 10 + text[1] - '0';
}

/* +hh:mm */
static bool is_offset(const char *text) {
    return strlen(text) == 6 && (text[0] == '+' || text[0] == '-') && digits(text + 1, 2) &&
           text[3] == ':' && digits(text + 4, 2) && number(text + 1) <= 14 && number(text + 4) < 60;
}

enum date_form { DATE_BROKEN, DATE_LOCAL, DATE_ZONED };

/* xs:dateTime with four digits of year: YYYY-MM-DDThh:mm:ss[.s][Z|+hh:mm]. */
static enum date_form date_form(const char *text) {
    static const char shape[] = "dddd-dd-ddTdd:dd:dd";
    for (size_t i = 0; shape[i]; i++)
        if (shape[i] == 'd' ? !digits(text + i, 1) : text[i] != shape[i])
            return DATE_BROKEN;
    if (number(text + 5) < 1 || number(text + 5) > 12 || number(text + 8) < 1 ||
        number(text + 8) > 31 || number(text + 11) > 24 || number(text + 14) > 59 ||
        number(text + 17) > 60)
        return DATE_BROKEN;
    text += sizeof(shape) - 1;
    if (*text == '.') {
        size_t fraction = strspn(text + 1, "0123456789");
        if (fraction == 0)
            return DATE_BROKEN;
        text += 1 + fraction;
    }
    if (*text == '\0')
        return DATE_LOCAL;
    return strcmp(text, "Z") == 0 || is_offset(text) ? DATE_ZONED : DATE_BROKEN;
}

/* A point in time needs its zone, from the document or from the mapping. */
static int check_date(const char *value, bool zone_known, struct wb_error *err) {
    char quoted[PROBLEM_VALUE];
    enum date_form form = date_form(value);
    if (form == DATE_ZONED || (form == DATE_LOCAL && zone_known))
        return 0;
    problem_value(value, strlen(value), quoted);
    if (form == DATE_LOCAL) {
        problem(err, WB_E_FORMAT, "the date %s has no time zone", quoted);
        return problem_hint(err, "say in which zone such times are: time.zone in the mapping");
    }
    problem(err, WB_E_FORMAT, "%s is no value of type date", quoted);
    return problem_hint(err, "write 2026-03-02T09:30:00.000+08:00");
}

static bool is_int(const char *text) {
    char *end;
    errno = 0;
    if (text[0] != '-' && text[0] != '+' && !digits(text, 1))
        return false;
    strtoll(text, &end, 10);
    return end > text && *end == '\0' && errno == 0;
}

/* Not strtod's hexadecimal forms and words, but xs:double's. */
static bool is_float(const char *text) {
    char *end;
    if (strcmp(text, "NaN") == 0 || strcmp(text, "INF") == 0 || strcmp(text, "-INF") == 0)
        return true;
    if (text[0] == '\0' || text[strspn(text, "+-.0123456789eE")] != '\0')
        return false;
    strtod(text, &end);
    return end > text && *end == '\0';
}

static bool is_boolean(const char *text) {
    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || strcmp(text, "1") == 0 ||
           strcmp(text, "0") == 0;
}

int xes_rules_value(enum xes_type type, const char *value, bool zone_known, struct wb_error *err) {
    static const char *const hints[XES_TYPES] = {
        [XES_INT] = "write a whole number: 42",
        [XES_FLOAT] = "write a number with a point: 3.5",
        [XES_BOOLEAN] = "write true or false",
        [XES_ID] = "an id is a text that is not empty",
    };
    char quoted[PROBLEM_VALUE];
    bool fits = type == XES_INT       ? is_int(value)
                : type == XES_FLOAT   ? is_float(value)
                : type == XES_BOOLEAN ? is_boolean(value)
                : type == XES_ID      ? value[0] != '\0'
                                      : true;
    if (type == XES_DATE)
        return check_date(value, zone_known, err);
    if (fits)
        return 0;
    problem(err, WB_E_FORMAT, "%s is no value of type %s",
            problem_value(value, strlen(value), quoted), xes_type_names[type]);
    return problem_hint(err, "%s", hints[type]);
}
