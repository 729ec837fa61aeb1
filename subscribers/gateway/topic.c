#include "subscribers/gateway/topic.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"

#define FIRST_BUCKETS 256

int topics_open(struct topics *topics) {
    memset(topics, 0, sizeof *topics);
    topics->buckets = calloc(FIRST_BUCKETS, sizeof(struct topic *));
    topics->bucket_count = FIRST_BUCKETS;
    return topics->buckets ? 0 : -1;
}

static void topic_free(struct topic *topic) {
    if (topic->gathering) {
        buffer_free(&topic->gathering->text);
        free(topic->gathering);
    }
    free(topic);
}

void topics_close(struct topics *topics) {
    for (size_t i = 0; i < topics->bucket_count; i++)
        for (struct topic *topic; (topic = topics->buckets[i]);) {
            topics->buckets[i] = topic->next;
            topic_free(topic);
        }
    free(topics->buckets);
}

static struct topic **bucket_of(const struct topics *topics, uint64_t hash) {
    return &topics->buckets[hash & (topics->bucket_count - 1)];
}

static struct topic *find(const struct topics *topics, uint64_t hash, const char *case_no) {
    struct topic *topic = *bucket_of(topics, hash);
    while (topic && (topic->hash != hash || strcmp(topic->case_no, case_no) != 0))
        topic = topic->next;
    return topic;
}

struct topic *topic_find(const struct topics *topics, const char *case_no) {
    return find(topics, digest_short(case_no, strlen(case_no)), case_no);
}

/* Where memory is short the chains just grow. */
static void grow(struct topics *topics) {
    struct topics larger = *topics;
    larger.bucket_count = topics->bucket_count * 2;
    larger.buckets = calloc(larger.bucket_count, sizeof(struct topic *));
    if (!larger.buckets)
        return;
    for (size_t i = 0; i < topics->bucket_count; i++)
        for (struct topic *topic; (topic = topics->buckets[i]);) {
            topics->buckets[i] = topic->next;
            struct topic **bucket = bucket_of(&larger, topic->hash);
            topic->next = *bucket;
            *bucket = topic;
        }
    free(topics->buckets);
    *topics = larger;
}

struct topic *topic_get(struct topics *topics, const char *case_no) {
    uint64_t hash = digest_short(case_no, strlen(case_no));
    struct topic *topic = find(topics, hash, case_no);
    if (topic)
        return topic;
    size_t bytes = strlen(case_no) + 1;
    topic = calloc(1, sizeof *topic + bytes);
    if (!topic)
        return NULL;
    memcpy(topic->case_no, case_no, bytes);
    topic->hash = hash;
    if (topics->count >= topics->bucket_count)
        grow(topics);
    struct topic **bucket = bucket_of(topics, hash);
    topic->next = *bucket;
    *bucket = topic;
    topics->count++;
    return topic;
}

void topic_drop(struct topics *topics, struct topic *topic) {
    assert(!topic->gathering && !topic->first);
    struct topic **link = bucket_of(topics, topic->hash);
    while (*link != topic)
        link = &(*link)->next;
    *link = topic->next;
    topics->count--;
    topic_free(topic);
}

int topic_gather(struct topics *topics, struct topic *topic, uint64_t offset, const char *data) {
    struct gathering *gathering = topic->gathering;
    if (!gathering) {
        gathering = malloc(sizeof *gathering);
        if (!gathering)
            return -1;
        gathering->count = 0;
        buffer_init(&gathering->text, 0);
        topic->gathering = gathering;
        topic->next_dirty = topics->dirty;
        topics->dirty = topic;
    }
    gathering->events[gathering->count].offset = offset;
    gathering->events[gathering->count++].begin = gathering->text.length;
    buffer_printf(&gathering->text, "id: %" PRIu64 "\nevent: node\ndata: %s\n\n", offset, data);
    if (gathering->text.failed)
        return -1;
    return gathering->count == TOPIC_EVENTS || gathering->text.length >= TOPIC_BYTES;
}

const void *topic_behind(const struct topic *topic, uint64_t cursor, size_t *bytes, size_t *count) {
    const struct gathering *gathering = topic->gathering;
    size_t first = 0;
    while (first < gathering->count && gathering->events[first].offset <= cursor)
        first++;
    *count = gathering->count - first;
    size_t begin = *count ? gathering->events[first].begin : gathering->text.length;
    *bytes = gathering->text.length - begin;
    return *bytes ? gathering->text.data + begin : (const unsigned char *)"";
}

struct topic *topics_dirty(const struct topics *topics) {
    return topics->dirty;
}

void topic_clear(struct topics *topics) {
    struct topic *topic = topics->dirty;
    topics->dirty = topic->next_dirty;
    topic->next_dirty = NULL;
    buffer_free(&topic->gathering->text);
    free(topic->gathering);
    topic->gathering = NULL;
}
