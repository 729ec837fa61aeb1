"""The broker as its clients meet it on the wire, and as its operator starts and ends it."""

import signal

import pytest
import zmq

from support import postgres as pg
from support import wait


def refuses_to_start(broker, *words):
    """It ends by itself with a failure, and says why in these words."""
    broker.start(ready=False)
    assert broker.wait(30) != 0
    for word in words:
        assert word in broker.text()


class TestSchema:
    def test_is_made_in_an_empty_database_and_found_again(self, broker, database, publisher,
                                                          event):
        version = pg.value(database, "SELECT max(version) FROM waybill.schema_version")
        publisher().publish(event())
        broker.restart()
        assert pg.value(database, "SELECT max(version) FROM waybill.schema_version") == version
        assert pg.value(database, "SELECT count(*) FROM waybill.event") == 1

    def test_of_a_newer_version_is_refused(self, broker, database, make_broker):
        broker.stop()
        pg.rows(database, "INSERT INTO waybill.schema_version (version, name) VALUES (9999, 'x')")
        refuses_to_start(make_broker(), "9999")

    def test_shows_the_log_to_people_with_psql(self, broker, database, publisher, event, proto):
        publisher("permits").publish(event(
            "A-1", stage="ACCEPTED", step="现场勘验", handler=proto.Handler(name="王芳")))
        assert pg.rows(database, "SELECT event_offset, source, case_no, stage, step, handler"
                                 " FROM waybill.readable") == [
            (1, "permits", "A-1", "ACCEPTED", "现场勘验", "王芳")]


class TestConfiguration:
    def test_check_says_what_is_valid_and_starts_nothing(self, cli, database):
        cli.run("waybilld", "--check", "--database", database)
        assert pg.value(database, "SELECT to_regnamespace('waybill')") is None

    @pytest.mark.parametrize("option", [
        "--ingest=tcp://0.0.0.0:7411", "--live=tcp://192.168.1.1:7412", "--streams=tcp://*:7413",
        "--ingest=tcp://[::]:7411", "--http=0.0.0.0:7414"])
    def test_an_address_beyond_loopback_is_refused(self, cli, database, option):
        for more in (["--check"], []):
            done = cli.run("waybilld", "--database", database, option, *more, status=None,
                           timeout=20)
            assert done.returncode == 2
            assert option.split("=")[1].rsplit(":", 1)[0].split("/")[-1] in done.stderr
            assert "loopback" in done.stderr

    @pytest.mark.parametrize("option", ["--ingest=nonsense", "--nonsense=1", "--http=x:y:z"])
    def test_what_is_not_understood_is_named(self, cli, option):
        done = cli.run("waybilld", "--check", option, status=None)
        assert done.returncode not in (0, 99)
        assert option.lstrip("-").split("=")[1 if "ingest" in option else 0] in done.stderr

    def test_a_database_out_of_reach_leaves_it_alive_but_not_ready(self, make_broker):
        broker = make_broker(database=f"host=127.0.0.1 port={wait.free_port()} dbname=x")
        broker.start(ready=False)
        wait.until(lambda: wait.http_status(f"{broker.http}/healthz") == 200, what="/healthz")
        assert wait.http_status(f"{broker.http}/readyz") == 503
        assert wait.http_status(f"{broker.http}/healthz") == 200

    def test_a_database_that_may_lose_commits_is_refused(self, postgres, make_broker):
        postgres.execute("postgres", "ALTER SYSTEM SET full_page_writes = off")
        postgres.execute("postgres", "SELECT pg_reload_conf()")
        try:
            broker = make_broker().start(ready=False)
            wait.until(lambda: "full_page_writes" in broker.text(), what="a word in the log")
            status, _, words = wait.http_get(f"{broker.http}/readyz")
            assert status == 503 and b"full_page_writes = off" in words
            assert wait.http_status(f"{broker.http}/healthz") == 200
        finally:
            postgres.execute("postgres", "ALTER SYSTEM RESET full_page_writes")
            postgres.execute("postgres", "SELECT pg_reload_conf()")
        broker.wait_ready()

    def test_a_second_broker_on_the_same_log_is_not_ready(self, broker, make_broker, publisher,
                                                          event, database):
        """One writer: the second either waits or takes over; it never writes beside the first."""
        second = make_broker()
        second.start(ready=False)
        wait.until(lambda: wait.http_status(f"{second.http}/healthz") == 200, what="/healthz")
        publisher().publish(event())
        ready = [wait.http_status(f"{one.http}/readyz") == 200 for one in (broker, second)]
        assert ready == [True, False]
        assert pg.value(database, "SELECT last_offset FROM waybill.head") == 1
        broker.stop()
        second.wait_ready()


class TestPublishing:
    def test_receipts_count_from_one_without_a_gap(self, publisher, event):
        session = publisher()
        offsets = [receipt.offset for _ in range(3) for receipt in
                   session.publish(*(event(f"A-{n}") for n in range(5)))]
        assert offsets == list(range(1, 16))

    def test_a_repeat_gets_the_first_ones_offset(self, publisher, event, database):
        session, again = publisher(), publisher()
        events = [event(f"A-{n}") for n in range(4)]
        first = session.publish(*events)
        within = session.publish(events[1], event("A-9"), events[1])
        other = again.publish(*events)
        assert [r.offset for r in other] == [r.offset for r in first]
        assert all(r.repeat for r in other) and not any(r.repeat for r in first)
        assert [(r.offset, r.repeat) for r in within] == [(2, True), (5, False), (2, True)]
        assert pg.value(database, "SELECT count(*) FROM waybill.event") == 5

    def test_a_repeat_within_one_batch_is_one_event(self, publisher, event, database):
        same = event()
        receipts = publisher().publish(same, same)
        assert [(r.offset, r.repeat) for r in receipts] == [(1, False), (1, True)]
        assert pg.value(database, "SELECT count(*) FROM waybill.event") == 1

    def test_a_repeat_is_known_after_a_restart(self, broker, publisher, event):
        first = event()
        publisher().publish(first)
        broker.restart()
        assert [(r.offset, r.repeat) for r in publisher().publish(first)] == [(1, True)]

    def test_the_same_id_of_another_source_is_another_event(self, publisher, event):
        first = event()
        assert publisher("one").publish(first)[0].offset == 1
        receipt, = publisher("two").publish(first)
        assert (receipt.offset, receipt.repeat) == (2, False)

    def test_one_bad_event_does_not_hold_up_the_others(self, publisher, event):
        bad = event("A-2")
        bad.case_no = ""
        receipts = publisher().publish(event(), bad, event())
        assert [r.offset for r in receipts] == [1, 0, 2]
        refusal = receipts[1].refusal
        assert (refusal.name, refusal.field) == ("FIELD_MISSING", "case_no")
        assert refusal.message and refusal.hint

    def test_codes_come_where_they_are_wanted_and_open_the_case(self, publisher, follower, event):
        session = publisher()
        one, two = session.publish(event("A-1"), event("A-2"), codes=True)
        assert one.code and two.code and one.code != two.code
        assert not session.publish(event("A-1"))[0].code
        reader = follower()
        assert reader.case("A-1", one.code).state.case_no == "A-1"
        wrong, unknown = reader.case("A-1", two.code), reader.case("A-3", one.code)
        assert wrong.name == unknown.name == "CASE_NOT_FOUND"
        wrong.request = unknown.request = 0
        assert wrong == unknown  # nothing tells them apart

    def test_a_batch_out_of_its_turn_ends_the_session(self, publisher, event):
        session = publisher()
        session.batch = 6
        session.send(publish=session.proto.Publish(batch=7, events=[event()]))
        assert session.refusal().name == "OUT_OF_SEQUENCE"
        session.send(publish=session.proto.Publish(batch=1, events=[event()]))
        assert session.refusal().name == "NO_SESSION"
        session.open()
        assert session.publish(event())[0].offset == 1

    def test_a_window_is_kept(self, publisher, proto, event):
        session = publisher()
        limits = session.open().limits
        big = limits.window_events // limits.batch_events + 2
        for batch in range(1, big + 1):
            session.send(publish=proto.Publish(
                batch=batch, events=[event() for _ in range(limits.batch_events)]))
        names = set()
        while (message := session.receive(2)) is not None:
            names.add(message.WhichOneof("body"))
            if message.WhichOneof("body") == "refusal":
                assert message.refusal.name in ("WINDOW_EXCEEDED", "NO_SESSION")
        # Whether the window was overrun depends on how fast the commits were; what must not happen
        # is an answer of another kind, or a broker that has gone.
        assert names <= {"refusal", "acknowledgement"}
        session.open()
        assert session.publish(event())[0].offset > 0

    @pytest.mark.parametrize("source", ["", "A", "-x", "x" * 65, "x y", "办件"])
    def test_a_source_needs_a_valid_name(self, channel, broker, proto, source):
        session = channel(broker.ingest)
        session.send(hello=proto.Hello(version=1, session=1, source=source))
        assert session.refusal().name == "SOURCE_NAME"

    def test_another_version_is_refused(self, channel, broker, proto):
        session = channel(broker.ingest)
        session.send(hello=proto.Hello(version=2, session=1, source="x"))
        assert session.refusal().name == "VERSION"

    def test_messages_of_the_other_endpoint_are_refused(self, channel, broker, proto, event):
        ingest, streams = channel(broker.ingest), channel(broker.streams)
        ingest.hello("x")
        ingest.send(subscribe=proto.Subscribe(subscription=1))
        assert ingest.refusal().name == "WRONG_ENDPOINT"
        streams.hello()
        streams.send(publish=proto.Publish(batch=1, events=[event()]))
        assert streams.refusal().name == "WRONG_ENDPOINT"

    def test_a_ping_is_answered(self, publisher, proto):
        session = publisher()
        session.send(ping=proto.Ping(token=77))
        assert session.expect("pong").token == 77


class TestFollowing:
    def test_replay_and_live_are_one_sequence(self, publisher, follower, event):
        writer, reader = publisher(), follower()
        sent = [event(f"A-{n % 7}") for n in range(300)]
        writer.publish(*sent[:200])
        reader.subscribe(after=0)
        reader.expect("subscribed")
        for n in range(200, 300, 10):
            writer.publish(*sent[n:n + 10])
        records = reader.records(300)
        assert [record.offset for record in records] == list(range(1, 301))
        assert [record.event for record in records] == sent
        assert {record.source for record in records} == {"tests"}

    def test_delivery_stops_where_the_credit_ends(self, publisher, follower, event, proto):
        publisher().publish(*(event() for _ in range(30)))
        reader = follower()
        reader.subscribe(credit=10)
        reader.expect("subscribed")
        assert len(reader.records(10)) == 10
        assert reader.receive(0.3) is None
        reader.send(credit=proto.Credit(subscription=1, events=20))
        assert [record.offset for record in reader.records(20)] == list(range(11, 31))

    def test_a_filter_lets_through_what_it_names(self, publisher, follower, event):
        publisher().publish(*(event(f"A-{n % 3}", stage=("RECEIVED", "ACCEPTED")[n % 2])
                              for n in range(12)))
        reader = follower()
        reader.subscribe(number=1, case_nos=["A-1"])
        reader.expect("subscribed")
        assert [record.offset for record in reader.records(4)] == [2, 5, 8, 11]
        reader.subscribe(number=2, stages=[reader.proto.STAGE_ACCEPTED], case_nos=["A-0", "A-1"])
        reader.expect("subscribed")
        assert [record.offset for record in reader.records(4, number=2)] == [2, 4, 8, 10]

    def test_a_cursor_beyond_the_end_is_refused(self, publisher, follower, event):
        publisher().publish(event())
        reader = follower()
        reader.subscribe(after=2)
        refusal = reader.refusal()
        assert (refusal.name, refusal.subscription) == ("CURSOR_UNKNOWN", 1)
        assert "2" in refusal.detail
        reader.subscribe(after=1)
        assert reader.expect("subscribed").head_offset == 1

    def test_now_begins_behind_the_head(self, publisher, follower, event):
        writer, reader = publisher(), follower()
        writer.publish(event(), event())
        reader.subscribe(now=True)
        assert reader.expect("subscribed").after_offset == 2
        writer.publish(event())
        assert reader.records(1)[0].offset == 3

    def test_subscriptions_have_a_number_of_their_own(self, follower, event):
        reader = follower()
        reader.subscribe(number=5)
        reader.expect("subscribed")
        reader.subscribe(number=5)
        assert reader.refusal().name == "SUBSCRIPTION"
        reader.subscribe(number=0)
        assert reader.refusal().name == "SUBSCRIPTION"

    def test_more_subscriptions_than_allowed_are_refused(self, channel, broker, proto):
        reader = channel(broker.streams)
        limit = reader.hello().limits.subscriptions
        for number in range(1, limit + 2):
            reader.send(subscribe=proto.Subscribe(subscription=number, after_offset=0))
        answers = [reader.receive() for _ in range(limit + 1)]
        taken = [each.subscribed.subscription for each in answers
                 if each.WhichOneof("body") == "subscribed"]
        refused = [each.refusal for each in answers if each.WhichOneof("body") == "refusal"]
        assert sorted(taken) == list(range(1, limit + 1))
        assert [(each.name, each.subscription) for each in refused] == [("TOO_MANY", limit + 1)]

    def test_live_carries_the_topic_and_the_record(self, broker, publisher, event, proto):
        socket = zmq.Context.instance().socket(zmq.SUB)
        socket.linger = 0
        try:
            socket.connect(broker.live)
            socket.subscribe(b"case/A-1\n")
            writer = publisher()
            received = []

            def arrives():
                writer.publish(event("A-10"), event("A-1"))
                if socket.poll(100):
                    received.append(socket.recv_multipart())
                return received
            wait.until(arrives, what="a live record")
            topic, payload = received[0]
            record = proto.Record.FromString(payload)
            assert topic == b"case/A-1\n"
            assert (record.event.case_no, record.source) == ("A-1", "tests")
        finally:
            socket.close()


class TestCases:
    def test_a_late_event_changes_the_past_not_the_present(self, publisher, follower, event):
        writer = publisher()
        writer.publish(event("A-1", stage="ACCEPTED", at_us=2_000_000_000_000_000),
                       event("A-1", stage="RECEIVED", at_us=1_900_000_000_000_000))
        answer = follower().case("A-1")
        assert answer.state.stage == answer.state.DESCRIPTOR.fields_by_name["stage"].enum_type \
            .values_by_name["STAGE_ACCEPTED"].number
        assert [node.record.offset for node in answer.nodes] == [2, 1]
        assert answer.through_offset == 2

    def test_what_was_corrected_stays_readable(self, publisher, follower, event, proto):
        writer = publisher()
        writer.publish(event("A-1", "one"), event("A-1", "two", stage="REFUSED"),
                       event("A-1", "three", stage="GRANTED", kind=proto.KIND_CORRECTION,
                             replaces="two"),
                       event("A-1", "four", kind=proto.KIND_RETRACTION, replaces="one"))
        answer = follower().case("A-1")
        standings = {node.record.event.event_id: node.standing for node in answer.nodes}
        assert standings["one"] == proto.STANDING_RETRACTED
        assert standings["two"] == proto.STANDING_CORRECTED
        assert answer.state.stage == proto.STAGE_GRANTED
        assert answer.state.events == 4


class TestEnding:
    def test_sigterm_finishes_what_is_in_flight(self, broker, publisher, proto, event, database):
        session = publisher()
        limits = session.open().limits
        count = min(limits.window_events, 4 * limits.batch_events) // limits.batch_events
        for batch in range(1, count + 1):
            session.send(publish=proto.Publish(
                batch=batch, events=[event() for _ in range(limits.batch_events)]))
        first = session.expect("acknowledgement")
        broker.process.send_signal(signal.SIGTERM)
        acknowledged = len(first.receipts)
        while (message := session.receive(5)) is not None:
            if message.WhichOneof("body") == "refusal":
                assert message.refusal.name in ("SHUTTING_DOWN", "NO_SESSION")
                break
            acknowledged += len(message.acknowledgement.receipts)
        assert broker.wait() == 0
        stored = pg.value(database, "SELECT count(*) FROM waybill.event")
        assert acknowledged <= stored
        assert pg.value(database, "SELECT max(event_offset) FROM waybill.event") == stored

    def test_followers_are_told(self, broker, follower):
        reader = follower()
        broker.stop()
        assert reader.refusal().name == "SHUTTING_DOWN"

    def test_a_lost_database_is_told_and_found_again(self, broker, postgres, publisher, event):
        session = publisher()
        session.publish(event())
        postgres.stop(signal.SIGQUIT)
        try:
            session.batch += 1
            session.send(publish=session.proto.Publish(batch=2, events=[event()]))
            assert session.refusal(30).name == "NOT_READY"
            wait.until(lambda: wait.http_status(f"{broker.http}/readyz") == 503, what="503")
            assert wait.http_status(f"{broker.http}/healthz") == 200
        finally:
            postgres.start()
        broker.wait_ready()
        session.open()
        assert session.publish(event())[0].offset in (2, 3)
