#include "broker/meter.h"

#include "common/metrics.h"

static const struct metric table[] = {
#define METER(id, name, type, label, help) {name, METRIC_##type, label, help},
#include "broker/meter.def"
#undef METER
};

static struct metrics *metrics;

int meter_open(void) {
    metrics = metrics_new(table, sizeof table / sizeof table[0]);
    return metrics ? 0 : -1;
}

void meter_close(void) {
    metrics_free(metrics);
    metrics = NULL;
}

void meter_add(enum meter meter, const char *label, int64_t by) {
    metrics_add(metrics, meter, label, by);
}

void meter_add2(enum meter meter, const char *first, const char *second, int64_t by) {
    metrics_add2(metrics, meter, first, second, by);
}

void meter_set(enum meter meter, const char *label, int64_t value) {
    metrics_set(metrics, meter, label, value);
}

void meter_clear(enum meter meter) {
    metrics_clear(metrics, meter);
}

void meter_observe_us(enum meter meter, int64_t us) {
    metrics_observe_us(metrics, meter, us);
}

void meter_write(struct buffer *out) {
    metrics_write(metrics, out);
}
