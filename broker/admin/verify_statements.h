/* The SQL that verification reads the log with: nothing here writes, locks more than a reader does,
 * or sorts the log: rows come in the order of an index. */
#ifndef BROKER_ADMIN_VERIFY_STATEMENTS_H
#define BROKER_ADMIN_VERIFY_STATEMENTS_H

#include "broker/admin/statements.h"

#define SQL_VERIFY_BEGIN                                                                           \
    "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL enable_sort = off;"               \
    "SET LOCAL enable_hashagg = off; SET LOCAL enable_bitmapscan = off;"                           \
    "SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL statement_timeout = 0;"              \
    "SET LOCAL jit = off"

#define SQL_VERIFY_HEAD                                                                            \
    "SELECT last_offset, h.epoch, coalesce(l.epoch, 0) FROM waybill.head h"                        \
    " LEFT JOIN waybill.lease l ON true"
#define SQL_VERIFY_SOURCES "SELECT id, name FROM waybill.source ORDER BY id"

/* Each leaf beside its table as the catalogue has it: whether it is there, bound as it should be,
 * and indexed. Bounds are compared as the server writes them. */
#define SQL_VERIFY_LEAVES                                                                          \
    "SELECT p.number, " SQL_MICROSECONDS("p.from_at") ", " SQL_MICROSECONDS(                       \
        "p.to_at") ","                                                                             \
                   " p.first_offset, c.oid IS NOT NULL, i.inhrelid IS NOT NULL,"                   \
                   " coalesce(pg_get_expr(c.relpartbound, c.oid), 'nothing'),"                     \
                   " format('FOR VALUES FROM (%L) TO (%L)', p.from_at, p.to_at)," SQL_HAS_UNIQUE(  \
                       "event_offset") "," SQL_HAS_UNIQUE("source,event_id") " FROM "              \
                                                                             "waybill.partition p" \
                                                                             " LEFT JOIN "         \
                                                                             "pg_class c ON "      \
                                                                             "c.oid = "            \
                                                                             "to_regclass('"       \
                                                                             "waybill.event_' || " \
                                                                             "p.number)"           \
                                                                             " LEFT JOIN "         \
                                                                             "pg_inherits i ON "   \
                                                                             "i.inhrelid = c.oid"  \
                                                                             " AND i.inhparent = " \
                                                                             "'waybill.event'::"   \
                                                                             "regclass ORDER BY "  \
                                                                             "p.number"
#define SQL_HAS_UNIQUE(columns)                                                                    \
    "EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisunique AND x.indisvalid"   \
    " AND x.indpred IS NULL AND (SELECT string_agg(a.attname, ',' ORDER BY a.attnum)"              \
    " FROM pg_attribute a WHERE a.attrelid = x.indexrelid) = '" columns "')"
/* Tables that belong to the log although no leaf says so. */
#define SQL_VERIFY_STRAYS                                                                          \
    "SELECT inhrelid::regclass::text FROM pg_inherits"                                             \
    " WHERE inhparent = 'waybill.event'::regclass"                                                 \
    " AND inhrelid IS DISTINCT FROM to_regclass('waybill.event_kept')"                             \
    " AND inhrelid NOT IN (SELECT to_regclass('waybill.event_' || number)"                         \
    " FROM waybill.partition WHERE to_regclass('waybill.event_' || number) IS NOT NULL)"
#define SQL_VERIFY_KEPT                                                                            \
    "SELECT to_regclass('waybill.event_kept') IS NOT NULL, EXISTS (SELECT FROM pg_inherits"        \
    " WHERE inhparent = 'waybill.event'::regclass"                                                 \
    " AND inhrelid = to_regclass('waybill.event_kept'))"

/* A leaf's rows; %s is its table. */
#define SQL_VERIFY_ROWS                                                                            \
    "SELECT event_offset, source, event_id, case_no, kind, stage, occurred_at,"                    \
    " utc_offset_minutes, recorded_at, payload FROM waybill.%s ORDER BY event_offset"

/* Identities that stand more than once, with their offsets. */
#define SQL_VERIFY_IDENTITIES                                                                      \
    "SELECT coalesce(s.name, d.source::text), d.event_id,"                                         \
    " (SELECT string_agg(event_offset::text, ' and ' ORDER BY event_offset) FROM waybill.event e"  \
    "  WHERE e.source = d.source AND e.event_id = d.event_id)"                                     \
    " FROM (SELECT source, event_id FROM waybill.event GROUP BY source, event_id"                  \
    "  HAVING count(*) > 1 LIMIT $1::bigint) d LEFT JOIN waybill.source s ON s.id = d.source"

/* The rows of cases, each case's together; %s chooses cases. */
#define SQL_VERIFY_CASES                                                                           \
    "SELECT case_no, event_offset, source, recorded_at, payload FROM waybill.event%s"              \
    " ORDER BY case_no, event_offset"
/* So many, at random; one with many events is the likelier to be taken. */
#define SQL_VERIFY_SAMPLE                                                                          \
    " WHERE case_no = ANY (ARRAY(SELECT case_no FROM waybill.event WHERE event_offset"             \
    " = ANY (ARRAY(SELECT %llu + floor(random() * %llu)::bigint FROM generate_series(1, %llu)))))"

#endif
