/* One node of the case's history in words: what happened, who did it, what to know. */
#ifndef SUBSCRIBERS_GATEWAY_STORY_NODE_H
#define SUBSCRIBERS_GATEWAY_STORY_NODE_H

#include <jansson.h>
#include <stdint.h>

struct language;

/* What all parts of one story share. */
struct teller {
    const struct language *language;
    int64_t now_us;
    const json_t *state; /* the "case" of the view */
};

/* Sets the member, to null if the value is NULL. Takes the value over. */
void story_put(json_t *object, const char *name, json_t *value);
const char *story_member(const json_t *object, const char *name); /* text; NULL if absent */
json_t *story_words(const struct teller *teller, const char *key);
/* "stage.GRANTED.label" */
json_t *story_stage(const struct teller *teller, const json_t *node, const char *part);

json_t *story_node(const struct teller *teller, const json_t *node);
/* [{label, text}] of the decision, procedure and extension; empty if the node has none. */
json_t *story_details(const struct teller *teller, const json_t *node);
json_t *story_notice(const struct teller *teller, const json_t *notice);
/* The number to dial in an URL, NULL if the text begins with none. A new reference. */
json_t *story_tel(const char *phone);
/* The name of a handler, or the staff number where that is what is disclosed; NULL without both. */
json_t *story_officer(const struct teller *teller, const json_t *handler);

#endif
