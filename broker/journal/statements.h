/* All SQL that the broker sends, but for the schema's. */
#ifndef BROKER_JOURNAL_STATEMENTS_H
#define BROKER_JOURNAL_STATEMENTS_H

/* Of each connection that writes. The lanes wait for one another outside of the server, which sees
 * no knot there: no lock is waited for without end. */
#define SQL_WRITER                                                                                 \
    "SET synchronous_commit = on; SET statement_timeout = 0; SET lock_timeout = '5s';"             \
    "SET idle_in_transaction_session_timeout = 0; SET jit = off;"                                  \
    "SET plan_cache_mode = force_generic_plan;"                                                    \
    "SELECT current_setting('synchronous_commit')"

/* What the promises rest on; one row that says what is not as it must be. */
#define SQL_CHECK                                                                                  \
    "SELECT current_setting('synchronous_commit'), current_setting('fsync'),"                      \
    " current_setting('full_page_writes'), pg_is_in_recovery(),"                                   \
    " current_setting('server_version_num')::int, getdatabaseencoding(),"                          \
    " pg_try_advisory_lock(hashtextextended('waybill writer', 0))"

#define SQL_SCHEMA_VERSION                                                                         \
    "SET client_min_messages = error;"                                                             \
    "CREATE SCHEMA IF NOT EXISTS waybill;"                                                         \
    "CREATE TABLE IF NOT EXISTS waybill.schema_version (version integer PRIMARY KEY,"              \
    " name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());"                         \
    "RESET client_min_messages;"                                                                   \
    "SELECT coalesce(max(version), 0) FROM waybill.schema_version"

#define SQL_SCHEMA_APPLIED "INSERT INTO waybill.schema_version (version, name) VALUES (%d, '%s')"

#define SQL_MICROSECONDS(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

/* Takes the log over: from here on every older epoch's commit fails. */
#define SQL_TAKE_OVER "UPDATE waybill.head SET epoch = epoch + 1 RETURNING epoch, last_offset"

/* The newest leaf, where the log begins, and whether there are others. */
/* clang-format off */
#define SQL_LEAVES                                                                                 \
    "SELECT number, " SQL_MICROSECONDS("from_at") ", " SQL_MICROSECONDS("to_at") ","               \
    " first_offset, (SELECT min(first_offset) FROM waybill.partition),"                            \
    " (SELECT count(*) FROM waybill.partition) > 1"                                                \
    " OR to_regclass('waybill.event_kept') IS NOT NULL,"                                           \
    " (SELECT " SQL_MICROSECONDS("recorded_at") " FROM waybill.event"                              \
    "  WHERE event_offset = (SELECT last_offset FROM waybill.head))"                               \
    " FROM waybill.partition ORDER BY number DESC LIMIT 1"
/* clang-format on */

/* Who writes, for those who stand by, and which server processes are to be ended if it falls
 * silent: the one that holds the lock and those that it wrote down. One that works has somebody who
 * waits for it: a broker that takes a log over, say, which may last. */
#define SQL_LEASE_TAKE                                                                             \
    "UPDATE waybill.lease SET epoch = %lld, beat = beat + 1, backends = '{%d,%d}'"
#define SQL_LEASE "SELECT l.epoch, l.beat, h.last_offset FROM waybill.lease l, waybill.head h"
#define SQL_EVICT                                                                                  \
    "SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a"                            \
    " WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND ("                    \
    "a.pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND"               \
    " database = a.datid AND objsubid = 1 AND (classid::bigint << 32) | objid::bigint ="           \
    " hashtextextended('waybill writer', 0)) OR a.application_name = 'waybilld writer' AND"        \
    " a.pid = ANY ((SELECT backends FROM waybill.lease)::integer[]))"                              \
    " AND (a.state <> 'active' OR a.wait_event_type = 'Client')"

#define SQL_CODE_KEY      "INSERT INTO waybill.deployment (code_key) VALUES ($1) ON CONFLICT DO NOTHING"
#define SQL_CODE_KEY_READ "SELECT code_key FROM waybill.deployment"

#define SQL_SOURCES                                                                                \
    "SELECT s.id, s.name,"                                                                         \
    " (SELECT max(e.event_id) FROM waybill.event e WHERE e.source = s.id) FROM waybill.source s"
#define SQL_SOURCE_ADD                                                                             \
    "INSERT INTO waybill.source (name) VALUES ($1)"                                                \
    " ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id"

/* Which of these identities the log has already. */
#define SQL_REPEATS                                                                                \
    "SELECT e.source, e.event_id, e.event_offset FROM unnest($1::int[], $2::text[])"               \
    " AS k(source, event_id) JOIN waybill.event e USING (source, event_id)"

/* One transaction a batch: a new leaf where one is due, the rows, and the fence at its end. */
#define SQL_BEGIN "BEGIN;"
#define SQL_NEW_LEAF                                                                               \
    "SELECT waybill.add_leaf(%d, timestamptz 'epoch' + %lld * interval '1 microsecond',"           \
    " timestamptz 'epoch' + %lld * interval '1 microsecond', %llu);"
#define SQL_COPY                                                                                   \
    "COPY waybill.event_%d (event_offset, source, event_id, case_no, kind, stage, occurred_at,"    \
    " utc_offset_minutes, recorded_at, payload) FROM STDIN (FORMAT binary);"
#define SQL_COPY_COLUMNS 10
#define SQL_COMMIT                                                                                 \
    "UPDATE waybill.head SET last_offset = waybill.fenced(epoch, last_offset, %lld, %lld, %lld);"  \
    "COMMIT"
/* The same for a few rows, in one statement, which is a transaction of its own: one exchange with
 * the server instead of two, and nothing to parse. */
#define SQL_FEW                                                                                    \
    "WITH moved AS (UPDATE waybill.head SET last_offset ="                                         \
    " waybill.fenced(epoch, last_offset, $1::bigint, $2::bigint, $3::bigint))"                     \
    " INSERT INTO waybill.event_%d (event_offset, source, event_id, case_no, kind, stage,"         \
    " occurred_at, utc_offset_minutes, payload, recorded_at)"                                      \
    " SELECT e.*, $4::timestamptz FROM unnest($5::bigint[], $6::integer[], $7::text[],"            \
    " $8::text[], $9::smallint[], $10::smallint[], $11::timestamptz[], $12::smallint[],"           \
    " $13::bytea[]) e"
#define SQL_ROLLBACK "ROLLBACK"

/* Of the connection that reads. Leaves have no statistics while they grow, and the guesses in their
 * place would make the server compile for 15 ms what runs for a tenth of one. */
#define SQL_READER "SET jit = off"

/* Every read starts with the end of the log as the server that was read from has it: a server that
 * lags behind, or was left behind, gives itself away. Without events the other columns are null. */
#define SQL_READ(events)                                                                           \
    "SELECT h.last_offset, e.event_offset, e.source, e.recorded_at, e.payload"                     \
    " FROM (SELECT last_offset FROM waybill.head LIMIT 1) h"                                       \
    " LEFT JOIN LATERAL (" events ") e ON true ORDER BY e.event_offset"
#define SQL_COLUMNS "event_offset, source, recorded_at, payload"

#define SQL_RANGE                                                                                  \
    SQL_READ("SELECT " SQL_COLUMNS " FROM waybill.event WHERE event_offset > $1"                   \
             " AND event_offset <= $2 ORDER BY event_offset LIMIT $3")
#define SQL_RANGE_OF_CASES                                                                         \
    SQL_READ("SELECT " SQL_COLUMNS " FROM waybill.event WHERE case_no = ANY($4::text[])"           \
             " AND event_offset > $1 AND event_offset <= $2 ORDER BY event_offset LIMIT $3")
/* The newest of a case, bounded by rows and by bytes. */
#define SQL_CASE                                                                                   \
    SQL_READ("SELECT " SQL_COLUMNS " FROM (SELECT " SQL_COLUMNS ", sum(octet_length(payload))"     \
             " OVER (ORDER BY event_offset DESC) - octet_length(payload) AS newer"                 \
             " FROM waybill.event WHERE case_no = $1 ORDER BY event_offset DESC LIMIT $2) c"       \
             " WHERE newer < $3")

#endif
