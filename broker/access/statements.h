/* The SQL of broker/access. */
#ifndef BROKER_ACCESS_STATEMENTS_H
#define BROKER_ACCESS_STATEMENTS_H

/* Nothing here is worth waiting for a standby: a beat is a hint, and an audit row that is lost with
 * the server stands in the metrics and the log. Nothing is worth waiting long for a lock either. */
#define SQL_ACCESS_BEGIN                                                                           \
    "SET synchronous_commit = off; SET statement_timeout = '2s';"                                  \
    "SELECT to_regclass('waybill.access') IS NOT NULL"

#define SQL_ACCESS_REVISION "SELECT revision FROM waybill.access"

/* One statement, so that it sees one state of all the tables. Rows are roster_add's. A source that
 * merely registered itself on loopback and holds nothing is left out. No field of an event holds a
 * control character: so a null among prefixes allows nothing. */
#define SQL_ACCESS_PREFIX "list, coalesce(prefix, E'\\x01'), '', ''"
#define SQL_ACCESS_ALL                                                                             \
    "SELECT kind, name, a, b, c, d FROM ("                                                         \
    " SELECT 0 AS kind, '' AS name, revision::text AS a, '' AS b, '' AS c, '' AS d"                \
    "  FROM waybill.access"                                                                        \
    " UNION ALL SELECT 1, s.name, enabled::text, rate_events::text, event_bytes::text, ''"         \
    "  FROM waybill.source s WHERE registered OR NOT enabled OR rate_events > 0"                   \
    "  OR event_bytes > 0 OR cardinality(agencies || regions || items || cases) > 0"               \
    "  OR EXISTS (SELECT FROM waybill.key k WHERE k.source = s.id)"                                \
    " UNION ALL SELECT 2, name, enabled::text, streams::text, live::text,"                         \
    "  array_to_string(audiences, ',') FROM waybill.follower"                                      \
    " UNION ALL SELECT 3, s.name, " SQL_ACCESS_PREFIX                                              \
    "  FROM waybill.source s, LATERAL (SELECT 'agencies', unnest(agencies)"                        \
    "   UNION ALL SELECT 'regions', unnest(regions) UNION ALL SELECT 'items', unnest(items)"       \
    "   UNION ALL SELECT 'cases', unnest(cases)) g(list, prefix)"                                  \
    " UNION ALL SELECT 4, encode(public_key, 'hex'), coalesce(k.follower, s.name),"                \
    "  (k.source IS NOT NULL)::text, '', ''"                                                       \
    "  FROM waybill.key k LEFT JOIN waybill.source s ON s.id = k.source"                           \
    " UNION ALL SELECT 5, encode(digest, 'hex'), name, audience, enabled::text,"                   \
    "  (extract(epoch FROM greatest('epoch', least('9999-01-01', expires_at))) * 1000000)::bigint" \
    "  ::text FROM waybill.token"                                                                  \
    " UNION ALL SELECT 6, encode(digest, 'hex'), " SQL_ACCESS_PREFIX                               \
    "  FROM waybill.token, LATERAL (SELECT 'agencies', unnest(agencies)"                           \
    "   UNION ALL SELECT 'regions', unnest(regions) UNION ALL SELECT 'items', unnest(items))"      \
    "   g(list, prefix)"                                                                           \
    " UNION ALL SELECT 7, code, disclosure, '', '', '' FROM waybill.item"                          \
    ") everything ORDER BY kind, name COLLATE \"C\""

/* Never back: a broker that was replaced does not keep its successor's lease alive. */
#define SQL_ACCESS_BEAT "UPDATE waybill.lease SET beat = beat + 1, epoch = $1 WHERE epoch <= $1"

#define SQL_ACCESS_AUDIT                                                                           \
    "INSERT INTO waybill.audit (action, subject, count, detail)"                                   \
    " SELECT 'refused', * FROM unnest($1::text[], $2::int4[], $3::text[])"

#define SQL_ACCESS_PURGE                                                                           \
    "DELETE FROM waybill.audit WHERE ctid = ANY (ARRAY(SELECT ctid FROM waybill.audit"             \
    " WHERE at < now() - $1 * interval '1 millisecond' LIMIT 10000))"

#endif
