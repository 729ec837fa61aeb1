/* What a source may publish, and what a token is good for. Pure. */
#ifndef BROKER_ACCESS_GRANT_H
#define BROKER_ACCESS_GRANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

struct header;

/* Prefixes, compared byte by byte; a list that is empty allows anything. */
struct grant_list {
    char **prefixes;
    size_t count;
};

struct grant {
    struct grant_list agencies, regions, items, cases;
    uint32_t rate_events; /* a second; 0: no limit */
    uint32_t event_bytes; /* 0: the contract's */
};

/* 0, or -1 and EVENT_TOO_LARGE, or NOT_GRANTED naming the field and its value. A list that is not
 * empty wants the field filled, and beginning with one of its prefixes. */
int grant_check(const struct grant *grant, const struct header *event, size_t bytes,
                struct wb_error *err);

/* The lists alone, without words. */
bool grant_covers(const struct grant *grant, const struct header *event);
/* Every list is empty. */
bool grant_is_all(const struct grant *grant);
/* The list of that name ("agencies", "regions", "items", "cases"); NULL if there is none. */
struct grant_list *grant_list(struct grant *grant, const char *name);
/* Adds a copy of the prefix. False without memory. */
bool grant_list_add(struct grant_list *list, const char *prefix);
/* Frees the lists, not the grant. */
void grant_free(struct grant *grant);

#endif
