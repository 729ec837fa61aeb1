#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buffer.h"
#include "fuzz.h"

#define TURNS_MAX 100000 /* of the loop, for one connection: far more than any needs */
#define READ_SIZE 65536

static uv_loop_t loop;
static struct http_server *server;
static struct sockaddr_in address = {.sin_family = AF_INET};

void server_start(http_handler *handler, void *arg) {
    struct http_limits limits = http_limits_default;
    limits.body_bytes = 16384;
    const struct http_options options = {
        .addresses = "127.0.0.1:0", .limits = &limits, .handler = handler, .arg = arg};
    FUZZ_CHECK(uv_loop_init(&loop) == 0);
    server = http_listen(&loop, &options, NULL);
    FUZZ_CHECK(server);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)strtoul(strrchr(http_address(server), ':') + 1, NULL, 10));
}

/* From one address of the loopback network after another: thousands of connections a second would
 * use up the ports of a single one. */
static int client_open(void) {
    static uint16_t number;
    struct sockaddr_in own = {.sin_family = AF_INET};
    own.sin_addr.s_addr =
        htonl((INADDR_LOOPBACK & 0xff000000) | 0x10001u | (uint32_t)number++ << 4);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FUZZ_CHECK(fd >= 0 && bind(fd, (const struct sockaddr *)&own, sizeof own) == 0);
    FUZZ_CHECK(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    FUZZ_CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    return fd;
}

/* The server may close before it has taken everything: what is left is not said then. */
static size_t say(int fd, const char *data, size_t bytes) {
    ssize_t sent = bytes ? send(fd, data, bytes, MSG_NOSIGNAL) : 0;
    return sent > 0 ? (size_t)sent : 0;
}

/* False at the end of the answers. */
static bool hear(int fd, struct buffer *out) {
    uint8_t *room = buffer_reserve(out, READ_SIZE);
    FUZZ_CHECK(room);
    ssize_t got = recv(fd, room, READ_SIZE, 0);
    if (got > 0)
        out->length += (size_t)got;
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

void server_say(const void *data, size_t bytes, struct buffer *out) {
    int fd = client_open(), turns = 0;
    size_t said = 0;
    bool silent = false;
    buffer_clear(out);
    do {
        FUZZ_CHECK(turns++ < TURNS_MAX);
        said += say(fd, (const char *)data + said, bytes - said);
        if (said == bytes && !silent)
            silent = shutdown(fd, SHUT_WR) == 0;
        uv_run(&loop, UV_RUN_NOWAIT);
    } while (hear(fd, out));
    close(fd);
    while (http_connections(server)) {
        FUZZ_CHECK(turns++ < TURNS_MAX);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
}

const char *server_body(struct buffer *answers) {
    const char *blank = strstr(buffer_string(answers), "\r\n\r\n");
    return blank ? blank + 4 : "";
}
