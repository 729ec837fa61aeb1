"""Who may publish and follow: keys, grants and limits, as operators write them into the tables."""

import resource
import socket
import time
from types import SimpleNamespace

import pytest
import zmq
from zmq.utils import monitor

from support import postgres as pg
from support import wait, wire
from support.registry import Registry

CUT_SECONDS = 1.0  # from the commit of the change to the end of the session
FAILED = (zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
          | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)
SETTLED = FAILED | zmq.EVENT_HANDSHAKE_SUCCEEDED


@pytest.fixture
def server(tmp_path):
    """The broker's pair, in a file of its own."""
    public, secret = zmq.curve_keypair()
    path = tmp_path / "broker.key"
    path.touch(0o600)
    path.write_text(f"# the broker of a test\npublic {public.decode()}\nsecret {secret.decode()}\n")
    return SimpleNamespace(path=path, public=public)


@pytest.fixture
def keyed(make_broker, server):
    """A broker that asks for keys everywhere."""
    return make_broker(arguments=["--curve", "all", "--key-file", server.path]).start()


@pytest.fixture
def registry(keyed, database):
    return Registry(database, keyed)


@pytest.fixture
def join(proto, server):
    """join(class, endpoint, key, …): a channel that shows this key; closed with the test."""
    made = []

    def make(kind, endpoint, key, **options):
        made.append(kind(proto, endpoint, curve=(key, server.public) if key else None, **options))
        return made[-1]
    yield make
    for channel in made:
        channel.close()


@pytest.fixture
def subscribe(server):
    """subscribe(endpoint, key): a SUB socket for everything, and the monitor of it."""
    made = []

    def make(endpoint, key):
        sub = zmq.Context.instance().socket(zmq.SUB)
        sub.linger = 0
        if key:
            wire.show_key(sub, key, server.public)
        watched = sub.get_monitor_socket()
        sub.subscribe(b"case/")
        sub.connect(endpoint)
        made.append((sub, watched))
        return sub, watched
    yield make
    for sub, watched in made:
        close_monitored(sub, watched)


def key():
    return zmq.curve_keypair()


def next_event(watched, wanted, timeout=10.0):
    """The next of these events of a monitored socket: (event, value)."""
    deadline = time.monotonic() + timeout
    while watched.poll(max(0, (deadline - time.monotonic()) * 1000)):
        message = monitor.recv_monitor_message(watched)
        if message["event"] & wanted:
            return message["event"], message["value"]
    raise AssertionError("no such event came")


def outcome(kind, endpoint, own, server_key):
    """What becomes of a connection: the monitor's event, its value, and whether anything was
    answered to a Hello."""
    connection = zmq.Context.instance().socket(kind)
    connection.linger = 0
    if own:
        wire.show_key(connection, own, server_key)
    watched = connection.get_monitor_socket()
    try:
        if kind == zmq.SUB:
            connection.subscribe(b"")
        connection.connect(endpoint)
        event, value = next_event(watched, SETTLED)
        return event, value, connection.poll(0) != 0
    finally:
        close_monitored(connection, watched)


def close_monitored(connection, watched):
    """In this order: libzmq would wait for ever for a monitor that is gone."""
    connection.monitor(None, 0)
    watched.close()
    connection.close()


REFUSED = (zmq.EVENT_HANDSHAKE_FAILED_AUTH, 400, False)
ADMITTED = zmq.EVENT_HANDSHAKE_SUCCEEDED
DOORS = [("ingest", zmq.DEALER), ("streams", zmq.DEALER), ("live", zmq.SUB)]


class TestKeys:
    @pytest.mark.parametrize("door, kind", DOORS)
    def test_a_stranger_gets_nowhere(self, keyed, server, registry, door, kind):
        registry.settle()
        endpoint = getattr(keyed, door)
        stranger = key()
        assert outcome(kind, endpoint, stranger, server.public) == REFUSED
        event, _, answered = outcome(kind, endpoint, None, None)
        assert event & FAILED and not answered
        event, _, answered = outcome(kind, endpoint, stranger, key()[0])
        assert event & FAILED and not answered
        wait.until(lambda: registry.audit(stranger[0].decode(), "KEY_UNKNOWN") == 1)
        detail = pg.value(registry.database, "SELECT detail FROM waybill.audit WHERE subject = %s",
                          stranger[0].decode())
        assert f"from 127.0.0.1 on {door}" in detail
        assert (f'waybill_key_checks_total{{endpoint="{door}",outcome="unknown"}} 1'
                in metrics(keyed))
        assert ('waybill_source_refusals_total{source="(unknown key)",code="KEY_UNKNOWN"} 1'
                in metrics(keyed))

    def test_a_key_opens_its_own_doors_alone(self, keyed, server, registry):
        permits, both, streams, live = key(), key(), key(), key()
        registry.source("permits", permits)
        registry.follower("gateway", both)
        registry.follower("notifier", streams, live=False)
        registry.follower("screen", live, streams=False)
        opens = {door: [outcome(kind, getattr(keyed, door), one, server.public)[0] == ADMITTED
                        for one in (permits, both, streams, live)] for door, kind in DOORS}
        assert opens == {"ingest": [True, False, False, False],
                         "streams": [False, True, True, False],
                         "live": [False, True, False, True]}

    def test_nobody_is_let_in_before_the_tables_were_read(self, make_broker, server):
        broker = make_broker(database=f"host=127.0.0.1 port={wait.free_port()} dbname=x",
                             arguments=["--curve", "all", "--key-file", server.path])
        broker.start(ready=False)
        wait.until(lambda: wait.http_status(f"{broker.http}/healthz") == 200, what="/healthz")
        event, _, answered = outcome(zmq.DEALER, broker.ingest, key(), server.public)
        assert event & FAILED and not answered
        assert "waybill_key_checks_total{" not in metrics(broker)

    def test_both_keys_of_a_source_work_and_say_who_it_is(self, keyed, registry, database, join,
                                                          event):
        old, new = key(), key()
        registry.source("permits", old, new)
        for one, said in ((old, ""), (new, "permits")):
            publisher = join(wire.Publisher, keyed.ingest, one, source=said)
            publisher.open()
            assert publisher.publish(event())[0].offset > 0
        assert pg.rows(database, "SELECT DISTINCT source FROM waybill.readable") == [("permits",)]

    def test_the_name_of_another_is_refused(self, keyed, registry, join):
        own = key()
        registry.source("permits", own)
        registry.source("tax", key())
        publisher = join(wire.Publisher, keyed.ingest, own)
        for name in ("tax", "nobody-else"):
            publisher.send(hello=publisher.proto.Hello(version=1, session=1, source=name))
            refusal = publisher.refusal()
            assert refusal.name == "IDENTITY" and name in refusal.detail
        wait.until(lambda: registry.audit("permits", "IDENTITY") == 2)
        assert publisher.hello("permits")

    def test_events_travel_from_a_source_to_followers(self, keyed, registry, join, subscribe,
                                                      event):
        source_key, follower_key = key(), key()
        registry.source("permits", source_key)
        registry.follower("gateway", follower_key)
        sub, watched = subscribe(keyed.live, follower_key)
        next_event(watched, ADMITTED)
        follower = join(wire.Follower, keyed.streams, follower_key)
        follower.hello()
        follower.subscribe()
        follower.expect("subscribed")
        publisher = join(wire.Publisher, keyed.ingest, source_key, source="")
        publisher.open()
        wait.until(lambda: publisher.publish(event()) and sub.poll(50), what="a live event")
        assert follower.records(1)[0].source == "permits"

    def test_endpoints_on_loopback_stay_open_beside_one_that_is_not(self, make_broker, server,
                                                                    proto, event):
        broker = make_broker(arguments=["--key-file", server.path])
        port = wait.free_port()
        broker.argv[broker.argv.index("--ingest") + 1] = f"tcp://0.0.0.0:{port}"
        broker.start()
        follower = wire.Follower(proto, broker.streams)
        assert follower.hello()
        follower.close()
        failed, _, _ = outcome(zmq.DEALER, f"tcp://127.0.0.1:{port}", None, None)
        assert failed & FAILED


class TestChanges:
    """They hold within a second, without a restart."""

    def test_a_retired_key_is_cut_and_the_new_one_goes_on(self, keyed, registry, join, event):
        old, new = key(), key()
        registry.source("permits", old, new)
        first, second = (join(wire.Publisher, keyed.ingest, one, source="") for one in (old, new))
        first.open()
        second.open()
        changed = registry.retire(old)
        assert first.refusal().name == "KEY_UNKNOWN"
        assert time.monotonic() - changed < CUT_SECONDS
        assert second.publish(event())[0].offset == 1
        first.send(hello=first.proto.Hello(version=1, session=9))
        assert first.refusal().name == "KEY_UNKNOWN"
        registry.source_key("permits", old, 1)
        registry.settle()
        assert first.open()

    def test_a_disabled_source_is_cut_until_it_is_enabled(self, keyed, registry, join, event):
        own, other = key(), key()
        registry.source("permits", own)
        registry.source("tax", other)
        publisher = join(wire.Publisher, keyed.ingest, own, source="")
        bystander = join(wire.Publisher, keyed.ingest, other, source="")
        publisher.open()
        bystander.open()
        assert publisher.publish(event())[0].offset == 1
        changed = registry.write("UPDATE waybill.source SET enabled = false WHERE name = 'permits'")
        refusal = publisher.refusal()
        assert time.monotonic() - changed < CUT_SECONDS
        assert refusal.name == "DISABLED" and "permits" in refusal.detail
        publisher.send(publish=publisher.proto.Publish(batch=2, events=[event()]))
        assert publisher.refusal().name == "NO_SESSION"
        newcomer = join(wire.Publisher, keyed.ingest, own, source="")
        newcomer.send(hello=newcomer.proto.Hello(version=1, session=1))
        assert newcomer.refusal().name == "DISABLED"
        assert bystander.publish(event())[0].offset == 2
        registry.write("UPDATE waybill.source SET enabled = true WHERE name = 'permits'")
        registry.settle()
        for one in (publisher, newcomer):
            one.open()
        assert newcomer.publish(event())[0].offset == 3

    def test_a_disabled_follower_is_cut_on_streams(self, keyed, registry, join):
        own = key()
        registry.follower("gateway", own)
        follower = join(wire.Follower, keyed.streams, own)
        follower.hello()
        changed = registry.write("UPDATE waybill.follower SET streams = false")
        assert follower.refusal().name == "KEY_UNKNOWN"
        assert time.monotonic() - changed < CUT_SECONDS
        registry.write("UPDATE waybill.follower SET streams = true")
        registry.settle()
        follower.hello()
        changed = registry.write("UPDATE waybill.follower SET enabled = false")
        assert follower.refusal().name == "DISABLED"
        assert time.monotonic() - changed < CUT_SECONDS

    def test_a_disabled_follower_is_cut_from_the_live_feed(self, keyed, registry, join, subscribe,
                                                           event):
        source_key, own, other = key(), key(), key()
        registry.source("permits", source_key)
        registry.follower("screen", own)
        registry.follower("gateway", other)
        publisher = join(wire.Publisher, keyed.ingest, source_key, source="")
        publisher.open()
        (cut, watched), (stays, watched_too) = (subscribe(keyed.live, one) for one in (own, other))
        next_event(watched, ADMITTED)
        next_event(watched_too, ADMITTED)
        for sub in (cut, stays):
            wait.until(lambda: publisher.publish(event()) and sub.poll(50), what="a live event")

        changed = registry.write("UPDATE waybill.follower SET enabled = false"
                                 " WHERE name = 'screen'")
        next_event(watched, zmq.EVENT_DISCONNECTED)
        assert time.monotonic() - changed < CUT_SECONDS
        drain(cut)
        next_event(watched_too, ADMITTED)
        drain(stays)
        publisher.open()
        wait.until(lambda: publisher.publish(event()) and stays.poll(50), what="a live event")
        assert time.monotonic() - changed < 5
        next_event(watched, FAILED)  # it tried to come back
        assert not cut.poll(0)

        registry.write("UPDATE waybill.follower SET enabled = true WHERE name = 'screen'")
        next_event(watched, ADMITTED)
        publisher.open()
        wait.until(lambda: publisher.publish(event()) and cut.poll(50), what="a live event")

    def test_each_live_feed_asks_for_its_audience(self, make_broker, server, database, subscribe):
        live = {name: f"tcp://127.0.0.1:{wait.free_port()}"
                for name in ("staff", "applicant", "public")}
        broker = make_broker(arguments=[
            "--curve", "all", "--key-file", server.path,
            *(word for name, endpoint in live.items() for word in (f"--live-{name}", endpoint))])
        broker.start()
        registry, keys = Registry(database, broker), {}
        live["full"] = broker.live
        for name in live:
            keys[name] = key()
            registry.follower(name, keys[name], audiences=(name,))
        admitted = {name: {feed for feed, endpoint in live.items()
                           if outcome(zmq.SUB, endpoint, own, server.public)[0] == ADMITTED}
                    for name, own in keys.items()}
        assert admitted == {"full": set(live), "staff": {"staff", "public"},
                            "applicant": {"applicant", "public"}, "public": {"public"}}

        _, staff = subscribe(live["staff"], keys["staff"])
        _, public = subscribe(live["public"], keys["staff"])
        for watched in (staff, public):
            next_event(watched, ADMITTED)
        changed = registry.write("UPDATE waybill.follower SET audiences = '{public}'"
                                 " WHERE name = 'staff'")
        next_event(staff, zmq.EVENT_DISCONNECTED)
        assert time.monotonic() - changed < CUT_SECONDS
        next_event(staff, FAILED)
        assert not public.poll(0), "the public feed was cut, too"

    def test_the_live_feed_is_left_alone_by_what_does_not_concern_it(self, keyed, registry,
                                                                      subscribe):
        own = key()
        registry.follower("screen", own)
        _, watched = subscribe(keyed.live, own)
        next_event(watched, ADMITTED)
        registry.source("permits", key())
        registry.follower("gateway", key())
        registry.write("UPDATE waybill.follower SET enabled = false WHERE name = 'gateway'")
        registry.settle()
        assert "all subscribers were cut" not in keyed.text()

    def test_what_was_read_last_holds_while_nothing_can_be_read(self, keyed, registry, join,
                                                                event):
        own = key()
        registry.source("permits", own)
        registry.write("ALTER TABLE waybill.key RENAME TO elsewhere")
        registry.write("UPDATE waybill.access SET revision = revision + 1")
        wait.until(lambda: "reading sources and keys: relation" in keyed.text())
        publisher = join(wire.Publisher, keyed.ingest, own, source="")
        publisher.open()
        assert publisher.publish(event())[0].offset == 1
        registry.write("UPDATE waybill.source SET enabled = false")
        changed = registry.write("ALTER TABLE waybill.elsewhere RENAME TO key")
        assert publisher.refusal().name == "DISABLED"
        assert time.monotonic() - changed < CUT_SECONDS


AUDIENCES = ("full", "staff", "applicant", "public")


class TestLiveAudiences:
    """Each audience has its live feed, and each feed its own list of permitted keys."""

    @pytest.fixture
    def feeds(self, keyed):
        """The endpoints of a keyed broker that has all four, by audience."""
        feeds = {name: f"tcp://127.0.0.1:{wait.free_port()}" for name in AUDIENCES[1:]}
        for name, endpoint in feeds.items():
            keyed.argv += [f"--live-{name}", endpoint]
        keyed.restart()
        return {"full": keyed.live, **feeds}

    def test_a_key_opens_the_feeds_of_its_audiences_alone(self, feeds, server, registry):
        opens = {}
        for held in AUDIENCES:
            own = key()
            registry.follower(held, own, audiences=[held])
            opens[held] = [audience for audience in AUDIENCES if outcome(
                zmq.SUB, feeds[audience], own, server.public)[0] == ADMITTED]
        assert opens == {"full": list(AUDIENCES), "staff": ["staff", "public"],
                         "applicant": ["applicant", "public"], "public": ["public"]}
        assert outcome(zmq.SUB, feeds["public"], key(), server.public) == REFUSED

    def test_who_loses_an_audience_is_cut_from_its_feed_and_from_no_other(
            self, feeds, keyed, registry, subscribe):
        own, other = key(), key()
        registry.follower("screen", own, audiences=["staff"])
        registry.follower("board", other, audiences=["staff"])
        watched = {name: subscribe(feeds[name], own)[1] for name in ("staff", "public")}
        stays = subscribe(feeds["staff"], other)[1]
        for one in (*watched.values(), stays):
            next_event(one, ADMITTED)
        changed = registry.write("UPDATE waybill.follower SET audiences = '{public}'"
                                 " WHERE name = 'screen'")
        next_event(watched["staff"], zmq.EVENT_DISCONNECTED)
        assert time.monotonic() - changed < CUT_SECONDS
        next_event(watched["staff"], FAILED)  # it tried to come back
        next_event(stays, ADMITTED)           # and the other did
        assert not watched["public"].poll(0)
        assert keyed.text().count("all subscribers were cut") == 1


class TestGrants:
    @pytest.mark.parametrize("column, field, granted, other", [
        ("agencies", "agency", "新北区行政审批局", "武进区行政审批局"),
        ("regions", "region_code", "320411002", "320412"),
        ("items", "item_code", "000115004000", "000116"),
        ("cases", "case_no", "320411-7", "320412-7")])
    def test_a_source_speaks_for_what_it_was_granted(self, keyed, registry, join, event, column,
                                                     field, granted, other):
        own = key()
        prefixes = {"agencies": ["市局", "新北区"]}.get(column, ["9", granted[:6]])
        registry.source("permits", own, **{column: prefixes})
        publisher = join(wire.Publisher, keyed.ingest, own, source="")
        publisher.open()
        fields = {} if field == "case_no" else {"case_no": "A-1"}
        receipts = publisher.publish(event(**{**fields, field: granted}),
                                     event(**{**fields, field: other}))
        assert receipts[0].offset == 1
        assert receipts[1].refusal.name == "NOT_GRANTED"
        assert receipts[1].refusal.field == field and other in receipts[1].refusal.detail
        if field != "case_no":
            missing = publisher.publish(event("A-1"))[0].refusal
            assert (missing.name, missing.field) == ("NOT_GRANTED", field)
        assert keyed.metric("waybill_source_refusals_total") == (2 if fields else 1)
        assert ('waybill_source_refusals_total{source="permits",code="NOT_GRANTED"}'
                in metrics(keyed))
        wait.until(lambda: registry.audit("permits", "NOT_GRANTED") >= 1)

    def test_grants_change_under_an_open_session(self, keyed, registry, join, event):
        own = key()
        registry.source("permits", own, cases=["A-"])
        publisher = join(wire.Publisher, keyed.ingest, own, source="")
        publisher.open()
        assert publisher.publish(event("B-1"))[0].refusal.name == "NOT_GRANTED"
        registry.write("UPDATE waybill.source SET cases = '{A-,B-}'")
        registry.settle()
        assert publisher.publish(event("B-1"))[0].offset == 1
        registry.write("UPDATE waybill.source SET cases = '{NULL}'")
        registry.settle()
        assert publisher.publish(event("B-1"))[0].refusal.name == "NOT_GRANTED"

    def test_a_source_keeps_to_its_size(self, keyed, registry, join, event):
        own = key()
        registry.source("permits", own, event_bytes=200)
        publisher = join(wire.Publisher, keyed.ingest, own, source="")
        assert publisher.open().limits.event_bytes == 200
        receipts = publisher.publish(event(), event(step="x" * 190))
        assert receipts[0].offset == 1
        assert receipts[1].refusal.name == "EVENT_TOO_LARGE" and "200" in receipts[1].refusal.detail


class TestLoopback:
    def test_without_keys_is_open_to_all_but_the_disabled(self, broker, database, proto, channel,
                                                          publisher, event):
        registry = Registry(database, broker)
        registry.source("permits", cases=["A-"])
        session = publisher("permits")
        other = publisher("anybody")
        assert session.publish(event("A-1"))[0].offset == 1
        assert session.publish(event("B-1"))[0].refusal.name == "NOT_GRANTED"
        assert other.publish(event("B-1"))[0].offset == 2
        changed = registry.write("UPDATE waybill.source SET enabled = false WHERE name = 'permits'")
        assert session.refusal().name == "DISABLED"
        assert time.monotonic() - changed < CUT_SECONDS
        newcomer = channel(broker.ingest)
        newcomer.send(hello=proto.Hello(version=1, session=1, source="permits"))
        assert newcomer.refusal().name == "DISABLED"
        assert other.publish(event("B-1"))[0].offset == 3
        wait.until(lambda: registry.audit("permits", "DISABLED") == 2)


class TestAudit:
    def test_like_refusals_are_one_row_in_a_while(self, keyed, registry, join, event):
        own = key()
        registry.source("permits", own, cases=["A-"])
        publisher = join(wire.Publisher, keyed.ingest, own, source="")
        publisher.open()
        for _ in range(3):
            publisher.publish(*(event("B-1") for _ in range(1000)))
        wait.until(lambda: registry.audit("permits", "NOT_GRANTED") == 3000)
        rows = pg.rows(registry.database, "SELECT actor, count FROM waybill.audit")
        assert len(rows) <= 3 and rows[0][0] == "waybill"

    def test_old_rows_are_removed(self, make_broker, database):
        make_broker().start().stop()
        pg.rows(database, "INSERT INTO waybill.audit (at, action, subject) VALUES"
                          " (now() - interval '2 days', 'old', ''), (now(), 'new', '')")
        make_broker(arguments=["--retention", "1d"]).start()
        wait.until(lambda: pg.rows(database, "SELECT action FROM waybill.audit") == [("new",)])


class TestLease:
    def test_is_beaten_every_second_while_the_broker_writes(self, broker, database):
        def beats():
            return pg.rows(database, "SELECT epoch, beat FROM waybill.lease")[0]
        epoch, first = wait.until(lambda: beats()[1] and beats())
        assert epoch == pg.value(database, "SELECT epoch FROM waybill.head")
        began = time.monotonic()
        wait.until(lambda: beats()[1] >= first + 3)
        assert 2 < time.monotonic() - began < 6


class TestOptions:
    @pytest.mark.parametrize("options, words", [
        (["--ingest=tcp://0.0.0.0:7411"], ["ingest", "key_file", "keygen"]),
        (["--curve=all"], ["ingest", "key_file", "curve = remote"]),
        (["--curve=some"], ["curve = some", "remote", "all"]),
        (["--key-file=/nonexistent/key"], ["/nonexistent/key"])])
    def test_what_is_missing_is_named(self, cli, options, words):
        for more in (["--check"], []):
            done = cli.run("waybilld", *options, *more, status=2, timeout=20)
            for word in words:
                assert word in done.stderr

    def test_a_key_that_others_may_read_is_not_used(self, cli, server):
        options = ["--check", "--ingest=tcp://0.0.0.0:7411", "--key-file", server.path]
        cli.run("waybilld", *options)
        server.path.chmod(0o640)
        assert "chmod 600" in cli.run("waybilld", *options, status=2).stderr


class TestCrowds:
    def test_strangers_do_not_keep_a_source_from_publishing(self, keyed, server, registry, join,
                                                            event):
        own, late = key(), key()
        registry.source("permits", own)
        registry.source("tax", late)
        publisher = join(wire.Publisher, keyed.ingest, own, source="")
        publisher.open()
        port = int(keyed.ingest.rsplit(":", 1)[1])
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        context, strangers = zmq.Context(), []
        context.max_sockets = 2000
        try:
            began, slowest = time.monotonic(), 0.0
            for _ in range(500):
                stranger = context.socket(zmq.DEALER)
                stranger.linger = 0
                wire.show_key(stranger, key(), server.public)
                stranger.connect(keyed.ingest)
                strangers.append(stranger)
                sent = time.monotonic()
                publisher.publish(event())
                slowest = max(slowest, time.monotonic() - sent)
            while keyed.metric("waybill_key_checks_total") < 501:
                publisher.publish(event())
                assert time.monotonic() - began < 60
            assert slowest < 2
            newcomer = join(wire.Publisher, keyed.ingest, late, source="")
            newcomer.open()
            assert newcomer.publish(event())[0].offset > 500
            for one in silent:  # their time is over, and their place is free
                one.settimeout(30)
                while one.recv(64):
                    pass
            publisher.open()  # it may have been silent for too long meanwhile
            publisher.publish(event())
            wait.until(lambda: registry.audit("(others)", "KEY_UNKNOWN") > 0)
        finally:
            context.destroy(linger=0)
            for one in silent:
                one.close()

    @pytest.mark.takes_time
    def test_without_descriptors_those_inside_go_on_and_others_wait(self, keyed, registry, join,
                                                                   event):
        own, late = key(), key()
        registry.source("permits", own)
        registry.source("tax", late)
        publisher = join(wire.Publisher, keyed.ingest, own, source="")
        publisher.open()
        resource.prlimit(keyed.pid, resource.RLIMIT_NOFILE, (keyed.descriptors() + 30,) * 2)
        port = int(keyed.ingest.rsplit(":", 1)[1])
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        for number in range(1, 101):
            assert publisher.publish(event())[0].offset == number
        newcomer = join(wire.Publisher, keyed.ingest, late, source="")
        newcomer.hello("", timeout=60)
        assert newcomer.publish(event())[0].offset == 101
        for one in silent:
            one.close()


def metrics(broker):
    return wait.http_get(f"{broker.http}/metrics")[2].decode()


def drain(sub):
    while sub.poll(0):
        sub.recv_multipart()
