/* The SQL of durable readers. */
#ifndef BROKER_FANOUT_STATEMENTS_H
#define BROKER_FANOUT_STATEMENTS_H

/* What is lost with the server are acknowledgements of its last moment: those events come again. */
#define SQL_READERS_BEGIN                                                                          \
    "SET synchronous_commit = off; SET statement_timeout = '10s'; SET jit = off"

/* From here on no older epoch moves a cursor. */
#define SQL_READERS_CLAIM "UPDATE waybill.reader SET epoch = $1, client = '' WHERE epoch < $1"

/* Makes the reader or goes on with it, if this is the writer, whose it is, and where it is to begin
 * allow it. A new one has to be there for good before its subscription begins: what 'now' was could
 * not be told later. $1 epoch, $2 name, $3 follower, $4 audience, $5 filter, $6 from, $7 whether
 * that can be used, $8 restart, $9 client, $10 how many there may be. */
#define SQL_READERS_OPEN                                                                           \
    "WITH writer AS (SELECT FROM waybill.head WHERE epoch = $1),"                                  \
    " old AS (SELECT follower FROM waybill.reader WHERE name = $2),"                               \
    " opened AS (INSERT INTO waybill.reader AS r"                                                  \
    "  (name, follower, audience, filter, cursor, epoch, client)"                                  \
    "  SELECT $2, $3, $4, $5, $6, $1, $9 FROM writer"                                              \
    "   WHERE ($7 OR (NOT $8 AND EXISTS (SELECT FROM old)))"                                       \
    "   AND (EXISTS (SELECT FROM old) OR (SELECT count(*) FROM waybill.reader) < $10)"             \
    "  ON CONFLICT (name) DO UPDATE SET follower = $3, audience = $4, filter = $5, epoch = $1,"    \
    "   client = $9, cursor = CASE WHEN $8 THEN $6 ELSE r.cursor END,"                             \
    "   acknowledged_at = CASE WHEN $8 THEN now() ELSE r.acknowledged_at END"                      \
    "  WHERE r.follower IN ('', $3) AND r.epoch <= $1 RETURNING r.cursor)"                         \
    " SELECT EXISTS (SELECT FROM writer), (SELECT follower FROM old),"                             \
    " (SELECT cursor FROM opened), set_config('synchronous_commit', 'on', true)"

/* Which readers there still are, and whose epoch it is: $2 names, $3 cursors, $4 clients. */
#define SQL_READERS_WRITE                                                                          \
    "WITH moved AS (UPDATE waybill.reader r SET cursor = k.cursor, client = k.client,"             \
    " acknowledged_at = CASE WHEN k.cursor = r.cursor THEN r.acknowledged_at ELSE now() END"       \
    " FROM unnest($2::text[], $3::bigint[], $4::text[]) AS k(name, cursor, client)"                \
    " WHERE r.name = k.name AND r.epoch = $1 RETURNING r.name)"                                    \
    " SELECT h.epoch, m.name FROM waybill.head h LEFT JOIN moved m ON true"

/* How far behind each reader is. Its oldest event that is not acknowledged lies in the leaf that
 * holds the offset behind its cursor; the leaf goes when all of it is older than the retention ($2,
 * microseconds; 0: never). What changed since the last look is audited once. */
#define SQL_READERS_LOOK                                                                           \
    "WITH seen AS (SELECT r.name, r.alarm AS was, greatest(h.last_offset - r.cursor, 0) AS lag,"   \
    "  CASE WHEN r.cursor < h.last_offset THEN"                                                    \
    "   greatest((extract(epoch FROM now() - e.recorded_at) * 1000000)::bigint, 0) END AS lag_us," \
    "  CASE WHEN r.cursor + 1 < b.first_offset THEN 'expired'"                                     \
    "   WHEN $2 > 0 AND r.cursor < h.last_offset AND"                                              \
    "    p.to_at + $2 * 0.9 * interval '1 microsecond' < now() THEN 'endangered'"                  \
    "   ELSE '' END AS alarm"                                                                      \
    "  FROM waybill.head h, (SELECT min(first_offset) AS first_offset FROM waybill.partition) b,"  \
    "  waybill.reader r"                                                                           \
    "  LEFT JOIN LATERAL (SELECT from_at, to_at FROM waybill.partition"                            \
    "   WHERE first_offset <= r.cursor + 1 ORDER BY number DESC LIMIT 1) p ON true"                \
    "  LEFT JOIN LATERAL (SELECT recorded_at FROM waybill.event"                                   \
    "   WHERE event_offset = r.cursor + 1 AND recorded_at >= p.from_at"                            \
    "   AND recorded_at < p.to_at) e ON true),"                                                    \
    " changed AS (UPDATE waybill.reader r SET alarm = s.alarm FROM seen s"                         \
    "  WHERE r.name = s.name AND s.alarm <> s.was AND r.epoch = $1"                                \
    "  RETURNING r.name, s.alarm, s.lag),"                                                         \
    " audited AS (INSERT INTO waybill.audit (action, subject, detail)"                             \
    "  SELECT 'reader ' || alarm, name, lag || ' events are not acknowledged'"                     \
    "  FROM changed WHERE alarm <> '')"                                                            \
    " SELECT s.name, s.lag, s.lag_us, s.alarm, c.name IS NOT NULL"                                 \
    " FROM seen s LEFT JOIN changed c ON c.name = s.name"

#endif
