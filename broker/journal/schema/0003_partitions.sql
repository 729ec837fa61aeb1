-- The log in partitions by age, so that retention drops tables instead of deleting rows.
--
-- waybill.event becomes a parent without indexes of its own. Every leaf has its own primary key, its
-- own unique index on the identity and its own index by case. The broker writes to the newest leaf
-- by name; waybill.partition says which times and offsets each one holds. What retention takes away
-- but open cases still need lies in waybill.event_kept, the leaf before all others.
--
-- Texts compare by their bytes (COLLATE "C"): an index does not depend on the version of the
-- server's locales, and the order of a source's ids is the order that the broker sees.

CREATE TABLE waybill.partition (
    number       integer     PRIMARY KEY,
    from_at      timestamptz NOT NULL,  -- of recorded_at, inclusive
    to_at        timestamptz NOT NULL,  -- exclusive
    first_offset bigint      NOT NULL,  -- of the first event that it may hold; it ends where the next one begins
    sealed_at    timestamptz            -- when it was frozen after its end
);
COMMENT ON TABLE waybill.partition IS 'The leaves of the log, waybill.event_NUMBER';

-- Appended to and dropped whole: the broker freezes a leaf once when it is full, so autovacuum has
-- nothing to do. (It still guards against wraparound, whatever is set here.)
CREATE FUNCTION waybill.index_leaf(leaf text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE waybill.%I ADD PRIMARY KEY (event_offset)', leaf);
    EXECUTE format('ALTER TABLE waybill.%I ADD UNIQUE (source, event_id)', leaf);
    EXECUTE format('CREATE INDEX ON waybill.%I (case_no, event_offset)', leaf);
    EXECUTE format('ALTER TABLE waybill.%I SET (autovacuum_enabled = off, toast.autovacuum_enabled = off)', leaf);
END $$;

CREATE FUNCTION waybill.add_leaf(leaf_number integer, leaf_from timestamptz, leaf_to timestamptz, leaf_first bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    leaf text := 'event_' || leaf_number;
BEGIN
    EXECUTE format('CREATE TABLE waybill.%I (LIKE waybill.event INCLUDING STORAGE)', leaf);
    PERFORM waybill.index_leaf(leaf);
    EXECUTE format('ALTER TABLE waybill.event ATTACH PARTITION waybill.%I FOR VALUES FROM (%L) TO (%L)',
                   leaf, leaf_from, leaf_to);
    INSERT INTO waybill.partition (number, from_at, to_at, first_offset)
    VALUES (leaf_number, leaf_from, leaf_to, leaf_first);
END $$;
COMMENT ON FUNCTION waybill.add_leaf IS 'Opens a new leaf of the log; the broker calls it in the transaction that moves its epoch''s place';

-- The fence, as the last statement of a batch: the head row's new value, or an error. (An UPDATE that
-- asked in its WHERE would pass over the row that another transaction is just moving on.)
CREATE FUNCTION waybill.fenced(epoch bigint, last_offset bigint, writer_epoch bigint, expected bigint, reached bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    IF epoch = writer_epoch AND last_offset = expected THEN
        RETURN reached;
    END IF;
    RAISE EXCEPTION 'the log was moved on by another writer' USING ERRCODE = 'WB001';
END $$;
COMMENT ON FUNCTION waybill.fenced IS 'The head''s new place, or an error for a writer that lost its own';
DROP FUNCTION waybill.advance;

-- What was in one table becomes the first leaf.
DROP VIEW waybill.readable;
ALTER TABLE waybill.event RENAME TO event_1;
ALTER TABLE waybill.event_1 DROP CONSTRAINT event_pkey, DROP CONSTRAINT event_identity;
DROP INDEX waybill.event_case;
ALTER TABLE waybill.event_1
    ALTER COLUMN event_id TYPE text COLLATE "C",
    ALTER COLUMN case_no TYPE text COLLATE "C";

CREATE TABLE waybill.event (LIKE waybill.event_1 INCLUDING STORAGE) PARTITION BY RANGE (recorded_at);
COMMENT ON TABLE waybill.event IS 'The log: every event once, in the order of event_offset, without a gap';
COMMENT ON TABLE waybill.event_1 IS NULL;

DO $$
DECLARE
    begin_at timestamptz := (SELECT min(recorded_at) FROM waybill.event_1);
    end_at   timestamptz := (SELECT max(recorded_at) FROM waybill.event_1);
BEGIN
    IF begin_at IS NULL THEN
        DROP TABLE waybill.event_1;
        RETURN;
    END IF;
    PERFORM waybill.index_leaf('event_1');
    end_at := end_at + interval '1 microsecond';
    EXECUTE format('ALTER TABLE waybill.event ATTACH PARTITION waybill.event_1 FOR VALUES FROM (%L) TO (%L)',
                   begin_at, end_at);
    INSERT INTO waybill.partition (number, from_at, to_at, first_offset) VALUES (1, begin_at, end_at, 1);
END $$;

CREATE VIEW waybill.readable AS
SELECT e.event_offset, s.name AS source, e.event_id, e.case_no,
       (ARRAY['progress', 'correction', 'retraction', 'alert'])[e.kind + 1] AS kind,
       waybill.stage_name(e.stage) AS stage,
       convert_from(waybill.payload_field(e.payload, 6), 'UTF8') AS step,
       e.occurred_at, e.utc_offset_minutes, e.recorded_at,
       convert_from(waybill.payload_field(waybill.payload_field(e.payload, 10), 1), 'UTF8') AS handler,
       convert_from(waybill.payload_field(e.payload, 13), 'UTF8') AS item,
       convert_from(waybill.payload_field(e.payload, 15), 'UTF8') AS agency
FROM waybill.event e JOIN waybill.source s ON s.id = e.source;
COMMENT ON VIEW waybill.readable IS 'The log for people; decoding is slow, so give it a range of offsets or a case_no';

-- The writer's sign of life, for those who stand by: they look whether it moves, not at the time.
CREATE TABLE waybill.lease (
    one      boolean   PRIMARY KEY DEFAULT true CHECK (one),
    epoch    bigint    NOT NULL DEFAULT 0,
    beat     bigint    NOT NULL DEFAULT 0,
    backends integer[] NOT NULL DEFAULT '{}'  -- the writer's server processes, for its successor to end
);
INSERT INTO waybill.lease DEFAULT VALUES;
ALTER TABLE waybill.lease SET (fillfactor = 10);
COMMENT ON TABLE waybill.lease IS 'Moves while the writing broker lives';

-- Retention in two halves. The broker decides case by case what is to survive of the oldest leaf and
-- of what was kept before, and copies it to a table that has its epoch in its name: one that lost its
-- place, and does not know it yet, spoils nothing. Cases that moved meanwhile, since the log ended at
-- `decided`, survive as well: keep_moved adds them and says where the log ended then.
CREATE FUNCTION waybill.prepare_kept(writer_epoch bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    leftover text;
BEGIN
    FOR leftover IN
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'waybill'::regnamespace AND c.relkind = 'r' AND c.relname ~ '^event_next_[0-9]+$'
          AND substr(c.relname, length('event_next_') + 1)::bigint <= writer_epoch
    LOOP
        EXECUTE format('DROP TABLE waybill.%I', leftover);
    END LOOP;
    EXECUTE format('CREATE TABLE waybill.%I (LIKE waybill.event INCLUDING STORAGE)', 'event_next_' || writer_epoch);
END $$;

CREATE FUNCTION waybill.keep_moved(leaf_number integer, writer_epoch bigint, decided bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    seen   bigint := (SELECT last_offset FROM waybill.head);
    end_at timestamptz := (SELECT from_at FROM waybill.partition WHERE number > leaf_number ORDER BY number LIMIT 1);
BEGIN
    EXECUTE format($q$
        INSERT INTO waybill.%1$I
        SELECT o.* FROM waybill.event o
        WHERE o.recorded_at < $1
          AND o.case_no IN (SELECT n.case_no FROM waybill.event n WHERE n.event_offset > $2)
          AND NOT EXISTS (SELECT 1 FROM waybill.%1$I k WHERE k.event_offset = o.event_offset)
    $q$, 'event_next_' || writer_epoch) USING end_at, decided;
    RETURN seen;
END $$;

-- The exchange. It waits for readers first, while commits go on; from where the head is locked nothing
-- is committed until it is done, so that has to be quick.
CREATE FUNCTION waybill.retire_leaf(leaf_number integer, writer_epoch bigint, decided bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE ONLY waybill.event IN ACCESS EXCLUSIVE MODE;
    PERFORM 1 FROM waybill.head WHERE epoch = writer_epoch FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the log was taken over by another writer' USING ERRCODE = 'WB001';
    END IF;
    PERFORM waybill.keep_moved(leaf_number, writer_epoch, decided);
    EXECUTE format('ALTER TABLE waybill.event DETACH PARTITION waybill.%I', 'event_' || leaf_number);
    EXECUTE format('DROP TABLE waybill.%I', 'event_' || leaf_number);
    IF to_regclass('waybill.event_kept') IS NOT NULL THEN
        ALTER TABLE waybill.event DETACH PARTITION waybill.event_kept;
        DROP TABLE waybill.event_kept;
    END IF;
    EXECUTE format('ALTER TABLE waybill.%I RENAME TO event_kept', 'event_next_' || writer_epoch);
    EXECUTE format('ALTER TABLE waybill.event ATTACH PARTITION waybill.event_kept FOR VALUES FROM (MINVALUE) TO (%L)',
                   (SELECT from_at FROM waybill.partition WHERE number > leaf_number ORDER BY number LIMIT 1));
    DELETE FROM waybill.partition WHERE number = leaf_number;
END $$;
COMMENT ON FUNCTION waybill.retire_leaf IS 'Exchanges the oldest leaf for what is kept of it';
