#include "subscribers/gateway/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/http.h"
#include "common/timestamp.h"
#include "proto/problem.h"
#include "subscribers/gateway/asset.h"
#include "subscribers/gateway/catalogue.h"
#include "subscribers/gateway/story.h"
#include "subscribers/gateway/template.h"
#include "web_templates.h"

#define HTML   "text/html; charset=utf-8"
#define AWAY_S 15

struct pages {
    struct catalogue *catalogue;
    struct template_set *templates;
};

#define TEMPLATE(name)                                                                             \
    { #name, embed_##name##_html, &embed_##name##_html_size }
static const struct {
    const char *name;
    const unsigned char *data;
    const size_t *bytes;
} templates[] = {
    TEMPLATE(head),  TEMPLATE(foot), TEMPLATE(form),   TEMPLATE(find),    TEMPLATE(case),
    TEMPLATE(story), TEMPLATE(node), TEMPLATE(notice), TEMPLATE(missing), TEMPLATE(later),
};
#undef TEMPLATE

struct pages *pages_open(struct wb_error *err) {
    struct pages *pages = calloc(1, sizeof *pages);
    if (!pages) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    pages->catalogue = catalogue_open(err);
    pages->templates = template_set_new();
    int status = pages->catalogue && pages->templates ? 0 : -1;
    for (size_t i = 0; !status && i < sizeof templates / sizeof *templates; i++)
        status = template_add(pages->templates, templates[i].name, (const char *)templates[i].data,
                              *templates[i].bytes, err);
    if (!status)
        status = template_link(pages->templates, err);
    if (!status)
        return pages;
    pages_free(pages);
    return NULL;
}

void pages_free(struct pages *pages) {
    if (!pages)
        return;
    catalogue_free(pages->catalogue);
    template_set_free(pages->templates);
    free(pages);
}

/* Which language, and whether the reader chose it, so that links keep the choice. */
struct reader {
    const struct language *language;
    bool chosen;
};

static struct reader reader_of(const struct pages *pages, const struct http_exchange *exchange) {
    const char *wanted = http_query(exchange, "lang");
    const struct language *chosen = wanted ? catalogue_find(pages->catalogue, wanted) : NULL;
    if (chosen)
        return (struct reader){chosen, true};
    const char *accept = http_header(exchange, "accept-language");
    return (struct reader){catalogue_negotiate(pages->catalogue, accept), false};
}

static void put(json_t *context, const char *name, json_t *value) {
    json_object_set_new(context, name, value ? value : json_null());
}

static void put_text(json_t *context, const char *name, const char *text) {
    put(context, name, json_string(text));
}

static void put_path(json_t *context, const char *name, const struct reader *reader,
                     const char *path) {
    struct buffer text;
    buffer_init(&text, 0);
    buffer_text(&text, path);
    if (reader->chosen)
        buffer_printf(&text, "?lang=%s", reader->language->code);
    put_text(context, name, buffer_string(&text));
    buffer_free(&text);
}

static json_t *other_languages(const struct pages *pages, const struct reader *reader) {
    json_t *list = json_array();
    for (size_t i = 0; i < pages->catalogue->count; i++) {
        const struct language *language = &pages->catalogue->languages[i];
        char href[48];
        if (language == reader->language)
            continue;
        snprintf(href, sizeof href, "?lang=%s", language->code);
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:s}", "code", language->code, "html",
                                        language_text(language, "language.html"), "name",
                                        language_text(language, "language.name"), "href", href));
    }
    return list;
}

/* What every page needs. title: the part before the product's name. */
static json_t *begin(const struct pages *pages, const struct reader *reader, json_t *context,
                     const char *title) {
    put(context, "t", json_incref(reader->language->texts));
    put(context, "title", language_format(reader->language, "product.title", "page", title, NULL));
    put(context, "assets",
        json_pack("{s:s, s:s}", "css", asset_path("case.css"), "js", asset_path("case.js")));
    put(context, "languages", other_languages(pages, reader));
    put_path(context, "home", reader, "/");
    put_path(context, "action", reader, "/");
    return context;
}

/* Takes the context over. */
static void answer(const struct pages *pages, struct http_exchange *exchange, int status,
                   const char *template, json_t *context, const char *const *headers) {
    struct buffer out;
    buffer_init(&out, 0);
    if (template_render(pages->templates, template, context, &out) || out.failed) {
        static const char words[] = "The page could not be made.\n";
        http_answer(exchange, 500, "text/plain; charset=utf-8", NULL, words, sizeof words - 1);
    } else {
        http_answer(exchange, status, HTML, headers, out.data, out.length);
    }
    buffer_free(&out);
    json_decref(context);
}

static const char *const private_page[] = {"Cache-Control: no-store", "Vary: Accept-Language",
                                           NULL};

void page_find(const struct pages *pages, struct http_exchange *exchange, int status,
               const char *fault, const char *given) {
    struct reader reader = reader_of(pages, exchange);
    json_t *context =
        begin(pages, &reader, json_object(), language_text(reader.language, "find.page"));
    put_text(context, "tone", "moving");
    put_text(context, "given", given);
    put(context, "fault", fault ? json_string(language_text(reader.language, fault)) : NULL);
    answer(pages, exchange, status, "find", context, private_page);
}

static void put_missing(const struct pages *pages, struct http_exchange *exchange,
                        const char *title, const char *explain) {
    struct reader reader = reader_of(pages, exchange);
    json_t *context =
        begin(pages, &reader, json_object(), language_text(reader.language, "missing.page"));
    put_text(context, "tone", "closed");
    put_text(context, "given", "");
    put_text(context, "headline", language_text(reader.language, title));
    put_text(context, "explain", language_text(reader.language, explain));
    answer(pages, exchange, 404, "missing", context, private_page);
}

void page_missing_case(const struct pages *pages, struct http_exchange *exchange) {
    put_missing(pages, exchange, "missing.title", "missing.explain");
}

void page_missing(const struct pages *pages, struct http_exchange *exchange) {
    put_missing(pages, exchange, "missing.path_title", "missing.path_explain");
}

/* Not now: the texts are those of the section ("away", "throttled"). again: the page tries by
 * itself. */
static void put_later(const struct pages *pages, struct http_exchange *exchange, int status,
                      const char *section, int wait_s, bool again) {
    struct reader reader = reader_of(pages, exchange);
    char key[32], count[16], retry[32];
    const char *const headers[] = {"Cache-Control: no-store", retry, NULL};
    snprintf(retry, sizeof retry, "Retry-After: %d", wait_s);
    snprintf(count, sizeof count, "%d", wait_s);
    snprintf(key, sizeof key, "%s.page", section);
    json_t *context = begin(pages, &reader, json_object(), language_text(reader.language, key));
    put_text(context, "tone", "closed");
    put_text(context, "section", section);
    put(context, "refresh", again ? json_string(count) : NULL);
    snprintf(key, sizeof key, "%s.title", section);
    put_text(context, "headline", language_text(reader.language, key));
    snprintf(key, sizeof key, "%s.explain", section);
    put_text(context, "explain", language_text(reader.language, key));
    snprintf(key, sizeof key, "%s.retry", section);
    put(context, "retry", language_format(reader.language, key, "count", count, NULL));
    answer(pages, exchange, status, "later", context, headers);
}

void page_away(const struct pages *pages, struct http_exchange *exchange) {
    put_later(pages, exchange, 503, "away", AWAY_S, true);
}

void page_throttled(const struct pages *pages, struct http_exchange *exchange, int wait_s) {
    put_later(pages, exchange, 429, "throttled", wait_s, false);
}

/* Everything but RFC 3986's unreserved characters. */
static void percent_encode(struct buffer *out, const char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-._~", c);
        buffer_printf(out, plain ? "%c" : "%%%02X", c);
    }
}

static void case_path(struct buffer *out, const char *case_no, const char *code,
                      const char *behind) {
    buffer_text(out, "/c/");
    percent_encode(out, case_no);
    buffer_text(out, "/");
    percent_encode(out, code);
    buffer_text(out, behind);
}

void page_case(const struct pages *pages, struct http_exchange *exchange, const json_t *view,
               const char *case_no, const char *code, bool fragment) {
    struct reader reader = reader_of(pages, exchange);
    struct buffer path;
    json_t *context = story_of(view, reader.language, timestamp_now_us());
    if (!context)
        context = json_object();
    char title[400];
    snprintf(title, sizeof title, "%s · %s",
             json_string_value(json_object_get(context, "headline")),
             json_string_value(json_object_get(context, "item")));
    begin(pages, &reader, context, title);
    put(context, "live", json_true());
    buffer_init(&path, 0);
    case_path(&path, case_no, code, "/events");
    put_text(context, "events", buffer_string(&path));
    buffer_clear(&path);
    case_path(&path, case_no, code, "/fragment");
    put_path(context, "fragment", &(struct reader){reader.language, true}, buffer_string(&path));
    buffer_free(&path);
    answer(pages, exchange, 200, fragment ? "story" : "case", context, private_page);
}

void page_go(const struct pages *pages, struct http_exchange *exchange, const char *case_no,
             const char *code) {
    struct reader reader = reader_of(pages, exchange);
    struct buffer path, location;
    buffer_init(&path, 0);
    buffer_init(&location, 0);
    case_path(&path, case_no, code, "");
    buffer_printf(&location, "Location: %s%s%s", buffer_string(&path),
                  reader.chosen ? "?lang=" : "", reader.chosen ? reader.language->code : "");
    const char *const headers[] = {buffer_string(&location), "Cache-Control: no-store", NULL};
    http_answer(exchange, 303, NULL, headers, "", 0);
    buffer_free(&path);
    buffer_free(&location);
}
