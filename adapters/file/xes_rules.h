/* What IEEE 1849 says of a log beside the order of its elements: the declarations at its head
 * (extensions, globals, classifiers) and what follows from them for keys and types; the lexical
 * form of values. Knows nothing of XML. */
#ifndef FILE_XES_RULES_H
#define FILE_XES_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <waybill/error.h>

/* The types of attributes, in the order of XES_TYPES. */
enum xes_type {
    XES_STRING,
    XES_DATE,
    XES_INT,
    XES_FLOAT,
    XES_BOOLEAN,
    XES_ID,
    XES_LIST,
    XES_CONTAINER,
    XES_TYPES
};

enum xes_scope { XES_TRACE, XES_EVENT, XES_SCOPES };

extern const char *const xes_type_names[XES_TYPES];

struct xes_rules;

struct xes_rules *xes_rules_new(void); /* NULL without memory */
void xes_rules_free(struct xes_rules *rules);

/* Declarations. Each: 0, or -1 and err whose detail says what is wrong. */
int xes_rules_extension(struct xes_rules *rules, const char *name, const char *prefix,
                        const char *uri, struct wb_error *err);
int xes_rules_global(struct xes_rules *rules, enum xes_scope scope, const char *key,
                     enum xes_type type, struct wb_error *err);
/* scope: NULL, "event" or "trace". */
int xes_rules_classifier(struct xes_rules *rules, const char *name, const char *scope,
                         const char *keys, struct wb_error *err);

/* A key that is met: its prefix must be declared and have such a key, as far as the extension is
 * one of the standard's. A log that declares no extension at all has plain names. */
int xes_rules_key(const struct xes_rules *rules, const char *key, struct wb_error *err);
/* The attribute of a trace or event against the global one of that key. */
int xes_rules_type(const struct xes_rules *rules, enum xes_scope scope, const char *key,
                   enum xes_type type, struct wb_error *err);

/* The value in the lexical form of its type. zone_known: a date may leave its time zone out. */
int xes_rules_value(enum xes_type type, const char *value, bool zone_known, struct wb_error *err);

#endif
