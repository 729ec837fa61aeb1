"""The log in leaves: opened with the first event of their time, frozen when they are full, dropped
when they are old, but for the cases that still need them."""

import secrets
import time

import pytest

from support import postgres as pg
from support import wait, wire


@pytest.fixture
def start(make_broker, proto):
    """start("--partition", "1s", …) gives a broker that is ready and a session on its ingest."""
    sessions = []

    def begin(*arguments, source="tests"):
        broker = make_broker(arguments=arguments).start()
        sessions.append(wire.Publisher(proto, broker.ingest, source))
        sessions[-1].open()
        return broker, sessions[-1]
    yield begin
    for session in sessions:
        session.close()


def leaves(database):
    return [number for number, in
            pg.rows(database, "SELECT number FROM waybill.partition ORDER BY number")]


def publish_into_new_leaf(database, session, *events):
    """The leaf is as long as a second: the next event but one falls into another."""
    before = leaves(database)
    time.sleep(1.05)  # the leaf's own time has to pass
    receipts = session.publish(*events)
    assert leaves(database)[-1] > before[-1]
    return receipts


def cases_of(database, relation):
    return {case for case, in pg.rows(database, f"SELECT DISTINCT case_no FROM {relation}")}


def test_a_leaf_is_opened_with_the_first_event_of_its_time(start, database, event, proto):
    broker, session = start("--partition", "1s", "--retention", "0")
    session.publish(event())
    first, = leaves(database)
    for expected in (2, 3):
        receipt, = publish_into_new_leaf(database, session, event())
        assert receipt.offset == expected
    assert pg.rows(database, "SELECT number, first_offset FROM waybill.partition ORDER BY 1") == [
        (first, 1), (first + 1, 2), (first + 2, 3)]
    broker.restart()
    reader = wire.Follower(proto, broker.streams)
    reader.hello()
    reader.subscribe()
    reader.expect("subscribed")
    assert [r.offset for r in reader.records(3)] == [1, 2, 3]
    reader.close()


def test_a_repeat_is_recognised_in_every_leaf(start, database, event):
    """Also by a session that is not suspect, and for ids in any order."""
    _, session = start("--partition", "1s", "--retention", "0")
    old = event(event_id="m-500")
    session.publish(old, event(event_id="z-1"))
    publish_into_new_leaf(database, session, event(event_id="a-1"))
    publish_into_new_leaf(database, session, event(event_id="zz"))
    receipts = session.publish(event(event_id="b-1"), old, event(event_id="zzz"))
    assert [(r.offset, r.repeat) for r in receipts] == [(5, False), (1, True), (6, False)]
    receipt, = session.publish(event(event_id="a-1"))
    assert (receipt.offset, receipt.repeat) == (3, True)


def test_a_full_leaf_is_frozen_and_autovacuum_has_nothing_to_do(start, database, event):
    _, session = start("--partition", "1s", "--retention", "0")
    session.publish(*[event() for _ in range(500)])
    publish_into_new_leaf(database, session, event())
    wait.until(lambda: pg.value(database, "SELECT count(*) FROM waybill.partition"
                                          " WHERE sealed_at IS NOT NULL") == 1, what="sealing")
    assert pg.value(database, "SELECT relfrozenxid::text::bigint > 0 AND relallvisible = relpages"
                              " FROM pg_class WHERE relname = 'event_1'")
    assert pg.value(database, "SELECT bool_and('autovacuum_enabled=off' = ANY (reloptions))"
                              " FROM pg_class WHERE relname ~ '^event_[0-9]+$' AND relkind = 'r'")


def test_the_newest_leaf_is_frozen_as_it_grows(start, database, event, proto):
    """So that whoever asks about a case does not have to write the pages that they read."""
    _, session = start("--partition", "60s", "--retention", "0")  # looked at every 6 s
    text = secrets.token_hex(850)  # nothing that PostgreSQL would compress
    grown = "SELECT pg_relation_size('waybill.event_1')"
    session.publish(event())
    while pg.value(database, grown) < 80 * 2**20:
        session.publish(*[event(notices=[proto.Notice(text=text)]) for _ in range(500)])
    # It looks from 64 MiB on, and what was being written then is left for the next time.
    frozen = "SELECT relallvisible * 8192::bigint FROM pg_class WHERE relname = 'event_1'"
    wait.until(lambda: pg.value(database, frozen) > 60 * 2**20, 90, "the upkeep to freeze them")
    assert pg.value(database, "SELECT count(*) FROM waybill.partition"
                              " WHERE sealed_at IS NULL") == 1


class TestRetention:
    @pytest.fixture
    def dropped(self, start, database, event, proto):
        """A broker whose first leaf is gone; what was in it."""
        broker, session = start("--partition", "1s", "--retention", "3s")
        session.publish(event("ENDED", "RECEIVED"), event("ENDED", stage="NOT_REQUIRED"),
                        event("OPEN", stage="ACCEPTED"), event("LATER", stage="RECEIVED"),
                        event("TAKEN BACK", event_id="grant", stage="DELIVERED"))
        number = leaves(database)[0]
        publish_into_new_leaf(database, session,
                              event("TAKEN BACK", kind=proto.KIND_RETRACTION, replaces="grant"))

        def moves():
            # LATER ends, but not so long ago; there has to be a newer leaf for one to be dropped
            session.publish(event("LATER", stage="WITHDRAWN"))
            return number not in leaves(database)
        wait.until(moves, 20, "the first leaf to be dropped")
        return broker, session

    def test_open_cases_and_those_that_moved_survive_whole(self, dropped, database):
        first = pg.value(database, "SELECT min(first_offset) FROM waybill.partition")
        assert first > 1
        kept = cases_of(database, "waybill.event_kept")
        assert "ENDED" not in kept
        assert {"OPEN", "LATER", "TAKEN BACK"} == kept
        assert pg.value(database, "SELECT count(*) FROM waybill.event WHERE case_no = 'ENDED'") == 0
        assert pg.value(database, "SELECT max(event_offset) FROM waybill.event_kept") < first

    def test_readers_are_told_where_the_log_begins(self, dropped, database, proto):
        broker, session = dropped
        reader = wire.Follower(proto, broker.streams)
        welcome = reader.hello()
        assert welcome.first_offset > 1
        reader.subscribe(number=1, after=1)
        refusal = reader.refusal()
        assert refusal.name == "CURSOR_EXPIRED" and "starts at" in refusal.detail
        reader.subscribe(number=2)
        assert reader.expect("subscribed").after_offset >= welcome.first_offset - 1
        records = reader.records(1, number=2)
        assert records[0].offset >= welcome.first_offset
        reader.close()

    def test_a_kept_case_shows_its_whole_story(self, dropped, proto, database):
        broker, _ = dropped
        reader = wire.Follower(proto, broker.streams)
        reader.hello()
        reader.send(case_query=proto.CaseQuery(request=1, case_no="OPEN"))
        answer = reader.expect("case_answer")
        assert [node.record.event.case_no for node in answer.nodes] == ["OPEN"]
        reader.send(case_query=proto.CaseQuery(request=2, case_no="ENDED"))
        assert reader.refusal().name == "CASE_NOT_FOUND"
        reader.close()

    def test_what_was_kept_is_recognised_and_what_was_dropped_is_new(self, dropped, event):
        _, session = dropped
        receipt, = session.publish(event("TAKEN BACK", event_id="grant", stage="DELIVERED"))
        assert receipt.repeat and receipt.offset == 5

    def test_a_case_that_ended_goes_with_a_later_leaf(self, dropped, database, event):
        _, session = dropped
        session.publish(event("OPEN", stage="REFUSED"))

        def gone():
            session.publish(event("LATER", stage="WITHDRAWN"))
            return "OPEN" not in cases_of(database, "waybill.event")
        wait.until(gone, 30, "the case that ended to be dropped")


def test_the_newest_leaf_is_never_dropped(start, database, event):
    _, session = start("--partition", "1s", "--retention", "1s")
    session.publish(event("ENDED", stage="NOT_REQUIRED"))
    time.sleep(3.5)  # long after its retention
    assert leaves(database) == [1]
