/* Counts anomalies by source, in the background: each newly committed event's case is read a moment
 * after the commit, and what is marked on the new events is counted.
 *
 * It promises that publishing comes first. It follows the hub with a cursor of its own, in windows
 * of EXAMINER_WINDOW events; the window's cases are read one after the other, each once, never two
 * at a time, none while the journal has much to do, and after every read it rests for nine times as
 * long as the read took. It holds no more than a window and one case.
 *
 * It does not promise to see every event. What has fallen out of the hub by its turn, what lies in
 * a case that is too long to be looked at in passing, and what cannot be read counts as unexamined.
 * What was committed before this broker was ready is its predecessor's. An event is judged as its
 * case stands at that moment and counted once; whoever asks for the case later may find another
 * mark, because an event that came in between changed the past. */
#ifndef BROKER_FANOUT_EXAMINER_H
#define BROKER_FANOUT_EXAMINER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define EXAMINER_WINDOW      256       /* events */
#define EXAMINER_CASE_EVENTS 1024      /* a longer case is too long */
#define EXAMINER_CASE_BYTES  (1 << 20) /* of its events */

struct examiner;
struct hub;
struct reader;

/* Whether the journal has time for a read to go beside it. Called from the loop, before each. */
typedef bool examiner_may(void *arg);

/* Hub and reader have to outlive it. NULL without memory. */
struct examiner *examiner_new(uv_loop_t *loop, const struct hub *hub, struct reader *reader,
                              examiner_may *may, void *arg);
/* Before the reader is closed. NULL is allowed. */
void examiner_close(struct examiner *examiner);

/* The log was opened and ends there: goes on behind that offset. Before the hub is reset, which
 * forgets what is waiting. */
void examiner_start(struct examiner *examiner, uint64_t head_offset);
/* Events were appended to the hub. Returns at once. */
void examiner_wake(struct examiner *examiner);

#endif
