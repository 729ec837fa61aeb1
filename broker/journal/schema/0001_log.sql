-- The log: one row an event, appended in the order of its offset and never changed.
--
-- The writer's lock is a session advisory lock with the key below; `head` is what fences a writer
-- that lost it: each commit moves head on under the writer's epoch, and fails under an older one.

CREATE TABLE waybill.source (
    id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name  text NOT NULL UNIQUE,
    since timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE waybill.source IS 'Who publishes: an approval system, by the name its adapter gives';

CREATE TABLE waybill.event (
    event_offset       bigint      NOT NULL,
    source             integer     NOT NULL,  -- waybill.source.id; no foreign key: it would be checked for every row
    event_id           text        NOT NULL,
    case_no            text        NOT NULL,
    kind               smallint    NOT NULL,  -- waybill.v1.Kind
    stage              smallint    NOT NULL,  -- waybill.v1.Stage
    occurred_at        timestamptz NOT NULL,
    utc_offset_minutes smallint    NOT NULL,
    recorded_at        timestamptz NOT NULL,
    payload            bytea       NOT NULL,  -- waybill.v1.Event, the publisher's own bytes
    PRIMARY KEY (event_offset),
    CONSTRAINT event_identity UNIQUE (source, event_id)
);
CREATE INDEX event_case ON waybill.event (case_no, event_offset);
COMMENT ON TABLE waybill.event IS 'The log: every event once, in the order of event_offset, without a gap';

-- Payloads are read whole, and 300 bytes do not compress.
ALTER TABLE waybill.event ALTER COLUMN payload SET STORAGE EXTERNAL;

CREATE TABLE waybill.head (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    last_offset bigint  NOT NULL DEFAULT 0,
    epoch       bigint  NOT NULL DEFAULT 0
);
INSERT INTO waybill.head DEFAULT VALUES;
-- One row, rewritten by every commit: room for its new versions on the same page.
ALTER TABLE waybill.head SET (fillfactor = 10);
COMMENT ON TABLE waybill.head IS 'The end of the log, and the epoch of the broker that may write to it';

CREATE FUNCTION waybill.advance(writer_epoch bigint, expected bigint, reached bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE waybill.head SET last_offset = reached WHERE epoch = writer_epoch AND last_offset = expected;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the log was moved on by another writer' USING ERRCODE = 'WB001';
    END IF;
END $$;
COMMENT ON FUNCTION waybill.advance IS 'The fence: moves the head on, or fails for a writer that lost its place';

CREATE TABLE waybill.deployment (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    code_key bytea   NOT NULL CHECK (octet_length(code_key) = 32)
);
COMMENT ON TABLE waybill.deployment IS 'The key that applicants'' codes are derived with. Losing it voids every printed receipt';
