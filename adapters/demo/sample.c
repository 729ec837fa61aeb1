#include "sample.h"

#include "proto/problem.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int write_json(const char *path, json_t *object) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int failed = json_dumpfd(object, fd, JSON_INDENT(2)) || write(fd, "\n", 1) != 1;
    return close(fd) || failed ? -1 : 0;
}

int sample_write(const char *path, const char *case_no, const char *code, const char *link,
                 const char *item_name, struct wb_error *err) {
    char beside[4096];
    int length = snprintf(beside, sizeof beside, "%s.new", path);
    json_t *object = json_pack("{ssssssss}", "case_no", case_no, "code", code, "link", link,
                               "item_name", item_name);
    bool written = object && (size_t)length < sizeof beside && !write_json(beside, object) &&
                   !rename(beside, path);
    json_decref(object);
    return written ? 0 : problem(err, WB_E_SYSTEM, "writing %s: %s", path, strerror(errno));
}
