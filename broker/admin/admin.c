/* Opening: the connection, and the schema where it is older than the program. */
#include "broker/admin/connection.h"

#include <stdlib.h>

#include "broker/admin/statements.h"
#include "broker/journal/schema.h"
#include "common/buffer.h"
#include "proto/problem.h"

#define SERVER_VERSION_OLDEST 150000

/* The version that the database has, 0 without a schema; -1 and err. */
static int read_version(wb_admin *admin, struct wb_error *err) {
    PGresult *r = connection_query(admin, SQL_SCHEMA_EXISTS, 0, NULL, err);
    if (!r)
        return -1;
    bool exists = connection_true(r, 0, 0);
    PQclear(r);
    if (!exists)
        return 0;
    r = connection_query(admin, SQL_SCHEMA_VERSION, 0, NULL, err);
    if (!r)
        return -1;
    int version = (int)connection_number(r, 0, 0);
    PQclear(r);
    return version;
}

static int apply_step(wb_admin *admin, const struct schema_step *step, struct wb_error *err) {
    struct buffer sql;
    buffer_init(&sql, 0);
    buffer_printf(&sql, "BEGIN;%s;" SQL_SCHEMA_APPLIED ";COMMIT", step->sql, step->version,
                  step->name);
    int status = sql.failed ? problem(err, WB_E_SYSTEM, "out of memory")
                            : connection_run(admin, buffer_string(&sql), err);
    if (status != 0)
        connection_run(admin, SQL_ROLLBACK, NULL);
    buffer_free(&sql);
    return status;
}

/* With the writer's lock, so that no broker writes meanwhile, or applies the same. */
static int apply(wb_admin *admin, struct wb_error *err) {
    if (connection_run(admin, SQL_SCHEMA_BASE, err) != 0)
        return -1;
    int version = read_version(admin, err);
    if (version < 0)
        return -1;
    while (version < schema_newest())
        if (apply_step(admin, schema_step(++version), err) != 0)
            return -1;
    return 0;
}

static int bring_up_to_date(wb_admin *admin, int version, struct wb_error *err) {
    PGresult *r = connection_query(admin, SQL_WRITER_LOCK, 0, NULL, err);
    if (!r)
        return -1;
    bool locked = connection_true(r, 0, 0);
    PQclear(r);
    if (!locked) {
        problem(err, WB_E_DATABASE,
                "the schema has version %d, this program needs %d, and a broker is writing to it",
                version, schema_newest());
        return problem_hint(err, "start the waybilld that belongs to this program, then try again");
    }
    int status = apply(admin, err);
    if (connection_run(admin, SQL_WRITER_UNLOCK, status == 0 ? err : NULL) != 0)
        status = -1;
    return status;
}

static int check_schema(wb_admin *admin, bool changes, struct wb_error *err) {
    int version = read_version(admin, err);
    if (version < 0)
        return -1;
    if (version > schema_newest()) {
        problem(err, WB_E_DATABASE, "the schema has version %d, this program knows %d", version,
                schema_newest());
        return problem_hint(err, "use the newer waybill that belongs to it");
    }
    if (version == schema_newest())
        return 0;
    if (changes)
        return bring_up_to_date(admin, version, err);
    if (version == 0) {
        problem(err, WB_E_DATABASE, "there is no Waybill in the database '%s'", PQdb(admin->db));
        return problem_hint(err, "name the one that waybilld uses: --database, WAYBILL_DATABASE");
    }
    problem(err, WB_E_DATABASE, "the schema has version %d, this program needs %d", version,
            schema_newest());
    return problem_hint(err, "start the waybilld that belongs to this program: it updates it");
}

static int open_connection(wb_admin *admin, const char *database, struct wb_error *err) {
    const char *const keywords[] = {"dbname", "fallback_application_name", "connect_timeout", NULL};
    const char *const values[] = {database, "waybill admin", "10", NULL};
    admin->db = PQconnectdbParams(keywords, values, 1);
    if (PQstatus(admin->db) != CONNECTION_OK) {
        problem(err, WB_E_DATABASE, "%s", admin->db ? PQerrorMessage(admin->db) : "out of memory");
        return problem_hint(err, "name the database that waybilld uses: --database CONNINFO, or "
                                 "WAYBILL_DATABASE");
    }
    if (PQserverVersion(admin->db) < SERVER_VERSION_OLDEST)
        return problem(err, WB_E_DATABASE, "the server is older than PostgreSQL 15");
    return 0;
}

wb_admin *wb_admin_open(const char *database, bool changes, struct wb_error *err) {
    wb_admin *admin = calloc(1, sizeof *admin);
    if (!admin) {
        problem(err, WB_E_SYSTEM, "out of memory");
        return NULL;
    }
    if (open_connection(admin, database, err) == 0 &&
        connection_run(admin, SQL_SETTINGS, err) == 0 && check_schema(admin, changes, err) == 0)
        return admin;
    wb_admin_close(admin);
    return NULL;
}

void wb_admin_close(wb_admin *admin) {
    if (!admin)
        return;
    PQfinish(admin->db);
    free(admin);
}
