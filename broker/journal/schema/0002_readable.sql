-- For people with psql: the log with its payload's texts. Not used by the broker.

CREATE FUNCTION waybill.payload_field(payload bytea, wanted integer) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
-- The last length-delimited field of that number, as Protocol Buffers encodes it; NULL if absent.
DECLARE
    at    integer := 0;
    size  integer := octet_length(payload);
    found bytea;
    tag   bigint;
    value bigint;
    shift integer;
    byte  integer;
BEGIN
    WHILE at < size LOOP
        FOR part IN 1..2 LOOP
            value := 0; shift := 0;
            IF part = 2 AND (tag & 7) IN (1, 5) THEN EXIT; END IF;
            LOOP
                byte := get_byte(payload, at); at := at + 1;
                IF shift < 63 THEN value := value | ((byte & 127)::bigint << shift); END IF;
                shift := shift + 7;
                EXIT WHEN byte < 128;
            END LOOP;
            IF part = 1 THEN tag := value; END IF;
        END LOOP;
        CASE tag & 7
            WHEN 0 THEN NULL;
            WHEN 1 THEN at := at + 8;
            WHEN 5 THEN at := at + 4;
            WHEN 2 THEN
                IF tag >> 3 = wanted THEN found := substr(payload, at + 1, value::integer); END IF;
                at := at + value::integer;
            ELSE RETURN NULL;
        END CASE;
    END LOOP;
    RETURN found;
END $$;

CREATE FUNCTION waybill.stage_name(stage smallint) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT (ARRAY['SUBMITTED', 'RECEIVED', 'CORRECTION_REQUESTED', 'CORRECTION_RECEIVED',
        'NOT_REQUIRED', 'NOT_ACCEPTED', 'ACCEPTED', 'UNDER_REVIEW', 'FORWARDED',
        'SPECIAL_PROCEDURE', 'RESUMED', 'EXTENDED', 'GRANTED', 'REFUSED', 'DELIVERED', 'WITHDRAWN',
        'TERMINATED', 'REVOKED', 'CANCELLED'])[stage]
$$;

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
