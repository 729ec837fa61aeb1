"""The gateway's streams for staff and the public: who gets what, from where on, through what."""

import json
import socket

import pytest

from support import postgres as pg
from support import wait, wire
from support.registry import Registry
from support.sse import Stream
from support.waybill import Gateway, metric


@pytest.fixture
def registry(broker, database):
    return Registry(database, broker)


@pytest.fixture
def make_gateway(broker, tmp_path):
    """make_gateway("--channels=1", …): a gateway before the broker, ready."""
    made = []

    def make(*arguments, streams=broker.streams):
        log = tmp_path / "logs" / f"gateway-{len(made) + 1}.log"
        made.append(Gateway(streams, log, arguments=arguments))
        return made[-1].start()
    yield make
    for one in made:
        one.close()


@pytest.fixture
def open_stream():
    """open_stream(gateway, token, "staff?item=X", …): a stream that was let in."""
    made = []

    def begin(gateway, token, path="staff", status=200, **headers):
        if token:
            headers["Authorization"] = f"Bearer {token}"
        made.append(Stream(f"{gateway.url}/api/v1/streams/{path}", **headers))
        assert made[-1].status == status
        return made[-1]
    yield begin
    for one in made:
        one.close()


@pytest.fixture
def office(publisher, event):
    """office(count, case_no=…, …): publishes so many events; their offsets."""
    session = publisher()

    def happen(count=1, **fields):
        offsets = []
        for begin in range(0, count, 500):
            receipts = session.publish(*(event(**fields) for _ in range(begin, count)[:500]))
            offsets += [receipt.offset for receipt in receipts]
        assert all(offsets), receipts[-1]
        return offsets
    return happen


def refused(gateway, path, token=None, **headers):
    """Status, headers and error of an answer that is no stream."""
    if token:
        headers["Authorization"] = f"Bearer {token}"
    status, answered, body = gateway.get(f"/api/v1/streams/{path}", **headers)
    assert answered["Content-Type"].startswith("application/json"), body
    error = json.loads(body)["error"]
    assert set(error) == {"code", "message", "hint"}
    return status, answered, error


class TestWhatIsTold:
    def test_events_as_they_come(self, gateway, registry, open_stream, office):
        stream = open_stream(gateway, registry.token("boss"))
        (number, kind, data), *_ = stream.wait(1)
        assert (number, kind) == (0, "begin")
        assert data == {"audience": "staff", "after_offset": 0}
        assert 1000 <= stream.retry <= 5000
        offsets = office(3, case_no="A-1") + office(2, case_no="A-2", stage="ACCEPTED")
        nodes = stream.wait_nodes(5)
        assert [node["offset"] for node in nodes] == offsets == stream.ids()
        assert [node["case_no"] for node in nodes] == ["A-1"] * 3 + ["A-2"] * 2
        assert nodes[4]["stage"] == "ACCEPTED" and nodes[4]["occurred_at"].startswith("2026-01-")

    @pytest.mark.parametrize("query, wanted", [
        ("item=LIC-1", "ab"), ("item=LIC-1&item=TAX", "abd"), ("region=3204", "ac"),
        ("agency=%E5%AE%A1%E6%89%B9", "ad"), ("stage=ACCEPTED", "c"),
        ("stage=accepted&stage=GRANTED", "cd"), ("kind=progress&item=LIC", "abc"),
        ("kind=correction", ""), ("case=B", "b"), ("case=B&case=C", "bc"), ("parent=P", "d"),
        ("item=LIC&region=3204", "ac"), ("light=red", ""),
    ])
    def test_filters(self, make_gateway, registry, open_stream, office, query, wanted):
        gateway = make_gateway("--keepalive=100ms")
        stream = open_stream(gateway, registry.token("boss"), f"staff?{query}")
        stream.wait(1)
        office(case_no="A", item_code="LIC-1", region_code="320402", agency="审批局")
        office(case_no="B", item_code="LIC-12", region_code="310000", agency="住建局")
        office(case_no="C", item_code="LIC-2", region_code="320411", stage="ACCEPTED")
        office(case_no="D", item_code="TAX-9", agency="审批二局", stage="GRANTED",
               parent_case_no="P")
        last, = office(case_no="Z", item_code="LIC-1", region_code="3204", agency="审批",
                       stage="ACCEPTED", parent_case_no="P")
        wait.until(lambda: stream.cursor >= last, what="the comment that says all was looked at")
        cases = [node["case_no"] for node in stream.nodes() if node["case_no"] != "Z"]
        assert "".join(cases).lower() == wanted

    def test_a_token_is_good_for_what_it_says(self, gateway, registry, open_stream, office):
        token = registry.token("changzhou", regions=["3204"])
        stream = open_stream(gateway, token, "staff?from=start")
        office(case_no="A", region_code="310000")
        office(case_no="B")
        office(case_no="C", region_code="320402")
        assert [node["case_no"] for node in stream.wait_nodes(1)] == ["C"]

    def test_from_where_the_client_says(self, gateway, registry, open_stream, office):
        office(10)
        token = registry.token("boss")
        assert open_stream(gateway, token, "staff?from=start").wait_nodes(10)
        some = open_stream(gateway, token, "staff?from=8")
        assert some.wait(4)[0][:2] == (7, "begin")
        assert some.ids() == [8, 9, 10]
        again = open_stream(gateway, token, "staff?from=start&last_event_id=3", Last_Event_ID="9")
        assert again.wait(2)[0][:2] == (9, "begin")
        assert again.ids() == [10]
        query = open_stream(gateway, token, "staff?from=now&last_event_id=8")
        assert [number for number, *_ in query.wait(3)] == [8, 9, 10]
        now = open_stream(gateway, token, "staff")
        assert now.wait(1)[0][:2] == (10, "begin")
        office(1)
        for stream in (some, again, query, now):
            wait.until(lambda one=stream: one.ids()[-1:] == [11], what="the event for each")

    def test_silence_is_filled_and_moves_the_cursor(self, make_gateway, registry, open_stream,
                                                    office):
        gateway = make_gateway("--keepalive=200ms")
        stream = open_stream(gateway, registry.token("boss"), "staff?case=NONE")
        assert stream.wait(1)[0][:2] == (0, "begin")
        office(5)
        wait.until(lambda: stream.comments >= 2 and stream.cursor == 5, what="comments with ids")
        assert len(stream.events) == 1




class TestWhoMay:
    def test_without_a_token(self, gateway):
        for path in ("staff", "public"):
            status, headers, error = refused(gateway, path)
            assert status == 401 and error["code"] == "TOKEN_MISSING"
            assert headers["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize("token", ["wbt_test_nobody", "x", "é", "a b", "x" * 300])
    def test_a_token_that_is_none(self, gateway, registry, token):
        registry.token("somebody")
        status, headers, error = refused(gateway, "staff", token.encode().decode("latin-1"))
        assert status == 401 and error["code"] == "TOKEN"
        assert headers["WWW-Authenticate"].startswith("Bearer")

    def test_who_tries_tokens_is_made_to_wait(self, make_gateway, registry, open_stream):
        gateway = make_gateway("--wrong-codes-block=2")
        token = registry.token("boss")
        for number in range(4):
            assert refused(gateway, "staff", f"wbt_guess_{number}")[0] == 401
        status, headers, _ = refused(gateway, "staff", "wbt_guess_5")
        assert status == 429 and int(headers["Retry-After"]) > 0

    def test_another_scheme_is_no_token(self, gateway):
        assert refused(gateway, "staff", Authorization="Basic eDp5")[0] == 401

    def test_a_token_in_the_address_is_refused(self, gateway, registry):
        token = registry.token("boss")
        for name in ("token", "access_token", "Bearer"):
            status, _, error = refused(gateway, f"staff?{name}={token}")
            assert status == 400 and error["code"] == "TOKEN_IN_QUERY"
            assert "Authorization" in error["hint"]
            assert refused(gateway, f"staff?{name}={token}", token)[0] == 400

    def test_the_public_does_not_see_what_staff_see(self, gateway, registry, open_stream, office,
                                                    proto):
        public = registry.token("press", "public")
        status, _, error = refused(gateway, "staff", public)
        assert status == 403 and error["code"] == "AUDIENCE"
        assert open_stream(gateway, public, "public").wait(1)[0][2]["audience"] == "public"
        for token in (public, registry.token("boss")):
            stream = open_stream(gateway, token, "public")
            assert stream.wait(1)[0][2]["audience"] == "public"
            office(case_no="A-1", item_code="LIC-1", step="现场勘验",
                   handler=proto.Handler(name="王芳"))
            node, = stream.wait_nodes(1)
            assert node["item_code"] == "LIC-1" and node["stage"] == "RECEIVED"
            assert not {"case_no", "step", "handler", "event_id"} & set(node)

    def test_who_may_follow_the_public_stream_is_the_operators_choice(self, make_gateway,
                                                                      registry, open_stream):
        open_to_all = make_gateway("--public-stream=on")
        assert open_stream(open_to_all, None, "public").wait(1)[0][1] == "begin"
        assert refused(open_to_all, "public", "nonsense")[0] == 401
        assert refused(open_to_all, "staff")[0] == 401
        closed = make_gateway("--public-stream=off")
        assert refused(closed, "public", registry.token("press", "public"))[0] == 404

    @pytest.mark.parametrize("query, code, words", [
        ("public?case=A-1", "FILTER", "case"), ("public?parent=P", "FILTER", "parent"),
        ("staff?stage=NOWHERE", "FILTER", "NOWHERE"), ("staff?kind=odd", "FILTER", "odd"),
        ("staff?light=blue", "FILTER", "blue"), ("staff?light=unspecified", "FILTER", "light"),
        ("staff?item=", "FILTER", "item"), ("staff?item=" + "x" * 257, "FILTER", "257"),
        ("staff?item=a%0Ab", "FILTER", "item"), ("staff?color=red", "QUERY", "color"),
        ("staff?from=yesterday", "QUERY", "yesterday"), ("staff?from=0", "QUERY", "0"),
        ("staff?item=%FF", "QUERY", "read"), ("staff?item=%zz", "QUERY", "read"),
        ("staff?" + "&".join(f"item={i}" for i in range(65)), "QUERY", "too many"),
    ])
    def test_what_cannot_be_asked_for(self, gateway, registry, query, code, words):
        token = registry.token("boss")
        status, _, error = refused(gateway, query, token)
        assert (status, error["code"]) == (400, code)
        assert words in error["message"], error

    @pytest.mark.parametrize("change", [
        "UPDATE waybill.token SET enabled = false", "DELETE FROM waybill.token",
        "UPDATE waybill.token SET expires_at = now()"])
    def test_a_token_that_ends_ends_its_streams(self, gateway, registry, open_stream, office,
                                                change):
        token, other = registry.token("boss"), registry.token("press", "public")
        streams = [open_stream(gateway, token, path) for path in ("staff", "staff?item=X")]
        stays = open_stream(gateway, other, "public")
        for stream in (*streams, stays):
            stream.wait(1)
        registry.write(f"{change}{' WHERE' if 'WHERE' not in change else ''} name = 'boss'")
        for stream in streams:
            wait.until(lambda one=stream: one.ended, 3, "the end of the stream")
            assert stream.farewell["reason"] == "token"
            assert stream.farewell["message"] and stream.farewell["hint"]
        assert refused(gateway, "staff", token)[0] == 401
        office(1)
        stays.wait_nodes(1)


class TestSharing:
    def test_one_subscription_for_all_who_ask_the_same(self, broker, gateway, registry,
                                                       open_stream, office):
        token = registry.token("boss")
        before = broker.metric("waybill_subscriptions")
        same = [open_stream(gateway, token, path) for path in (
            "staff?item=A&item=B&stage=GRANTED", "staff?stage=granted&item=B&item=A",
            "staff?item=B&item=A&item=B&stage=GRANTED&from=now")]
        for stream in same:
            stream.wait(1)
        assert broker.metric("waybill_subscriptions") == before + 1
        assert metric(gateway.url, "waybill_gateway_channels") == 1
        other = open_stream(gateway, registry.token("other"), "staff?item=A&item=B&stage=GRANTED")
        other.wait(1)
        assert broker.metric("waybill_subscriptions") == before + 2
        assert metric(gateway.url, "waybill_gateway_stream_followers") == 4
        office(2, item_code="A", stage="GRANTED")
        for stream in (*same, other):
            assert stream.wait_nodes(2)

    def test_a_stream_lingers_and_then_goes(self, broker, make_gateway, registry, open_stream):
        gateway = make_gateway("--linger=300ms")
        before = broker.metric("waybill_subscriptions")
        stream = open_stream(gateway, registry.token("boss"))
        stream.wait(1)
        stream.close()
        wait.until(lambda: metric(gateway.url, "waybill_gateway_stream_followers") == 0)
        wait.until(lambda: metric(gateway.url, "waybill_gateway_channels") == 0)
        wait.until(lambda: broker.metric("waybill_subscriptions") == before)

    def test_who_comes_again_is_served_from_memory(self, broker, gateway, registry, open_stream,
                                                   office):
        token = registry.token("boss")
        stays = open_stream(gateway, token)
        stays.wait(1)
        office(50)
        stays.wait_nodes(50)
        delivered = broker.metric("waybill_delivered_events_total")
        for cursor in (0, 1, 25, 49, 50):
            again = open_stream(gateway, token, "staff", Last_Event_ID=str(cursor))
            again.wait(1 + 50 - cursor)
            assert again.ids() == list(range(cursor + 1, 51))
        assert broker.metric("waybill_delivered_events_total") == delivered
        assert metric(gateway.url, "waybill_gateway_catch_ups") == 0

    def test_as_many_streams_as_are_allowed(self, make_gateway, registry, open_stream):
        gateway = make_gateway("--channels=2")
        token = registry.token("boss")
        first, second = (open_stream(gateway, token, f"staff?item={i}") for i in (1, 2))
        first.wait(1)
        status, headers, error = refused(gateway, "staff?item=3", token)
        assert (status, error["code"]) == (503, "BUSY") and int(headers["Retry-After"]) > 0
        open_stream(gateway, token, "staff?item=1").wait(1)
        second.close()  # its stream lingers, but makes room
        wait.until(lambda: metric(gateway.url, "waybill_gateway_stream_followers") == 2)
        open_stream(gateway, token, "staff?item=3").wait(1)

    def test_as_many_catch_up_as_are_allowed(self, make_gateway, registry, open_stream, office,
                                             proto):
        office(3000, notices=[proto.Notice(title="long", text="x" * 1700)])
        gateway = make_gateway("--catch-ups=1")
        token = registry.token("boss")
        # Who does not read keeps the place: it is more than the sockets' buffers take.
        lazy = raw_stream(gateway, token, "from=start")
        wait.until(lambda: metric(gateway.url, "waybill_gateway_catch_ups") == 1)
        status, headers, error = refused(gateway, "staff?from=2", token)
        assert (status, error["code"]) == (503, "BUSY") and "Retry-After" in headers
        assert open_stream(gateway, token).wait(1)[0][1] == "begin"
        lazy.close()
        wait.until(lambda: metric(gateway.url, "waybill_gateway_catch_ups") == 0)
        assert len(open_stream(gateway, token, "staff?from=2").wait_nodes(2999)) == 2999


def raw_stream(gateway, token, query):
    """A connection that asks for a stream, and reads nothing until it is told to."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(20)
    client.connect(("127.0.0.1", gateway.port))
    client.sendall(f"GET /api/v1/streams/staff?{query} HTTP/1.1\r\nHost: x\r\n"
                   f"Authorization: Bearer {token}\r\n\r\n".encode())
    return client


class TestSeams:
    """No event is missing and none comes twice."""

    def test_catching_up_while_more_comes(self, broker, gateway, registry, open_stream, publisher,
                                          event):
        session = publisher("burst")
        token = registry.token("boss")
        session.publish(*(event(step="y" * 100) for _ in range(1000)))
        early = open_stream(gateway, token, "staff?from=start")
        streams = [early]
        for round_ in range(20):
            session.publish(*(event(step="y" * 100) for _ in range(200)))
            if round_ % 5 == 0:
                streams.append(open_stream(gateway, token, f"staff?from={1 + 150 * round_}"))
        for number, stream in enumerate(streams):
            first = 1 if number == 0 else 1 + 150 * 5 * (number - 1)
            stream.wait_nodes(5000 - first + 1, 40)
            assert stream.ids() == list(range(first, 5001))
        wait.until(lambda: metric(gateway.url, "waybill_gateway_catch_ups") == 0)
        assert broker.metric("waybill_subscriptions") == 2

    def test_with_a_filter_that_matches_little(self, gateway, registry, open_stream, publisher,
                                               event):
        session = publisher("burst")
        session.publish(*(event(item_code="RARE" if i % 100 == 0 else "OFTEN")
                          for i in range(1000)))
        stream = open_stream(gateway, registry.token("boss"), "staff?item=RARE&from=start")
        session.publish(*(event(item_code="RARE" if i % 100 == 0 else "OFTEN")
                          for i in range(1000)))
        stream.wait_nodes(20)
        assert stream.ids() == list(range(1, 2001, 100))

    def test_a_ring_that_is_too_small(self, make_gateway, registry, open_stream, office):
        gateway = make_gateway("--channel-bytes=256KiB")
        token = registry.token("boss")
        stays = open_stream(gateway, token)
        stays.wait(1)
        office(2000, step="z" * 200)
        stays.wait_nodes(2000)
        assert stays.ids() == list(range(1, 2001))
        for cursor in (0, 10, 1500, 1990):
            again = open_stream(gateway, token, Last_Event_ID=str(cursor))
            again.wait_nodes(2000 - cursor)
            assert again.ids() == list(range(cursor + 1, 2001))

    def test_who_does_not_read_falls_behind_and_misses_nothing(self, make_gateway, registry,
                                                               open_stream, office):
        gateway = make_gateway("--channel-bytes=256KiB")
        token = registry.token("boss")
        quick = open_stream(gateway, token)
        lazy = raw_stream(gateway, token, "from=now")
        wait.until(lambda: metric(gateway.url, "waybill_gateway_stream_followers") == 2)
        quick.wait(1)
        office(12000, step="slow " * 40)
        quick.wait_nodes(12000, 60)
        text = b""
        while b"id: 12000\n" not in text[-2000:]:
            part = lazy.recv(1 << 20)
            assert part, text[-500:]
            text += part
        lazy.close()
        lines = text.split(b"\r\n\r\n", 1)[1].split(b"\n")
        ids = [int(line[4:]) for line in lines if line.startswith(b"id: ")]
        assert ids[0] == 0 and ids[1:] == list(range(1, 12001))

    def test_the_broker_restarts(self, broker, gateway, registry, open_stream, publisher, event,
                                 office):
        stream = open_stream(gateway, registry.token("boss"))
        stream.wait(1)
        office(10)
        stream.wait_nodes(10)
        broker.restart()
        session = publisher("again")
        session.publish(*(event() for _ in range(10)))
        stream.wait_nodes(20)
        assert stream.ids() == list(range(1, 21)) and not stream.ended

    def test_the_gateway_restarts(self, gateway, registry, open_stream, office):
        token = registry.token("boss")
        office(5)
        stream = open_stream(gateway, token, "staff?from=start")
        stream.wait_nodes(5)
        gateway.stop()
        wait.until(lambda: stream.ended)
        office(5)
        gateway.start()
        office(1)
        again = open_stream(gateway, token, "staff?from=start", Last_Event_ID=str(stream.cursor))
        again.wait_nodes(6)
        assert stream.ids() + again.ids() == list(range(1, 12))

    def test_a_broker_that_comes_in_time_is_waited_for(self, broker, make_gateway, registry,
                                                       open_stream, office):
        gateway = make_gateway("--case-timeout=20s")
        impatient = make_gateway("--case-timeout=300ms")
        token = registry.token("boss")
        broker.stop()
        wait.until(lambda: wait.http_status(f"{gateway.url}/readyz") == 503)
        wait.until(lambda: wait.http_status(f"{impatient.url}/readyz") == 503)
        status, headers, error = refused(impatient, "staff", token)
        assert (status, error["code"]) == (503, "NOT_READY") and "Retry-After" in headers
        patient = raw_stream(gateway, token, "from=now")
        broker.start()
        heard = b""
        while b"event: begin" not in heard:
            part = patient.recv(4096)
            assert part, heard
            heard += part
        patient.close()
        assert heard.startswith(b"HTTP/1.1 200 ")


class TestCursorsOfNoUse:
    def test_beyond_the_end(self, gateway, registry, open_stream, office):
        office(3)
        stream = open_stream(gateway, registry.token("boss"), Last_Event_ID="77")
        number, kind, data = stream.wait(1)[0]
        assert (number, kind, data["reason"]) == (3, "reset", "cursor_unknown")
        assert data["after_offset"] == 3 and "ends at 3" in data["message"]
        office(1)
        assert stream.wait_nodes(1)[0]["offset"] == 4

    @pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "99999999999999999999999"])
    def test_no_offset(self, gateway, registry, open_stream, office, cursor):
        office(3)
        stream = open_stream(gateway, registry.token("boss"), Last_Event_ID=cursor)
        number, kind, data = stream.wait(1)[0]
        assert (number, kind, data["reason"]) == (3, "reset", "cursor_invalid")

    def test_before_the_beginning(self, make_broker, make_gateway_at, proto, event, database,
                                  open_stream):
        broker = make_broker(arguments=["--partition", "1s", "--retention", "3s"]).start()
        session = wire.Publisher(proto, broker.ingest, "tests")
        session.open()
        token = Registry(database, broker).token("boss")
        gateway = make_gateway_at(broker)
        stays = open_stream(gateway, token)
        stays.wait(1)

        def moves():
            session.publish(event("OVER", stage="RECEIVED"), event("OVER", stage="NOT_REQUIRED"))
            return pg.value(database, "SELECT min(first_offset) FROM waybill.partition") > 5
        wait.until(moves, 30, "the first leaf to be dropped", every=0.3)
        session.close()
        behind = make_gateway_at(broker)  # whose rings hold nothing
        stream = open_stream(behind, token, Last_Event_ID="2")
        number, kind, data = stream.wait(1)[0]
        assert (kind, data["reason"]) == ("reset", "cursor_expired")
        assert data["message"] == f"the log starts at {number + 1}" and number > 4
        newest = stays.nodes()[-1]["offset"]
        wait.until(lambda: stream.cursor >= newest)
        assert stream.ids() == list(range(number + 1, stream.cursor + 1))

    def test_another_log(self, make_broker, make_gateway_at, proto, event, database,
                         open_stream):
        broker = make_broker().start()
        token = Registry(database, broker).token("boss")
        session = wire.Publisher(proto, broker.ingest, "tests")
        session.open()
        gateway = make_gateway_at(broker)
        stream = open_stream(gateway, token)
        stream.wait(1)
        session.publish(*(event() for _ in range(5)))
        stream.wait_nodes(5)
        broker.stop()
        pg.rows(database, "TRUNCATE waybill.event")
        pg.rows(database, "UPDATE waybill.head SET last_offset = 2")
        broker.start()
        wait.until(lambda: stream.events[-1][1] == "reset")
        assert stream.events[-1][2]["reason"] == "log_replaced"
        session.close()
        session = wire.Publisher(proto, broker.ingest, "tests")
        session.open()
        session.publish(event())
        assert stream.wait_nodes(6)[-1]["offset"] == 3
        session.close()


@pytest.fixture
def make_gateway_at(tmp_path):
    """make_gateway_at(broker): a gateway before it."""
    made = []

    def make(broker):
        log = tmp_path / "logs" / f"gateway-at-{len(made) + 1}.log"
        made.append(Gateway(broker.streams, log))
        return made[-1].start()
    yield make
    for one in made:
        one.close()


def test_many_followers_of_one_stream(make_gateway, registry, open_stream, office):
    gateway = make_gateway("--public-stream=on")
    streams = [open_stream(gateway, None, "public") for _ in range(100)]
    for stream in streams:
        stream.wait(1)
    office(300)
    for stream in streams:
        stream.wait_nodes(300)
        assert stream.ids() == list(range(1, 301))
    assert metric(gateway.url, "waybill_gateway_channels") == 1
    gateway.stop()
    for stream in streams:
        wait.until(lambda one=stream: one.ended, 10)
        assert stream.farewell["reason"] == "server_stopped"
