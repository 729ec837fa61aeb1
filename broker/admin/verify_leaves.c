#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/admin/connection.h"
#include "broker/admin/verification.h"
#include "broker/admin/verify_statements.h"
#include "proto/problem.h"

enum { NUMBER, FROM, TO, FIRST, EXISTS, ATTACHED, BOUND, EXPECTED, OFFSET_KEY, IDENTITY_KEY };

/* Against the one before it; NULL for the first. */
static void check_order(struct verification *v, const struct leaf_row *before,
                        const struct leaf_row *leaf) {
    if (leaf->from_us >= leaf->to_us)
        verification_find(v, CHECK_LEAVES, "event_%d ends before it begins", leaf->number);
    if (before && leaf->from_us < before->to_us)
        verification_find(v, CHECK_LEAVES, "event_%d begins before event_%d ends", leaf->number,
                          before->number);
    if (before && leaf->first_offset < before->first_offset)
        verification_find(v, CHECK_LEAVES,
                          "event_%d begins at offset %" PRIu64 ", before event_%d at %" PRIu64,
                          leaf->number, leaf->first_offset, before->number, before->first_offset);
}

static void check_table(struct verification *v, const PGresult *r, int row, int32_t number,
                        uint64_t first_offset) {
    if (!connection_true(r, row, EXISTS)) {
        verification_find(v, CHECK_LEAVES,
                          "event_%d, from offset %" PRIu64 " on, does not exist as a table", number,
                          first_offset);
        return;
    }
    if (!connection_true(r, row, ATTACHED))
        verification_find(v, CHECK_LEAVES,
                          "event_%d, from offset %" PRIu64 " on, is no partition of waybill.event",
                          number, first_offset);
    else if (strcmp(PQgetvalue(r, row, BOUND), PQgetvalue(r, row, EXPECTED)) != 0)
        verification_find(v, CHECK_LEAVES,
                          "event_%d, from offset %" PRIu64 " on, is bound as %s, and "
                          "waybill.partition says %s",
                          number, first_offset, PQgetvalue(r, row, BOUND),
                          PQgetvalue(r, row, EXPECTED));
    if (!connection_true(r, row, OFFSET_KEY))
        verification_find(v, CHECK_LEAVES, "event_%d has no valid unique index on (event_offset)",
                          number);
    if (!connection_true(r, row, IDENTITY_KEY))
        verification_find(v, CHECK_LEAVES,
                          "event_%d has no valid unique index on (source, event_id): repeats would "
                          "enter the log",
                          number);
}

static int read_leaves(struct verification *v, struct wb_error *err) {
    PGresult *r = connection_query(v->admin, SQL_VERIFY_LEAVES, 0, NULL, err);
    if (!r)
        return -1;
    size_t count = (size_t)PQntuples(r);
    v->leaves = calloc(count + 1, sizeof *v->leaves);
    for (size_t i = 0; v->leaves && i < count; i++) {
        struct leaf_row *leaf = &v->leaves[i];
        int row = (int)i;
        *leaf = (struct leaf_row){.number = (int32_t)connection_number(r, row, NUMBER),
                                  .exists = connection_true(r, row, EXISTS),
                                  .from_us = connection_number(r, row, FROM),
                                  .to_us = connection_number(r, row, TO),
                                  .first_offset = (uint64_t)connection_number(r, row, FIRST)};
        check_order(v, i ? leaf - 1 : NULL, leaf);
        check_table(v, r, row, leaf->number, leaf->first_offset);
    }
    PQclear(r);
    if (!v->leaves)
        return problem(err, WB_E_SYSTEM, "out of memory");
    v->leaf_count = v->verified->leaves = count;
    v->verified->first_offset = count ? v->leaves[0].first_offset : v->verified->last_offset + 1;
    return 0;
}

static int find_strays(struct verification *v, struct wb_error *err) {
    PGresult *r = connection_query(v->admin, SQL_VERIFY_STRAYS, 0, NULL, err);
    if (!r)
        return -1;
    for (int row = 0; row < PQntuples(r); row++)
        verification_find(v, CHECK_LEAVES,
                          "%s is a partition of waybill.event that waybill.partition does not name",
                          PQgetvalue(r, row, 0));
    PQclear(r);
    return 0;
}

static int find_kept(struct verification *v, struct wb_error *err) {
    PGresult *r = connection_query(v->admin, SQL_VERIFY_KEPT, 0, NULL, err);
    if (!r)
        return -1;
    v->kept_exists = connection_true(r, 0, 0);
    if (v->kept_exists && !connection_true(r, 0, 1))
        verification_find(
            v, CHECK_LEAVES,
            "event_kept is no partition of waybill.event: nobody reads what is in it");
    PQclear(r);
    return 0;
}

int verify_leaves(struct verification *v, struct wb_error *err) {
    if (read_leaves(v, err) != 0 || find_strays(v, err) != 0)
        return -1;
    return find_kept(v, err);
}
