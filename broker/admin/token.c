#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "broker/admin/connection.h"
#include "broker/admin/list.h"
#include "broker/admin/statements.h"
#include "common/buffer.h"
#include "common/digest.h"
#include "proto/problem.h"
#include "proto/validate.h"

#define TOKENS_MAX   "10000" /* brokers hold all of them in memory */
#define SECRET_BYTES 32
#define BYTEA_TEXT   (2 * DIGEST_SHA256 + 3)
#define LISTS        3
#define LASTS_MAX_MS (INT64_C(3650) * 86400000)

static const char *const fields_of_lists[LISTS] = {"agency", "region_code", "item_code"};

static const struct wb_admin_list *list_of(const struct wb_admin_token *token, size_t i) {
    const struct wb_admin_list *all[LISTS] = {&token->agencies, &token->regions, &token->items};
    return all[i];
}

static int check(const struct wb_admin_token *token, int64_t lasts_ms, struct wb_error *err) {
    if (source_validate(token->name, err) != 0) /* the same form */
        return -1;
    if (strcmp(token->audience, "staff") != 0 && strcmp(token->audience, "public") != 0) {
        char value[PROBLEM_VALUE];
        problem(err, WB_E_USAGE, "a token for the audience %s",
                problem_value(token->audience, strlen(token->audience), value));
        return problem_hint(err, "tokens are for staff or for public; applicants have their code");
    }
    if (lasts_ms < 1 || lasts_ms > LASTS_MAX_MS) {
        problem(err, WB_E_USAGE, "a token that lasts %lld ms", (long long)lasts_ms);
        return problem_hint(err, "give it a moment at least, and 3650 days at most");
    }
    for (size_t i = 0; i < LISTS; i++)
        if (list_check_prefixes(list_of(token, i), fields_of_lists[i], err) != 0)
            return -1;
    return 0;
}

/* A new text, and its digest as PostgreSQL reads a bytea. */
static void make(char text[WB_ADMIN_TOKEN_TEXT], char bytea[BYTEA_TEXT]) {
    static const char prefix[] = "wbt_"; /* so that a scanner for lost secrets knows one */
    uint8_t secret[SECRET_BYTES], digest[DIGEST_SHA256];
    random_bytes(secret, sizeof secret);
    memcpy(text, prefix, sizeof prefix);
    sodium_bin2base64(text + sizeof prefix - 1, WB_ADMIN_TOKEN_TEXT - sizeof prefix + 1, secret,
                      sizeof secret, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(secret, sizeof secret);
    digest_sha256(text, strlen(text), digest);
    bytea[0] = '\\';
    bytea[1] = 'x';
    sodium_bin2hex(bytea + 2, BYTEA_TEXT - 2, digest, sizeof digest);
}

static int check_room(wb_admin *admin, struct wb_error *err) {
    const char *most = TOKENS_MAX;
    bool room;
    if (connection_ask(admin, SQL_TOKENS_ROOM, 1, &most, &room, err) != 0)
        return -1;
    if (room)
        return 0;
    problem(err, WB_E_USAGE, "there are %s tokens, and there may not be more", most);
    return problem_hint(err, "waybill admin token remove makes room");
}

static int insert(wb_admin *admin, const struct wb_admin_token *token, int64_t lasts_ms,
                  const char *bytea, struct buffer *detail, struct wb_error *err) {
    struct buffer arrays[LISTS];
    char lasts[24];
    const char *values[] = {token->name, bytea, token->audience, NULL, NULL, NULL, lasts};
    bool failed = false;
    snprintf(lasts, sizeof lasts, "%lld", (long long)lasts_ms);
    for (size_t i = 0; i < LISTS; i++) {
        buffer_init(&arrays[i], 0);
        list_put(&arrays[i], list_of(token, i));
        values[3 + i] = buffer_string(&arrays[i]);
        failed = failed || arrays[i].failed;
    }
    PGresult *r = failed ? NULL : connection_query(admin, SQL_TOKEN_ADD, 7, values, err);
    int status = r ? 0 : -1;
    if (failed)
        problem(err, WB_E_SYSTEM, "out of memory");
    if (r && PQntuples(r) == 0) {
        status = problem(err, WB_E_USAGE, "there is a token %s already", token->name);
        problem_hint(err, "take another name; waybill admin token remove frees this one");
    }
    PQclear(r);
    for (size_t i = 0; i < LISTS; i++)
        buffer_free(&arrays[i]);
    return status == 0 ? connection_put(admin, SQL_TOKEN_WORDS, token->name, detail, err) : status;
}

int wb_admin_token_add(wb_admin *admin, const struct wb_admin_token *token, int64_t lasts_ms,
                       char text[WB_ADMIN_TOKEN_TEXT], struct wb_error *err) {
    struct buffer detail;
    char bytea[BYTEA_TEXT];
    text[0] = '\0';
    if (check(token, lasts_ms, err) != 0 || connection_begin(admin, err) != 0)
        return -1;
    buffer_init(&detail, 0);
    make(text, bytea);
    int status = check_room(admin, err);
    if (status == 0)
        status = insert(admin, token, lasts_ms, bytea, &detail, err);
    status = connection_end(admin, status, "token add", token->name, &detail, err);
    if (status != 0)
        sodium_memzero(text, WB_ADMIN_TOKEN_TEXT);
    return status;
}

static int find(wb_admin *admin, const char *name, bool *enabled, struct wb_error *err) {
    PGresult *r = connection_find(admin, SQL_TOKEN_FIND, "token", name, err);
    if (!r)
        return -1;
    *enabled = connection_true(r, 0, 0);
    PQclear(r);
    return 0;
}

int wb_admin_token_revoke(wb_admin *admin, const char *name, struct wb_error *err) {
    struct buffer detail;
    bool enabled = true;
    if (connection_begin(admin, err) != 0)
        return -1;
    buffer_init(&detail, 0);
    int status = find(admin, name, &enabled, err);
    if (status == 0 && !enabled)
        buffer_text(&detail, "was revoked already");
    if (status == 0 && connection_change(admin, SQL_TOKEN_REVOKE, 1, &name, err) < 0)
        status = -1;
    return connection_end(admin, status, "token revoke", name, &detail, err);
}

int wb_admin_token_remove(wb_admin *admin, const char *name, struct wb_error *err) {
    struct buffer detail;
    bool enabled;
    if (connection_begin(admin, err) != 0)
        return -1;
    buffer_init(&detail, 0);
    int status = find(admin, name, &enabled, err);
    if (status == 0)
        buffer_text(&detail, "was: ");
    if (status == 0)
        status = connection_put(admin, SQL_TOKEN_WORDS, name, &detail, err);
    if (status == 0 && connection_change(admin, SQL_TOKEN_REMOVE, 1, &name, err) < 0)
        status = -1;
    return connection_end(admin, status, "token remove", name, &detail, err);
}

static void tell(const PGresult *r, int row,
                 void (*fn)(void *arg, const struct wb_admin_token *token), void *arg) {
    const char *values[LISTS][LIST_MAX];
    json_t *json[LISTS];
    struct wb_admin_token token = {.name = PQgetvalue(r, row, 0),
                                   .audience = PQgetvalue(r, row, 1),
                                   .enabled = connection_true(r, row, 5),
                                   .expired = connection_true(r, row, 6),
                                   .since_us = connection_number(r, row, 7),
                                   .expires_us = connection_number(r, row, 8)};
    struct wb_admin_list *into[LISTS] = {&token.agencies, &token.regions, &token.items};
    for (int i = 0; i < LISTS; i++)
        json[i] = list_read(PQgetvalue(r, row, 2 + i), values[i], into[i]);
    fn(arg, &token);
    for (int i = 0; i < LISTS; i++)
        json_decref(json[i]);
}

int wb_admin_tokens(wb_admin *admin, void (*fn)(void *arg, const struct wb_admin_token *token),
                    void *arg, struct wb_error *err) {
    PGresult *r = connection_query(admin, SQL_TOKENS, 0, NULL, err);
    if (!r)
        return -1;
    for (int row = 0; row < PQntuples(r); row++)
        tell(r, row, fn, arg);
    PQclear(r);
    return 0;
}
