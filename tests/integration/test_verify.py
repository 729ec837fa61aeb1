"""waybill admin verify: each check sees what breaks exactly what it proves."""

import json
from types import SimpleNamespace

import psycopg2
import pytest
from support.postgres import rows

DAY = 86_400_000_000
MORNING = 1_772_409_600_000_000  # 2026-03-02T00:00:00Z in microseconds
LEAVES, PER_LEAF, FIRST = 3, 10, 11
LAST = FIRST + LEAVES * PER_LEAF - 1
KEPT = (4, 7)


def events(proto, event):
    """Offset and event, in the order of the log: three cases, with a correction and a retraction.
    What was before FIRST has gone, but for two events of an open case."""
    for offset in [*KEPT, *range(FIRST, LAST + 1)]:
        fields = {"kind": 0}
        stage = ("RECEIVED", "ACCEPTED", "UNDER_REVIEW")[offset % 3]
        if offset == 20:
            fields = {"kind": proto.Kind.Value("KIND_CORRECTION"), "replaces": "e-17"}
        if offset == 30:
            fields = {"kind": proto.Kind.Value("KIND_RETRACTION"), "replaces": "e-27"}
        if offset == 31:
            fields = {"kind": proto.Kind.Value("KIND_CORRECTION"), "replaces": "e-25"}
        yield offset, event(f"A-{offset % 3}", f"e-{offset}", stage, MORNING + offset * 1_000_000,
                            agency="新北区", **fields)


def time(us):
    return f"timestamptz 'epoch' + {us} * interval '1 microsecond'"


def insert(cursor, leaf, source, offset, message):
    recorded = MORNING + (offset - 1) * DAY // PER_LEAF
    cursor.execute(
        f"INSERT INTO waybill.{leaf} VALUES (%s, %s, %s, %s, %s, %s,"
        f" {time(message.occurred_at_us)}, %s, {time(recorded)}, %s)",
        (offset, source, message.event_id, message.case_no, message.kind, message.stage,
         message.utc_offset_minutes, message.SerializeToString()))


def fill(database, proto, event):
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO waybill.source (name) VALUES ('permits') RETURNING id")
        source, = cursor.fetchone()
        begin = MORNING + (FIRST - 1) * DAY // PER_LEAF
        for n in range(LEAVES):
            cursor.execute(f"SELECT waybill.add_leaf({n + 2}, {time(begin + n * DAY)},"
                           f" {time(begin + (n + 1) * DAY)}, {FIRST + n * PER_LEAF})")
        cursor.execute("CREATE TABLE waybill.event_kept (LIKE waybill.event INCLUDING STORAGE)")
        cursor.execute("SELECT waybill.index_leaf('event_kept')")
        cursor.execute("ALTER TABLE waybill.event ATTACH PARTITION waybill.event_kept FOR VALUES"
                       " FROM (MINVALUE) TO ('2026-03-03T00:00:00Z')")
        for offset, message in events(proto, event):
            leaf = "event_kept" if offset < FIRST else f"event_{2 + (offset - FIRST) // PER_LEAF}"
            insert(cursor, leaf, source, offset, message)
        cursor.execute("UPDATE waybill.head SET last_offset = %s, epoch = 3", (LAST,))
    return source


@pytest.fixture
def log(cli, database, proto, event):
    """A sound log, and what breaks and verifies it."""
    cli.use(WAYBILL_DATABASE=database)
    cli("admin", "source", "add", "other", "--everything")
    source = fill(database, proto, event)

    def verify(*options, status=None):
        done = cli("admin", "verify", "--json", *options, status=status)
        answer = json.loads(done.stdout)
        assert done.returncode == (0 if answer["sound"] else 1), done.stdout
        return answer

    return SimpleNamespace(database=database, verify=verify, cli=cli, source=source,
                           run=lambda sql, *values: rows(database, sql, *values))


def found(answer):
    """Check: what was told, of those that have something to tell."""
    return {check["name"]: check["told"] for check in answer["checks"] if check["findings"]}


def test_a_sound_log(log):
    answer = log.verify(status=0)
    assert answer["sound"] and answer["findings"] == 0
    assert (answer["first_offset"], answer["last_offset"]) == (FIRST, LAST)
    assert (answer["events"], answer["kept"], answer["leaves"]) == (LAST - FIRST + 1, 2, LEAVES)
    assert answer["cases"] == 3
    text = log.cli("admin", "verify").stdout
    assert text.count("✓") == len(answer["checks"]) == 9
    assert f"offsets {FIRST} to {LAST}: 30 events in 3 leaves, 2 kept, 3 cases" in text
    assert "The log is sound." in text


def test_an_empty_log(cli, database):
    cli.use(WAYBILL_DATABASE=database)
    cli("admin", "source", "add", "permits", "--everything")
    assert "The log holds no events." in cli("admin", "verify").stdout


# What breaks it, and what the check has to say of it; without more findings than these.
BREAKS = [
    ("a row is gone", "DELETE FROM waybill.event WHERE event_offset = 17",
     {"offsets": "offset 17 is missing before event_2 has 18"}),
    ("rows are gone at the end of a leaf", "DELETE FROM waybill.event_2 WHERE event_offset > 18",
     {"offsets": "offsets 19 to 20 are missing before event_3 has 21"}),
    ("the newest row is gone", f"DELETE FROM waybill.event WHERE event_offset = {LAST}",
     {"head": f"the head is at offset {LAST}, and the log ends at {LAST - 1}"}),
    ("a leaf is emptied", "TRUNCATE waybill.event_3",
     {"offsets": "offsets 21 to 30 are missing before event_4 has 31"}),
    ("the head is behind", "UPDATE waybill.head SET last_offset = 35",
     {"head": "the head is at offset 35, and the log goes on to 40"}),
    ("the head is ahead", "UPDATE waybill.head SET last_offset = 45",
     {"head": "the head is at offset 45, and the log ends at 40"}),
    ("the head's epoch went back", "UPDATE waybill.lease SET epoch = 4",
     {"head": "the epoch 3, which is older than the lease's, 4"}),
    ("the head is gone", "DELETE FROM waybill.head",
     {"head": "0 rows instead of one"}),
    ("an offset stands in the wrong leaf",
     "ALTER TABLE waybill.event_3 DROP CONSTRAINT event_3_pkey;"
     "UPDATE waybill.event_3 SET event_offset = 31 WHERE event_offset = 30",
     {"offsets": "offset 31 lies in event_3, and the next leaf begins at 31",
      "leaves": "event_3 has no valid unique index on (event_offset)"}),
    ("an offset stands twice",
     "ALTER TABLE waybill.event_3 DROP CONSTRAINT event_3_pkey;"
     "UPDATE waybill.event_3 SET event_offset = 22 WHERE event_offset = 23",
     {"offsets": "offset 22 in event_3 stands behind offset 22", "leaves": "event_3"}),
    ("an identity stands in two leaves",
     "UPDATE waybill.event SET event_id = 'e-15' WHERE event_offset = 35",
     {"identities": "offsets 15 and 35 are the same event: \"e-15\" of permits",
      "payloads": "offset 35: the row's event_id is \"e-15\", its payload's \"e-35\""}),
    ("an identity was kept and came again",
     "UPDATE waybill.event SET event_id = 'e-4' WHERE event_offset = 40",
     {"identities": "offsets 4 and 40 are the same event", "payloads": "offset 40"}),
    ("a time goes back",
     "UPDATE waybill.event SET recorded_at = recorded_at - interval '3 hours'"
     " WHERE event_offset = 25",
     {"times": "offset 25 was recorded at 2026-03-04T06:36:00.000Z, before offset 24 at"
               " 2026-03-04T07:12:00.000Z"}),
    ("a source is gone", "UPDATE waybill.event SET source = 99 WHERE event_offset = 12",
     {"sources": "offset 12: its source 99 is not in waybill.source"}),
    ("a case number was altered",
     "UPDATE waybill.event SET case_no = 'A-9' WHERE event_offset = 13",
     {"payloads": 'offset 13: the row\'s case_no is "A-9", its payload\'s "A-1"'}),
    ("a stage was altered", "UPDATE waybill.event SET stage = 13 WHERE event_offset = 14",
     {"payloads": "offset 14: the row's stage is 13, its payload's 8"}),
    ("a kind was altered", "UPDATE waybill.event SET kind = 0 WHERE event_offset = 20",
     {"payloads": "offset 20: the row's kind is 0, its payload's 1"}),
    ("a time was altered",
     "UPDATE waybill.event SET occurred_at = occurred_at + interval '1 microsecond'"
     " WHERE event_offset = 15",
     {"payloads": "offset 15: the row's occurred_at is"}),
    ("a time's offset was altered",
     "UPDATE waybill.event SET utc_offset_minutes = 0 WHERE event_offset = 15",
     {"payloads": "offset 15: the row's utc_offset_minutes is 0, its payload's 480"}),
    ("a payload is garbage",
     "UPDATE waybill.event SET payload = '\\xffffff' WHERE event_offset = 16",
     {"payloads": "offset 16: the payload is no event",
      "cases": 'case "A-1" has no state: offset 16 cannot be decoded'}),
    ("a payload is empty", "UPDATE waybill.event SET payload = '' WHERE event_offset = 16",
     {"payloads": "offset 16: the payload is no event",
      "cases": "offset 16 cannot be decoded"}),
    ("a kept row is garbage", "UPDATE waybill.event_kept SET payload = 'x' WHERE event_offset = 7",
     {"payloads": "offset 7: the payload is no event", "cases": "offset 7 cannot be decoded"}),
    ("a kept row belongs to a leaf",
     "UPDATE waybill.event_kept SET event_offset = 12 WHERE event_offset = 7",
     {"kept": "offset 12 lies in event_kept, and the leaves begin at 11"}),
    ("nobody reads what is kept", "ALTER TABLE waybill.event DETACH PARTITION waybill.event_kept",
     {"leaves": "event_kept is no partition"}),
    ("a leaf's time is wrong",
     "UPDATE waybill.partition SET to_at = to_at - interval '1 hour' WHERE number = 3",
     {"leaves": "event_3, from offset 21 on, is bound as FOR VALUES FROM"}),
    ("a leaf's offset is wrong",
     "UPDATE waybill.partition SET first_offset = 23 WHERE number = 3",
     {"offsets": "offset 21 lies in event_3, which begins at 23"}),
    ("leaves overlap",
     "UPDATE waybill.partition SET from_at = from_at - interval '1 hour' WHERE number = 4",
     {"leaves": "event_4 begins before event_3 ends"}),
    ("a leaf is not named", "DELETE FROM waybill.partition WHERE number = 4",
     {"leaves": "waybill.event_4 is a partition of waybill.event that waybill.partition does not",
      "head": "the log ends at 30"}),
    ("a leaf is not attached", "ALTER TABLE waybill.event DETACH PARTITION waybill.event_3",
     {"leaves": "event_3, from offset 21 on, is no partition of waybill.event"}),
    ("a leaf is gone", "DROP TABLE waybill.event_3",
     {"leaves": "event_3, from offset 21 on, does not exist as a table",
      "offsets": "offsets 21 to 30 are missing before event_4 has 31"}),
    ("repeats would not be recognised",
     "ALTER TABLE waybill.event_4 DROP CONSTRAINT event_4_source_event_id_key",
     {"leaves": "event_4 has no valid unique index on (source, event_id)"}),
]


@pytest.mark.parametrize("sql, expected", [case[1:] for case in BREAKS],
                         ids=[case[0] for case in BREAKS])
def test_what_is_broken_is_found(log, sql, expected):
    log.run(sql)
    said = found(log.verify(status=1))
    assert set(said) == set(expected), said
    for check, words in expected.items():
        assert any(words in line for line in said[check]), said


def test_findings_are_bounded_and_counted(log):
    log.run("UPDATE waybill.event SET stage = 19")
    answer = log.verify("--findings", 2, status=1)
    payloads, = (check for check in answer["checks"] if check["name"] == "payloads")
    assert len(payloads["told"]) == 2 and payloads["findings"] == 32 == answer["findings"]
    text = log.cli("admin", "verify", "--findings", 2, status=1).stdout
    assert "✗ payloads" in text and "… and 30 more" in text
    assert "The log is not sound: 32 findings." in text


def test_some_cases_alone(log):
    answer = log.verify("--cases", 1)
    assert 1 <= answer["cases"] < 3 and answer["events"] == 30


def test_a_case_too_long_to_be_shown_is_passed_over_and_said(log, proto, event):
    with psycopg2.connect(log.database) as connection, connection.cursor() as cursor:
        for offset in range(LAST + 1, LAST + 4200):
            insert_late(cursor, log.source, offset, event("A-LONG", f"e-{offset}"))
        cursor.execute("UPDATE waybill.head SET last_offset = %s", (offset,))
    answer = log.verify(status=0)
    assert answer["long_cases"] == 1 and answer["cases"] == 4
    assert "1 cases have more events" in log.cli("admin", "verify").stdout


def insert_late(cursor, source, offset, message):
    cursor.execute(
        f"INSERT INTO waybill.event_4 VALUES (%s, %s, %s, %s, %s, %s,"
        f" {time(message.occurred_at_us)}, 480, '2026-03-05T23:59:59Z', %s)",
        (offset, source, message.event_id, message.case_no, message.kind, message.stage,
         message.SerializeToString()))


def test_it_is_one_snapshot_and_reads_only(log):
    """It holds no more than a reader's locks, and sees nothing that comes after its beginning."""
    with psycopg2.connect(log.database) as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM waybill.event WHERE event_offset = 20")
        cursor.execute("UPDATE waybill.head SET last_offset = 99")
        log.verify(status=0)  # neither waits for it nor sees it
        connection.rollback()
    before = log.run("SELECT pg_current_wal_insert_lsn() - '0/0'")
    log.verify(status=0)
    written = log.run("SELECT pg_current_wal_insert_lsn() - '0/0'")[0][0] - before[0][0]
    assert written < 16384, "verification wrote to the database"


def test_what_a_real_broker_wrote_is_sound(broker, cli, database):
    text = "".join(json.dumps({"event_id": f"e-{n}", "case_no": f"A-{n % 7}", "stage": "RECEIVED",
                               "occurred_at": "2026-03-02T09:00:00+08:00"}) + "\n"
                   for n in range(500))
    cli("publish", "--source", "permits", "-", input=text)
    cli.use(WAYBILL_DATABASE=database)
    done = cli("admin", "verify", "--json")
    answer = json.loads(done.stdout)
    assert answer["sound"] and answer["events"] == 500 and answer["cases"] == 7
    assert "event_1" in cli("admin", "partitions").stdout
