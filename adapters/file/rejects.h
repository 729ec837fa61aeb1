/* Records that did not become events, or whose events the broker refused: counted by reason, the
 * first few told, all written to a file if there is one. */
#ifndef FILE_REJECTS_H
#define FILE_REJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>

#define REJECTS_TOLD    3  /* of each reason, on standard error */
#define REJECTS_REASONS 64 /* different ones; there are fewer codes */

struct progress;
struct rejects;

struct rejects_reason {
    int code;
    uint64_t count;
};

/* All of them kept by reference. */
struct rejects_options {
    const char *path;            /* NULL: no file */
    const char *name;            /* of the input, for complaints */
    const char *input, *mapping; /* paths that the file must not be; "-": standard input; or NULL */
    bool quiet;
    struct progress *progress; /* whose line makes room */
};

/* NULL and err if the file cannot be written, or if it is one that is read: nothing was changed
 * then. */
struct rejects *rejects_new(const struct rejects_options *options, struct wb_error *err);
/* Ends the file: 0, or -1 and err if not all of it could be written. NULL is allowed. */
int rejects_close(struct rejects *rejects, struct wb_error *err);

/* Does the file want the records themselves? */
bool rejects_keeps(const struct rejects *rejects);

/* record: as JSON; NULL or empty: there is none. */
void rejects_add(struct rejects *rejects, uint64_t line, const struct wb_error *why,
                 const char *record);

uint64_t rejects_count(const struct rejects *rejects);
size_t rejects_reasons(const struct rejects *rejects, const struct rejects_reason **all);

#endif
