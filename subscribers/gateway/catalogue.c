#include "subscribers/gateway/catalogue.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buffer.h"
#include "proto/problem.h"
#include "web_messages.h"

static const struct {
    const unsigned char *data;
    const size_t *bytes;
} files[] = {
#define LANGUAGE(symbol) {embed_##symbol##_json, &embed_##symbol##_json_size},
#include "languages.def"
#undef LANGUAGE
};

static json_t *find(const json_t *texts, const char *key) {
    char part[48];
    json_t *value = (json_t *)texts;
    for (; value && *key; key += strspn(key, ".")) {
        size_t length = strcspn(key, ".");
        if (length >= sizeof part)
            return NULL;
        memcpy(part, key, length);
        part[length] = 0;
        value = json_object_get(value, part);
        key += length;
    }
    return value;
}

static int compare(const void *a, const void *b) {
    const struct language *left = a, *right = b;
    json_int_t x = json_integer_value(find(left->texts, "language.order"));
    json_int_t y = json_integer_value(find(right->texts, "language.order"));
    return (x > y) - (x < y);
}

struct catalogue *catalogue_open(struct wb_error *err) {
    struct catalogue *catalogue = calloc(1, sizeof *catalogue);
    if (!catalogue) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < sizeof files / sizeof *files && i < CATALOGUE_LANGUAGES; i++) {
        json_error_t fault;
        struct language *language = &catalogue->languages[catalogue->count++];
        language->texts = json_loadb((const char *)files[i].data, *files[i].bytes,
                                     JSON_REJECT_DUPLICATES, &fault);
        language->code = json_string_value(find(language->texts, "language.code"));
        if (!language->texts || !language->code) {
            problem(err, WB_E_FORMAT, "messages, file %zu, line %d: %s", i + 1, fault.line,
                    language->texts ? "language.code is missing" : fault.text);
            catalogue_free(catalogue);
            return NULL;
        }
    }
    qsort(catalogue->languages, catalogue->count, sizeof *catalogue->languages, compare);
    for (size_t i = 1; i < catalogue->count; i++)
        catalogue->languages[i].fallback = &catalogue->languages[0];
    return catalogue;
}

void catalogue_free(struct catalogue *catalogue) {
    if (!catalogue)
        return;
    for (size_t i = 0; i < catalogue->count; i++)
        json_decref(catalogue->languages[i].texts);
    free(catalogue);
}

static const struct language *find_language(const struct catalogue *catalogue, const char *code,
                                            size_t bytes) {
    for (size_t i = 0; i < catalogue->count; i++) {
        const struct language *language = &catalogue->languages[i];
        if (strlen(language->code) == bytes && !strncasecmp(language->code, code, bytes))
            return language;
    }
    return NULL;
}

const struct language *catalogue_find(const struct catalogue *catalogue, const char *code) {
    return find_language(catalogue, code, strlen(code));
}

/* "en-GB", then its first part, "en". */
static const struct language *match_range(const struct catalogue *catalogue, const char *range,
                                          size_t bytes) {
    const struct language *language = find_language(catalogue, range, bytes);
    size_t primary = 0;
    while (primary < bytes && range[primary] != '-')
        primary++;
    return language ? language : find_language(catalogue, range, primary);
}

const struct language *catalogue_negotiate(const struct catalogue *catalogue, const char *accept) {
    const struct language *best = &catalogue->languages[0];
    double best_weight = 0;
    while (accept && *accept) {
        accept += strspn(accept, ", \t");
        size_t whole = strcspn(accept, ","), name = strcspn(accept, ",; \t");
        const char *weight_text = memmem(accept, whole, "q=", 2);
        double weight = weight_text ? strtod(weight_text + 2, NULL) : 1;
        const struct language *language = match_range(catalogue, accept, name);
        if (language && weight > best_weight && weight <= 1) {
            best = language;
            best_weight = weight;
        }
        accept += whole;
    }
    return best;
}

const char *language_text(const struct language *language, const char *key) {
    const char *text = json_string_value(find(language->texts, key));
    if (text)
        return text;
    return language->fallback ? language_text(language->fallback, key) : key;
}

const char *language_entry(const struct language *language, const char *key, size_t index) {
    const char *text = json_string_value(json_array_get(find(language->texts, key), index));
    if (text)
        return text;
    return language->fallback ? language_entry(language->fallback, key, index) : key;
}

/* The value for {name}, NULL if the caller gave none. */
static const char *argument(va_list pairs, const char *name, size_t bytes) {
    va_list copy;
    const char *found = NULL;
    va_copy(copy, pairs);
    for (const char *key; !found && (key = va_arg(copy, const char *));) {
        const char *value = va_arg(copy, const char *);
        if (strlen(key) == bytes && !memcmp(key, name, bytes))
            found = value;
    }
    va_end(copy);
    return found;
}

json_t *language_format(const struct language *language, const char *key, ...) {
    struct buffer out;
    va_list pairs;
    buffer_init(&out, 0);
    va_start(pairs, key);
    for (const char *at = language_text(language, key); *at;) {
        size_t plain = strcspn(at, "{");
        buffer_append(&out, at, plain);
        at += plain;
        const char *close = strchr(at, '}');
        const char *value = close ? argument(pairs, at + 1, (size_t)(close - at - 1)) : NULL;
        if (value) {
            buffer_text(&out, value);
            at = close + 1;
        } else if (*at) {
            buffer_append(&out, at++, 1);
        }
    }
    va_end(pairs);
    json_t *text = out.failed ? NULL : json_string(buffer_string(&out));
    buffer_free(&out);
    return text;
}
