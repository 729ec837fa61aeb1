/* Network addresses of both families in one form, ranges of them, and the block that an address
 * belongs to: what one subscriber of a network usually has, IPv4 /24 and IPv6 /56. */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <waybill/error.h>

#define ADDRESS_TEXT 46 /* INET6_ADDRSTRLEN */

struct address {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct address_range {
    struct address first;
    unsigned bits; /* of 128 that count */
};

/* "192.0.2.1", "2001:db8::7"; no port, no brackets, no zone. False if it is anything else. */
bool address_parse(const char *text, size_t bytes, struct address *out);
/* False if the socket is of another family. */
bool address_of_socket(const struct sockaddr *socket, struct address *out);
/* IPv4 as "192.0.2.1". Returns text. */
const char *address_format(const struct address *address, char text[ADDRESS_TEXT]);
bool address_is_loopback(const struct address *address);
/* A number for the block, never 0; another block has another number. */
uint64_t address_block(const struct address *address);

/* "127.0.0.1 10.0.0.0/8, 2001:db8::/32", by space or comma. How many there are, or -1 and err for
 * what is no range, has bits behind its prefix or is one too many. */
int address_ranges_parse(const char *list, struct address_range *out, size_t max,
                         struct wb_error *err);
bool address_within(const struct address *address, const struct address_range *ranges,
                    size_t count);

#endif
