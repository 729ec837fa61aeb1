/* The streams of staff and of the public: who asks for one is brought to its channel. */
#ifndef SUBSCRIBERS_GATEWAY_CHANNELS_H
#define SUBSCRIBERS_GATEWAY_CHANNELS_H

#include <stdbool.h>
#include <stdint.h>
#include <waybill/subscriber.h>

struct channel_limits;
struct channels;
struct http_exchange;
struct throttle;

/* NULL without memory. The subscriber outlives it, or channels_use names another; the throttle does
 * too. */
struct channels *channels_new(wb_subscriber *subscriber, struct throttle *throttle,
                              const struct channel_limits *limits);
/* After the server's connections have closed; before the subscriber is. */
void channels_free(struct channels *channels);
/* Another subscriber from now on; before the old one is closed. */
void channels_use(struct channels *channels, wb_subscriber *subscriber);

/* Takes the exchange over and answers it: with the stream, or 400, 401, 403, 429 or 503. */
void channels_follow(struct channels *channels, struct http_exchange *exchange,
                     wb_audience audience, bool token_wanted);

/* Does what is due, after the subscriber was processed. True: there is more to do at once. */
bool channels_turn(struct channels *channels);
/* Keepalives, and the end of channels that nobody follows. At least once a second. */
void channels_tick(struct channels *channels, uint64_t now_ms);

#endif
