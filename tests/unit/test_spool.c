#include "common/timestamp.h"
#include "scripted_broker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <waybill/publisher.h>
#include <waybill/spool.h>

#include <cmocka.h>

static char tags[BROKER_EVENTS]; /* their addresses are the tags */

struct fixture {
    struct scripted_broker broker;
    struct wb_publisher_options options;
    wb_publisher *publisher;
    struct wb_error err;
    char folder[64], spool[96];

    size_t receipts, tagged, refused, repeats;
    char last_id[64], words[256];
};

static void on_receipt(void *arg, const struct wb_receipt *receipt) {
    struct fixture *f = arg;
    char id[32];
    if (receipt->tag) {
        snprintf(id, sizeof id, "e%zu", (size_t)((char *)receipt->tag - tags));
        assert_string_equal(receipt->event_id, id);
        f->tagged++;
    }
    assert_string_equal(receipt->case_no, "A-1");
    assert_int_equal(receipt->stage, WB_STAGE(RECEIVED));
    snprintf(f->last_id, sizeof f->last_id, "%s", receipt->event_id);
    f->receipts++;
    f->refused += receipt->refusal != NULL;
    f->repeats += receipt->repeat;
}

static void on_session(void *arg, bool up, const char *words) {
    struct fixture *f = arg;
    (void)up;
    snprintf(f->words, sizeof f->words, "%s", words);
}

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    broker_start(&f->broker);
    snprintf(f->folder, sizeof f->folder, "/tmp/waybill-spool-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->spool, sizeof f->spool, "%s/permits", f->folder);
    f->options = (struct wb_publisher_options){
        .receipt = on_receipt, .session = on_session, .arg = f, .spool = f->spool};
    *state = f;
    return 0;
}

static void remove_beside(const struct fixture *f, const char *name) {
    static const char *const endings[] = {"", "-wal", "-shm", "-lock", "-journal"};
    char path[160];
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        snprintf(path, sizeof path, "%s/%s%s", f->folder, name, endings[i]);
        unlink(path);
    }
}

static int teardown(void **state) {
    struct fixture *f = *state;
    wb_publisher_close(f->publisher);
    broker_stop(&f->broker);
    remove_beside(f, "permits");
    remove_beside(f, "copy");
    remove_beside(f, "link");
    assert_int_equal(rmdir(f->folder), 0);
    free(f);
    return 0;
}

static void open_publisher(struct fixture *f) {
    f->publisher = wb_publisher_open(f->broker.endpoint, "permits", &f->options, &f->err);
    if (!f->publisher)
        fprintf(stderr, "%s: %s\n", f->err.message, f->err.detail);
    assert_non_null(f->publisher);
}

static void close_publisher(struct fixture *f) {
    wb_publisher_close(f->publisher);
    f->publisher = NULL;
}

static int give(wb_publisher *publisher, size_t n, const char *text, struct wb_error *err) {
    wb_event event = WB_EVENT_INIT;
    char id[32];
    snprintf(id, sizeof id, "e%zu", n);
    event.event_id = id;
    event.case_no = (char *)"A-1";
    event.stage = WB_STAGE(RECEIVED);
    event.occurred_at_us = INT64_C(1767225600000000) + (int64_t)n;
    event.step = (char *)text;
    return wb_publisher_send(publisher, &event, &tags[n], err);
}

static void give_all(struct fixture *f, size_t from, size_t to) {
    for (size_t n = from; n < to; n++)
        assert_int_equal(give(f->publisher, n, "", &f->err), 0);
}

#define PUMP_UNTIL(f, condition)                                                                   \
    do {                                                                                           \
        int64_t end_us = monotonic_us() + INT64_C(20000000);                                       \
        while (!(condition)) {                                                                     \
            assert_true(monotonic_us() < end_us);                                                  \
            broker_serve(&(f)->broker);                                                            \
            wb_publisher_poll((f)->publisher, 1, NULL);                                            \
        }                                                                                          \
    } while (0)

static void pump_all(struct fixture *f) {
    PUMP_UNTIL(f, wb_publisher_pending(f->publisher) == 0);
    assert_int_equal(wb_publisher_flush(f->publisher, 0, &f->err), 0);
}

static void check_log(const struct fixture *f, size_t count) {
    assert_int_equal(f->broker.logged, count);
    for (size_t n = 0; n < count; n++) {
        char id[32];
        snprintf(id, sizeof id, "e%zu", n);
        assert_string_equal(f->broker.log[n], id);
    }
}

static struct wb_spool_status status_of(const char *path) {
    struct wb_spool_status status;
    struct wb_error err;
    wb_spool *spool = wb_spool_open(path, &err);
    assert_non_null(spool);
    assert_int_equal(wb_spool_status(spool, &status, &err), 0);
    wb_spool_close(spool);
    return status;
}

static void test_what_was_taken_outlives_the_program(void **state) {
    struct fixture *f = *state;
    broker_down(&f->broker);
    open_publisher(f);
    give_all(f, 0, 100);
    assert_int_equal(wb_publisher_pending(f->publisher), 100);
    struct wb_spool_status status = status_of(f->spool);
    assert_string_equal(status.source, "permits");
    assert_true(status.in_use);
    assert_int_equal(status.pid, getpid());
    assert_int_equal(status.events, 100);
    assert_in_range(timestamp_now_us() - status.oldest_us, 0, 60000000);
    close_publisher(f);

    open_publisher(f);
    assert_int_equal(wb_publisher_pending(f->publisher), 100);
    give_all(f, 100, 150);
    broker_up(&f->broker);
    pump_all(f);
    check_log(f, 150);
    assert_int_equal(f->receipts, 150);
    assert_int_equal(f->tagged, 50); /* the others' were of another run */
    assert_string_equal(f->last_id, "e149");
    status = status_of(f->spool);
    assert_int_equal(status.events, 0);
    assert_int_equal(status.oldest_us, 0);
    close_publisher(f);
    assert_false(status_of(f->spool).in_use);
    struct stat file;
    assert_int_equal(stat(f->spool, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
}

/* More bytes than are kept in memory: the rest is read back, with its tags. */
static void test_a_backlog_is_read_back(void **state) {
    struct fixture *f = *state;
    static char text[190];
    memset(text, 'x', sizeof text - 1);
    wb_event event = WB_EVENT_INIT;
    wb_notice notice = WB_NOTICE_INIT, *notices[8];
    static char prose[1500];
    memset(prose, 'y', sizeof prose - 1);
    notice.text = prose;
    for (size_t i = 0; i < 8; i++)
        notices[i] = &notice;
    event.notices = notices;
    event.n_notices = 8;
    event.case_no = (char *)"A-1";
    event.stage = WB_STAGE(RECEIVED);
    event.occurred_at_us = INT64_C(1767225600000000);
    broker_down(&f->broker);
    open_publisher(f);
    wb_publisher_hold(f->publisher);
    for (size_t n = 0; n < 600; n++) {
        char id[32];
        snprintf(id, sizeof id, "e%zu", n);
        event.event_id = id;
        assert_int_equal(wb_publisher_send(f->publisher, &event, &tags[n], &f->err), 0);
    }
    assert_int_equal(wb_publisher_release(f->publisher, &f->err), 0);
    broker_up(&f->broker);
    PUMP_UNTIL(f, f->receipts >= 100);
    give_all(f, 600, 700);
    pump_all(f);
    check_log(f, 700);
    assert_int_equal(f->tagged, 700);
}

static void test_hold_and_release(void **state) {
    struct fixture *f = *state;
    open_publisher(f);
    wb_publisher_hold(f->publisher);
    give_all(f, 0, 50);
    assert_int_equal(wb_publisher_pending(f->publisher), 50);
    assert_int_equal(status_of(f->spool).events, 0);
    assert_int_equal(wb_publisher_release(f->publisher, &f->err), 0);
    assert_int_equal(status_of(f->spool).events, 50);
    pump_all(f);
    check_log(f, 50);
    assert_int_equal(wb_publisher_release(f->publisher, &f->err), 0); /* of nothing */

    wb_publisher_hold(f->publisher); /* flush releases, close drops */
    give_all(f, 50, 60);
    PUMP_UNTIL(f, wb_publisher_flush(f->publisher, 0, &f->err) == 0);
    check_log(f, 60);
    wb_publisher_hold(f->publisher);
    give_all(f, 60, 70);
    close_publisher(f);
    assert_int_equal(status_of(f->spool).events, 0);
}

static bool keep_id(void *arg, const struct wb_spool_entry *entry) {
    char(*ids)[64] = arg;
    while (**ids)
        ids++;
    snprintf(*ids, sizeof *ids, "%.*s %s", entry->event[1], (const char *)entry->event + 2,
             entry->refusal ? entry->refusal->field : "");
    return true;
}

static void test_refused_events_are_kept_apart(void **state) {
    struct fixture *f = *state;
    char ids[8][64] = {{0}};
    uint64_t count;
    f->broker.refuse_id = "e3";
    open_publisher(f);
    give_all(f, 0, 6);
    pump_all(f);
    assert_int_equal(f->refused, 1);
    assert_int_equal(f->broker.logged, 5);
    struct wb_spool_status status = status_of(f->spool);
    assert_int_equal(status.events, 0);
    assert_int_equal(status.dead_letters, 1);

    wb_spool *spool = wb_spool_open(f->spool, &f->err);
    assert_int_equal(wb_spool_list(spool, true, 0, keep_id, ids, &f->err), 0);
    assert_string_equal(ids[0], "e3 item_code");
    assert_string_equal(ids[1], "");
    assert_int_equal(wb_spool_retry(spool, "e4", &count, &f->err), 0);
    assert_int_equal(count, 0);
    f->broker.refuse_id = NULL; /* somebody mended it: the publisher goes on by itself */
    assert_int_equal(wb_spool_retry(spool, "e3", &count, &f->err), 0);
    assert_int_equal(count, 1);
    PUMP_UNTIL(f, f->broker.logged == 6);
    assert_string_equal(f->broker.log[5], "e3");
    pump_all(f);
    assert_int_equal(status_of(f->spool).dead_letters, 0);

    f->broker.refuse_id = "e7";
    give_all(f, 6, 9);
    pump_all(f);
    assert_int_equal(wb_spool_discard(spool, NULL, &count, &f->err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(status_of(f->spool).dead_letters, 0);
    wb_spool_close(spool);
}

static void refuse_to_open(struct fixture *f, const char *path, const char *source,
                           const char *words, const char *hint) {
    struct wb_publisher_options options = f->options;
    options.spool = path;
    assert_null(wb_publisher_open(f->broker.endpoint, source, &options, &f->err));
    assert_int_equal(f->err.code, WB_E_SPOOL);
    if (!strstr(f->err.detail, words) || !strstr(f->err.hint, hint))
        fprintf(stderr, "'%s' (%s)\n", f->err.detail, f->err.hint);
    assert_non_null(strstr(f->err.detail, words));
    assert_non_null(strstr(f->err.hint, hint));
}

static void test_one_process_one_spool(void **state) {
    struct fixture *f = *state;
    char words[64], path[128];
    open_publisher(f);
    give_all(f, 0, 3);
    snprintf(words, sizeof words, "is in use by process %d", getpid());
    refuse_to_open(f, f->spool, "permits", words, "stop that one");
    snprintf(path, sizeof path, "%s/link", f->folder);
    assert_int_equal(symlink(f->spool, path), 0);
    refuse_to_open(f, path, "permits", words, "stop that one");
    pump_all(f);
    check_log(f, 3);
    close_publisher(f);
    unlink(path);
    assert_int_equal(link(f->spool, path), 0);
    refuse_to_open(f, f->spool, "permits", "has 2 names", "hard links");
    unlink(path);
    open_publisher(f);
}

static void read_file(const char *path, uint8_t **data, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    *bytes = 0;
    *data = calloc(1, 1 << 22);
    if (!file)
        return;
    *bytes = fread(*data, 1, 1 << 22, file);
    fclose(file);
}

static void write_file(const char *path, const void *data, size_t bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    fclose(file);
}

/* Opening fails with these words, and the file and its log are as they were. */
static void refuse_untouched(struct fixture *f, const char *path, const char *words,
                             const char *hint) {
    uint8_t *before, *after, *log, *log_after;
    size_t bytes, bytes_after, log_bytes, log_bytes_after;
    char wal[160];
    snprintf(wal, sizeof wal, "%s-wal", path);
    read_file(path, &before, &bytes);
    read_file(wal, &log, &log_bytes);
    refuse_to_open(f, path, "permits", words, hint);
    read_file(path, &after, &bytes_after);
    read_file(wal, &log_after, &log_bytes_after);
    assert_int_equal(bytes, bytes_after);
    assert_memory_equal(before, after, bytes);
    assert_int_equal(log_bytes, log_bytes_after);
    assert_memory_equal(log, log_after, log_bytes);
    free(before);
    free(after);
    free(log);
    free(log_after);
}

static void set_up_spool(struct fixture *f, size_t events) {
    broker_down(&f->broker);
    open_publisher(f);
    wb_publisher_hold(f->publisher);
    give_all(f, 0, events);
    assert_int_equal(wb_publisher_release(f->publisher, &f->err), 0);
    close_publisher(f);
}

static void pragma(const char *path, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_files_that_are_no_spool(void **state) {
    struct fixture *f = *state;
    char path[128], none[160];
    snprintf(path, sizeof path, "%s/copy", f->folder);
    write_file(path, "dear diary", 10);
    refuse_untouched(f, path, "is not a spool", "another path");
    uint8_t junk[8192];
    memset(junk, 0x5a, sizeof junk);
    write_file(path, junk, sizeof junk);
    refuse_untouched(f, path, "is not a spool", "another path");
    unlink(path);
    pragma(path, "CREATE TABLE diary(day)");
    refuse_untouched(f, path, "a database of another program", "another path");
    refuse_to_open(f, f->folder, "permits", "is not a file", "the spool's file itself");
    snprintf(none, sizeof none, "%s/none/permits", f->folder);
    refuse_to_open(f, none, "permits", "No such file", "make the folder");
    assert_null(wb_spool_open(none, &f->err));

    set_up_spool(f, 10);
    refuse_to_open(f, f->spool, "land", "of source 'permits', not of 'land'", "of its own");
    pragma(f->spool, "PRAGMA user_version = 9");
    refuse_untouched(f, f->spool, "has format 9", "newer Waybill");
    pragma(f->spool, "PRAGMA user_version = 1");
    open_publisher(f);
    assert_int_equal(wb_publisher_pending(f->publisher), 10);
}

static void test_a_damaged_file(void **state) {
    struct fixture *f = *state;
    set_up_spool(f, 2000);
    uint8_t *data;
    size_t bytes;
    read_file(f->spool, &data, &bytes);
    assert_in_range(bytes, 16 * 4096, 1 << 22);
    char path[128];
    snprintf(path, sizeof path, "%s/copy", f->folder);

    write_file(path, data, bytes / 2 / 4096 * 4096);
    refuse_untouched(f, path, "is damaged", "waybill spool salvage");
    write_file(path, data, bytes - 100);
    refuse_untouched(f, path, "is damaged", "waybill spool salvage");
    memset(data, 0x5a, 16);
    write_file(path, data, bytes);
    refuse_untouched(f, path, "is not a spool", "another path");
    free(data);
    remove_beside(f, "copy");
}

/* As kill -9 leaves it: the file, and its log with all that was written last. */
static void copy_open_spool(const struct fixture *f, size_t *bytes, size_t *log_bytes,
                            uint8_t **data, uint8_t **log) {
    char wal[160];
    snprintf(wal, sizeof wal, "%s-wal", f->spool);
    read_file(f->spool, data, bytes);
    read_file(wal, log, log_bytes);
    assert_true(*log_bytes > 0);
}

static void test_a_file_that_was_not_closed(void **state) {
    struct fixture *f = *state;
    uint8_t *data, *log;
    size_t bytes, log_bytes;
    char path[128], wal[160];
    snprintf(path, sizeof path, "%s/copy", f->folder);
    snprintf(wal, sizeof wal, "%s-wal", path);
    set_up_spool(f, 2000);
    open_publisher(f);
    give_all(f, 2000, 2010);
    copy_open_spool(f, &bytes, &log_bytes, &data, &log);
    close_publisher(f);

    write_file(wal, log, log_bytes);
    write_file(path, "", 0);
    refuse_untouched(f, path, "is empty, and events are in its -wal", "waybill spool salvage");
    remove_beside(f, "copy");

    write_file(path, data, bytes);
    write_file(wal, log, log_bytes);
    memset(data + 8 * 4096, 0x5a, 2048); /* a page in the middle */
    write_file(path, data, bytes);
    refuse_untouched(f, path, "is damaged", "waybill spool salvage");
    remove_beside(f, "copy");
    free(data);
    free(log);
}

/* Damage that nobody looked for is found when it is read: what lies before it is sent, and then
 * every call says what happened. */
static void test_damage_found_on_the_way(void **state) {
    struct fixture *f = *state;
    set_up_spool(f, 4000);
    uint8_t *data;
    size_t bytes;
    read_file(f->spool, &data, &bytes);
    memset(data + bytes / 2 / 4096 * 4096, 0x5a, 4096);
    write_file(f->spool, data, bytes);
    free(data);
    broker_up(&f->broker);
    open_publisher(f);
    PUMP_UNTIL(f, wb_publisher_poll(f->publisher, 0, &f->err) < 0);
    assert_int_equal(f->err.code, WB_E_SPOOL);
    assert_non_null(strstr(f->err.detail, "is damaged"));
    f->err = (struct wb_error){0};
    assert_int_equal(give(f->publisher, 0, "", &f->err), -1);
    assert_int_equal(f->err.code, WB_E_SPOOL);
    assert_false(f->err.retriable);
}

static void test_full(void **state) {
    struct fixture *f = *state;
    static char text[190];
    memset(text, 'x', sizeof text - 1);
    f->options.spool_bytes = 128 * 1024;
    broker_down(&f->broker);
    open_publisher(f);
    size_t n = 0;
    while (n < 2000 && !give(f->publisher, n, text, &f->err))
        n++;
    assert_in_range(n, 200, 700);
    assert_int_equal(f->err.code, WB_E_SPOOL);
    assert_true(f->err.retriable);
    assert_non_null(strstr(f->err.detail, "is full: it takes the 128 KiB that it may"));
    assert_int_equal(wb_publisher_pending(f->publisher), n);
    wb_publisher_hold(f->publisher); /* all or nothing */
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(give(f->publisher, n + i, text, &f->err), 0);
    assert_int_equal(wb_publisher_release(f->publisher, &f->err), -1);
    assert_int_equal(wb_publisher_pending(f->publisher), n);
    assert_int_equal(status_of(f->spool).events, n);

    broker_up(&f->broker);
    f->broker.refuse_id = "e7"; /* a dead letter has room all the same */
    pump_all(f);
    assert_int_equal(f->broker.logged, n - 1);
    assert_int_equal(status_of(f->spool).dead_letters, 1);
    give_all(f, n, n + 10);
    pump_all(f);
    assert_int_equal(f->broker.logged, n + 9);
}

/* What the session is refused for has to be mended; the office goes on working meanwhile. */
static void test_taken_while_the_session_is_refused(void **state) {
    struct fixture *f = *state;
    f->broker.refuse_hello = WB_E_IDENTITY;
    open_publisher(f);
    give_all(f, 0, 1);
    PUMP_UNTIL(f, wb_publisher_poll(f->publisher, 0, &f->err) < 0);
    assert_int_equal(f->err.code, WB_E_IDENTITY);
    give_all(f, 1, 20);
    assert_int_equal(wb_publisher_flush(f->publisher, 100, &f->err), -1);
    assert_int_equal(f->err.code, WB_E_IDENTITY);
    close_publisher(f);
    f->broker.refuse_hello = 0;
    open_publisher(f);
    pump_all(f);
    check_log(f, 20);
}

/* Through everything that happens to brokers. */
static void test_faults(void **state) {
    struct fixture *f = *state;
    f->broker.fault_percent = 20;
    f->broker.batch_events = 20;
    open_publisher(f);
    for (size_t n = 0; n < 1500; n += 10) {
        wb_publisher_hold(f->publisher);
        give_all(f, n, n + 10);
        assert_int_equal(wb_publisher_release(f->publisher, &f->err), 0);
        broker_serve(&f->broker);
        if (n % 500 == 490) {
            close_publisher(f);
            open_publisher(f);
        }
    }
    pump_all(f);
    check_log(f, 1500);
    assert_true(f->broker.faults > 10);
}

/* ---- kill -9: this program again, as a publisher that says on standard output what was taken */

static int child(const char *endpoint, const char *spool, size_t from) {
    struct wb_publisher_options options = {.spool = spool};
    struct wb_error err;
    wb_publisher *publisher = wb_publisher_open(endpoint, "permits", &options, &err);
    if (!publisher) {
        fprintf(stderr, "child: %s\n", err.detail);
        return 1;
    }
    for (size_t n = from; n + 7 < BROKER_EVENTS;) {
        size_t count = 1 + n % 7;
        if (count > 1)
            wb_publisher_hold(publisher);
        for (size_t i = 0; i < count; i++)
            if (give(publisher, n + i, "", &err))
                return 1;
        if (wb_publisher_release(publisher, &err))
            return 1;
        n += count;
        if (write(STDOUT_FILENO, &n, sizeof n) != sizeof n)
            return 1;
    }
    return 0;
}

static pid_t start_child(struct fixture *f, size_t from, int *out) {
    int ends[2];
    char number[32];
    snprintf(number, sizeof number, "%zu", from);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", "test_spool", "child", f->broker.endpoint, f->spool, number,
              (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    *out = ends[0];
    return pid;
}

/* What the child said was taken, when it is killed at some moment. */
static size_t run_and_kill(struct fixture *f, size_t from, int64_t lifetime_us) {
    int out, ended;
    size_t taken = from, said;
    pid_t pid = start_child(f, from, &out);
    int64_t end_us = 0;
    struct timespec pause = {.tv_nsec = 200000};
    while (!end_us || monotonic_us() < end_us) {
        broker_serve(&f->broker);
        while (read(out, &said, sizeof said) == sizeof said)
            taken = said;
        if (!end_us && taken > from) /* it runs */
            end_us = monotonic_us() + lifetime_us;
        assert_int_equal(waitpid(pid, &ended, WNOHANG), 0);
        nanosleep(&pause, NULL);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &ended, 0);
    while (read(out, &said, sizeof said) == sizeof said)
        taken = said;
    close(out);
    return taken;
}

static void test_killed_at_random_places(void **state) {
    struct fixture *f = *state;
    size_t taken = 0;
    unsigned seed = 7;
    for (int round = 0; round < 12 && taken < BROKER_EVENTS / 2; round++) {
        seed = seed * 1103515245 + 12345;
        taken = run_and_kill(f, taken, 1000 + (seed >> 16) % 30000);
        /* Also a lost connection, and a broker that was away, in the middle of it. */
        if (round % 3 == 2) {
            broker_down(&f->broker);
            broker_up(&f->broker);
        }
    }
    assert_true(taken > 12);
    open_publisher(f);
    pump_all(f);
    /* One more batch than was said may have been taken before it could be said; nothing else. */
    assert_in_range(f->broker.logged, taken, taken + 7);
    check_log(f, f->broker.logged);
    assert_int_equal(status_of(f->spool).events, 0);
}

int main(int argc, char **argv) {
    if (argc == 5 && !strcmp(argv[1], "child"))
        return child(argv[2], argv[3], strtoul(argv[4], NULL, 10));
#define WITH_BROKER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_BROKER(test_what_was_taken_outlives_the_program),
        WITH_BROKER(test_a_backlog_is_read_back),
        WITH_BROKER(test_hold_and_release),
        WITH_BROKER(test_refused_events_are_kept_apart),
        WITH_BROKER(test_one_process_one_spool),
        WITH_BROKER(test_files_that_are_no_spool),
        WITH_BROKER(test_a_damaged_file),
        WITH_BROKER(test_a_file_that_was_not_closed),
        WITH_BROKER(test_damage_found_on_the_way),
        WITH_BROKER(test_full),
        WITH_BROKER(test_taken_while_the_session_is_refused),
        WITH_BROKER(test_faults),
        WITH_BROKER(test_killed_at_random_places),
    };
    return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
