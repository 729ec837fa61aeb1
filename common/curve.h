/* Key pairs for CURVE (ZeroMQ RFC 26), and the files that hold them.
 *
 * A key file is text, one `name value` a line, '#' begins a comment:
 *
 *     # waybill key pair of permits, 2026-11-21
 *     public rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7
 *     secret JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6
 *
 * Keys are written as Z85 (ZeroMQ RFC 32). A public key travels by any way; a file with a secret
 * must be readable by its owner alone. */
#ifndef COMMON_CURVE_H
#define COMMON_CURVE_H

#include <stdbool.h>
#include <stdint.h>
#include <waybill/error.h>

#define CURVE_KEY_BYTES 32
#define CURVE_KEY_TEXT  41 /* 40 characters of Z85 and the NUL */

struct curve_keys {
    char public_key[CURVE_KEY_TEXT];
    char secret_key[CURVE_KEY_TEXT]; /* "" if the file holds none */
};

/* A new pair. -1 and err if libzmq was built without CURVE. */
int curve_generate(struct curve_keys *keys, struct wb_error *err);

/* Writes a pair to a file that must not exist yet, readable by its owner alone, and the public half
 * to a file of the same name with ".pub" behind it. comment goes into both (one line). */
int curve_write(const char *path, const struct curve_keys *keys, const char *comment,
                struct wb_error *err);

/* Reads a file: with `secret` it must hold one and be its owner's alone. Checks that the two belong
 * together. -1 and WB_E_KEY_FILE, naming file, line and remedy. */
int curve_read(const char *path, bool secret, struct curve_keys *keys, struct wb_error *err);

/* True if the text is a public key: 40 characters of Z85. */
bool curve_is_key(const char *text);
/* Between the text and the 32 bytes that ZAP hands over. */
bool curve_to_bytes(const char *text, uint8_t bytes[CURVE_KEY_BYTES]);
void curve_to_text(const uint8_t bytes[CURVE_KEY_BYTES], char text[CURVE_KEY_TEXT]);

/* Overwrites the secret. */
void curve_forget(struct curve_keys *keys);

/* What a client needs to reach an endpoint with keys; NULL or empty strings: without. */
struct curve_client {
    const char *server_key; /* the broker's public key, as text or as the path of a .pub file */
    const char *key_file;   /* the client's own pair */
};

/* Sets a client's socket up before zmq_connect. Neither given: nothing is done. -1 and err if only
 * one is given or a file cannot be used. */
int curve_client_setup(void *socket, const struct curve_client *client, struct wb_error *err);
/* Sets a server's socket up before zmq_bind, with ZAP in that domain. */
int curve_server_setup(void *socket, const struct curve_keys *keys, const char *zap_domain,
                       struct wb_error *err);

#endif
