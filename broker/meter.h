/* The broker's metrics, by the names in meter.def. One set a process, for the loop's thread. */
#ifndef BROKER_METER_H
#define BROKER_METER_H

#include <stdint.h>

struct buffer;

enum meter {
#define METER(id, name, type, label, help) METER_##id,
#include "broker/meter.def"
#undef METER
};

int meter_open(void); /* -1 without memory */
void meter_close(void);
void meter_add(enum meter meter, const char *label, int64_t by);
void meter_add2(enum meter meter, const char *first, const char *second, int64_t by);
void meter_set(enum meter meter, const char *label, int64_t value);
void meter_clear(enum meter meter); /* forgets its labels */
void meter_observe_us(enum meter meter, int64_t us);
void meter_write(struct buffer *out); /* Prometheus text */

#endif
