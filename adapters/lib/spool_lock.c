#include "spool_lock.h"

#include "proto/problem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* The spool's own file is SQLite's: closing another descriptor of it would drop SQLite's locks. */
static bool lock_path(const char *spool, char path[PATH_MAX]) {
    int length = snprintf(path, PATH_MAX, "%s-lock", spool);
    return length > 0 && length < PATH_MAX;
}

static long read_pid(int fd) {
    char text[32];
    ssize_t bytes = pread(fd, text, sizeof text - 1, 0);
    text[bytes > 0 ? bytes : 0] = '\0';
    long pid = strtol(text, NULL, 10);
    return pid > 0 ? pid : 0;
}

static void process_name(long pid, char *name, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/comm", pid);
    FILE *file = fopen(path, "re");
    *name = '\0';
    if (!file)
        return;
    if (fgets(name, (int)size, file))
        name[strcspn(name, "\n")] = '\0';
    fclose(file);
}

static int in_use(const char *spool, long pid, struct wb_error *err) {
    char name[64];
    process_name(pid, name, sizeof name);
    if (pid)
        problem(err, WB_E_SPOOL, "%.140s is in use by process %ld%s%s%s", spool, pid,
                *name ? " (" : "", name, *name ? ")" : "");
    else
        problem(err, WB_E_SPOOL, "%.140s is in use by another process", spool);
    return problem_hint(err, "one process publishes from a spool: stop that one, or give this one "
                             "a file of its own");
}

int spool_lock_take(const char *spool, struct wb_error *err) {
    char path[PATH_MAX], text[32];
    int fd = lock_path(spool, path) ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return problem(err, WB_E_SPOOL, "%.140s-lock: %s", spool, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno == EWOULDBLOCK)
            in_use(spool, read_pid(fd), err);
        else
            problem(err, WB_E_SPOOL, "locking %.140s-lock: %s", spool, strerror(errno));
        close(fd);
        return -1;
    }
    /* Only for people to read: a full disk may leave it out. */
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)length, 0) != length)
        (void)!ftruncate(fd, 0);
    return fd;
}

void spool_lock_release(int lock) {
    if (lock < 0)
        return;
    (void)!ftruncate(lock, 0);
    close(lock);
}

bool spool_lock_held(const char *spool, long *pid) {
    char path[PATH_MAX];
    *pid = 0;
    int fd = lock_path(spool, path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (held)
        *pid = read_pid(fd);
    close(fd);
    return held;
}
