#include <sys/resource.h>

#include "common/log.h"
#include "common/program.h"
#include "subscribers/gateway/gateway.h"
#include "subscribers/gateway/meter.h"
#include "subscribers/gateway/options.h"

#define OTHER_DESCRIPTORS 64 /* beside the connections: listeners, the broker, the loop's own */

static void raise_descriptors(int64_t connections) {
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections + OTHER_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted)
        log_warn("gateway", "%lld connections are allowed, but only %llu file descriptors",
                 (long long)connections, (unsigned long long)limit.rlim_cur);
}

static void *start(uv_loop_t *loop, struct wb_error *err) {
    raise_descriptors(options_values.connections);
    return gateway_new(loop, &options_values, err);
}

static void stop(void *gateway) {
    gateway_stop(gateway);
}

static int finish(void *gateway) {
    gateway_free(gateway);
    return 0;
}

int main(int argc, char **argv) {
    const struct program program = {.part = "gateway",
                                    .config = &options_program,
                                    .log_level = &options_values.log_level,
                                    .open = meter_open,
                                    .close = meter_close,
                                    .start = start,
                                    .stop = stop,
                                    .finish = finish};
    return program_main(&program, argc, argv);
}
