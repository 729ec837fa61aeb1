-- Who may publish and who may follow, and a record of what was changed and refused.
--
-- Operators write here with `waybill admin`; the broker looks at access.revision several times a
-- second and reads the rest again when it moved. Keys are CURVE public keys, 32 bytes.

ALTER TABLE waybill.source
    ADD enabled         boolean NOT NULL DEFAULT true,
    ADD registered      boolean NOT NULL DEFAULT false,  -- by an operator, not by its first event on loopback
    ADD agencies        text[]  NOT NULL DEFAULT '{}',   -- prefixes; empty: any. An event needs one of each that is not empty
    ADD regions         text[]  NOT NULL DEFAULT '{}',
    ADD items           text[]  NOT NULL DEFAULT '{}',
    ADD cases           text[]  NOT NULL DEFAULT '{}',
    ADD rate_events     integer NOT NULL DEFAULT 0 CHECK (rate_events >= 0),   -- a second; 0: no limit
    ADD event_bytes     integer NOT NULL DEFAULT 0 CHECK (event_bytes >= 0);   -- 0: the contract's limit
ALTER TABLE waybill.source ADD CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$');

CREATE TABLE waybill.follower (
    name    text        PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    since   timestamptz NOT NULL DEFAULT now(),
    enabled boolean     NOT NULL DEFAULT true,
    streams boolean     NOT NULL DEFAULT true,  -- may subscribe and ask about cases
    live    boolean     NOT NULL DEFAULT true   -- may take the live feed
);
COMMENT ON TABLE waybill.follower IS 'Who may follow with a key: gateways, dashboards, notifiers';

CREATE TABLE waybill.key (
    public_key bytea       PRIMARY KEY CHECK (octet_length(public_key) = 32),
    source     integer     REFERENCES waybill.source,
    follower   text        REFERENCES waybill.follower,
    slot       smallint    NOT NULL CHECK (slot IN (1, 2)),  -- two at most: the old one and the new one
    added_at   timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(source, follower) = 1),
    UNIQUE (source, slot),
    UNIQUE (follower, slot)
);
COMMENT ON TABLE waybill.key IS 'A key belongs to one source or one follower';

CREATE TABLE waybill.audit (
    at      timestamptz NOT NULL DEFAULT now(),
    actor   text        NOT NULL DEFAULT session_user,  -- who did it: a database role
    action  text        NOT NULL,                       -- 'source add', 'refused' …
    subject text        NOT NULL,                       -- the source, the follower, or the unknown key
    count   integer     NOT NULL DEFAULT 1,             -- like ones within a moment are one row
    detail  text        NOT NULL DEFAULT ''
);
CREATE INDEX ON waybill.audit (at);
COMMENT ON TABLE waybill.audit IS 'What operators changed and what the broker refused';

CREATE TABLE waybill.access (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    revision bigint  NOT NULL DEFAULT 1
);
INSERT INTO waybill.access DEFAULT VALUES;
COMMENT ON TABLE waybill.access IS 'Moves with every change of sources, followers and keys';

CREATE FUNCTION waybill.access_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE waybill.access SET revision = revision + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER access_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON waybill.source
    FOR EACH STATEMENT EXECUTE FUNCTION waybill.access_changed();
CREATE TRIGGER access_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON waybill.follower
    FOR EACH STATEMENT EXECUTE FUNCTION waybill.access_changed();
CREATE TRIGGER access_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON waybill.key
    FOR EACH STATEMENT EXECUTE FUNCTION waybill.access_changed();
