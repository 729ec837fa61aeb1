-- Who may see what, and where durable readers stand.

ALTER TABLE waybill.follower
    ADD audiences text[] NOT NULL DEFAULT '{full}'  -- what it may ask for
        CHECK (audiences <@ '{full,staff,applicant,public}' AND cardinality(audiences) > 0);
-- Those who were there before saw everything. Who comes now has to be told what they may see.
ALTER TABLE waybill.follower ALTER audiences DROP DEFAULT;

CREATE TABLE waybill.token (
    name       text        PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    digest     bytea       NOT NULL UNIQUE CHECK (octet_length(digest) = 32),  -- SHA-256; the token itself is kept nowhere
    audience   text        NOT NULL CHECK (audience IN ('staff', 'public')),
    agencies   text[]      NOT NULL DEFAULT '{}',  -- prefixes, as a source's grants: empty is any
    regions    text[]      NOT NULL DEFAULT '{}',
    items      text[]      NOT NULL DEFAULT '{}',
    since      timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    enabled    boolean     NOT NULL DEFAULT true
);
COMMENT ON TABLE waybill.token IS 'Bearer tokens of people and programs that follow through a gateway';

CREATE TABLE waybill.item (
    code       text PRIMARY KEY CHECK (code <> ''),  -- of items that begin with it; the longest counts
    disclosure text NOT NULL CHECK (disclosure IN ('full', 'title', 'number', 'office'))
);
COMMENT ON TABLE waybill.item IS 'What applicants may see of the handler: name and all, surname with title, staff number, or the office alone';

CREATE TABLE waybill.reader (
    name            text        PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    follower        text        NOT NULL DEFAULT '',   -- whose it is; '' where nobody was asked for a key
    audience        text        NOT NULL,
    filter          bytea       NOT NULL DEFAULT '',   -- waybill.v1.Filter
    cursor          bigint      NOT NULL CHECK (cursor >= 0),
    since           timestamptz NOT NULL DEFAULT now(),
    acknowledged_at timestamptz NOT NULL DEFAULT now(),
    epoch           bigint      NOT NULL DEFAULT 0,    -- of the broker that served it last: an older one moves no cursor
    client          text        NOT NULL DEFAULT '',   -- program that it is connected with; '': with none
    alarm           text        NOT NULL DEFAULT '' CHECK (alarm IN ('', 'endangered', 'expired'))  -- that was told of
);
ALTER TABLE waybill.reader SET (fillfactor = 50);  -- its rows are rewritten all the time
COMMENT ON TABLE waybill.reader IS 'Durable readers: all events up to cursor are done with';

CREATE TRIGGER access_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON waybill.token
    FOR EACH STATEMENT EXECUTE FUNCTION waybill.access_changed();
CREATE TRIGGER access_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON waybill.item
    FOR EACH STATEMENT EXECUTE FUNCTION waybill.access_changed();
