#include "adapters/file/sorter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buffer.h"
#include "proto/problem.h"

#define RUN_BUFFER  32768 /* read of a run at a time */
#define WRITE_BYTES 262144

/* Before the data of each entry, in memory and in the file. */
struct head {
    int64_t time;
    uint64_t tag;
    uint64_t bytes;
};

/* The order within memory is that of the places, which grow as entries come. */
struct item {
    int64_t time;
    size_t at; /* of the head, in the entries */
};

struct run {
    uint64_t at, end; /* in the file: what is not read yet */
    struct buffer buffer;
    size_t read;      /* of the buffer: where the next entry begins */
    struct head head; /* of the next entry */
};

struct sorter {
    struct buffer entries; /* head, data, head, data ... */
    size_t memory;
    struct item *items;
    size_t item_count, item_room;
    uint64_t count;
    int fd; /* -1: no run was written */
    uint64_t file_bytes;
    struct run runs[SORTER_RUNS_MAX];
    size_t run_count;
    size_t heap[SORTER_RUNS_MAX]; /* of runs, the one with the next entry on top */
    size_t heap_count;
    size_t next;   /* item, where nothing was written */
    bool consumed; /* the top of the heap was given out */
};

struct sorter *sorter_new(size_t memory, struct wb_error *err) {
    struct sorter *sorter = calloc(1, sizeof(*sorter));
    if (!sorter) {
        problem(err, WB_E_SYSTEM, "no memory to sort events");
        return NULL;
    }
    sorter->memory = memory ? memory : SORTER_MEMORY;
    sorter->fd = -1;
    buffer_init(&sorter->entries, 0);
    return sorter;
}

void sorter_free(struct sorter *sorter) {
    if (!sorter)
        return;
    for (size_t i = 0; i < sorter->run_count; i++)
        buffer_free(&sorter->runs[i].buffer);
    buffer_free(&sorter->entries);
    free(sorter->items);
    if (sorter->fd >= 0)
        close(sorter->fd);
    free(sorter);
}

uint64_t sorter_count(const struct sorter *sorter) {
    return sorter->count;
}

static int open_file(struct sorter *sorter, struct wb_error *err) {
    const char *directory = getenv("TMPDIR");
    char path[512];
    if (!directory || directory[0] == '\0')
        directory = "/tmp";
    snprintf(path, sizeof(path), "%s/waybill-sort-XXXXXX", directory);
    sorter->fd = mkostemp(path, O_CLOEXEC);
    if (sorter->fd >= 0) {
        unlink(path);
        return 0;
    }
    problem(err, WB_E_SYSTEM, "no temporary file in %.120s: %s", directory, strerror(errno));
    return problem_hint(err, "set TMPDIR to a directory with room for the events");
}

static int write_all(struct sorter *sorter, const void *data, size_t bytes, struct wb_error *err) {
    const char *at = data;
    while (bytes > 0) {
        ssize_t written = write(sorter->fd, at, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            problem(err, WB_E_SYSTEM, "the temporary file cannot be written: %s", strerror(errno));
            return problem_hint(err, "set TMPDIR to a directory with room for the events");
        }
        at += written;
        bytes -= (size_t)written;
        sorter->file_bytes += (uint64_t)written;
    }
    return 0;
}

static int by_time(const void *a, const void *b) {
    const struct item *one = a, *other = b;
    if (one->time != other->time)
        return one->time < other->time ? -1 : 1;
    return one->at < other->at ? -1 : one->at > other->at;
}

static void read_head(const struct sorter *sorter, size_t at, struct head *head) {
    memcpy(head, sorter->entries.data + at, sizeof(*head));
}

static int write_items(struct sorter *sorter, struct buffer *out, struct wb_error *err) {
    for (size_t i = 0; i < sorter->item_count; i++) {
        struct head head;
        read_head(sorter, sorter->items[i].at, &head);
        buffer_append(out, sorter->entries.data + sorter->items[i].at, sizeof(head) + head.bytes);
        if (out->length < WRITE_BYTES && i + 1 < sorter->item_count)
            continue;
        if (out->failed)
            return problem(err, WB_E_SYSTEM, "no memory to sort events");
        if (write_all(sorter, out->data, out->length, err))
            return -1;
        buffer_clear(out);
    }
    return 0;
}

static int write_run(struct sorter *sorter, struct wb_error *err) {
    struct buffer out;
    if (sorter->run_count == SORTER_RUNS_MAX) {
        problem(err, WB_E_SYSTEM, "there are more events than can be sorted: %llu",
                (unsigned long long)sorter->count);
        return problem_hint(err, "split the file, or leave --speed out to send in its order");
    }
    if (sorter->fd < 0 && open_file(sorter, err))
        return -1;
    struct run *run = &sorter->runs[sorter->run_count];
    *run = (struct run){.at = sorter->file_bytes};
    buffer_init(&run->buffer, 0);
    qsort(sorter->items, sorter->item_count, sizeof(*sorter->items), by_time);
    buffer_init(&out, 0);
    int result = write_items(sorter, &out, err);
    buffer_free(&out);
    run->end = sorter->file_bytes;
    sorter->run_count++;
    sorter->item_count = 0;
    buffer_clear(&sorter->entries);
    return result;
}

static int grow_items(struct sorter *sorter) {
    size_t room = sorter->item_room ? sorter->item_room * 2 : 1024;
    struct item *items = realloc(sorter->items, room * sizeof(*items));
    if (!items)
        return -1;
    sorter->items = items;
    sorter->item_room = room;
    return 0;
}

int sorter_add(struct sorter *sorter, const struct sorter_entry *entry, struct wb_error *err) {
    struct head head = {.time = entry->time, .tag = entry->tag, .bytes = entry->bytes};
    size_t more = sizeof(head) + entry->bytes + sizeof(struct item);
    size_t held = sorter->entries.length + sorter->item_count * sizeof(struct item);
    if (entry->bytes > SORTER_MEMORY / 4)
        return problem(err, WB_E_EVENT_TOO_LARGE, "an event of %zu bytes", entry->bytes);
    if (sorter->item_count > 0 && held + more > sorter->memory && write_run(sorter, err))
        return -1;
    if (sorter->item_count == sorter->item_room && grow_items(sorter))
        return problem(err, WB_E_SYSTEM, "no memory to sort events");
    size_t at = sorter->entries.length;
    buffer_append(&sorter->entries, &head, sizeof(head));
    buffer_append(&sorter->entries, entry->data, entry->bytes);
    if (sorter->entries.failed)
        return problem(err, WB_E_SYSTEM, "no memory to sort events");
    sorter->items[sorter->item_count++] = (struct item){.time = entry->time, .at = at};
    sorter->count++;
    return 0;
}

/* So many bytes of the run in its buffer, from `read` on. */
static int load(struct sorter *sorter, struct run *run, size_t bytes, struct wb_error *err) {
    while (run->buffer.length - run->read < bytes) {
        if (run->read > 0) {
            buffer_consume(&run->buffer, run->read);
            run->read = 0;
        }
        size_t want = bytes > RUN_BUFFER ? bytes : RUN_BUFFER;
        if (want > run->end - run->at)
            want = run->end - run->at;
        uint8_t *to = buffer_reserve(&run->buffer, want);
        ssize_t got = to ? pread(sorter->fd, to, want, (off_t)run->at) : -1;
        if (got < 0 && to && errno == EINTR)
            continue;
        if (got <= 0)
            return problem(err, WB_E_SYSTEM, "the temporary file cannot be read: %s",
                           got < 0 ? strerror(to ? errno : ENOMEM) : "it ends too early");
        run->buffer.length += (size_t)got;
        run->at += (uint64_t)got;
    }
    return 0;
}

/* 1: the run's next head and data are in its buffer; 0: the run has ended; -1 and err. */
static int advance(struct sorter *sorter, struct run *run, struct wb_error *err) {
    if (run->at == run->end && run->read == run->buffer.length)
        return 0;
    if (load(sorter, run, sizeof(run->head), err))
        return -1;
    memcpy(&run->head, run->buffer.data + run->read, sizeof(run->head));
    return load(sorter, run, sizeof(run->head) + run->head.bytes, err) ? -1 : 1;
}

/* Earlier runs hold what came earlier. */
static bool before(const struct sorter *sorter, size_t a, size_t b) {
    int64_t one = sorter->runs[a].head.time, other = sorter->runs[b].head.time;
    return one != other ? one < other : a < b;
}

static void swap(size_t *a, size_t *b) {
    size_t kept = *a;
    *a = *b;
    *b = kept;
}

static void sift_down(struct sorter *sorter, size_t at) {
    while (true) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < sorter->heap_count; child++)
            if (before(sorter, sorter->heap[child], sorter->heap[least]))
                least = child;
        if (least == at)
            return;
        swap(&sorter->heap[at], &sorter->heap[least]);
        at = least;
    }
}

int sorter_sort(struct sorter *sorter, struct wb_error *err) {
    if (sorter->run_count == 0) {
        if (sorter->item_count > 0)
            qsort(sorter->items, sorter->item_count, sizeof(*sorter->items), by_time);
        return 0;
    }
    if (sorter->item_count > 0 && write_run(sorter, err))
        return -1;
    buffer_free(&sorter->entries);
    buffer_init(&sorter->entries, 0);
    for (size_t i = 0; i < sorter->run_count; i++) {
        int more = advance(sorter, &sorter->runs[i], err);
        if (more < 0)
            return -1;
        if (more > 0)
            sorter->heap[sorter->heap_count++] = i;
    }
    for (size_t i = sorter->heap_count / 2; i-- > 0;)
        sift_down(sorter, i);
    return 0;
}

static void give(const struct head *head, const void *data, struct sorter_entry *entry) {
    *entry = (struct sorter_entry){
        .time = head->time, .tag = head->tag, .data = data, .bytes = head->bytes};
}

static int next_in_memory(struct sorter *sorter, struct sorter_entry *entry) {
    struct head head;
    if (sorter->next == sorter->item_count)
        return 0;
    size_t at = sorter->items[sorter->next++].at;
    read_head(sorter, at, &head);
    give(&head, sorter->entries.data + at + sizeof(head), entry);
    return 1;
}

/* The entry that was given out last makes room for the next of its run. */
static int replace_top(struct sorter *sorter, struct wb_error *err) {
    struct run *run = &sorter->runs[sorter->heap[0]];
    run->read += sizeof(run->head) + run->head.bytes;
    int more = advance(sorter, run, err);
    if (more < 0)
        return -1;
    if (more == 0)
        sorter->heap[0] = sorter->heap[--sorter->heap_count];
    sift_down(sorter, 0);
    return 0;
}

int sorter_next(struct sorter *sorter, struct sorter_entry *entry, struct wb_error *err) {
    if (sorter->run_count == 0)
        return next_in_memory(sorter, entry);
    if (sorter->consumed && replace_top(sorter, err))
        return -1;
    sorter->consumed = sorter->heap_count > 0;
    if (sorter->heap_count == 0)
        return 0;
    const struct run *run = &sorter->runs[sorter->heap[0]];
    give(&run->head, run->buffer.data + run->read + sizeof(run->head), entry);
    return 1;
}
