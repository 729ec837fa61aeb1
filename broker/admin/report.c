/* What can be looked at: the audit, and the leaves of the log. */
#include <stdio.h>

#include "broker/admin/connection.h"
#include "broker/admin/statements.h"

int wb_admin_audit(wb_admin *admin, const char *subject, size_t limit,
                   void (*fn)(void *arg, const struct wb_admin_entry *entry), void *arg,
                   struct wb_error *err) {
    char limit_text[24];
    const char *const values[] = {subject, limit_text};
    snprintf(limit_text, sizeof limit_text, "%zu", limit);
    PGresult *r = connection_query(admin, SQL_AUDIT_READ, 2, values, err);
    if (!r)
        return -1;
    for (int row = 0; row < PQntuples(r); row++) {
        const struct wb_admin_entry entry = {.at_us = connection_number(r, row, 0),
                                             .actor = PQgetvalue(r, row, 1),
                                             .action = PQgetvalue(r, row, 2),
                                             .subject = PQgetvalue(r, row, 3),
                                             .detail = PQgetvalue(r, row, 4),
                                             .count = connection_number(r, row, 5)};
        fn(arg, &entry);
    }
    PQclear(r);
    return 0;
}

int wb_admin_leaves(wb_admin *admin, void (*fn)(void *arg, const struct wb_admin_leaf *leaf),
                    void *arg, struct wb_error *err) {
    PGresult *r = connection_query(admin, SQL_LEAVES, 0, NULL, err);
    if (!r)
        return -1;
    for (int row = 0; row < PQntuples(r); row++) {
        const struct wb_admin_leaf leaf = {.name = PQgetvalue(r, row, 0),
                                           .from_us = connection_number(r, row, 1),
                                           .to_us = connection_number(r, row, 2),
                                           .first_offset = (uint64_t)connection_number(r, row, 3),
                                           .events = (uint64_t)connection_number(r, row, 4),
                                           .bytes = connection_number(r, row, 5),
                                           .sealed_us = connection_number(r, row, 6)};
        fn(arg, &leaf);
    }
    PQclear(r);
    return 0;
}
