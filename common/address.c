#include "common/address.h"

#include "proto/problem.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED_BITS 96
static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};

static bool is_mapped(const struct address *address) {
    return !memcmp(address->bytes, mapped, sizeof mapped);
}

static void set_mapped(struct address *out, const void *ipv4) {
    memcpy(out->bytes, mapped, sizeof mapped);
    memcpy(out->bytes + sizeof mapped, ipv4, 4);
}

bool address_parse(const char *text, size_t bytes, struct address *out) {
    char copy[ADDRESS_TEXT];
    struct in_addr v4;
    if (bytes >= sizeof copy || memchr(text, 0, bytes))
        return false;
    memcpy(copy, text, bytes);
    copy[bytes] = 0;
    if (inet_pton(AF_INET, copy, &v4) != 1)
        return inet_pton(AF_INET6, copy, out->bytes) == 1;
    set_mapped(out, &v4);
    return true;
}

bool address_of_socket(const struct sockaddr *socket, struct address *out) {
    if (socket->sa_family == AF_INET)
        set_mapped(out, &((const struct sockaddr_in *)socket)->sin_addr);
    else if (socket->sa_family == AF_INET6)
        memcpy(out->bytes, &((const struct sockaddr_in6 *)socket)->sin6_addr, sizeof out->bytes);
    else
        return false;
    return true;
}

const char *address_format(const struct address *address, char text[ADDRESS_TEXT]) {
    bool v4 = is_mapped(address);
    const uint8_t *from = address->bytes + (v4 ? sizeof mapped : 0);
    if (!inet_ntop(v4 ? AF_INET : AF_INET6, from, text, ADDRESS_TEXT))
        *text = 0;
    return text;
}

bool address_is_loopback(const struct address *address) {
    static const struct address one = {.bytes = {[15] = 1}};
    return is_mapped(address) ? address->bytes[12] == 127
                              : !memcmp(address->bytes, one.bytes, sizeof one.bytes);
}

uint64_t address_block(const struct address *address) {
    bool v4 = is_mapped(address);
    const uint8_t *from = address->bytes + (v4 ? sizeof mapped : 0);
    uint64_t block = v4 ? 4 : 6; /* the family in the highest byte */
    for (int i = 0; i < 7; i++)
        block = block << 8 | (!v4 || i < 3 ? from[i] : 0);
    return block;
}

static bool bit(const struct address *address, unsigned number) {
    return address->bytes[number / 8] >> (7 - number % 8) & 1;
}

static bool within(const struct address *address, const struct address_range *range) {
    unsigned whole = range->bits / 8;
    if (memcmp(address->bytes, range->first.bytes, whole) != 0)
        return false;
    for (unsigned number = whole * 8; number < range->bits; number++)
        if (bit(address, number) != bit(&range->first, number))
            return false;
    return true;
}

bool address_within(const struct address *address, const struct address_range *ranges,
                    size_t count) {
    for (size_t i = 0; i < count; i++)
        if (within(address, &ranges[i]))
            return true;
    return false;
}

static bool range_parse(const char *text, struct address_range *out) {
    size_t length = strcspn(text, "/");
    if (!address_parse(text, length, &out->first))
        return false;
    unsigned base = memchr(text, ':', length) ? 0 : MAPPED_BITS;
    out->bits = 128;
    if (text[length]) {
        char *end;
        const char *digits = text + length + 1;
        unsigned long bits = strtoul(digits, &end, 10);
        if (*digits < '0' || *digits > '9' || *end || bits > 128 - base)
            return false;
        out->bits = base + (unsigned)bits;
    }
    for (unsigned number = out->bits; number < 128; number++)
        if (bit(&out->first, number))
            return false;
    return true;
}

int address_ranges_parse(const char *list, struct address_range *out, size_t max,
                         struct wb_error *err) {
    char *copy = strdup(list), *rest = copy;
    size_t count = 0;
    int status = copy ? 0 : problem(err, WB_E_SYSTEM, "out of memory");
    for (char *text; !status && (text = strsep(&rest, " ,\t\n"));) {
        if (!*text)
            continue;
        if (count == max) {
            status = problem(err, WB_E_CONFIG, "more than %zu ranges of addresses", max);
        } else if (!range_parse(text, &out[count++])) {
            problem(err, WB_E_CONFIG, "'%s' is no range of addresses", text);
            status = problem_hint(err, "write it as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32, with "
                                       "nothing but zeros behind the prefix");
        }
    }
    free(copy);
    return status ? -1 : (int)count;
}
