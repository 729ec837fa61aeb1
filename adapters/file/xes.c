/* XES (IEEE 1849) on expat. A document that breaks the standard's rules is refused where it breaks
 * them, since what stands behind cannot be trusted; events before that place were given already.
 *
 * Attributes are members of the record: an event's by their key, the trace's by "trace." and the
 * key, nested ones by both keys with a dot between, the entries of a list by their place in it. The
 * defaults in <global> are not filled in where an event lacks the attribute: they are made up
 * ("UNKNOWN", 1970-01-01) and would say of a case what its source never said. */
#include <expat.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/file/reader.h"
#include "adapters/file/tally.h"
#include "adapters/file/xes_rules.h"
#include "common/digest.h"
#include "proto/problem.h"

#define DEPTH_MAX   24
#define TOKEN_BYTES 4194304 /* of one tag or comment */

enum kind {
    KIND_NONE, /* around the document */
    KIND_LOG,
    KIND_EXTENSION,
    KIND_GLOBAL,
    KIND_CLASSIFIER,
    KIND_TRACE,
    KIND_EVENT,
    KIND_ATTRIBUTE,
    KIND_VALUES,
    KINDS
};

/* In which order the children of an element come; 0: not there at all. */
static const char order[KINDS][KINDS] = {
    [KIND_NONE] = {[KIND_LOG] = 1},
    [KIND_LOG] = {[KIND_EXTENSION] = 1,
                  [KIND_GLOBAL] = 2,
                  [KIND_CLASSIFIER] = 3,
                  [KIND_ATTRIBUTE] = 4,
                  [KIND_TRACE] = 5,
                  [KIND_EVENT] = 6},
    [KIND_GLOBAL] = {[KIND_ATTRIBUTE] = 1},
    [KIND_TRACE] = {[KIND_ATTRIBUTE] = 1, [KIND_EVENT] = 2},
    [KIND_EVENT] = {[KIND_ATTRIBUTE] = 1},
    [KIND_ATTRIBUTE] = {[KIND_ATTRIBUTE] = 1, [KIND_VALUES] = 2},
    [KIND_VALUES] = {[KIND_ATTRIBUTE] = 1},
};

static const char order_hint[] =
    "a log has extensions, globals, classifiers, attributes, traces, events, in this order; traces "
    "and lists have their attributes first";

struct element {
    enum kind kind;
    enum xes_type type;        /* of an attribute */
    char phase;                /* the order of its last child */
    const char *name, *latest; /* that child's; both of the tables of names */
    size_t path_bytes;         /* of the name of its column */
    size_t entries;            /* of <values> */
};

struct xes_reader {
    struct reader reader; /* the first member */
    struct reader_options options;
    XML_Parser parser;
    struct xes_rules *rules;
    struct tally *tally;
    struct record *record;
    struct element stack[DEPTH_MAX + 1]; /* [0] is KIND_NONE */
    size_t depth;
    enum xes_scope global_scope;
    char path[COLUMN_NAME_BYTES * 2]; /* of the innermost attribute */
    char prefix[64];                  /* the root's XML namespace prefix with its colon */
    size_t prefix_bytes;
    uint64_t traces, fed;
    size_t trace_members;
    char identity[DIGEST_TEXT]; /* of the trace; "": not made yet */
    struct wb_error trace_fault, fault;
    uint8_t checked[COLUMNS_MAX]; /* by column: types that the rules allowed, as bits */
    struct wb_error err;          /* why reading ended */
    bool stopped;
};

static struct element *top(struct xes_reader *xes) {
    return &xes->stack[xes->depth];
}

/* Is the reader within an element of this kind? */
static bool within(const struct xes_reader *xes, enum kind kind) {
    for (size_t i = 1; i <= xes->depth; i++)
        if (xes->stack[i].kind == kind)
            return true;
    return false;
}

/* expat may call handlers still, after it was told to stop. */
static bool ended(const struct xes_reader *xes) {
    return xes->stopped || xes->err.code != WB_OK;
}

/* Ends the reading at the parser's place, for the reason that why gives. */
static void break_off(struct xes_reader *xes, const struct wb_error *why) {
    if (xes->err.code != WB_OK)
        return;
    problem(&xes->err, why->code, "%.90s:%lu:%lu: %s", xes->options.name,
            XML_GetCurrentLineNumber(xes->parser), XML_GetCurrentColumnNumber(xes->parser) + 1,
            why->detail);
    problem_hint(&xes->err, "%s", why->hint);
    XML_StopParser(xes->parser, XML_FALSE);
}

/* A fault in what the document says of itself, not of its events. */
static void declaration_fault(struct xes_reader *xes, const struct wb_error *why) {
    if (!xes->options.lax)
        break_off(xes, why);
}

static const char *const names[KINDS] = {
    [KIND_NONE] = "document", [KIND_LOG] = "log",      [KIND_EXTENSION] = "extension",
    [KIND_GLOBAL] = "global", [KIND_TRACE] = "trace",  [KIND_CLASSIFIER] = "classifier",
    [KIND_EVENT] = "event",   [KIND_VALUES] = "values"};

/* Fills in kind, type and name; KIND_NONE if the standard has no such element. */
static struct element element_of(const char *name) {
    for (int i = 0; i < XES_TYPES; i++)
        if (strcmp(name, xes_type_names[i]) == 0)
            return (struct element){
                .kind = KIND_ATTRIBUTE, .type = (enum xes_type)i, .name = xes_type_names[i]};
    for (int i = KIND_LOG; i < KINDS; i++)
        if (names[i] && strcmp(name, names[i]) == 0)
            return (struct element){.kind = (enum kind)i, .name = names[i]};
    return (struct element){.kind = KIND_NONE};
}

/* The values of the XML attributes that `known` lists (NULL-ended); any other is a fault, but for
 * those of namespaces. Gives 0, or -1 after break_off. */
static int take_atts(struct xes_reader *xes, const char *element, const char **atts,
                     const char *const *known, const char **values) {
    struct wb_error why = {0};
    for (; atts[0]; atts += 2) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], atts[0]) != 0)
            i++;
        if (known[i]) {
            values[i] = atts[1];
            continue;
        }
        if (strchr(atts[0], ':') || strcmp(atts[0], "xmlns") == 0)
            continue;
        problem(&why, WB_E_FORMAT,
                "<%s> has an XML attribute \"%.60s\", which the standard does "
                "not know",
                element, atts[0]);
        problem_hint(&why, "leave it out");
        break_off(xes, &why);
        return -1;
    }
    return 0;
}

static int lacks(struct xes_reader *xes, const char *element, const char *att) {
    struct wb_error why = {0};
    problem(&why, WB_E_FORMAT, "<%s> has no \"%s\"", element, att);
    problem_hint(&why, "every <%s> needs %s=\"...\"", element, att);
    break_off(xes, &why);
    return -1;
}

static void open_extension(struct xes_reader *xes, const char **atts) {
    static const char *const known[] = {"name", "prefix", "uri", NULL};
    const char *values[3] = {NULL};
    struct wb_error why = {0};
    if (take_atts(xes, "extension", atts, known, values))
        return;
    for (int i = 0; i < 3; i++)
        if (!values[i]) {
            lacks(xes, "extension", known[i]);
            return;
        }
    if (xes_rules_extension(xes->rules, values[0], values[1], values[2], &why))
        declaration_fault(xes, &why);
}

static void open_global(struct xes_reader *xes, const char **atts) {
    static const char *const known[] = {"scope", NULL};
    const char *scope = "event";
    struct wb_error why = {0};
    if (take_atts(xes, "global", atts, known, &scope))
        return;
    xes->global_scope = strcmp(scope, "trace") == 0 ? XES_TRACE : XES_EVENT;
    if (xes->global_scope == XES_TRACE || strcmp(scope, "event") == 0)
        return;
    problem(&why, WB_E_FORMAT, "<global> has the scope \"%.40s\"", scope);
    problem_hint(&why, "the scope of globals is event or trace");
    break_off(xes, &why);
}

static void open_classifier(struct xes_reader *xes, const char **atts) {
    static const char *const known[] = {"name", "keys", "scope", NULL};
    const char *values[3] = {NULL};
    struct wb_error why = {0};
    if (take_atts(xes, "classifier", atts, known, values))
        return;
    if (!values[0] || !values[1])
        lacks(xes, "classifier", known[values[0] != NULL]);
    else if (xes_rules_classifier(xes->rules, values[0], values[2], values[1], &why))
        declaration_fault(xes, &why);
}

static int extend(struct xes_reader *xes, size_t *bytes, const char *text, size_t more) {
    if (*bytes + more >= sizeof(xes->path))
        return -1;
    memcpy(xes->path + *bytes, text, more + 1);
    *bytes += more;
    return 0;
}

/* The column that an attribute of this key fills, as text in xes->path. */
static int make_path(struct xes_reader *xes, const struct element *parent, const char *key) {
    size_t bytes = parent->kind == KIND_EVENT ? 0 : parent->path_bytes;
    char place[24] = ".";
    if (parent->kind == KIND_VALUES)
        snprintf(place, sizeof(place), ".%zu.", parent->entries);
    const char *before = parent->kind == KIND_EVENT   ? ""
                         : parent->kind == KIND_TRACE ? "trace."
                                                      : place;
    if (extend(xes, &bytes, before, strlen(before)) || extend(xes, &bytes, key, strlen(key)))
        return -1;
    top(xes)->path_bytes = bytes;
    return 0;
}

/* What the globals and extensions say of this attribute; asked once for each column and type. */
static void check_rules(struct xes_reader *xes, const struct element *parent, int column,
                        const char *key, enum xes_type type) {
    struct wb_error why = {0};
    if (column != COLUMN_NONE && (xes->checked[column] & 1u << type))
        return;
    if (xes_rules_key(xes->rules, key, &why) ||
        (parent->kind == KIND_TRACE && xes_rules_type(xes->rules, XES_TRACE, key, type, &why)) ||
        (parent->kind == KIND_EVENT && xes_rules_type(xes->rules, XES_EVENT, key, type, &why)))
        declaration_fault(xes, &why);
    else if (column != COLUMN_NONE)
        xes->checked[column] |= (uint8_t)(1u << type);
}

static void twice(struct xes_reader *xes, const char *key, struct wb_error *fault) {
    struct wb_error why = {0};
    problem(&why, WB_E_FORMAT, "the key \"%.80s\" is there twice in one element", key);
    problem_hint(&why, "leave one of the two out");
    if (xes->options.lax)
        *fault = why;
    else
        break_off(xes, &why);
}

/* An attribute of a trace or event, or nested in one. */
static void add_member(struct xes_reader *xes, struct element *parent, const char *key,
                       const char *value) {
    struct element *element = top(xes);
    struct wb_error *fault = within(xes, KIND_EVENT) ? &xes->fault : &xes->trace_fault;
    size_t unused;
    if (fault->code != WB_OK)
        return;
    if (make_path(xes, parent, key)) {
        problem(fault, WB_E_FORMAT, "the key \"%.60s...\" is too long", key);
        return;
    }
    parent->entries++;
    int column = columns_enter(xes->options.columns, xes->path, element->path_bytes);
    check_rules(xes, parent, column, key, element->type);
    if (column != COLUMN_NONE && record_value(xes->record, column, &unused))
        twice(xes, key, fault);
    else if (value)
        record_add(xes->record, xes->path, element->path_bytes, value, strlen(value), fault);
}

/* An attribute of the log, of a global, or nested in one: looked at, not kept. */
static void check_attribute(struct xes_reader *xes, const struct element *parent, const char *key) {
    struct wb_error why = {0};
    enum xes_type type = top(xes)->type;
    if (xes_rules_key(xes->rules, key, &why) ||
        (parent->kind == KIND_GLOBAL &&
         xes_rules_global(xes->rules, xes->global_scope, key, type, &why)))
        declaration_fault(xes, &why);
}

static void open_attribute(struct xes_reader *xes, struct element *parent, const char **atts) {
    static const char *const known[] = {"key", "value", NULL};
    const char *values[2] = {NULL};
    struct element *element = top(xes);
    struct wb_error why = {0};
    bool grouping = element->type == XES_LIST || element->type == XES_CONTAINER;
    if (take_atts(xes, element->name, atts, known, values))
        return;
    if (!values[0] || (!values[1] && !grouping)) {
        lacks(xes, element->name, values[0] ? "value" : "key");
        return;
    }
    bool zone_known = xes->options.zone_known || xes->options.lax;
    if (values[1] && xes_rules_value(element->type, values[1], zone_known, &why)) {
        break_off(xes, &why);
        return;
    }
    if (within(xes, KIND_TRACE) || within(xes, KIND_EVENT))
        add_member(xes, parent, values[0], values[1]);
    else
        check_attribute(xes, parent, values[0]);
}

/* Which trace this is, for the ids of its events: by what names it, since its other attributes (the
 * case's status, its end) change from one export to the next. */
static void make_identity(struct xes_reader *xes) {
    static const char *const keys[] = {"trace.identity:id", "trace.concept:name"};
    struct digest digest;
    digest_start(&digest);
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        size_t bytes;
        int column = columns_enter(xes->options.columns, keys[i], strlen(keys[i]));
        const char *value =
            column != COLUMN_NONE ? record_value(xes->record, column, &bytes) : NULL;
        if (!value || bytes == 0)
            continue;
        digest_part(&digest, keys[i], strlen(keys[i]));
        digest_part(&digest, value, bytes);
        digest_finish(&digest, xes->identity);
        return;
    }
    if (record_count(xes->record) > 0) {
        const char *id = record_id(xes->record);
        digest_part(&digest, id, strlen(id));
    } else {
        digest_number(&digest, xes->traces); /* nothing tells them apart but their place */
    }
    digest_finish(&digest, xes->identity);
}

static void open_trace(struct xes_reader *xes) {
    record_begin(xes->record, XML_GetCurrentLineNumber(xes->parser));
    tally_clear(xes->tally);
    xes->traces++;
    xes->identity[0] = '\0';
    xes->trace_fault.code = WB_OK;
}

static void open_event(struct xes_reader *xes, const struct element *parent) {
    uint64_t line = XML_GetCurrentLineNumber(xes->parser);
    if (parent->kind == KIND_LOG) {
        record_begin(xes->record, line);
        xes->trace_fault.code = WB_OK;
        xes->trace_members = 0;
    } else if (xes->identity[0] == '\0') {
        make_identity(xes);
        xes->trace_members = record_count(xes->record);
    }
    record_cut(xes->record, xes->trace_members);
    record_set_line(xes->record, line);
    xes->fault = xes->trace_fault;
}

/* Real logs hold events twice that happened twice, with nothing to tell them apart. Within a trace
 * they are counted, so that each has an id of its own and gets the same one in the next run. */
static void close_event(struct xes_reader *xes) {
    struct wb_error why = {0};
    bool in_trace = xes->stack[xes->depth - 1].kind == KIND_TRACE;
    record_identify(xes->record, in_trace ? xes->identity : "", xes->trace_members);
    int64_t met = in_trace ? tally_met(xes->tally, record_id(xes->record)) : 0;
    if (met < 0) {
        problem(&why, WB_E_FORMAT, "the trace has more than %d different events", TALLY_MAX);
        problem_hint(&why, "split the trace");
        break_off(xes, &why);
        return;
    }
    if (met > 0)
        record_again(xes->record, (uint64_t)met);
    const struct wb_error *fault = xes->fault.code != WB_OK ? &xes->fault : NULL;
    if (!fault)
        record_seen(xes->record, 0);
    if (xes->options.sink(xes->options.arg, xes->record, fault)) {
        xes->stopped = true;
        XML_StopParser(xes->parser, XML_FALSE);
    }
}

/* The name without the namespace prefix that the root has. */
static const char *local_name(struct xes_reader *xes, const char *name) {
    if (xes->depth == 0) {
        const char *colon = strchr(name, ':');
        xes->prefix_bytes = colon ? (size_t)(colon - name) + 1 : 0;
        if (xes->prefix_bytes >= sizeof(xes->prefix))
            xes->prefix_bytes = 0;
        memcpy(xes->prefix, name, xes->prefix_bytes);
    }
    bool prefixed = strncmp(name, xes->prefix, xes->prefix_bytes) == 0;
    return prefixed ? name + xes->prefix_bytes : name;
}

static int misplaced(struct xes_reader *xes, const struct element *parent, const char *name,
                     enum kind kind, bool known) {
    struct wb_error why = {0};
    char place = order[parent->kind][kind];
    if (!known) {
        problem(&why, WB_E_FORMAT, "<%.40s> is no element of XES", name);
        problem_hint(&why, "attributes are string, date, int, float, boolean, id, list, container");
    } else if (parent->kind == KIND_NONE) {
        problem(&why, WB_E_FORMAT, "the document is a <%.40s>, not a <log>", name);
        problem_hint(&why, "see whether the file is XES; --format says what it is");
    } else if (place == 0 || (kind == KIND_VALUES && parent->type < XES_LIST)) {
        problem(&why, WB_E_FORMAT, "<%s> cannot stand in <%s>", name, parent->name);
        problem_hint(&why, "%s", order_hint);
    } else {
        problem(&why, WB_E_FORMAT, "<%s> stands behind <%s> in <%s>", name, parent->latest,
                parent->name);
        problem_hint(&why, "%s", order_hint);
    }
    break_off(xes, &why);
    return -1;
}

/* Puts the element on the stack; -1 after break_off. */
static int push(struct xes_reader *xes, const char *name) {
    struct element *parent = top(xes), element = element_of(name);
    char place = order[parent->kind][element.kind];
    struct wb_error why = {0};
    if (element.kind == KIND_NONE)
        return misplaced(xes, parent, name, KIND_NONE, parent->kind == KIND_NONE);
    if (place == 0 || place < parent->phase ||
        (element.kind == KIND_VALUES && (parent->type < XES_LIST || parent->phase == place)))
        return misplaced(xes, parent, name, element.kind, true);
    if (xes->depth == DEPTH_MAX) {
        problem(&why, WB_E_FORMAT, "elements are nested deeper than %d", DEPTH_MAX);
        problem_hint(&why, "see whether the file is damaged");
        break_off(xes, &why);
        return -1;
    }
    parent->phase = place;
    parent->latest = element.name;
    xes->stack[++xes->depth] = element;
    return 0;
}

static void XMLCALL on_start(void *arg, const char *raw_name, const char **atts) {
    static const char *const none[] = {NULL};
    struct xes_reader *xes = arg;
    struct element *parent = top(xes);
    if (ended(xes) || push(xes, local_name(xes, raw_name)))
        return;
    switch (top(xes)->kind) {
    case KIND_EXTENSION:
        open_extension(xes, atts);
        break;
    case KIND_GLOBAL:
        open_global(xes, atts);
        break;
    case KIND_CLASSIFIER:
        open_classifier(xes, atts);
        break;
    case KIND_TRACE:
        if (take_atts(xes, "trace", atts, none, NULL) == 0)
            open_trace(xes);
        break;
    case KIND_EVENT:
        if (take_atts(xes, "event", atts, none, NULL) == 0)
            open_event(xes, parent);
        break;
    case KIND_ATTRIBUTE:
        open_attribute(xes, parent, atts);
        break;
    case KIND_VALUES:
        top(xes)->path_bytes = parent->path_bytes;
        take_atts(xes, "values", atts, none, NULL);
        break;
    default:
        break;
    }
}

static void XMLCALL on_end(void *arg, const char *name) {
    struct xes_reader *xes = arg;
    (void)name;
    if (ended(xes))
        return;
    if (top(xes)->kind == KIND_EVENT)
        close_event(xes);
    xes->depth--;
}

static void XMLCALL on_text(void *arg, const char *text, int bytes) {
    struct xes_reader *xes = arg;
    struct wb_error why = {0};
    char value[PROBLEM_VALUE];
    for (int i = 0; i < bytes && !ended(xes); i++) {
        if (strchr(" \t\r\n", text[i]) && text[i] != '\0')
            continue;
        problem(&why, WB_E_FORMAT, "there is text within <%s>: %s", top(xes)->name,
                problem_value(text + i, (size_t)(bytes - i), value));
        problem_hint(&why, "values stand in the attributes key=\"...\" and value=\"...\"");
        break_off(xes, &why);
        return;
    }
}

/* Entities that are made of entities can fill any memory, and external ones reach for files; no log
 * needs them. */
static void XMLCALL on_doctype(void *arg, const char *name, const char *system_id,
                               const char *public_id, int has_subset) {
    struct wb_error why = {0};
    (void)name, (void)system_id, (void)public_id, (void)has_subset;
    problem(&why, WB_E_FORMAT, "there is a document type declaration, which is refused");
    problem_hint(&why, "take out <!DOCTYPE ...> and the entities that it defines");
    break_off(arg, &why);
}

static void xml_fault(struct xes_reader *xes) {
    enum XML_Error code = XML_GetErrorCode(xes->parser);
    struct wb_error why = {0};
    problem(&why, WB_E_FORMAT, "the XML is not well-formed: %s", XML_ErrorString(code));
    if (code == XML_ERROR_UNKNOWN_ENCODING || code == XML_ERROR_INCORRECT_ENCODING)
        problem_hint(&why, "convert the file to UTF-8 and say so in its first line");
    else if (code == XML_ERROR_NO_ELEMENTS || code == XML_ERROR_UNCLOSED_TOKEN)
        problem_hint(&why, "the file seems to be cut off; fetch it again");
    else
        problem_hint(&why, "mend the place that is named; & is written &amp; and < is &lt;");
    break_off(xes, &why);
}

static int parse(struct xes_reader *xes, const char *data, size_t bytes, bool last,
                 struct wb_error *err) {
    enum XML_Status status = XML_Parse(xes->parser, data, (int)bytes, last);
    xes->fed += bytes;
    if (xes->stopped)
        return READER_STOPPED;
    if (status != XML_STATUS_OK)
        xml_fault(xes);
    XML_Index at = XML_GetCurrentByteIndex(xes->parser);
    if (xes->err.code == WB_OK && !last && xes->fed > TOKEN_BYTES + (uint64_t)(at > 0 ? at : 0)) {
        struct wb_error why = {0};
        problem(&why, WB_E_FORMAT, "behind here a tag or comment is longer than %d bytes",
                TOKEN_BYTES);
        problem_hint(&why, "look for a quote or a comment that is not closed");
        break_off(xes, &why);
    }
    if (xes->err.code == WB_OK)
        return 0;
    *err = xes->err;
    return -1;
}

static int feed(struct reader *reader, const char *data, size_t bytes, struct wb_error *err) {
    return parse((struct xes_reader *)reader, data, bytes, false, err);
}

static int finish(struct reader *reader, struct wb_error *err) {
    return parse((struct xes_reader *)reader, "", 0, true, err);
}

static void reader_free(struct reader *reader) {
    struct xes_reader *xes = (struct xes_reader *)reader;
    if (xes->parser)
        XML_ParserFree(xes->parser);
    xes_rules_free(xes->rules);
    tally_free(xes->tally);
    record_free(xes->record);
    free(xes);
}

struct reader *xes_reader_new(const struct reader_options *options, struct wb_error *err) {
    struct xes_reader *xes = calloc(1, sizeof(*xes));
    if (!xes) {
        problem(err, WB_E_SYSTEM, "no memory for a reader");
        return NULL;
    }
    xes->reader = (struct reader){.feed = feed, .finish = finish, .free = reader_free};
    xes->options = *options;
    xes->stack[0] = (struct element){.kind = KIND_NONE, .name = names[KIND_NONE]};
    xes->parser = XML_ParserCreate(NULL);
    xes->rules = xes_rules_new();
    xes->tally = tally_new();
    xes->record = record_new(options->columns);
    if (!xes->parser || !xes->rules || !xes->tally || !xes->record) {
        problem(err, WB_E_SYSTEM, "no memory for a reader");
        reader_free(&xes->reader);
        return NULL;
    }
    XML_SetUserData(xes->parser, xes);
    XML_SetElementHandler(xes->parser, on_start, on_end);
    XML_SetCharacterDataHandler(xes->parser, on_text);
    XML_SetStartDoctypeDeclHandler(xes->parser, on_doctype);
    return &xes->reader;
}
