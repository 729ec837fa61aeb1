#include "common/http_client.h"

#include "proto/problem.h"

#include <string.h>
#include <strings.h>

int http_proxies_parse(struct http_proxies *proxies, const char *ranges, const char *header,
                       struct wb_error *err) {
    proxies->forwarded = header && !strcasecmp(header, "forwarded");
    if (header && *header && !proxies->forwarded && strcasecmp(header, "x-forwarded-for") != 0) {
        problem(err, WB_E_CONFIG, "'%s' is no header that tells of clients", header);
        return problem_hint(err, "write x-forwarded-for or forwarded");
    }
    int count = address_ranges_parse(ranges ? ranges : "", proxies->ranges, HTTP_PROXIES_MAX, err);
    proxies->count = count < 0 ? 0 : (size_t)count;
    return count < 0 ? -1 : 0;
}

bool http_proxies_have(const struct http_proxies *proxies, const struct address *address) {
    return address_within(address, proxies->ranges, proxies->count);
}

struct text {
    const char *at;
    size_t bytes;
};

static struct text trim(struct text text) {
    while (text.bytes && (*text.at == ' ' || *text.at == '\t'))
        text.at++, text.bytes--;
    while (text.bytes && (text.at[text.bytes - 1] == ' ' || text.at[text.bytes - 1] == '\t'))
        text.bytes--;
    return text;
}

/* Cuts the part behind the last separator off the rest, which becomes {NULL, 0} with the first
 * part. What stands in quotes does not separate; quotes are looked for from the right, so that one
 * which a client left open further left changes nothing. */
static struct text cut_last(struct text *rest, char separator) {
    bool quoted = false;
    size_t begin = rest->bytes;
    while (begin && (quoted || rest->at[begin - 1] != separator))
        quoted ^= rest->at[--begin] == '"';
    struct text part = {rest->at + begin, rest->bytes - begin};
    *rest = begin ? (struct text){rest->at, begin - 1} : (struct text){NULL, 0};
    return trim(part);
}

/* A port, as RFC 7239 has it: up to five digits. "_hidden" ones are not taken. */
static bool is_port(struct text text) {
    if (text.bytes < 2 || text.bytes > 6 || *text.at != ':')
        return false;
    for (size_t i = 1; i < text.bytes; i++)
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    return true;
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::7" (bare), "[2001:db8::7]", "[2001:db8::7]:80". */
static bool node_parse(struct text node, bool bare, struct address *out) {
    const char *close = node.bytes && *node.at == '[' ? memchr(node.at, ']', node.bytes) : NULL;
    if (close) {
        size_t length = (size_t)(close - node.at);
        struct text port = {close + 1, node.bytes - length - 1};
        return memchr(node.at + 1, ':', length - 1) && (!port.bytes || is_port(port)) &&
               address_parse(node.at + 1, length - 1, out);
    }
    const char *colon = node.bytes ? memchr(node.at, ':', node.bytes) : NULL;
    size_t before = colon ? (size_t)(colon - node.at) : node.bytes;
    if (!colon || is_port((struct text){colon, node.bytes - before}))
        return memchr(node.at, '.', before) && address_parse(node.at, before, out);
    return bare && address_parse(node.at, node.bytes, out);
}

/* 'for="[2001:db8::7]:80";proto=https', with exactly one `for`. */
static bool forwarded_parse(struct text element, struct address *out) {
    bool found = false;
    while (element.at) {
        struct text pair = cut_last(&element, ';');
        if (pair.bytes < 4 || strncasecmp(pair.at, "for=", 4) != 0)
            continue;
        struct text node = {pair.at + 4, pair.bytes - 4};
        bool quoted = node.bytes >= 2 && *node.at == '"' && node.at[node.bytes - 1] == '"';
        if (quoted)
            node = (struct text){node.at + 1, node.bytes - 2};
        bool v6_unquoted = !quoted && node.bytes && memchr(node.at, ':', node.bytes);
        if (found || v6_unquoted || !node_parse(node, false, out))
            return false;
        found = true;
    }
    return found;
}

/* Where the walk along the proxies stands. */
struct walk {
    const struct http_proxies *proxies;
    struct address at;
    int hops;
};

/* Goes on through the addresses of one header line. False once there is nobody further left to be
 * believed. */
static bool walk_line(struct walk *walk, const char *line) {
    struct text rest = {line, strlen(line)};
    while (rest.at && walk->hops++ < HTTP_HOPS_MAX) {
        struct address next;
        struct text element = cut_last(&rest, ',');
        if (!element.bytes)
            continue; /* RFC 9110, 5.6.1: an empty element of a list says nothing */
        bool read = walk->proxies->forwarded ? forwarded_parse(element, &next)
                                             : node_parse(element, true, &next);
        if (!read)
            return false;
        walk->at = next;
        if (!http_proxies_have(walk->proxies, &next))
            return false;
    }
    return walk->hops < HTTP_HOPS_MAX;
}

struct address http_client(const struct http_proxies *proxies, const struct http_request *request,
                           const struct address *peer) {
    struct walk walk = {.proxies = proxies, .at = *peer};
    if (!http_proxies_have(proxies, peer))
        return *peer;
    const char *name = proxies->forwarded ? "forwarded" : "x-forwarded-for";
    const char *head = (const char *)request->head.data;
    for (size_t i = request->header_count; i-- > 0;) { /* the last line is the nearest proxy's */
        if (strcasecmp(head + request->headers[i].name, name) != 0 || !request->headers[i].value)
            continue;
        if (!walk_line(&walk, head + request->headers[i].value))
            break;
    }
    return walk.at;
}
