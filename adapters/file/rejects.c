#include "adapters/file/rejects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/file/progress.h"
#include "adapters/lib/text.h"
#include "common/buffer.h"
#include "proto/problem.h"

struct rejects {
    FILE *file; /* NULL: none */
    const char *path, *name;
    bool quiet;
    struct progress *progress;
    struct rejects_reason reasons[REJECTS_REASONS];
    size_t reason_count;
    uint64_t count;
    struct buffer line;
};

static bool is_same(const struct stat *info, const char *path) {
    struct stat other;
    int failed = !path                    ? -1
                 : strcmp(path, "-") == 0 ? fstat(STDIN_FILENO, &other)
                                          : stat(path, &other);
    return !failed && info->st_dev == other.st_dev && info->st_ino == other.st_ino;
}

/* Empties the file, unless it is one that this run reads: 0, or -1 and err. */
static int empty(int fd, const struct rejects_options *options, struct wb_error *err) {
    struct stat info;
    if (fstat(fd, &info) || !S_ISREG(info.st_mode))
        return 0;
    bool input = is_same(&info, options->input);
    if (input || is_same(&info, options->mapping)) {
        problem(err, WB_E_USAGE, "--rejects %.160s is the %s", options->path,
                input ? "file that is read" : "mapping");
        return problem_hint(err, "name another file: it would be overwritten");
    }
    if (ftruncate(fd, 0))
        return problem(err, WB_E_SYSTEM, "%.160s cannot be emptied: %s", options->path,
                       strerror(errno));
    return 0;
}

static FILE *open_file(const struct rejects_options *options, struct wb_error *err) {
    int fd = open(options->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
    if (fd < 0) {
        problem(err, WB_E_SYSTEM, "%.160s cannot be written: %s", options->path, strerror(errno));
        problem_hint(err, "give --rejects a file in a directory that exists");
        return NULL;
    }
    FILE *file = empty(fd, options, err) ? NULL : fdopen(fd, "w");
    if (!file && err->code == WB_OK)
        problem(err, WB_E_SYSTEM, "out of memory");
    if (!file)
        close(fd);
    return file;
}

struct rejects *rejects_new(const struct rejects_options *options, struct wb_error *err) {
    struct rejects *rejects = calloc(1, sizeof(*rejects));
    if (!rejects) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    *rejects = (struct rejects){.path = options->path,
                                .name = options->name,
                                .quiet = options->quiet,
                                .progress = options->progress};
    buffer_init(&rejects->line, 0);
    if (!options->path || (rejects->file = open_file(options, err)))
        return rejects;
    free(rejects);
    return NULL;
}

int rejects_close(struct rejects *rejects, struct wb_error *err) {
    int result = 0;
    if (!rejects)
        return 0;
    if (rejects->file) {
        bool failed = ferror(rejects->file) != 0;
        failed |= fclose(rejects->file) != 0;
        if (failed) {
            result =
                problem(err, WB_E_SYSTEM, "%.160s could not be written in full", rejects->path);
            problem_hint(err, "see whether the disk is full, and run again");
        }
    }
    buffer_free(&rejects->line);
    free(rejects);
    return result;
}

bool rejects_keeps(const struct rejects *rejects) {
    return rejects->file != NULL;
}

static uint64_t count_reason(struct rejects *rejects, int code) {
    size_t i = 0;
    while (i < rejects->reason_count && rejects->reasons[i].code != code)
        i++;
    if (i == rejects->reason_count && i < REJECTS_REASONS)
        rejects->reasons[rejects->reason_count++].code = code;
    return i < REJECTS_REASONS ? ++rejects->reasons[i].count : REJECTS_TOLD + 1;
}

static void put_member(struct buffer *line, const char *name, const char *text) {
    buffer_printf(line, ", \"%s\": ", name);
    text_json(line, text, strlen(text));
}

static void write_line(struct rejects *rejects, uint64_t number, const struct wb_error *why,
                       const char *record) {
    struct buffer *line = &rejects->line;
    buffer_clear(line);
    buffer_printf(line, "{\"line\": %llu", (unsigned long long)number);
    put_member(line, "reason", problem_name(why->code));
    put_member(line, "detail", why->detail);
    put_member(line, "hint", why->hint);
    buffer_text(line, ", \"record\": ");
    buffer_text(line, record && record[0] ? record : "null");
    buffer_text(line, "}\n");
    /* What cannot be written shows in ferror when the file is closed. */
    fwrite(line->data, 1, line->failed ? 0 : line->length, rejects->file);
}

void rejects_add(struct rejects *rejects, uint64_t line, const struct wb_error *why,
                 const char *record) {
    char words[600];
    uint64_t nth = count_reason(rejects, why->code);
    rejects->count++;
    if (rejects->file)
        write_line(rejects, line, why, record);
    if (rejects->quiet || nth > REJECTS_TOLD)
        return;
    progress_clear(rejects->progress);
    fprintf(stderr, "%s:%llu: %s\n", rejects->name, (unsigned long long)line,
            problem_line(why, words, sizeof(words)));
    if (nth == REJECTS_TOLD && rejects->file)
        fprintf(stderr, "more of these are only written to %s\n", rejects->path);
    else if (nth == REJECTS_TOLD)
        fprintf(stderr, "more of these are only counted; --rejects FILE keeps them all\n");
}

uint64_t rejects_count(const struct rejects *rejects) {
    return rejects->count;
}

size_t rejects_reasons(const struct rejects *rejects, const struct rejects_reason **all) {
    *all = rejects->reasons;
    return rejects->reason_count;
}
