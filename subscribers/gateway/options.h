/* The gateway's configuration, from the table in options.def. */
#ifndef SUBSCRIBERS_GATEWAY_OPTIONS_H
#define SUBSCRIBERS_GATEWAY_OPTIONS_H

#include "common/config.h"

enum public_stream { PUBLIC_STREAM_OFF, PUBLIC_STREAM_TOKEN, PUBLIC_STREAM_ON };

struct options {
    char *listen;
    char *streams;
    char *server_key;
    char *key_file;
    int64_t connections;
    int64_t block_connections;
    char *trusted_proxies;
    char *proxy_header;
    int64_t wrong_codes_block; /* a minute */
    int64_t wrong_codes_case;
    int64_t queued_bytes;
    int64_t output_bytes;
    int64_t keepalive; /* ms, as the rest */
    int64_t retry;
    int64_t request_time;
    int64_t case_timeout;
    char *public_stream;
    int64_t channels;
    int64_t channel_bytes;
    int64_t catch_ups;
    int64_t linger;
    int64_t drain;
    int64_t notice;
    char *log_level;
};

extern struct options options_values;
extern const struct config_program options_program;

/* -1 if it is none of them. */
int options_public_stream(const struct options *options);

#endif
