/* All SQL that administration sends, but for the schema's and what verification reads the log
 * with (verify_statements.h). */
#ifndef BROKER_ADMIN_STATEMENTS_H
#define BROKER_ADMIN_STATEMENTS_H

#define SQL_MICROSECONDS(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

/* Bounds and times as text have to look the same whatever the role's settings are. */
#define SQL_SETTINGS                                                                               \
    "SET timezone = 'UTC'; SET datestyle = 'ISO, MDY'; SET client_encoding = 'UTF8';"              \
    "SET lock_timeout = '10s'; SET client_min_messages = error; SET search_path = pg_catalog"

#define SQL_SCHEMA_EXISTS  "SELECT to_regclass('waybill.schema_version') IS NOT NULL"
#define SQL_SCHEMA_VERSION "SELECT coalesce(max(version), 0) FROM waybill.schema_version"
/* The writer's own lock: who holds it may change the schema. */
#define SQL_WRITER_LOCK   "SELECT pg_try_advisory_lock(hashtextextended('waybill writer', 0))"
#define SQL_WRITER_UNLOCK "SELECT pg_advisory_unlock(hashtextextended('waybill writer', 0))"
#define SQL_SCHEMA_BASE                                                                            \
    "CREATE SCHEMA IF NOT EXISTS waybill;"                                                         \
    "CREATE TABLE IF NOT EXISTS waybill.schema_version (version integer PRIMARY KEY,"              \
    " name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
#define SQL_SCHEMA_APPLIED "INSERT INTO waybill.schema_version (version, name) VALUES (%d, '%s')"

/* One change at a time: what it looks at stays as it is until it commits. */
#define SQL_BEGIN_CHANGE "BEGIN; LOCK TABLE waybill.key IN SHARE ROW EXCLUSIVE MODE"
#define SQL_COMMIT       "COMMIT"
#define SQL_ROLLBACK     "ROLLBACK"
#define SQL_AUDIT        "INSERT INTO waybill.audit (action, subject, detail) VALUES ($1, $2, $3)"

/* Keys. A holder is a source's id or a follower's name, the other one being null. */
#define SQL_KEY_OWNER                                                                              \
    "SELECT CASE WHEN k.source IS NULL THEN 'follower' ELSE 'source' END,"                         \
    " coalesce(s.name, k.follower) FROM waybill.key k LEFT JOIN waybill.source s"                  \
    " ON s.id = k.source WHERE k.public_key = $1::bytea"
#define SQL_KEYS                                                                                   \
    "SELECT public_key, slot FROM waybill.key"                                                     \
    " WHERE source = $1::integer OR follower = $2::text ORDER BY added_at, slot"
#define SQL_KEY_ADD                                                                                \
    "INSERT INTO waybill.key (public_key, source, follower, slot)"                                 \
    " VALUES ($1::bytea, $2::integer, $3::text, $4::smallint)"
#define SQL_KEY_DROP "DELETE FROM waybill.key WHERE public_key = $1::bytea"
/* As JSON, the older first. */
#define SQL_KEYS_OF(holder)                                                                        \
    "(SELECT coalesce(json_agg(encode(public_key, 'hex') ORDER BY added_at, slot), '[]')"          \
    " FROM waybill.key WHERE " holder ")"

#define SQL_SOURCE_ADD                                                                             \
    "INSERT INTO waybill.source AS s (name, registered, agencies, regions, items, cases,"          \
    " rate_events, event_bytes) VALUES ($1, true, $2::text[], $3::text[], $4::text[],"             \
    " $5::text[], $6::integer, $7::integer) ON CONFLICT (name) DO UPDATE SET"                      \
    " registered = true, enabled = true, agencies = excluded.agencies,"                            \
    " regions = excluded.regions, items = excluded.items, cases = excluded.cases,"                 \
    " rate_events = excluded.rate_events, event_bytes = excluded.event_bytes"                      \
    " WHERE NOT s.registered RETURNING id"
/* The limits are what the source has already unless $n is given. */
#define SQL_SOURCE_SET                                                                             \
    "UPDATE waybill.source SET agencies = coalesce($2::text[], agencies),"                         \
    " regions = coalesce($3::text[], regions), items = coalesce($4::text[], items),"               \
    " cases = coalesce($5::text[], cases), rate_events = coalesce($6::integer, rate_events),"      \
    " event_bytes = coalesce($7::integer, event_bytes) WHERE name = $1"
#define SQL_SOURCE_FIND   "SELECT id, registered, enabled FROM waybill.source WHERE name = $1"
#define SQL_SOURCE_ENABLE "UPDATE waybill.source SET enabled = $2::boolean WHERE name = $1"
/* What a source may do, in words; the audit's. */
#define SQL_LIST_WORDS(column, word)                                                               \
    "CASE WHEN cardinality(" column ") > 0 THEN '" word " ' || array_to_string(" column            \
    ", ' or ') END"
#define SQL_SOURCE_WORDS                                                                                              \
    "SELECT concat_ws('; ', coalesce(nullif(concat_ws('; '," SQL_LIST_WORDS("agencies", "agency") "," SQL_LIST_WORDS( \
        "regions",                                                                                                    \
        "region") "," SQL_LIST_WORDS("items",                                                                         \
                                     "item") "," SQL_LIST_WORDS("cases",                                              \
                                                                "case") "), ''), 'everything'),"                      \
                                                                        " CASE WHEN rate_events "                     \
                                                                        "> 0 THEN rate_events || "                    \
                                                                        "' events/s' END,"                            \
                                                                        " CASE WHEN event_bytes "                     \
                                                                        "> 0 THEN event_bytes || "                    \
                                                                        "' bytes an event' END)"                      \
                                                                        " FROM waybill.source "                       \
                                                                        "WHERE name = $1"
#define SQL_SOURCES                                                                                \
    "SELECT name, enabled, registered, to_json(agencies), to_json(regions), to_json(items),"       \
    " to_json(cases), rate_events, event_bytes, " SQL_MICROSECONDS("since") "," SQL_KEYS_OF(       \
        "source = s.id") " FROM waybill.source s ORDER BY name COLLATE \"C\""

#define SQL_FOLLOWER_ADD                                                                           \
    "INSERT INTO waybill.follower (name, streams, live, audiences)"                                \
    " VALUES ($1, $2::boolean, $3::boolean, $4::text[]) ON CONFLICT DO NOTHING RETURNING name"
#define SQL_FOLLOWER_SET "UPDATE waybill.follower SET audiences = $2::text[] WHERE name = $1"
/* What a follower may use and see, in words; the audit's. */
#define SQL_FOLLOWER_WORDS                                                                         \
    "SELECT concat_ws(' and ', CASE WHEN streams THEN 'streams' END,"                              \
    " CASE WHEN live THEN 'live feed' END) || '; audience ' || array_to_string(audiences, ', ')"   \
    " FROM waybill.follower WHERE name = $1"
#define SQL_FOLLOWER_FIND   "SELECT name, true, enabled FROM waybill.follower WHERE name = $1"
#define SQL_FOLLOWER_ENABLE "UPDATE waybill.follower SET enabled = $2::boolean WHERE name = $1"
#define SQL_FOLLOWERS                                                                              \
    "SELECT name, enabled, streams, live, " SQL_MICROSECONDS("since") "," SQL_KEYS_OF(             \
        "follower = f.name") ", to_json(audiences) FROM waybill.follower f ORDER BY name COLLATE " \
                             "\"C\""

#define SQL_TOKENS_ROOM "SELECT count(*) < $1::bigint FROM waybill.token"
#define SQL_TOKEN_ADD                                                                              \
    "INSERT INTO waybill.token (name, digest, audience, agencies, regions, items, expires_at)"     \
    " VALUES ($1, $2::bytea, $3, $4::text[], $5::text[], $6::text[],"                              \
    " now() + $7::bigint * interval '1 millisecond') ON CONFLICT (name) DO NOTHING RETURNING name"
#define SQL_TOKEN_FIND   "SELECT enabled FROM waybill.token WHERE name = $1"
#define SQL_TOKEN_REVOKE "UPDATE waybill.token SET enabled = false WHERE name = $1"
#define SQL_TOKEN_REMOVE "DELETE FROM waybill.token WHERE name = $1"
#define SQL_TOKEN_WORDS                                                                            \
    "SELECT concat_ws('; ', audience, " SQL_LIST_WORDS("agencies", "agency") "," SQL_LIST_WORDS(   \
        "regions",                                                                                 \
        "region") "," SQL_LIST_WORDS("items", "item") ", to_char(expires_at,"                      \
                                                      " '\"until \"YYYY-MM-DD HH24:MI:SS\"Z\"')) " \
                                                      "FROM waybill.token WHERE name = $1"
#define SQL_TOKENS                                                                                 \
    "SELECT name, audience, to_json(agencies), to_json(regions), to_json(items), enabled,"         \
    " expires_at <= now(), " SQL_MICROSECONDS("since") "," SQL_MICROSECONDS(                       \
        "least(expires_at, '9999-01-01')") " FROM waybill.token ORDER BY name COLLATE \"C\""

#define SQL_ITEMS_ROOM "SELECT count(*) < $1::bigint FROM waybill.item WHERE code <> $2"
#define SQL_ITEM_FIND  "SELECT disclosure FROM waybill.item WHERE code = $1"
#define SQL_ITEM_SET                                                                               \
    "INSERT INTO waybill.item (code, disclosure) VALUES ($1, $2)"                                  \
    " ON CONFLICT (code) DO UPDATE SET disclosure = excluded.disclosure"
#define SQL_ITEM_REMOVE "DELETE FROM waybill.item WHERE code = $1"
#define SQL_ITEMS       "SELECT code, disclosure FROM waybill.item ORDER BY code COLLATE \"C\""

#define SQL_READER_FIND   "SELECT cursor FROM waybill.reader WHERE name = $1"
#define SQL_READER_REMOVE "DELETE FROM waybill.reader WHERE name = $1"
/* Nobody is connected with a broker that does not write: its lock says whether there is one. */
#define SQL_READERS                                                                                \
    "SELECT r.name, r.follower, r.audience, r.client, CASE WHEN r.client = '' THEN 0"              \
    " WHEN pg_is_in_recovery() THEN 2 ELSE (EXISTS (SELECT FROM pg_locks WHERE"                    \
    "  locktype = 'advisory' AND granted AND objsubid = 1 AND database ="                          \
    "  (SELECT oid FROM pg_database WHERE datname = current_database()) AND"                       \
    "  (classid::bigint << 32) | objid::bigint = hashtextextended('waybill writer', 0)))::int "    \
    "END,"                                                                                         \
    " r.cursor, greatest(h.last_offset - r.cursor, 0), coalesce(" SQL_MICROSECONDS(                \
        "e.recorded_at") ", 0), " SQL_MICROSECONDS("r.since") ", " SQL_MICROSECONDS("r."           \
                                                                                    "acknowledged" \
                                                                                    "_at") ", "    \
                                                                                           "r."    \
                                                                                           "alarm" \
                                                                                           " = "   \
                                                                                           "'enda" \
                                                                                           "ngere" \
                                                                                           "d', "  \
                                                                                           "r."    \
                                                                                           "curso" \
                                                                                           "r + "  \
                                                                                           "1 < "  \
                                                                                           "b."    \
                                                                                           "first" \
                                                                                           "_offs" \
                                                                                           "et "   \
                                                                                           "IS "   \
                                                                                           "TRUE"  \
                                                                                           " FROM" \
                                                                                           " wayb" \
                                                                                           "ill."  \
                                                                                           "head " \
                                                                                           "h, "   \
                                                                                           "(SELE" \
                                                                                           "CT "   \
                                                                                           "min("  \
                                                                                           "first" \
                                                                                           "_offs" \
                                                                                           "et) "  \
                                                                                           "AS "   \
                                                                                           "first" \
                                                                                           "_offs" \
                                                                                           "et "   \
                                                                                           "FROM " \
                                                                                           "waybi" \
                                                                                           "ll."   \
                                                                                           "parti" \
                                                                                           "tion)" \
                                                                                           " b,"   \
                                                                                           " wayb" \
                                                                                           "ill."  \
                                                                                           "reade" \
                                                                                           "r r"   \
                                                                                           " LEFT" \
                                                                                           " JOIN" \
                                                                                           " LATE" \
                                                                                           "RAL "  \
                                                                                           "(SELE" \
                                                                                           "CT "   \
                                                                                           "from_" \
                                                                                           "at, "  \
                                                                                           "to_"   \
                                                                                           "at "   \
                                                                                           "FROM " \
                                                                                           "waybi" \
                                                                                           "ll."   \
                                                                                           "parti" \
                                                                                           "tion"  \
                                                                                           "  "    \
                                                                                           "WHERE" \
                                                                                           " firs" \
                                                                                           "t_"    \
                                                                                           "offse" \
                                                                                           "t <= " \
                                                                                           "r."    \
                                                                                           "curso" \
                                                                                           "r + "  \
                                                                                           "1 "    \
                                                                                           "ORDER" \
                                                                                           " BY "  \
                                                                                           "numbe" \
                                                                                           "r "    \
                                                                                           "DESC " \
                                                                                           "LIMIT" \
                                                                                           " 1) "  \
                                                                                           "p ON " \
                                                                                           "true"  \
                                                                                           " LEFT" \
                                                                                           " JOIN" \
                                                                                           " LATE" \
                                                                                           "RAL "  \
                                                                                           "(SELE" \
                                                                                           "CT "   \
                                                                                           "recor" \
                                                                                           "ded_"  \
                                                                                           "at "   \
                                                                                           "FROM " \
                                                                                           "waybi" \
                                                                                           "ll."   \
                                                                                           "event" \
                                                                                           "  "    \
                                                                                           "WHERE" \
                                                                                           " even" \
                                                                                           "t_"    \
                                                                                           "offse" \
                                                                                           "t = "  \
                                                                                           "r."    \
                                                                                           "curso" \
                                                                                           "r + "  \
                                                                                           "1 "    \
                                                                                           "AND "  \
                                                                                           "recor" \
                                                                                           "ded_"  \
                                                                                           "at "   \
                                                                                           ">= "   \
                                                                                           "p."    \
                                                                                           "from_" \
                                                                                           "at"    \
                                                                                           "  "    \
                                                                                           "AND "  \
                                                                                           "recor" \
                                                                                           "ded_"  \
                                                                                           "at < " \
                                                                                           "p.to_" \
                                                                                           "at) "  \
                                                                                           "e ON " \
                                                                                           "true " \
                                                                                           "ORDER" \
                                                                                           " BY "  \
                                                                                           "r."    \
                                                                                           "name " \
                                                                                           "COLLA" \
                                                                                           "TE "   \
                                                                                           "\"C\""

#define SQL_AUDIT_READ                                                                             \
    "SELECT * FROM (SELECT " SQL_MICROSECONDS("at") ", actor, action, subject, detail, count"      \
                                                    " FROM waybill.audit WHERE $1::text IS NULL "  \
                                                    "OR subject = $1 ORDER BY at DESC, ctid DESC"  \
                                                    " LIMIT $2::bigint) newest ORDER BY 1"

/* A leaf ends where the next one begins, the newest at the head. */
#define SQL_LEAVES                                                                                 \
    "SELECT 'event_kept', 0, 0, 0, 0, pg_total_relation_size(to_regclass('waybill.event_kept')),"  \
    " 0, -1 AS number WHERE to_regclass('waybill.event_kept') IS NOT NULL UNION ALL "              \
    "SELECT 'event_' || number, " SQL_MICROSECONDS("from_at") ", " SQL_MICROSECONDS(               \
        "to_at") ","                                                                               \
                 " first_offset, greatest(0, lead(first_offset, 1, (SELECT last_offset + 1 FROM "  \
                 "waybill.head))"                                                                  \
                 " OVER (ORDER BY number) - first_offset),"                                        \
                 " coalesce(pg_total_relation_size(to_regclass('waybill.event_' || number)), 0),"  \
                 " coalesce(" SQL_MICROSECONDS("sealed_at") ", 0), number FROM waybill.partition"  \
                                                            " ORDER BY number"

#endif
