/* The SQL of the upkeep. */
#ifndef BROKER_UPKEEP_STATEMENTS_H
#define BROKER_UPKEEP_STATEMENTS_H

/* Readers and writers wait for the exchange of tables no longer than this. */
#define SQL_SETTINGS                                                                               \
    "SET lock_timeout = '500ms'; SET statement_timeout = 0; SET client_min_messages = error;"      \
    "SET synchronous_commit = on; SET vacuum_cost_delay = '1ms'; SET vacuum_cost_limit = 400"

/* Full, and not frozen yet. */
#define SQL_UNSEALED                                                                               \
    "SELECT number FROM waybill.partition WHERE sealed_at IS NULL"                                 \
    " AND number < (SELECT max(number) FROM waybill.partition) ORDER BY number LIMIT 1"
#define SQL_SEAL   "VACUUM (FREEZE, ANALYZE) waybill.event_%d"
#define SQL_SEALED "UPDATE waybill.partition SET sealed_at = now() WHERE number = %d"

/* The newest leaf, if it has grown by 64 MiB since it was looked at last. A page whose rows were
 * never looked at is written again by the first who reads it, which would be somebody who asks
 * about a case. Pages that are frozen already are passed over, so that each is frozen once; nothing
 * ever died there, so the indexes are left alone. */
#define SQL_GROWN                                                                                  \
    "SELECT p.number FROM waybill.partition p"                                                     \
    " JOIN pg_class c ON c.oid = to_regclass('waybill.event_' || p.number)"                        \
    " WHERE p.number = (SELECT max(number) FROM waybill.partition)"                                \
    " AND pg_relation_size(c.oid) / current_setting('block_size')::int - c.relallvisible"          \
    " > 67108864 / current_setting('block_size')::int"
#define SQL_SETTLE "VACUUM (FREEZE, INDEX_CLEANUP OFF, TRUNCATE OFF) waybill.event_%d"

/* The oldest leaf, if all of it is older than the retention by both clocks, the server's and the
 * broker's: one that jumped drops nothing. The newest leaf is never dropped. */
#define SQL_DUE                                                                                    \
    "SELECT p.number, n.first_offset, h.last_offset,"                                              \
    " (extract(epoch FROM d.cut) * 1000000)::bigint,"                                              \
    " to_regclass('waybill.event_kept') IS NOT NULL"                                               \
    " FROM waybill.partition p, waybill.partition n, waybill.head h,"                              \
    " LATERAL (SELECT least(now(), timestamptz 'epoch' + %lld * interval '1 microsecond')"         \
    "  - %lld * interval '1 microsecond' AS cut) d"                                                \
    " WHERE n.number = (SELECT min(number) FROM waybill.partition WHERE number > p.number)"        \
    " AND p.number = (SELECT min(number) FROM waybill.partition) AND p.to_at < d.cut"

#define SQL_PREPARE "SELECT waybill.prepare_kept(%lld)"

/* The next cases behind $1, with how many events each has and when its newest was recorded. */
#define SQL_CASES(from)                                                                            \
    "SELECT c.case_no, a.events, (extract(epoch FROM a.newest) * 1000000)::bigint FROM ("          \
    "SELECT DISTINCT case_no FROM " from " WHERE case_no > $1 ORDER BY case_no LIMIT 256) c,"      \
    " LATERAL (SELECT count(*) AS events, max(recorded_at) AS newest FROM waybill.event e"         \
    "  WHERE e.case_no = c.case_no) a ORDER BY c.case_no"
#define SQL_CASES_OF_LEAF SQL_CASES("waybill.event_%d")
#define SQL_CASES_WITH_KEPT                                                                        \
    SQL_CASES("(SELECT case_no FROM waybill.event_%d"                                              \
              " UNION ALL SELECT case_no FROM waybill.event_kept) l")

#define SQL_EVENTS_OF_CASE                                                                         \
    "SELECT event_offset, source, recorded_at, payload FROM waybill.event WHERE case_no = $1"

/* What a case has before offset $2: in the leaf, and in what was kept before. */
#define SQL_KEEP                                                                                   \
    "INSERT INTO waybill.event_next_%lld SELECT * FROM waybill.event"                              \
    " WHERE case_no = ANY($1::text[]) AND event_offset < $2"

#define SQL_INDEX "SELECT waybill.index_leaf('event_next_%lld')"
/* Two statements, each with a snapshot of its own. */
#define SQL_KEEP_MOVED                                                                             \
    "SELECT waybill.keep_moved(%d, %lld, %llu) AS decided; SELECT last_offset FROM waybill.head"
#define SQL_RETIRE   "BEGIN; SELECT waybill.retire_leaf(%d, %lld, %llu); COMMIT"
#define SQL_ROLLBACK "ROLLBACK"

#endif
