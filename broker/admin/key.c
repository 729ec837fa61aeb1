#include "broker/admin/key.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "broker/admin/connection.h"
#include "broker/admin/statements.h"
#include "common/buffer.h"
#include "common/curve.h"
#include "proto/problem.h"

#define HEX_BYTES (2 * CURVE_KEY_BYTES)

_Static_assert(sizeof((struct keys_read *)0)->text[0] == CURVE_KEY_TEXT, "a key's text");

const char *key_short(const char *key, char text[KEY_SHORT_BYTES]) {
    snprintf(text, KEY_SHORT_BYTES, "%.8s…", key);
    return text;
}

/* As PostgreSQL writes and reads a bytea. */
static bool to_bytea(const char *key, char bytea[HEX_BYTES + 3]) {
    uint8_t bytes[CURVE_KEY_BYTES];
    if (!curve_to_bytes(key, bytes))
        return false;
    bytea[0] = '\\';
    bytea[1] = 'x';
    sodium_bin2hex(bytea + 2, HEX_BYTES + 1, bytes, sizeof bytes);
    return true;
}

static bool from_hex(const char *hex, char key[CURVE_KEY_TEXT]) {
    uint8_t bytes[CURVE_KEY_BYTES];
    size_t length;
    if (sodium_hex2bin(bytes, sizeof bytes, hex, strlen(hex), NULL, &length, NULL) != 0 ||
        length != sizeof bytes)
        return false;
    curve_to_text(bytes, key);
    return true;
}

static int check_free(struct wb_admin *admin, const char *bytea, const char *key,
                      struct wb_error *err) {
    char text[KEY_SHORT_BYTES];
    PGresult *r = connection_query(admin, SQL_KEY_OWNER, 1, &bytea, err);
    if (!r)
        return -1;
    int status = 0;
    if (PQntuples(r) > 0) {
        status = problem(err, WB_E_USAGE, "the key %s belongs to the %s %s", key_short(key, text),
                         PQgetvalue(r, 0, 0), PQgetvalue(r, 0, 1));
        problem_hint(err, "every source and follower has a key of its own: waybill keygen");
    }
    PQclear(r);
    return status;
}

static PGresult *keys_of(struct wb_admin *admin, const struct holder *holder,
                         struct wb_error *err) {
    const char *const values[] = {holder->source_id, holder->follower};
    return connection_query(admin, SQL_KEYS, 2, values, err);
}

/* The place that is free, 1 or 2; -1 and err. */
static int free_slot(struct wb_admin *admin, const struct holder *holder, struct wb_error *err) {
    PGresult *r = keys_of(admin, holder, err);
    if (!r)
        return -1;
    int count = PQntuples(r);
    int slot = count > 0 && connection_number(r, 0, 1) == 1 ? 2 : 1;
    PQclear(r);
    if (count < KEYS_MAX)
        return slot;
    problem(err, WB_E_USAGE, "the %s %s has two keys already", holder->kind, holder->name);
    return problem_hint(err, "once the new one is in use: waybill admin %s rotate %.64s --done",
                        holder->kind, holder->name);
}

int key_add(struct wb_admin *admin, const struct holder *holder, const char *key,
            struct buffer *detail, struct wb_error *err) {
    char bytea[HEX_BYTES + 3], slot_text[12], value[PROBLEM_VALUE];
    if (!to_bytea(key, bytea)) {
        problem(err, WB_E_USAGE, "%s is no public key", problem_value(key, strlen(key), value));
        return problem_hint(err, "a key has 40 characters of Z85; waybill keygen makes a pair");
    }
    int slot = check_free(admin, bytea, key, err) == 0 ? free_slot(admin, holder, err) : -1;
    if (slot < 0)
        return -1;
    snprintf(slot_text, sizeof slot_text, "%d", slot);
    const char *const values[] = {bytea, holder->source_id, holder->follower, slot_text};
    if (connection_change(admin, SQL_KEY_ADD, 4, values, err) < 0)
        return -1;
    buffer_printf(detail, "%skey %s", detail->length ? "; " : "", key);
    return 0;
}

int key_retire(struct wb_admin *admin, const struct holder *holder, struct buffer *detail,
               struct wb_error *err) {
    PGresult *r = keys_of(admin, holder, err);
    if (!r)
        return -1;
    int status = 0;
    if (PQntuples(r) < KEYS_MAX) {
        status = problem(err, WB_E_USAGE, "the %s %s has %s: there is no older one to take away",
                         holder->kind, holder->name, PQntuples(r) ? "one key" : "no key");
        problem_hint(err, "to cut it off: waybill admin %s disable %.64s", holder->kind,
                     holder->name);
    } else {
        char key[CURVE_KEY_TEXT] = "";
        const char *old = PQgetvalue(r, 0, 0);
        status = connection_change(admin, SQL_KEY_DROP, 1, &old, err) < 0 ? -1 : 0;
        from_hex(old + 2, key);
        buffer_printf(detail, "key %s taken away", key);
    }
    PQclear(r);
    return status;
}

void key_read(const char *column, struct keys_read *read, const char *keys[KEYS_MAX]) {
    json_t *list = json_loads(column, 0, NULL);
    for (size_t i = 0; i < KEYS_MAX; i++) {
        const char *hex = json_string_value(json_array_get(list, i));
        keys[i] = hex && from_hex(hex, read->text[i]) ? read->text[i] : NULL;
    }
    json_decref(list);
}
