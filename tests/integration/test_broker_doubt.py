"""What the broker must not believe: a log that went back, a clock that stood still, a peer's own
name, a lagging server. Each of these once lost or hid events."""

import signal
import socket
import struct
import time

import pytest
import zmq

from support import postgres as pg
from support import wait, wire


@pytest.fixture
def event(proto):
    numbers = iter(range(1, 1_000_000))

    def make(case_no="A-1", **fields):
        return proto.Event(event_id=f"e{next(numbers)}", case_no=case_no, occurred_at_us=1,
                           stage=proto.STAGE_RECEIVED, **fields)
    return make


def cut_connections(database):
    pg.rows(database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                      " WHERE application_name LIKE 'waybilld %%'"
                      " AND datname = current_database()")


def test_a_client_with_an_id_of_its_own_is_refused(broker, proto, event):
    """It would get what was under way to its predecessor, and miss what came between."""
    channel = wire.Channel.__new__(wire.Channel)
    channel.proto, channel.session = proto, 0
    channel.socket = zmq.Context.instance().socket(zmq.DEALER)
    channel.socket.linger = 0
    channel.socket.setsockopt(zmq.ROUTING_ID, b"me")
    channel.socket.connect(broker.streams)
    channel.send(hello=proto.Hello(version=1, session=7))
    refusal = channel.refusal()
    assert refusal.name == "MALFORMED" and "ZMQ_ROUTING_ID" in refusal.detail
    channel.close()


def test_followers_of_a_log_that_went_back_are_told(broker, database, publisher, follower, event):
    publisher().publish(*[event() for _ in range(20)])
    reader = follower()
    reader.subscribe()
    reader.expect("subscribed")
    assert len(reader.records(20)) == 20
    pg.rows(database, "WITH gone AS (DELETE FROM waybill.event WHERE event_offset > 10 RETURNING 1)"
                      " UPDATE waybill.head SET last_offset = 10 RETURNING 1")
    cut_connections(database)
    assert reader.refusal(30).name == "NOT_READY"
    broker.wait_ready()
    reader.hello()
    reader.subscribe(number=2, after=20)
    assert reader.refusal().name == "CURSOR_UNKNOWN"
    publisher().publish(*[event() for _ in range(15)])
    reader.subscribe(number=3, after=10)
    reader.expect("subscribed")
    assert [r.offset for r in reader.records(15, number=3)] == list(range(11, 26))


def test_a_broker_that_stands_by_shows_no_log(broker, make_broker, proto):
    second = make_broker()
    second.start(ready=False)
    wait.until(lambda: wait.http_status(f"{second.http}/healthz") == 200, what="/healthz")
    wait.until(lambda: b"another broker writes" in wait.http_get(f"{second.http}/readyz")[2],
               what="/readyz that says who writes")
    reader = wire.Follower(proto, second.streams)
    reader.send(hello=proto.Hello(version=1, session=1))
    refusal = reader.refusal()
    assert refusal.name == "NOT_READY" and "another broker writes" in refusal.detail
    reader.close()


def test_a_broker_that_was_paused_does_not_call_its_peers_silent(make_broker, proto, event):
    broker = make_broker(arguments=["--ping-interval", "200ms"]).start()
    session = wire.Publisher(proto, broker.ingest)
    session.open()
    broker.process.send_signal(signal.SIGSTOP)
    session.send(ping=proto.Ping(token=1))
    time.sleep(1.5)  # the pause itself: almost twice what a silent session gets
    broker.process.send_signal(signal.SIGCONT)
    assert session.expect("pong").token == 1
    session.publish(event())
    session.close()


def receive(peer, size):
    """Exactly so many bytes: MSG_WAITALL does not wait on a socket that has a timeout."""
    data = b""
    while len(data) < size:
        piece = peer.recv(size - len(data))
        assert piece, "the broker hung up"
        data += piece
    return data


def test_one_peer_cannot_silence_the_live_feed(broker, proto, publisher, event):
    listener = zmq.Context.instance().socket(zmq.SUB)
    listener.linger = 0
    listener.subscribe(b"case/")
    listener.connect(broker.live)
    session = publisher()

    def heard():
        session.publish(event())
        return listener.poll(100)
    wait.until(heard, what="the live feed")
    while listener.poll(300):
        listener.recv_multipart()

    host, port = broker.live.removeprefix("tcp://").rsplit(":", 1)
    with socket.create_connection((host, int(port))) as peer:
        peer.settimeout(5)
        greeting = b"\xff" + b"\0" * 8 + b"\x7f\3\0" + b"NULL".ljust(20, b"\0")
        peer.sendall(greeting.ljust(64, b"\0"))
        assert receive(peer, 64)[0] == 0xff
        body = b"\5READY" + b"\x0bSocket-Type" + struct.pack(">I", 3) + b"SUB"
        peer.sendall(b"\4" + bytes([len(body)]) + body)
        assert receive(peer, 7)[3:] == b"READ"
        peer.sendall(b"\0\x08" + b"\0nothing")  # unsubscribes from what nobody follows
        peer.sendall(b"\0\x08" + b"\1nothing")  # and subscribes, so that the other has come
        peer.sendall(b"\0\x08" + b"\0nothing")
        session.publish(event())
        assert listener.poll(5000), "the feed fell silent"
    listener.close()


def test_a_lagging_server_cannot_pass_for_the_log(broker, database, publisher, follower, event):
    """The reader's server ends before the log that is written: no read from it is believed."""
    publisher().publish(*[event() for _ in range(30)])
    pg.rows(database, "ALTER TABLE waybill.head RENAME TO true_head; CREATE VIEW waybill.head AS"
                      " SELECT one, 5::bigint AS last_offset, epoch FROM waybill.true_head;"
                      " SELECT 1")
    reader = follower()
    answer = reader.case("A-1")
    assert answer.name == "BUSY"
    assert "is a standby, or was left behind" in broker.text()
    pg.rows(database, "DROP VIEW waybill.head; ALTER TABLE waybill.true_head RENAME TO head;"
                      " SELECT 1")
    assert wait.until(lambda: hasattr(reader.case("A-1"), "state") and reader.case("A-1"),
                      what="an answer").state.events == 30


def test_the_databases_words_stay_in_the_log(broker, database, publisher, follower, event):
    publisher().publish(event())
    pg.rows(database, "ALTER TABLE waybill.event RENAME COLUMN payload TO elsewhere; SELECT 1")
    answer = follower().case("A-1")
    assert answer.name == "BUSY" and "payload" not in answer.detail
    assert "payload" in broker.text()


def test_many_amendments_cost_little(broker, publisher, follower, proto):
    """Each of them looks for the event that it names."""
    session = publisher()
    for part in range(4):
        session.publish(*[proto.Event(event_id=f"c{part}-{i}", case_no="A-1", occurred_at_us=1,
                                      kind=proto.KIND_RETRACTION, replaces="missing")
                          for i in range(1000)])
    reader = follower()
    before = time.monotonic()
    for _ in range(5):
        assert reader.case("A-1").state.events == 4000
    one = (time.monotonic() - before) / 5
    reader.send(ping=proto.Ping(token=1))
    reader.expect("pong")
    print(f"{one * 1000:.1f} ms a query")


def test_a_reader_that_takes_nothing_is_closed_and_harms_nobody(make_broker, proto, event):
    broker = make_broker(arguments=["--ping-interval", "250ms"]).start()
    session = wire.Publisher(proto, broker.ingest)
    session.open()
    for _ in range(20):
        session.publish(*[event(step="x" * 190, agency="y" * 190) for _ in range(1000)])
    deaf = wire.Channel.__new__(wire.Channel)
    deaf.proto, deaf.session = proto, 0
    deaf.socket = zmq.Context().socket(zmq.DEALER)
    deaf.socket.linger, deaf.socket.rcvhwm = 0, 1
    deaf.socket.connect(broker.streams)
    deaf.send(hello=proto.Hello(version=1, session=1))
    for number in range(1, 251):
        deaf.send(subscribe=proto.Subscribe(subscription=number, after_offset=0, credit=8000))
    until = time.monotonic() + 60

    def closed():
        deaf.send(ping=proto.Ping(token=2))
        session.send(ping=proto.Ping(token=1))
        assert session.expect("pong", 5).token == 1
        assert time.monotonic() < until
        return "does not read" in broker.text()
    wait.until(closed, 60, "the deaf reader's end")
    assert broker.rss_kib() < 400 * 1024
    session.close()
    deaf.close()
