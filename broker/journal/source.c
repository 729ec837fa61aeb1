#include "broker/journal/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sources {
    struct source **all;
    struct source **by_id; /* sorted; only the registered */
    size_t count, registered;
};

struct sources *sources_new(void) {
    struct sources *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->all = calloc(SOURCES_MAX, sizeof(struct source *));
    s->by_id = calloc(SOURCES_MAX, sizeof(struct source *));
    if (!s->all || !s->by_id) {
        sources_free(s);
        return NULL;
    }
    return s;
}

void sources_free(struct sources *s) {
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        buffer_free(&s->all[i]->newest_id);
        free(s->all[i]);
    }
    free(s->all);
    free(s->by_id);
    free(s);
}

struct source *sources_add(struct sources *s, const char *name) {
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->all[i]->name, name) == 0)
            return s->all[i];
    struct source *source = s->count < SOURCES_MAX ? calloc(1, sizeof *source) : NULL;
    if (!source)
        return NULL;
    snprintf(source->name, sizeof source->name, "%s", name);
    buffer_init(&source->newest_id, 0);
    s->all[s->count++] = source;
    return source;
}

const struct source *sources_by_id(const struct sources *s, int32_t id) {
    size_t low = 0, high = s->registered;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->by_id[middle]->id == id)
            return s->by_id[middle];
        if (s->by_id[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

void sources_forget_ids(struct sources *s) {
    for (size_t i = 0; i < s->count; i++) {
        s->all[i]->id = 0;
        buffer_clear(&s->all[i]->newest_id);
    }
    s->registered = 0;
}

void sources_register(struct sources *s, struct source *source, int32_t id) {
    if (source->id)
        return;
    source->id = id;
    size_t at = s->registered++;
    for (; at > 0 && s->by_id[at - 1]->id > id; at--)
        s->by_id[at] = s->by_id[at - 1];
    s->by_id[at] = source;
}

bool source_is_newer(const struct source *source, const void *id, size_t bytes) {
    const struct buffer *newest = &source->newest_id;
    if (newest->failed)
        return false;
    size_t shared = bytes < newest->length ? bytes : newest->length;
    int order = shared ? memcmp(id, newest->data, shared) : 0;
    return order > 0 || (order == 0 && bytes > newest->length);
}

/* Without memory nothing is newer any more, which costs time and not truth. */
void source_note_id(struct source *source, const void *id, size_t bytes) {
    if (!source_is_newer(source, id, bytes))
        return;
    source->newest_id.length = 0;
    buffer_append(&source->newest_id, id, bytes);
}
