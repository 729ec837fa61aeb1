#include <stdio.h>
#include <string.h>

#include "broker/admin/connection.h"
#include "broker/admin/verification.h"
#include "broker/admin/verify_statements.h"
#include "proto/problem.h"

/* That are found: where there are so many the rest hardly matters. */
#define IDENTITIES_MAX "10000"

/* Each leaf's unique index is in order, so the server merges them and holds one identity. */
int verify_identities(struct verification *v, struct wb_error *err) {
    const char *most = IDENTITIES_MAX;
    PGresult *r = connection_query(v->admin, SQL_VERIFY_IDENTITIES, 1, &most, err);
    if (!r)
        return -1;
    for (int row = 0; row < PQntuples(r); row++) {
        char value[PROBLEM_VALUE];
        const char *id = PQgetvalue(r, row, 1);
        verification_find(v, CHECK_IDENTITIES, "offsets %s are the same event: %s of %s",
                          PQgetvalue(r, row, 2), problem_value(id, strlen(id), value),
                          PQgetvalue(r, row, 0));
    }
    PQclear(r);
    return 0;
}
