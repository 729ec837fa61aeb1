"""Flow control: credit for each session, turns among sources, limits of rate, and one broker after
another."""

import signal
import threading
import time

import pytest

from support import postgres as pg
from support import wait, wire


@pytest.fixture
def sessions(proto):
    opened = []

    def open_session(broker, source):
        opened.append(wire.Publisher(proto, broker.ingest, source))
        return opened[-1], opened[-1].open()
    yield open_session
    for session in opened:
        session.close()


class Flood(threading.Thread):
    """Keeps so many batches of a source under way until it is told to stop."""

    def __init__(self, proto, broker, source, batches=4, events=500):
        super().__init__(daemon=True)
        self.session = wire.Publisher(proto, broker.ingest, source)
        self.proto, self.source, self.under_way = proto, source, batches
        limits = self.session.open().limits
        self.events = min(events, limits.window_events // batches)
        self.stopping = threading.Event()
        self.acknowledged = 0
        self.number = 0

    def send(self):
        events = []
        for _ in range(self.events):
            self.number += 1
            events.append(wire.event(self.proto, f"{self.source}-{self.number % 50}",
                                     event_id=f"{self.number:09}"))
        self.session.batch += 1
        self.session.send(publish=self.proto.Publish(batch=self.session.batch, events=events))

    def run(self):
        for _ in range(self.under_way):
            self.send()
        while not self.stopping.is_set():
            self.acknowledged += len(self.session.expect("acknowledgement", 30).receipts)
            self.send()

    def stop(self):
        self.stopping.set()
        self.join(30)
        self.session.close()


def test_the_window_is_a_share_of_what_there_is(make_broker, sessions, event):
    broker = make_broker(arguments=["--pending-bytes", "2MiB"]).start()
    many = [sessions(broker, f"s{i}") for i in range(8)]
    alone, crowded = many[0][1].limits, many[-1][1].limits
    assert alone.window_bytes == 1024 * 1024
    assert crowded.window_bytes == alone.window_bytes // 8
    acknowledged = []
    for session, _ in many:
        session.batch += 1
        session.send(publish=session.proto.Publish(batch=1, events=[event()]))
    for session, _ in many:
        acknowledged.append(session.expect("acknowledgement"))
    assert acknowledged[-1].window_bytes in (0, alone.window_bytes // 8)
    # The others rest: who goes on gets their shares.
    session = many[0][0]
    wait.until(lambda: publish(session, event()).window_bytes == alone.window_bytes, 20,
               "the whole window")


def publish(session, *events):
    session.batch += 1
    session.send(publish=session.proto.Publish(batch=session.batch, events=events))
    return session.expect("acknowledgement")


def test_beyond_its_window_a_session_is_refused_and_others_go_on(make_broker, sessions, event):
    broker = make_broker(arguments=["--window-events", "100"]).start()
    (greedy, welcome), (modest, _) = sessions(broker, "greedy"), sessions(broker, "modest")
    assert welcome.limits.window_events == 100
    greedy.send(publish=greedy.proto.Publish(batch=1, events=[event() for _ in range(101)]))
    assert greedy.refusal().name == "WINDOW_EXCEEDED"
    modest.publish(event())


def test_a_rate_limit_delays_the_source_and_nobody_else(make_broker, database, proto, sessions,
                                                        event):
    broker = make_broker().start()
    session, _ = sessions(broker, "slow")
    session.publish(event())
    pg.rows(database, "UPDATE waybill.source SET registered = true, rate_events = 1000"
                      " WHERE name = 'slow'")
    time.sleep(1)  # a change holds within a second
    other, _ = sessions(broker, "other")
    started = time.monotonic()
    flood = Flood(proto, broker, "slow")
    flood.start()
    latencies = []
    while time.monotonic() - started < 4:
        before = time.monotonic()
        other.publish(event())
        latencies.append(time.monotonic() - before)
        time.sleep(0.02)
    taken, seconds = flood.acknowledged, time.monotonic() - started
    flood.stop()
    # The burst of a second and four seconds' worth, give or take a batch under way.
    assert 1000 * (seconds - 1) <= taken <= 1000 * (seconds + 2) + flood.events
    assert sorted(latencies)[len(latencies) // 2] < 0.5


def test_who_comes_again_and_again_under_a_limit_stops_nobody(make_broker, database, sessions,
                                                              proto, event):
    """What a session left waiting goes with it: else every new one would bring a window more."""
    broker = make_broker(arguments=["--pending-bytes", "4MiB"]).start()
    sessions(broker, "slow")[0].publish(event())
    pg.rows(database, "UPDATE waybill.source SET registered = true, rate_events = 1"
                      " WHERE name = 'slow'")
    time.sleep(1)  # a change holds within a second
    for _ in range(8):
        session, welcome = sessions(broker, "slow")
        window = welcome.limits.window_events // 8
        for batch in range(1, 9):
            session.send(publish=proto.Publish(batch=batch, events=[
                event(step="x" * 150) for _ in range(min(window, 1024))]))
        session.send(bye=proto.Bye())
    wait.until(lambda: broker.metric("waybill_sessions_closed_total") >= 8, what="the byes")
    sessions(broker, "other")[0].publish(event(), timeout=5)
    assert broker.metric("waybill_pending_bytes") < 2 * 1024 * 1024


def test_a_flood_does_not_starve_a_quiet_source(make_broker, proto, sessions, event):
    broker = make_broker().start()
    floods = [Flood(proto, broker, f"flood{i}") for i in range(3)]
    quiet, _ = sessions(broker, "quiet")
    for flood in floods:
        flood.start()
    wait.until(lambda: all(flood.acknowledged > 5000 for flood in floods), 60, "the floods")
    before = [flood.acknowledged for flood in floods]
    rounds = 50
    for _ in range(rounds):
        quiet.publish(event())
    between = sum(flood.acknowledged for flood in floods) - sum(before)
    for flood in floods:
        flood.stop()
    # In the order of arrival an event would wait for all that is under way: 3 x 4 batches of 500.
    # In turns it waits for the batches being committed and gets into the next.
    assert between / rounds < 6000


class TestTakeover:
    @pytest.fixture
    def pair(self, make_broker):
        first = make_broker(arguments=["--ping-interval", "500ms"]).start()
        second = make_broker(arguments=["--ping-interval", "500ms"]).start(ready=False)
        wait.until(lambda: wait.http_status(f"{second.http}/healthz") == 200, what="/healthz")
        wait.until(lambda: b"another broker writes" in wait.http_get(f"{second.http}/readyz")[2],
                   what="the second to stand by")
        return first, second

    def test_when_the_first_is_killed(self, pair, sessions, event):
        first, second = pair
        sessions(first, "a")[0].publish(event())
        first.kill()
        started = time.monotonic()
        second.wait_ready(10)
        assert time.monotonic() - started < 10
        receipt, = sessions(second, "a")[0].publish(event())
        assert receipt.offset == 2

    def test_when_the_first_is_frozen_and_wakes_up(self, pair, sessions, event, database):
        first, second = pair
        late, _ = sessions(first, "a")
        late.publish(event())
        first.process.send_signal(signal.SIGSTOP)
        late.batch += 1
        late.send(publish=late.proto.Publish(batch=late.batch, events=[event(event_id="late")]))
        started = time.monotonic()
        second.wait_ready(20)
        assert time.monotonic() - started < 10
        receipt, = sessions(second, "b")[0].publish(event())
        assert receipt.offset == 2
        first.process.send_signal(signal.SIGCONT)
        refusal = late.refusal(20)
        assert refusal.name in ("NOT_READY", "NO_SESSION")
        assert pg.value(database, "SELECT count(*) FROM waybill.event WHERE event_id = 'late'") == 0
        wait.until(lambda: b"another broker writes" in wait.http_get(f"{first.http}/readyz")[2],
                   what="the first to stand by")
        receipt, = sessions(second, "b")[0].publish(event())
        assert receipt.offset == 3

    def test_a_writer_that_lives_is_left_alone(self, pair, sessions, event):
        """Longer than the silence that ends one, with nothing to write."""
        first, second = pair
        time.sleep(7)
        assert wait.http_status(f"{first.http}/readyz") == 200
        assert b"another broker writes" in wait.http_get(f"{second.http}/readyz")[2]
        assert sessions(first, "a")[0].publish(event())[0].offset == 1
