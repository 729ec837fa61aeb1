#include "common/endpoints.h"

#include <stdbool.h>
#include <string.h>

#include "proto/problem.h"

#define DIVIDERS   ", \t\r\n"
#define PORT_MAX   65535
#define PORT_BYTES 5

static const char scheme[] = "tcp://";

static bool is_port(const char *text) {
    unsigned long port = 0;
    size_t digits = strspn(text, "0123456789");
    for (size_t i = 0; i < digits && digits <= PORT_BYTES; i++)
        port = port * 10 + (unsigned long)(text[i] - '0');
    return digits && digits <= PORT_BYTES && !text[digits] && port > 0 && port <= PORT_MAX;
}

/* tcp://HOST:PORT. A host of several colons, as IPv6 has them, stands in brackets; what else a
 * host may be is for the resolver to say. */
static bool is_endpoint(const char *text) {
    size_t skipped = sizeof scheme - 1;
    if (strncmp(text, scheme, skipped) != 0)
        return false;
    const char *host = text + skipped;
    const char *colon = strrchr(host, ':');
    if (!colon || colon == host || *host == '*' || !is_port(colon + 1))
        return false;
    bool brackets = *host == '[' && colon[-1] == ']';
    return brackets || !memchr(host, ':', (size_t)(colon - host));
}

static int refuse(const char *text, size_t bytes, const char *why, struct wb_error *err) {
    problem(err, WB_E_USAGE, "endpoint '%.*s'%s", (int)(bytes < 120 ? bytes : 120), text, why);
    return problem_hint(err, "write it as tcp://HOST:PORT; several with commas between");
}

static int add(struct endpoints *list, const char *text, size_t bytes, struct wb_error *err) {
    if (list->count == ENDPOINTS_MAX)
        return refuse(text, bytes, ": 8 brokers are the most", err);
    if (bytes >= ENDPOINT_BYTES)
        return refuse(text, bytes, "… is too long", err);
    char *place = list->text[list->count];
    memcpy(place, text, bytes);
    place[bytes] = '\0';
    if (!is_endpoint(place))
        return refuse(text, bytes, "", err);
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->text[i], place) == 0)
            return refuse(text, bytes, " is named twice", err);
    list->count++;
    return 0;
}

int endpoints_parse(struct endpoints *list, const char *text, struct wb_error *err) {
    list->count = 0;
    for (const char *at = text + strspn(text, DIVIDERS); *at; at += strspn(at, DIVIDERS)) {
        size_t bytes = strcspn(at, DIVIDERS);
        if (add(list, at, bytes, err))
            return -1;
        at += bytes;
    }
    return list->count ? 0 : refuse(text, strlen(text), " names no broker", err);
}
