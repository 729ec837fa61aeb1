#include "common/curve.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "proto/problem.h"

#define LINE_BYTES 256
#define LINES_MAX  64

/* ZeroMQ RFC 32 */
static const char z85[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          ".-:+=^!/*?&<>()[]{}@%$#";

bool curve_is_key(const char *text) {
    uint8_t bytes[CURVE_KEY_BYTES];
    return strlen(text) == CURVE_KEY_TEXT - 1 && strspn(text, z85) == CURVE_KEY_TEXT - 1 &&
           zmq_z85_decode(bytes, text) != NULL;
}

bool curve_to_bytes(const char *text, uint8_t bytes[CURVE_KEY_BYTES]) {
    return curve_is_key(text) && zmq_z85_decode(bytes, text) != NULL;
}

void curve_to_text(const uint8_t bytes[CURVE_KEY_BYTES], char text[CURVE_KEY_TEXT]) {
    zmq_z85_encode(text, bytes, CURVE_KEY_BYTES);
}

void curve_forget(struct curve_keys *keys) {
    sodium_memzero(keys, sizeof *keys);
}

int curve_generate(struct curve_keys *keys, struct wb_error *err) {
    if (zmq_curve_keypair(keys->public_key, keys->secret_key) != 0)
        return problem(err, WB_E_SYSTEM, "no key pair: %s", zmq_strerror(errno));
    return 0;
}

/* Writing. */

static int write_file(const char *path, mode_t mode, const struct curve_keys *keys, bool secret,
                      const char *comment, struct wb_error *err) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        problem(err, WB_E_KEY_FILE, "%s: %s", path, strerror(errno));
        return problem_hint(err, errno == EEXIST ? "choose another name: no key is overwritten"
                                                 : "see whether the folder may be written to");
    }
    FILE *file = fdopen(fd, "w");
    if (!file) {
        close(fd);
        return problem(err, WB_E_SYSTEM, "%s: out of memory", path);
    }
    fprintf(file, "# %s\npublic %s\n", comment, keys->public_key);
    if (secret)
        fprintf(file, "secret %s\n", keys->secret_key);
    int cause = fflush(file) != 0 || fsync(fd) != 0 ? errno : 0;
    if (fclose(file) != 0 && !cause)
        cause = errno;
    if (!cause)
        return 0;
    unlink(path);
    return problem(err, WB_E_KEY_FILE, "%s: %s", path, strerror(cause));
}

int curve_write(const char *path, const struct curve_keys *keys, const char *comment,
                struct wb_error *err) {
    char public_path[4096];
    if (snprintf(public_path, sizeof public_path, "%s.pub", path) >= (int)sizeof public_path)
        return problem(err, WB_E_KEY_FILE, "%s: the name is too long", path);
    if (write_file(path, 0600, keys, true, comment, err) != 0)
        return -1;
    if (write_file(public_path, 0644, keys, false, comment, err) == 0)
        return 0;
    unlink(path);
    return -1;
}

/* Reading. */

static int take_key(char key[CURVE_KEY_TEXT], const char *value, const char *path, int line,
                    struct wb_error *err) {
    if (!curve_is_key(value))
        return problem(err, WB_E_KEY_FILE, "%s, line %d: not a key of 40 characters of Z85", path,
                       line);
    memcpy(key, value, CURVE_KEY_TEXT);
    return 0;
}

static int take_line(char *text, struct curve_keys *keys, const char *path, int line,
                     struct wb_error *err) {
    static const char blank[] = " \t\r\n";
    char *name = text + strspn(text, blank);
    if (*name == '\0' || *name == '#')
        return 0;
    char *end = name + strcspn(name, blank);
    char *value = end + strspn(end, blank);
    *end = '\0';
    value[strcspn(value, blank)] = '\0';
    if (strcmp(name, "public") == 0)
        return take_key(keys->public_key, value, path, line, err);
    if (strcmp(name, "secret") == 0)
        return take_key(keys->secret_key, value, path, line, err);
    return problem(err, WB_E_KEY_FILE, "%s, line %d: '%.20s' is neither 'public' nor 'secret'",
                   path, line, name);
}

static int check_keys(const struct curve_keys *keys, bool secret, const char *path,
                      struct wb_error *err) {
    char derived[CURVE_KEY_TEXT];
    if (!keys->public_key[0])
        return problem(err, WB_E_KEY_FILE, "%s: there is no public key in it", path);
    if (secret && !keys->secret_key[0])
        return problem(err, WB_E_KEY_FILE, "%s: there is no secret key in it, only a public one",
                       path);
    if (keys->secret_key[0] && (zmq_curve_public(derived, keys->secret_key) != 0 ||
                                strcmp(derived, keys->public_key) != 0))
        return problem(err, WB_E_KEY_FILE, "%s: public and secret key do not belong together",
                       path);
    return 0;
}

static int check_owner(FILE *file, const char *path, struct wb_error *err) {
    struct stat status;
    if (fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode))
        return problem(err, WB_E_KEY_FILE, "%s: not a file", path);
    if (status.st_mode & (S_IRWXG | S_IRWXO)) {
        problem(err, WB_E_KEY_FILE, "%s: others may read it (mode %04o)", path,
                (unsigned)status.st_mode & 07777U);
        return problem_hint(err, "chmod 600 it; if others could read it before, make a new pair");
    }
    return 0;
}

int curve_read(const char *path, bool secret, struct curve_keys *keys, struct wb_error *err) {
    char text[LINE_BYTES];
    int status = 0;
    memset(keys, 0, sizeof *keys);
    FILE *file = fopen(path, "re");
    if (!file)
        return problem(err, WB_E_KEY_FILE, "%s: %s", path, strerror(errno));
    if (secret)
        status = check_owner(file, path, err);
    for (int line = 1; status == 0 && fgets(text, sizeof text, file); line++) {
        if (line > LINES_MAX || (!strchr(text, '\n') && !feof(file)))
            status = problem(err, WB_E_KEY_FILE, "%s, line %d: this is not a key file", path, line);
        else
            status = take_line(text, keys, path, line, err);
    }
    if (status == 0)
        status = check_keys(keys, secret, path, err);
    fclose(file);
    sodium_memzero(text, sizeof text);
    if (status != 0)
        curve_forget(keys);
    return status;
}

/* Sockets. */

static int set_text(void *socket, int option, const char *value) {
    return zmq_setsockopt(socket, option, value, strlen(value) + 1);
}

static bool empty(const char *text) {
    return !text || !*text;
}

static int find_server_key(const char *given, char key[CURVE_KEY_TEXT], struct wb_error *err) {
    struct curve_keys server;
    if (curve_is_key(given)) {
        memcpy(key, given, CURVE_KEY_TEXT);
        return 0;
    }
    if (curve_read(given, false, &server, err) != 0)
        return -1;
    memcpy(key, server.public_key, CURVE_KEY_TEXT);
    curve_forget(&server);
    return 0;
}

int curve_client_setup(void *socket, const struct curve_client *client, struct wb_error *err) {
    struct curve_keys own;
    char server[CURVE_KEY_TEXT];
    if (empty(client->server_key) && empty(client->key_file))
        return 0;
    if (empty(client->server_key) || empty(client->key_file)) {
        problem(err, WB_E_USAGE, "a key is given without %s",
                empty(client->server_key) ? "the broker's public key" : "one's own key file");
        return problem_hint(err, "give both, or neither on loopback");
    }
    if (find_server_key(client->server_key, server, err) != 0 ||
        curve_read(client->key_file, true, &own, err) != 0)
        return -1;
    int failed = set_text(socket, ZMQ_CURVE_SERVERKEY, server) ||
                 set_text(socket, ZMQ_CURVE_PUBLICKEY, own.public_key) ||
                 set_text(socket, ZMQ_CURVE_SECRETKEY, own.secret_key);
    curve_forget(&own);
    return failed ? problem(err, WB_E_SYSTEM, "CURVE: %s", zmq_strerror(errno)) : 0;
}

int curve_server_setup(void *socket, const struct curve_keys *keys, const char *zap_domain,
                       struct wb_error *err) {
    int server = 1;
    if (zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &server, sizeof server) ||
        set_text(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key) ||
        zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, zap_domain, strlen(zap_domain)))
        return problem(err, WB_E_SYSTEM, "CURVE: %s", zmq_strerror(errno));
    return 0;
}
