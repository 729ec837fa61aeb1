#include "common/http_request.h"

#include "proto/wire.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct http_request *request_of(http_parser *parser) {
    return parser->data;
}

/* Makes the parser stop; the status is what the client is told. */
static int refuse(struct http_request *request, int status) {
    if (!request->refused)
        request->refused = status;
    return -1;
}

static int append_head(struct http_request *request, const char *at, size_t bytes, int status) {
    if (bytes > request->limits->head_bytes ||
        request->head.length > request->limits->head_bytes - bytes)
        return refuse(request, status);
    buffer_append(&request->head, at, bytes);
    return request->head.failed ? refuse(request, 503) : 0;
}

static int on_target(http_parser *parser, const char *at, size_t bytes) {
    return append_head(request_of(parser), at, bytes, 414);
}

static int on_name(http_parser *parser, const char *at, size_t bytes) {
    struct http_request *request = request_of(parser);
    if (request->place == HTTP_IN_BODY)
        return 0; /* a trailer */
    if (request->place != HTTP_IN_NAME) {
        if (request->header_count == HTTP_HEADERS_MAX)
            return refuse(request, 431);
        buffer_append(&request->head, "", 1);
        request->headers[request->header_count++].name = (uint32_t)request->head.length;
        request->place = HTTP_IN_NAME;
    }
    return append_head(request, at, bytes, 431);
}

static int on_value(http_parser *parser, const char *at, size_t bytes) {
    struct http_request *request = request_of(parser);
    if (request->place == HTTP_IN_BODY)
        return 0;
    if (request->place == HTTP_IN_NAME) {
        buffer_append(&request->head, "", 1);
        request->headers[request->header_count - 1].value = (uint32_t)request->head.length;
        request->place = HTTP_IN_VALUE;
    }
    return append_head(request, at, bytes, 431);
}

static int check_host(const struct http_request *request) {
    int hosts = 0;
    for (size_t i = 0; i < request->header_count; i++)
        hosts += !strcasecmp((const char *)request->head.data + request->headers[i].name, "host");
    bool old = request->parser.http_minor == 0;
    return hosts == 1 || (old && hosts == 0) ? 0 : -1;
}

/* Whatever else a proxy in front might take for the body's end. */
static int check_encoding(const struct http_request *request) {
    int encodings = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        const char *head = (const char *)request->head.data;
        if (strcasecmp(head + request->headers[i].name, "transfer-encoding") != 0)
            continue;
        const char *value = request->headers[i].value ? head + request->headers[i].value : "";
        size_t word = strcspn(value, " \t");
        bool chunked = word == 7 && !strncasecmp(value, "chunked", word) &&
                       !value[word + strspn(value + word, " \t")];
        if (!chunked || encodings++)
            return -1;
    }
    return 0;
}

static int on_head(http_parser *parser) {
    struct http_request *request = request_of(parser);
    buffer_append(&request->head, "", 1);
    if (request->head.failed)
        return refuse(request, 503);
    request->place = HTTP_IN_BODY;
    if (parser->http_major != 1 || parser->http_minor > 1)
        return refuse(request, 505);
    if (check_host(request))
        return refuse(request, 400);
    if (check_encoding(request))
        return refuse(request, 501);
    /* An offer to speak another protocol may be passed over (RFC 9110, 7.8). */
    parser->upgrade = 0;
    bool sized = parser->flags & F_CONTENTLENGTH;
    if (sized && parser->content_length > request->limits->body_bytes)
        return refuse(request, 413);
    const char *expect = http_request_header(request, "expect");
    if (expect && strcasecmp(expect, "100-continue") != 0)
        return refuse(request, 417);
    bool body = (parser->flags & F_CHUNKED) || (sized && parser->content_length);
    request->continue_wanted = expect && body && parser->http_minor;
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t bytes) {
    struct http_request *request = request_of(parser);
    if (bytes > request->limits->body_bytes ||
        request->body.length > request->limits->body_bytes - bytes)
        return refuse(request, 413);
    request->continue_wanted = false;
    buffer_append(&request->body, at, bytes);
    return request->body.failed ? refuse(request, 503) : 0;
}

static int on_whole(http_parser *parser) {
    struct http_request *request = request_of(parser);
    request->whole = true;
    request->continue_wanted = false;
    request->keep_alive = http_should_keep_alive(parser);
    http_parser_pause(parser, 1); /* what follows belongs to the next request */
    return 0;
}

static const http_parser_settings settings = {
    .on_url = on_target,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_whole,
};

struct http_request *http_request_new(const struct http_limits *limits) {
    struct http_request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    request->limits = limits;
    http_parser_init(&request->parser, HTTP_REQUEST);
    request->parser.data = request;
    buffer_init(&request->head, 0);
    buffer_init(&request->body, 0);
    return request;
}

void http_request_free(struct http_request *request) {
    if (!request)
        return;
    buffer_free(&request->head);
    buffer_free(&request->body);
    free(request->path);
    free(request->parts_text);
    free(request->query.text);
    free(request->form.text);
    free(request);
}

static int hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place. A carriage return, as text areas send them, becomes a newline. False if the text has a
 * broken escape, a control character or is not UTF-8. */
static bool decode(char *text, bool plus_is_space) {
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in == '+' && plus_is_space) {
            *out++ = ' ';
            continue;
        }
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        int high = hex(in[1]), low = high < 0 ? -1 : hex(in[2]);
        if (low < 0 || !(high | low))
            return false;
        int c = high << 4 | low;
        *out++ = (char)(c == '\r' ? '\n' : c);
        in += 2;
    }
    *out = 0;
    return wire_utf8(text, (size_t)(out - text), true);
}

/* Splits "a=1&b=2", which params takes over. What cannot be decoded is passed over; false if there
 * was such. */
static bool split_params(struct http_params *params, char *text) {
    params->text = text;
    char *rest = text;
    bool whole = true;
    for (char *pair; (pair = strsep(&rest, "&"));) {
        if (!*pair)
            continue;
        if (params->count == HTTP_PARAMS_MAX) {
            params->passed_over = true;
            continue;
        }
        char *value = pair;
        char *name = strsep(&value, "=");
        if (decode(name, true) && (!value || decode(value, true)))
            params->pairs[params->count++] = (struct http_pair){name, value ? value : ""};
        else
            whole = false;
    }
    params->passed_over = params->passed_over || !whole;
    return whole;
}

static bool split_path(struct http_request *request) {
    char *rest = request->parts_text + 1;
    for (char *part; (part = strsep(&rest, "/")); request->part_count++) {
        if (!decode(part, false))
            return false;
        if (request->part_count < HTTP_PARTS_MAX)
            request->parts[request->part_count] = part;
    }
    return true;
}

/* Where path and query begin: of the origin form ("/path?query") and, as RFC 9112 asks, of the
 * absolute one, whose host is ignored and whose path may be missing. NULL if it is neither. */
static const char *target_path(const char *target) {
    if (*target == '/')
        return target;
    const char *host = target + strcspn(target, ":/?#");
    if (host == target || strncmp(host, "://", 3) != 0)
        return NULL;
    return host + 3 + strcspn(host + 3, "/?#");
}

static int split_target(struct http_request *request) {
    const char *from = target_path((const char *)request->head.data);
    if (!from)
        return 400;
    size_t length = strcspn(from, "?#");
    request->path = length ? strndup(from, length) : strdup("/");
    request->parts_text = request->path ? strdup(request->path) : NULL;
    if (!request->path || !request->parts_text)
        return 503;
    if (!decode(request->path, false) || !split_path(request))
        return 400;
    if (from[length] != '?')
        return 0;
    char *query = strndup(from + length + 1, strcspn(from + length + 1, "#"));
    if (!query)
        return 503;
    split_params(&request->query, query); /* links gather strange parameters on their way */
    return 0;
}

static int read_form(struct http_request *request) {
    const char *type = http_request_header(request, "content-type");
    const char *urlencoded = "application/x-www-form-urlencoded";
    if (!type || strncasecmp(type, urlencoded, strlen(urlencoded)) != 0)
        return 0;
    if (!request->body.length || memchr(request->body.data, 0, request->body.length))
        return request->body.length ? 400 : 0;
    char *text = strndup((const char *)request->body.data, request->body.length);
    if (!text)
        return 503;
    return split_params(&request->form, text) ? 0 : 400;
}

static int parser_status(const http_parser *parser) {
    switch (HTTP_PARSER_ERRNO(parser)) {
    case HPE_HEADER_OVERFLOW:
        return 431;
    case HPE_INVALID_VERSION:
        return 505;
    default:
        return 400;
    }
}

int http_request_read(struct http_request *request, const char *data, size_t bytes, size_t *used) {
    *used = http_parser_execute(&request->parser, &settings, data, bytes);
    if (request->refused)
        return request->refused;
    if (!request->whole)
        return HTTP_PARSER_ERRNO(&request->parser) == HPE_OK ? 0 : parser_status(&request->parser);
    int status = split_target(request);
    if (!status)
        status = read_form(request);
    return status ? status : 1;
}

const char *http_request_header(const struct http_request *request, const char *name) {
    const char *head = (const char *)request->head.data;
    for (size_t i = 0; i < request->header_count; i++)
        if (!strcasecmp(head + request->headers[i].name, name))
            return request->headers[i].value ? head + request->headers[i].value : "";
    return NULL;
}

const char *http_request_param(const struct http_params *params, const char *name) {
    for (size_t i = 0; i < params->count; i++)
        if (!strcmp(params->pairs[i].name, name))
            return params->pairs[i].value;
    return NULL;
}
