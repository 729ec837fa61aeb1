/* waybill admin reader: how far those are whose cursor the broker keeps. */
#include "admin_kind.h"

#include "common/timestamp.h"

static const char *state_of(const struct wb_admin_reader *reader) {
    return reader->expired                           ? "expired"
           : reader->endangered                      ? "endangered"
           : reader->connected == WB_ADMIN_CONNECTED ? "connected"
           : reader->connected == WB_ADMIN_AWAY      ? "away"
                                                     : "unknown";
}

static int64_t age_us(const struct wb_admin_reader *reader) {
    int64_t age = timestamp_now_us() - reader->oldest_us;
    return reader->oldest_us && age > 0 ? age : 0;
}

static json_t *reader_json(const struct wb_admin_reader *reader) {
    json_t *connected = reader->connected == WB_ADMIN_UNKNOWN
                            ? json_null()
                            : json_boolean(reader->connected == WB_ADMIN_CONNECTED);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:o, s:f, s:o, s:o}", "name", reader->name,
        "state", state_of(reader), "follower", reader->follower, "audience", reader->audience,
        "client", reader->client, "connected", connected, "cursor", (json_int_t)reader->cursor,
        "lag_events", (json_int_t)reader->lag_events, "oldest", admin_time_json(reader->oldest_us),
        "lag_seconds", (double)age_us(reader) / 1e6, "since", admin_time_json(reader->since_us),
        "acknowledged", admin_time_json(reader->acknowledged_us));
}

static void list_one(void *arg, const struct wb_admin_reader *reader) {
    struct admin_listing *listing = arg;
    char at[ADMIN_TIME];
    if (!admin_listing_wants(listing, reader->name))
        return;
    if (listing->json) {
        admin_listing_print(listing, reader_json(reader));
        return;
    }
    table_cell(&listing->table, "%s", reader->name);
    table_cell(&listing->table, "%s", state_of(reader));
    table_cell(&listing->table, "%s", reader->follower[0] ? reader->follower : "-");
    table_cell(&listing->table, "%s", reader->audience);
    table_cell(&listing->table, "%llu", (unsigned long long)reader->cursor);
    table_cell(&listing->table, "%llu", (unsigned long long)reader->lag_events);
    table_cell(&listing->table, "%s", admin_time(reader->oldest_us, at));
    table_cell(&listing->table, "%s", admin_time(reader->acknowledged_us, at));
}

static int list(wb_admin *admin, struct admin_listing *listing, struct wb_error *err) {
    return wb_admin_readers(admin, list_one, listing, err);
}

static const char *const headers[] = {"READER", "STATE",  "FOLLOWER",     "AUDIENCE", "CURSOR",
                                      "BEHIND", "OLDEST", "ACKNOWLEDGED", NULL};
static const struct admin_kind kind = {.noun = "reader", .headers = headers, .list = list};

int admin_readers(const struct admin_action *action, int argc, char **argv) {
    static const struct admin_action whole = {"readers", "", admin_list, &kind};
    (void)action;
    return admin_list(&whole, argc, argv);
}

int admin_reader(const struct admin_action *action, int argc, char **argv) {
    static const struct admin_change removal = {
        &kind, "Forgets a durable reader and its cursor. One that is connected is refused.",
        wb_admin_reader_remove, true};
    static const struct admin_action actions[] = {
        {"list", "all of them, and how far they are behind", admin_list, &kind},
        {"remove", "forget one and its cursor", admin_change, &removal},
        {NULL, NULL, NULL, NULL},
    };
    (void)action;
    return admin_dispatch("waybill admin reader", actions, argc, argv);
}
