/* What an event must be to enter the log. The same code runs in the publisher, so that its caller
 * hears of a fault at once, and in the broker, which believes nobody. */
#ifndef PROTO_VALIDATE_H
#define PROTO_VALIDATE_H

#include <stddef.h>
#include <stdint.h>
#include <waybill/error.h>
#include <waybill/event.h>

struct arena;

/* Required: event_id, case_no, occurred_at_us, and stage unless the kind is a retraction;
 * `replaces` for corrections and retractions, and only for them. The rest as the table in field.c
 * has it. Returns 0, or -1 and err with code, field and value. */
int event_validate(const wb_event *event, struct wb_error *err);

/* Bytes from outside to a valid event in the arena: size, wire_check, unpack, event_validate, in
 * this order. */
int event_decode(const uint8_t *data, size_t bytes, struct arena *arena, wb_event **event,
                 struct wb_error *err);

/* 1 to LIMIT_SOURCE_BYTES of a-z 0-9 . _ - beginning with a letter or digit. */
int source_validate(const char *source, struct wb_error *err);

#endif
