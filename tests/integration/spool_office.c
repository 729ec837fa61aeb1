/* An office whose publisher has a spool, for test_spool.py: publishes the events FROM to TO - 1,
 * BATCH of them with one write to the disk, and prints the number behind each batch when it was
 * taken. With "wait" it then waits until the broker has all. Compiled against the installed
 * library. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <waybill/publisher.h>

static int give(wb_publisher *publisher, size_t number, struct wb_error *err) {
    char id[32], case_no[32];
    snprintf(id, sizeof id, "e%zu", number);
    snprintf(case_no, sizeof case_no, "A-%zu", number % 1000);
    wb_event event = WB_EVENT_INIT;
    wb_handler handler = WB_HANDLER_INIT;
    handler.name = "王建国";
    handler.unit = "行政审批科";
    event.event_id = id;
    event.case_no = case_no;
    event.stage = WB_STAGE(UNDER_REVIEW);
    event.step = "现场勘验";
    event.handler = &handler;
    event.item_name = "食品经营许可";
    event.agency = "新北区行政审批局";
    event.occurred_at_us = INT64_C(1767225600000000) + (int64_t)number * 1000000;
    return wb_publisher_send(publisher, &event, NULL, err);
}

static int publish(wb_publisher *publisher, size_t from, size_t to, size_t batch,
                   struct wb_error *err) {
    for (size_t number = from; number < to;) {
        size_t end = number + batch < to ? number + batch : to;
        if (batch > 1)
            wb_publisher_hold(publisher);
        for (; number < end; number++)
            if (give(publisher, number, err))
                return -1;
        if (wb_publisher_release(publisher, err))
            return -1;
        char line[32];
        int length = snprintf(line, sizeof line, "%zu\n", number);
        if (write(STDOUT_FILENO, line, (size_t)length) != length)
            return -1;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 7) {
        fputs("spool_office ENDPOINT SPOOL FROM TO BATCH KIB [wait]\n", stderr);
        return 2;
    }
    struct wb_error err = {0};
    struct wb_publisher_options options = {.spool = argv[2],
                                           .spool_bytes = strtoull(argv[6], NULL, 10) * 1024};
    wb_publisher *publisher = wb_publisher_open(argv[1], "permits", &options, &err);
    int failed =
        !publisher || publish(publisher, strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10),
                              strtoull(argv[5], NULL, 10), &err);
    failed = failed || (argc > 7 && wb_publisher_flush(publisher, -1, &err));
    if (failed)
        fprintf(stderr, "%s: %s (%s)\n", err.message, err.detail, err.hint);
    wb_publisher_close(publisher);
    return failed;
}
