"""Durable readers on the wire: the broker keeps their cursor, through kills and retention."""

import json
import subprocess
import time

import pytest
import zmq

from support import postgres as pg
from support import paths, wait, wire
from support.keys import Keys
from support.registry import Registry


class Reader(wire.Follower):
    """A session that reads under a name."""

    def read_as(self, name, number=1, after=0, credit=100_000, **more):
        message = self.proto.Subscribe(subscription=number, credit=credit, reader=name, **more)
        if "now" not in more:
            message.after_offset = after
        self.send(subscribe=message)

    def begin_as(self, name, **more):
        """Where it begins."""
        self.read_as(name, **more)
        return self.expect("subscribed").after_offset

    def acknowledge(self, offset, number=1):
        self.send(acknowledge=self.proto.Acknowledge(subscription=number, offset=offset))

    def silent(self):
        """Nothing is under way to it: what is sent before a Pong would have come before it."""
        self.send(ping=self.proto.Ping(token=7))
        self.expect("pong")


@pytest.fixture
def connect(proto):
    """connect(broker): a session of a reader to be, open."""
    made = []

    def make(broker, curve=None):
        made.append(Reader(proto, broker.streams, curve))
        made[-1].hello()
        return made[-1]
    yield make
    for one in made:
        one.close()


def offsets(records):
    return [record.offset for record in records]


def row(database, name, columns="cursor"):
    found = pg.rows(database, f"SELECT {columns} FROM waybill.reader WHERE name = %s", name)
    return found[0] if found else None


def written(database, name, cursor):
    wait.until(lambda: row(database, name) == (cursor,), what=f"{name} at {cursor} in the database")


@pytest.fixture
def ten(publisher, event):
    """A log of ten events; gives the session that published them."""
    session = publisher()
    session.publish(*(event() for _ in range(10)))
    return session


class TestCursor:
    def test_goes_on_behind_what_was_acknowledged(self, broker, database, connect, ten):
        first = connect(broker)
        assert first.begin_as("notifier") == 0
        assert offsets(first.records(10)) == list(range(1, 11))
        first.acknowledge(4)
        written(database, "notifier", 4)
        first.acknowledge(7)
        first.send(bye=first.proto.Bye())
        second = connect(broker)
        assert second.begin_as("notifier") == 7
        assert offsets(second.records(3)) == [8, 9, 10]

    def test_the_first_subscription_says_where_a_name_begins(self, broker, database, connect, ten,
                                                             event):
        reader = connect(broker)
        assert reader.begin_as("late", now=True) == 10
        assert row(database, "late") == (10,)  # before it was told
        assert reader.begin_as("middle", number=2, after=6) == 6
        assert offsets(reader.records(4, number=2)) == [7, 8, 9, 10]
        other = connect(broker)
        assert other.begin_as("late", after=0) == 10
        assert other.begin_as("middle", number=2, after=9, restart=True) == 9
        assert row(database, "middle") == (9,)

    def test_keeps_audience_and_filter(self, broker, database, proto, connect, ten):
        reader = connect(broker)
        wanted = proto.Filter(case_nos=["A-2"])
        reader.begin_as("one", filter=wanted, audience="AUDIENCE_FULL")
        assert row(database, "one", "audience, follower, client") == ("full", "", "tests")
        stored, = row(database, "one", "filter")
        assert proto.Filter.FromString(bytes(stored)) == wanted

    def test_never_goes_back(self, broker, database, connect, ten):
        reader = connect(broker)
        reader.begin_as("r")
        reader.records(10)
        reader.acknowledge(8)
        written(database, "r", 8)
        reader.acknowledge(3)
        reader.acknowledge(9)
        written(database, "r", 9)

    def test_acknowledging_ahead_goes_on_there(self, broker, database, connect, ten):
        """As a client does that was told of events in an earlier session."""
        reader = connect(broker)
        reader.begin_as("r", credit=2)
        assert offsets(reader.records(2)) == [1, 2]
        reader.acknowledge(7)
        reader.send(credit=reader.proto.Credit(subscription=1, events=5))
        assert offsets(reader.records(3)) == [8, 9, 10]
        written(database, "r", 7)

    def test_in_one_message_with_the_subscription(self, broker, database, connect, ten):
        reader = connect(broker)
        reader.read_as("r")
        reader.acknowledge(5)
        after = reader.expect("subscribed").after_offset
        assert after in (0, 5)  # as the one or the other was quicker
        assert offsets(reader.records(10 - after)) == list(range(after + 1, 11))
        written(database, "r", 5)

    @pytest.mark.parametrize("how", ["kill", "stop"])
    def test_the_broker_ends(self, broker, database, connect, ten, how):
        """Stopped, it has written everything; killed, at most the last moment is missing."""
        reader = connect(broker)
        reader.begin_as("r")
        reader.records(10)
        reader.acknowledge(5)
        written(database, "r", 5)
        reader.acknowledge(8)
        if how == "stop":
            reader.silent()  # it was heard
        getattr(broker, how)()
        assert row(database, "r")[0] in ((8,) if how == "stop" else (5, 8))
        cursor, = row(database, "r")
        broker.start()
        again = connect(broker)
        assert again.begin_as("r") == cursor
        assert offsets(again.records(10 - cursor)) == list(range(cursor + 1, 11))


class TestRefusals:
    def test_of_acknowledgements(self, broker, connect, ten):
        reader = connect(broker)
        reader.begin_as("r")
        reader.records(10)
        reader.acknowledge(11)
        refusal = reader.refusal()
        assert (refusal.name, refusal.subscription) == ("READER", 1)
        assert "11" in refusal.detail and "10" in refusal.detail
        reader.subscribe(number=2)
        reader.expect("subscribed")
        reader.records(10, number=2)
        reader.acknowledge(5, number=2)
        assert reader.refusal().name == "READER"
        reader.acknowledge(5, number=9)  # it may have crossed a refusal
        reader.silent()

    @pytest.mark.parametrize("name", ["Notifier", "-x", "a b", "x" * 65])
    def test_of_names(self, broker, connect, name):
        reader = connect(broker)
        reader.read_as(name)
        refusal = reader.refusal()
        assert refusal.name == "READER" and name[:20] in refusal.detail

    def test_of_a_cursor_beyond_the_log(self, broker, connect, ten, database):
        reader = connect(broker)
        reader.read_as("r", after=11)
        assert reader.refusal().name == "CURSOR_UNKNOWN"
        assert row(database, "r") is None
        assert reader.begin_as("r", number=2, after=3, credit=0) == 3
        other = connect(broker)
        assert other.begin_as("r", after=99, credit=0) == 3  # it does not count any more

    def test_of_too_many(self, broker, connect, database):
        pg.rows(database, "INSERT INTO waybill.reader (name, audience, cursor)"
                          " SELECT 'r' || n, 'full', 0 FROM generate_series(1, 256) n")
        reader = connect(broker)
        reader.read_as("one-more")
        refusal = reader.refusal()
        assert refusal.name == "READER" and "256" in refusal.detail
        assert "waybill admin reader" in refusal.hint
        assert reader.begin_as("r7", number=2) == 0

    def test_of_another_followers_name(self, make_broker, database, proto, connect, tmp_path):
        server = Keys(tmp_path, "broker")
        broker = make_broker(arguments=["--key-file", server.path, "--curve", "all"]).start()
        registry = Registry(database, broker)
        pairs = {name: zmq.curve_keypair() for name in ("ours", "theirs")}
        for name, pair in pairs.items():
            registry.follower(name, pair)
        ours, theirs = (connect(broker, (pairs[name], server.public.encode())) for name in pairs)
        assert ours.begin_as("dashboard") == 0
        assert row(database, "dashboard", "follower") == ("ours",)
        theirs.read_as("dashboard")
        refusal = theirs.refusal()
        assert refusal.name == "READER" and "ours" in refusal.detail
        ours.send(bye=proto.Bye())
        wait.until(lambda: row(database, "dashboard", "client") == ("",), what="its leaving")
        theirs.read_as("dashboard", number=2)
        assert theirs.refusal().name == "READER"


class TestInstances:
    def test_the_second_takes_over(self, broker, connect, ten):
        first, second = connect(broker), connect(broker)
        first.begin_as("r")
        first.records(10)
        first.acknowledge(6)
        first.silent()
        assert second.begin_as("r") == 6
        refusal = first.refusal()
        assert (refusal.name, refusal.subscription) == ("READER_TAKEN", 1)
        assert "tests" in refusal.detail
        assert offsets(second.records(4)) == [7, 8, 9, 10]
        first.acknowledge(8)  # it crossed the refusal, and does nothing
        first.silent()
        third = connect(broker)
        assert third.begin_as("r") == 6

    def test_one_stands_by(self, broker, connect, ten):
        first, second, third = (connect(broker) for _ in range(3))
        first.begin_as("r")
        first.records(10)
        second.read_as("r", stand_by=True)
        third.read_as("r", stand_by=True)
        second.silent()
        third.silent()
        first.acknowledge(7)
        first.send(unsubscribe=first.proto.Unsubscribe(subscription=1))
        assert second.expect("subscribed").after_offset == 7
        assert offsets(second.records(3)) == [8, 9, 10]
        second.acknowledge(9)
        second.send(bye=second.proto.Bye())
        assert third.expect("subscribed").after_offset == 9
        assert offsets(third.records(1)) == [10]

    def test_many_at_once_are_one(self, broker, connect, ten, event):
        """Whoever came last has it, and everybody else was told."""
        sessions = [connect(broker) for _ in range(8)]
        for session in sessions:
            session.read_as("r")

        refused = {}

        def listen():
            for number, session in enumerate(sessions):
                while message := session.receive(0):
                    if message.WhichOneof("body") == "refusal":
                        refused[number] = message.refusal.name
            return len(refused) == 7
        wait.until(listen, what="all but one to be told")
        assert set(refused.values()) == {"READER_TAKEN"}
        holder, = set(range(8)) - set(refused)
        ten.publish(event())
        assert sessions[holder].records(1)[-1].offset == 11

    def test_the_operator_removes_it(self, broker, connect, database, ten):
        reader, idle = connect(broker), connect(broker)
        reader.begin_as("r")
        idle.begin_as("idle")
        reader.records(10)
        idle.records(10)
        pg.rows(database, "DELETE FROM waybill.reader")
        reader.acknowledge(5)
        for session in (reader, idle):
            refusal = session.refusal()
            assert refusal.name == "READER" and "removed" in refusal.detail
        assert reader.begin_as("r", number=2) == 0


class TestBrokers:
    def test_a_second_broker_goes_on(self, make_broker, proto, connect, database, event):
        one, two = make_broker().start(), make_broker()
        publisher = wire.Publisher(proto, one.ingest)
        publisher.open()
        publisher.publish(*(event() for _ in range(10)))
        reader = connect(one)
        reader.begin_as("r")
        reader.records(10)
        reader.acknowledge(6)
        written(database, "r", 6)
        two.start(ready=False)
        wait.until(lambda: "another broker" in two.text(), what="the second standing by")
        one.kill()
        two.wait_ready()
        again = connect(two)
        assert again.begin_as("r") == 6
        assert offsets(again.records(4)) == [7, 8, 9, 10]
        publisher.close()

    def test_one_that_lost_its_place_moves_no_cursor(self, broker, connect, database, ten):
        reader = connect(broker)
        reader.begin_as("r")
        reader.records(10)
        pg.rows(database, "UPDATE waybill.head SET epoch = epoch + 5")
        pg.rows(database, "UPDATE waybill.reader SET epoch = epoch + 5, cursor = 2")
        reader.acknowledge(9)
        other = connect(broker)
        other.read_as("new", now=True)
        deadline = time.monotonic() + 1.5  # several times what writing takes
        wait.until(lambda: time.monotonic() > deadline, what="the time in which it would write")
        assert row(database, "r") == (2,) and row(database, "new") is None
        assert other.receive(0.01) is None

    def test_the_database_goes_away(self, broker, connect, database, postgres, ten):
        """What was acknowledged meanwhile is written when it is back, and a subscription waits."""
        reader, other = connect(broker), connect(broker)
        reader.begin_as("r")
        reader.records(10)
        postgres.stop()
        try:
            reader.acknowledge(8)
            other.read_as("s")
            other.silent()
        finally:
            postgres.start()
        broker.wait_ready()
        written(database, "r", 8)
        assert other.expect("subscribed").after_offset == 0


class TestRetention:
    """Leaves of a second: a reader that sleeps is overtaken. The newest leaf is not dropped, so its
    reader stays in danger until another event opens the next one."""

    def test_endangered_then_expired(self, make_broker, proto, connect, database, event):
        broker = make_broker(arguments=["--partition", "1s", "--retention", "5s"]).start()
        publisher, reader = wire.Publisher(proto, broker.ingest), connect(broker)
        publisher.open()
        publisher.publish(event(case_no="A-1", stage="WITHDRAWN"))
        assert reader.begin_as("sleeper", credit=0) == 0
        assert reader.begin_as("awake", number=2, credit=0) == 0
        reader.acknowledge(1, number=2)

        def alarm(name):
            reader.silent()  # but for a Ping
            return row(database, "sleeper", "alarm") == (name,)
        wait.until(lambda: alarm("endangered"), timeout=60)
        wait.until(lambda: broker.metric("waybill_reader_endangered") == 1, what="the metric")
        assert broker.metric("waybill_reader_lag_events") == 1
        assert broker.metric("waybill_reader_lag_seconds") >= 4
        assert "sleeper is about to miss events" in broker.text()
        publisher.open()
        publisher.publish(event(case_no="A-2"))
        wait.until(lambda: alarm("expired"), timeout=60)
        wait.until(lambda: "sleeper has missed events" in broker.text(), what="a word in the log")
        audited = pg.rows(database, "SELECT action, subject FROM waybill.audit"
                                    " WHERE starts_with(action, 'reader') ORDER BY at")
        assert audited == [("reader endangered", "sleeper"), ("reader expired", "sleeper")]
        other = connect(broker)
        other.read_as("sleeper")
        refusal = other.refusal()
        assert refusal.name == "CURSOR_EXPIRED" and "the log starts at 2" in refusal.detail
        assert other.begin_as("sleeper", number=2, restart=True) == 1
        assert offsets(other.records(1, number=2)) == [2]
        assert row(database, "awake", "cursor, alarm") == (1, "")
        publisher.close()


def test_lag_is_told_and_forgotten(broker, connect, database, ten):
    reader = connect(broker)
    reader.begin_as("r")
    reader.records(10)
    wait.until(lambda: 'waybill_reader_lag_events{reader="r"} 10' in metrics(broker))
    reader.acknowledge(10)
    wait.until(lambda: 'waybill_reader_lag_events{reader="r"} 0' in metrics(broker))
    reader.send(bye=reader.proto.Bye())
    pg.rows(database, "DELETE FROM waybill.reader")
    wait.until(lambda: "waybill_reader_lag_events{" not in metrics(broker))


def metrics(broker):
    return wait.http_get(f"{broker.http}/metrics")[2].decode()


def test_many_acknowledgements_do_not_disturb_commits(broker, connect, database, publisher, event):
    """They are written a few times a second, whatever their number."""
    readers = [connect(broker) for _ in range(5)]
    for n, reader in enumerate(readers):
        reader.begin_as(f"r{n}")
    session = publisher()
    for _ in range(100):
        session.publish(*(event() for _ in range(10)))
        for reader in readers:
            reader.acknowledge(reader.records(10)[-1].offset)
    for n in range(5):
        written(database, f"r{n}", 1000)
    updates = pg.value(database, "SELECT n_tup_upd FROM pg_stat_user_tables"
                                 " WHERE schemaname = 'waybill' AND relname = 'reader'")
    assert updates < 400


class TestCommands:
    def test_tail_goes_on_where_it_was(self, broker, cli, database, ten, event):
        first = cli("tail", "--as", "job", "--from", "start", "--count", "4").stdout
        assert printed(first) == [1, 2, 3, 4]
        written(database, "job", 4)
        assert printed(cli("tail", "--as", "job", "--until-head").stdout) == list(range(5, 11))
        assert cli("tail", "--as", "job", "--until-head").stdout == ""
        ten.publish(event(), event())
        assert printed(cli("tail", "--as", "job", "--until-head").stdout) == [11, 12]
        again = cli("tail", "--as", "job", "--restart", "--from", "9", "--until-head").stdout
        assert printed(again) == [9, 10, 11, 12]
        assert cli("tail", "--as", "new", "--until-head").stdout == ""  # from now

    def test_what_was_not_printed_is_not_acknowledged(self, broker, cli, database, ten):
        """Nobody reads what it prints, and its output is closed: nothing was done with."""
        tail = subprocess.Popen(
            [paths.program("waybill"), "tail", "--as", "job", "--from", "start"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=cli.environment)
        tail.stdout.close()
        assert tail.wait(30) == 1
        assert row(database, "job") == (0,)

    def test_survives_brokers_that_are_killed(self, broker, cli, database, ten, publisher, event):
        tail = cli.start("waybill", "tail", "--as", "job", "--from", "start")
        for last in (20, 30, 40):
            wait.until(lambda: f'"offset":{last - 10},' in tail.text(), what="the events so far")
            broker.kill()
            broker.start()
            publisher().publish(*(event() for _ in range(10)))
        wait.until(lambda: '"offset":40,' in tail.text(), what="the last")
        assert printed(tail.text()) == list(range(1, 41))
        tail.stop()
        written(database, "job", 40)

    def test_killed_readers_lose_nothing(self, broker, cli, database, publisher, event):
        """Each instance is killed while it prints; together they have printed everything."""
        session = publisher()
        for _ in range(20):
            session.publish(*(event() for _ in range(500)))
        seen = []
        for round in range(4):
            tail = cli.start("waybill", "tail", "--as", "job", "--from", "start")
            wait.until(lambda: tail.text().count("\n") > 500 or row(database, "job") == (10000,))
            tail.kill()
            seen.append(printed(tail.text()[:tail.text().rfind("\n") + 1]))
        seen.append(printed(cli("tail", "--as", "job", "--from", "start", "--until-head").stdout))
        assert set().union(*map(set, seen)) == set(range(1, 10001))
        for numbers in seen:
            assert numbers == sorted(set(numbers))

    def test_another_takes_over_or_stands_by(self, broker, cli, database, ten, event):
        first = cli.start("waybill", "tail", "--as", "job", "--from", "start")
        written(database, "job", 10)
        second = cli.start("waybill", "tail", "--as", "job", "--stand-by")
        wait.until(lambda: "another instance reads as job; standing by" in second.text())
        ten.publish(event())
        written(database, "job", 11)
        first.stop()
        ten.publish(event())
        wait.until(lambda: printed(second.text()) == [12], what="the twelfth")
        written(database, "job", 12)
        third = cli.start("waybill", "tail", "--as", "job")
        wait.until(lambda: row(database, "job", "client") and second.text().count("standing") == 2)
        ten.publish(event())
        wait.until(lambda: printed(third.text()) == [13], what="the thirteenth")
        fourth = cli.start("waybill", "tail", "--as", "job")
        assert third.wait() == 1
        assert "another instance of this durable reader has taken over" in third.text()
        fourth.stop()
        ten.publish(event())
        wait.until(lambda: printed(second.text()) == [12, 14], what="its turn again")
        second.stop()

    @pytest.mark.parametrize("arguments, words", [
        (["--restart"], "--as"), (["--stand-by"], "--as"), (["--filter", "light=blue"], "blue")])
    def test_wrong_command_lines(self, broker, cli, arguments, words):
        assert words in cli("tail", *arguments, status=2).stderr

    def test_filter_by_light(self, broker, cli, ten):
        assert cli("tail", "--from", "start", "--until-head", "--filter", "light=red").stdout == ""

    def test_admin_shows_and_removes(self, broker, cli, database, ten, connect):
        cli.use(WAYBILL_DATABASE=database)
        assert cli("admin", "readers", "--json").stdout == ""
        reader = connect(broker)
        reader.begin_as("job", audience="AUDIENCE_FULL")
        reader.records(10)
        reader.acknowledge(4)
        written(database, "job", 4)
        shown, = map(json.loads, cli("admin", "readers", "--json").stdout.splitlines())
        assert {name: shown[name] for name in ("name", "state", "connected", "cursor", "audience",
                                               "lag_events", "client", "follower")} == {
            "name": "job", "state": "connected", "connected": True, "cursor": 4,
            "audience": "full", "lag_events": 6, "client": "tests", "follower": ""}
        assert shown["lag_seconds"] > 0 and shown["oldest"] and shown["acknowledged"]
        table = cli("admin", "reader", "list").stdout.splitlines()
        assert table[0].split()[:2] == ["READER", "STATE"]
        assert table[1].split()[:6] == ["job", "connected", "-", "full", "4", "6"]
        reader.send(bye=reader.proto.Bye())
        wait.until(lambda: json.loads(cli("admin", "readers", "--json").stdout)["state"] == "away")
        broker.stop()
        pg.rows(database, "UPDATE waybill.reader SET client = 'killed'")
        assert json.loads(cli("admin", "readers", "--json").stdout)["connected"] is False
        cli("admin", "reader", "remove", "job")
        assert row(database, "job") is None
        said = cli("admin", "reader", "remove", "job", status=1).stderr
        assert 'no reader "job"' in said and "waybill admin readers" in said
        assert pg.rows(database, "SELECT action, subject, detail FROM waybill.audit"
                                 " WHERE action = 'reader remove'") == [
            ("reader remove", "job", "was at 4")]


def printed(text):
    return [json.loads(line)["offset"] for line in text.splitlines() if line.startswith("{")]
