#include "broker/access/zap.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "broker/access/access.h"
#include "broker/meter.h"
#include "common/curve.h"
#include "common/zsock.h"
#include "proto/problem.h"

#define QUOTA         64
#define ADDRESS_BYTES 64

struct zap {
    struct access *access;
    struct zsock *zsock;
};

/* The frames of a request, behind the routing id that the ROUTER puts before them. */
enum frame {
    ROUTE,
    DELIMITER,
    VERSION,
    REQUEST,
    DOMAIN,
    ADDRESS,
    IDENTITY,
    MECHANISM,
    CREDENTIAL, /* the key */
    FRAMES
};

struct answer {
    const char *status, *text;
    char user[CURVE_KEY_TEXT]; /* "" if not admitted */
    const char *outcome;       /* for the metric */
};

static bool is(zmq_msg_t *frame, const char *text) {
    return zmq_msg_size(frame) == strlen(text) &&
           memcmp(zmq_msg_data(frame), text, strlen(text)) == 0;
}

/* Where the peer connects from, for people: an IPv4 address as they write it. */
static void read_address(zmq_msg_t *frame, char text[ADDRESS_BYTES]) {
    static const char mapped[] = "::ffff:";
    const char *bytes = zmq_msg_data(frame);
    size_t length = zmq_msg_size(frame), prefix = strlen(mapped);
    if (length > prefix && memcmp(bytes, mapped, prefix) == 0) {
        bytes += prefix;
        length -= prefix;
    }
    if (length >= ADDRESS_BYTES)
        length = ADDRESS_BYTES - 1;
    for (size_t i = 0; i < length; i++)
        text[i] = isgraph((unsigned char)bytes[i]) ? bytes[i] : '?';
    text[length] = '\0';
}

static void admit(const uint8_t key[CURVE_KEY_BYTES], struct answer *answer) {
    answer->status = "200";
    answer->text = "OK";
    answer->outcome = "admitted";
    curve_to_text(key, answer->user);
}

static bool is_live(enum access_domain domain) {
    return access_domain_audience(domain) != WAYBILL__V1__AUDIENCE__AUDIENCE_UNSPECIFIED;
}

static void check_key(struct zap *zap, enum access_domain domain,
                      const uint8_t key[CURVE_KEY_BYTES], const char *address,
                      struct answer *answer) {
    struct wb_error err;
    if (access_name(zap->access, domain, key, &err)) {
        admit(key, answer);
        if (is_live(domain))
            access_on_live(zap->access, domain, key);
        return;
    }
    if (err.code == WB_E_DISABLED && !is_live(domain)) {
        admit(key, answer);
        return;
    }
    answer->text = problem_name(err.code);
    answer->status = err.code == WB_E_KEY_UNKNOWN ? "400" : "300";
    answer->outcome = err.code == WB_E_KEY_UNKNOWN ? "unknown"
                      : err.code == WB_E_DISABLED  ? "disabled"
                                                   : "not_ready";
    access_refused_key(zap->access, domain, key, address, &err);
}

static void check(struct zap *zap, zmq_msg_t frames[FRAMES], size_t count, struct answer *answer) {
    enum access_domain domain;
    char address[ADDRESS_BYTES];
    const char *where = "(other)";
    *answer = (struct answer){.status = "400", .text = "no such key", .outcome = "malformed"};
    if (access_domain_find(zmq_msg_data(&frames[DOMAIN]), zmq_msg_size(&frames[DOMAIN]), &domain)) {
        where = access_domain_name(domain);
        read_address(&frames[ADDRESS], address);
        if (count == FRAMES && is(&frames[VERSION], "1.0") && is(&frames[MECHANISM], "CURVE") &&
            zmq_msg_size(&frames[CREDENTIAL]) == CURVE_KEY_BYTES)
            check_key(zap, domain, zmq_msg_data(&frames[CREDENTIAL]), address, answer);
    }
    meter_add2(METER_KEY_CHECKS, where, answer->outcome, 1);
}

/* One message is whole or not there at all, so that nothing but its first part can fail to come:
 * the asker left, and nobody waits for the answer. */
static void reply(void *socket, zmq_msg_t frames[FRAMES], const struct answer *answer) {
    const struct {
        const void *data;
        size_t bytes;
    } parts[] = {
        {zmq_msg_data(&frames[ROUTE]), zmq_msg_size(&frames[ROUTE])},
        {"", 0},
        {"1.0", 3},
        {zmq_msg_data(&frames[REQUEST]), zmq_msg_size(&frames[REQUEST])},
        {answer->status, strlen(answer->status)},
        {answer->text, strlen(answer->text)},
        {answer->user, strlen(answer->user)},
        {"", 0}, /* metadata */
    };
    size_t last = sizeof parts / sizeof parts[0] - 1;
    for (size_t i = 0; i <= last; i++)
        if (zmq_send(socket, parts[i].data, parts[i].bytes,
                     ZMQ_DONTWAIT | (i < last ? ZMQ_SNDMORE : 0)) < 0)
            return;
}

/* Reads one request. What lies behind its known frames is thrown away. */
static bool receive(struct zap *zap) {
    void *socket = zsock_socket(zap->zsock);
    zmq_msg_t frames[FRAMES], rest;
    size_t count = 0;
    struct answer answer;
    for (size_t i = 0; i < FRAMES; i++)
        zmq_msg_init(&frames[i]);
    bool more = true, any = false;
    while (more) {
        zmq_msg_t *frame = count < FRAMES ? &frames[count] : &rest;
        if (frame == &rest)
            zmq_msg_init(&rest);
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0)
            break;
        any = true;
        more = zmq_msg_more(frame);
        if (frame == &rest)
            zmq_msg_close(&rest);
        count += count <= FRAMES; /* one more than FRAMES: too many */
    }
    if (any) {
        check(zap, frames, count, &answer);
        reply(socket, frames, &answer);
    }
    for (size_t i = 0; i < FRAMES; i++)
        zmq_msg_close(&frames[i]);
    return any;
}

static void on_readable(void *arg) {
    for (int i = 0; i < QUOTA && receive(arg); i++)
        ;
}

struct zap *zap_new(uv_loop_t *loop, void *context, struct access *access, struct wb_error *err) {
    static const int options[] = {ZMQ_LINGER, 0, -1};
    struct zap *zap = calloc(1, sizeof *zap);
    if (!zap) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    zap->access = access;
    void *socket = zsock_bind(context, ZMQ_ROUTER, "inproc://zeromq.zap.01", options, err);
    zap->zsock = socket ? zsock_new(loop, socket, on_readable, NULL, zap, err) : NULL;
    if (!zap->zsock) {
        free(zap);
        return NULL;
    }
    zsock_read(zap->zsock, false);
    return zap;
}

void zap_open(struct zap *zap) {
    zsock_read(zap->zsock, true);
}

void zap_close(struct zap *zap) {
    if (!zap)
        return;
    zsock_close(zap->zsock);
    free(zap);
}
