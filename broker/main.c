#include "broker/broker.h"
#include "broker/meter.h"
#include "broker/options.h"
#include "common/program.h"

static void *start(uv_loop_t *loop, struct wb_error *err) {
    return broker_new(loop, &options_values, err);
}

static void stop(void *broker) {
    broker_stop(broker);
}

static int finish(void *broker) {
    return broker_free(broker);
}

int main(int argc, char **argv) {
    const struct program program = {.part = "broker",
                                    .config = &options_program,
                                    .log_level = &options_values.log_level,
                                    .open = meter_open,
                                    .close = meter_close,
                                    .start = start,
                                    .stop = stop,
                                    .finish = finish};
    return program_main(&program, argc, argv);
}
