"""The gateway before a real broker: pages, event streams, JSON, limits, endings."""

import http.client
import json
import re
import socket
import time
import urllib.parse

import pytest
import zmq

from support import wait
from support.sse import Stream
from support.waybill import Gateway, metric


def quote(text):
    return urllib.parse.quote(text, safe="")


@pytest.fixture
def office(broker, publisher, event):
    """office(case_no, stage, …): publishes one event; its offset and the case's code."""
    session = publisher()

    def happen(case_no, stage, **fields):
        receipt = session.publish(event(case_no, stage=stage, **fields), codes=True)[0]
        assert receipt.offset, receipt
        return receipt.offset, receipt.code
    return happen


@pytest.fixture
def stream(gateway):
    """stream(case_no, code, **headers): an open event stream."""
    made = []

    def begin(case_no, code, query="", **headers):
        made.append(Stream(f"{gateway.url}/c/{quote(case_no)}/{code}/events{query}", **headers))
        return made[-1]
    yield begin
    for one in made:
        one.close()


def raw(gateway, request, timeout=10):
    """What comes back for these bytes, until the gateway closes."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=timeout) as client:
        client.sendall(request)
        heard = b""
        while True:
            part = client.recv(65536)
            if not part:
                return heard
            heard += part


class TestPages:
    def test_a_case_is_told(self, gateway, office, proto):
        handler = proto.Handler(name="王芳", post="首席代表", unit="审批一科", phone="0519-85127777",
                                staff_no="S-1")
        office("京-1/2", "RECEIVED")
        _, code = office("京-1/2", "CORRECTION_REQUESTED", step="一次性告知", handler=handler,
                         agency="行政审批局", notices=[proto.Notice(
                             kind=1, title="补交合同", due_date="2026-12-24",
                             url="https://zwfw.example/upload")])
        status, headers, body = gateway.get(f"/c/{quote('京-1/2')}/{code}")
        page = body.decode()
        assert status == 200
        for words in ("请补正材料", "一次性告知", "王首席代表", "审批一科", "行政审批局",
                      'href="tel:051985127777"', "补交合同", "https://zwfw.example/upload", "京-1/2"):
            assert words in page, words
        assert "S-1" not in page and "王芳" not in page
        assert page.index("补正告知") < page.index('<span class="stage" data-testid="stage">收件')
        assert headers["Cache-Control"] == "no-store"
        first_view = len(body)
        for path in re.findall(r'(?:href|src)="(/(?:assets/[^"]+|favicon.svg))"', page):
            status, headers, asset = gateway.get(path)
            assert status == 200
            first_view += len(asset)
            if path.startswith("/assets/"):
                assert "immutable" in headers["Cache-Control"]
        assert first_view < 60 * 1024

    def test_the_fragment_is_the_story_alone(self, gateway, office):
        _, code = office("A-1", "RECEIVED")
        status, _, body = gateway.get(f"/c/A-1/{code}/fragment")
        assert status == 200
        assert body.startswith(b"<main") and body.rstrip().endswith(b"</main>")

    @pytest.mark.parametrize("headers, path, words", [
        ({}, "", "已收件"),
        ({"Accept_Language": "en-GB,en;q=0.9"}, "", "Received by the office"),
        ({"Accept_Language": "en"}, "?lang=zh", "已收件"),
        ({}, "?lang=en", "Received by the office"),
        ({}, "?lang=xx", "已收件"),
    ])
    def test_in_the_readers_language(self, gateway, office, headers, path, words):
        _, code = office("A-1", "RECEIVED")
        assert words in gateway.get(f"/c/A-1/{code}{path}", **headers)[2].decode()

    def test_what_offices_write_stays_text(self, gateway, office, proto):
        attack = "\"'><script>alert(1)</script>{{t.home}}"
        _, code = office(attack, "GRANTED", step=attack, agency=attack, item_name=attack,
                         handler=proto.Handler(name=attack, phone="javascript:alert(1)"),
                         notices=[proto.Notice(title=attack, text=attack)],
                         decision=proto.Decision(summary=attack, reason=attack))
        page = gateway.get(f"/c/{quote(attack)}/{code}")[2].decode()
        assert "<script>alert" not in page
        assert "href=\"javascript" not in page
        assert page.count("<script") == 1
        assert "{{t.home}}" in page

    def test_a_wrong_code_and_an_unknown_case_look_alike(self, gateway, office, stream):
        _, code = office("A-1", "RECEIVED")
        office("A-2", "RECEIVED")
        other = code[:-1] + ("0" if code[-1] != "0" else "1")
        pairs = [("A-1", other), ("A-1", "-"), ("A-1", "x" * 500), ("A-2", code),
                 ("nobody", code), ("n" * 500, code), ("A-1", "%20"), ("A-1%0A", code)]
        for form in ("/c/{}/{}", "/c/{}/{}/fragment", "/c/{}/{}/events", "/api/v1/cases/{}/{}",
                     "/api/v1/cases/{}/{}/events"):
            answers = [gateway.get(form.format(*pair)) for pair in pairs]
            assert {status for status, _, _ in answers} == {404}
            assert len({body for _, _, body in answers}) == 1
            names = [sorted(set(headers) - {"Date"}) for _, headers, _ in answers]
            assert all(name == names[0] for name in names)
        assert gateway.get("/c/A-1/")[0] == 404
        assert gateway.get(f"/c//{code}")[0] == 404

    def test_a_code_is_taken_as_people_type_it(self, gateway, office):
        _, code = office("A-1", "RECEIVED")
        for typed in (code.lower(), code.replace("-", ""), code.replace("-", "%20")):
            assert gateway.get(f"/c/A-1/{typed}")[0] == 200

    def test_finding_leads_to_the_case(self, gateway, office):
        _, code = office("京 1", "RECEIVED")
        wide = "".join(chr(ord(c) + 0xFEE0) for c in code)
        for typed in (code, f" {code}\u3000", wide):
            connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=5)
            form = urllib.parse.urlencode({"case": " 京 1 ", "code": typed})
            connection.request("POST", "/", form,
                               {"Content-Type": "application/x-www-form-urlencoded"})
            answer = connection.getresponse()
            assert answer.status == 303
            assert answer.getheader("Location") == f"/c/{quote('京 1')}/{code}"
            connection.close()
        status, headers, _ = gateway.get(f"/?case={quote('京 1')}&code={code}&lang=en")
        assert status == 303 and headers["Location"].endswith("?lang=en")

    @pytest.mark.parametrize("typed, meant", [
        ("Ａ－１／２", "A-1/2"), ("京Ａ１", "京Ａ１"), ("Ａ1", "Ａ1")])
    def test_a_case_number_typed_in_full_width(self, gateway, typed, meant):
        status, headers, _ = gateway.get(f"/?case={quote(typed)}&code=X")
        assert status == 303 and headers["Location"] == f"/c/{quote(meant)}/X"

    def test_a_broken_parameter_on_a_link_does_no_harm(self, gateway, office):
        _, code = office("A-1", "RECEIVED")
        assert gateway.get(f"/c/A-1/{code}?utm=%zz&lang=en")[0] == 200

    def test_finding_without_enough_says_so(self, gateway):
        for query in ("?case=&code=", "?case=A&code=%20", f"?case={'a' * 300}&code=b"):
            status, _, body = gateway.get("/" + query)
            assert status == 422 and b'data-testid="fault"' in body
        status, _, body = gateway.get("/?case=A%22%3E&code=")
        assert b'value="A&quot;&gt;"' in body
        # What was given cannot break out into a header.
        status, headers, _ = gateway.get("/?case=a%0D%0ASet-Cookie:x&code=b%0D%0Ac")
        assert status in (303, 422) and "Set-Cookie" not in headers


class TestHeaders:
    @pytest.mark.parametrize("path", ["/", "/nowhere", "/c/A-1/x", "/healthz", "/api/v1/cases/A-1",
                                      "/favicon.svg"])
    def test_are_strict_everywhere(self, gateway, path):
        _, headers, _ = gateway.get(path)
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none';") and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy and "form-action 'self'" in policy
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "Set-Cookie" not in headers

    def test_head_is_get_without_the_body(self, gateway, office):
        _, code = office("A-1", "RECEIVED")
        for path in ("/", f"/c/A-1/{code}", "/robots.txt", "/nowhere"):
            status, headers, body = gateway.get(path)
            connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=5)
            connection.request("HEAD", path)
            answer = connection.getresponse()
            assert answer.read() == b"" and answer.status == status
            assert int(answer.getheader("Content-Length")) == len(body)
            connection.close()

    def test_other_methods_are_refused(self, gateway):
        for method, path, allowed in (("DELETE", "/", "GET, HEAD, POST"),
                                      ("POST", "/healthz", "GET, HEAD"),
                                      ("PUT", "/c/A-1/x", "GET, HEAD")):
            connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=5)
            connection.request(method, path)
            answer = connection.getresponse()
            assert answer.status == 405 and answer.getheader("Allow") == allowed
            connection.close()

    def test_operations(self, gateway, broker):
        assert gateway.get("/healthz")[0] == 200
        assert gateway.get("/readyz")[2].decode() == f"ready, with {broker.streams}\n"
        assert b"Disallow: /" in gateway.get("/robots.txt")[2]
        assert metric(gateway.url, "waybill_gateway_broker_up") == 1
        assert b"waybill_gateway_answers_total{status=\"200\"}" in gateway.get("/metrics")[2]


class TestApi:
    def test_the_code_goes_into_a_header(self, gateway, office, proto):
        handler = proto.Handler(name="王芳", staff_no="SECRET")
        _, code = office("A-1", "ACCEPTED", handler=handler, traceparent="00-" + "a" * 32 + "-"
                         + "b" * 16 + "-01",
                         attributes=[proto.Attribute(name="SECRET", value="SECRET")])
        status, headers, body = gateway.get("/api/v1/cases/A-1", Authorization=f"Bearer {code}")
        assert status == 200 and headers["Content-Type"].startswith("application/json")
        answer = json.loads(body)
        assert answer["case"]["stage"] == "ACCEPTED"
        assert answer["nodes"][0]["handler"] == {"name": "王工作人员"}
        assert answer["through_offset"] >= 1 and answer["truncated"] is False
        assert b"SECRET" not in body and b"event_id" not in body and b"aaaa" not in body
        assert b"tests" not in body, "the source's name is the office's business"
        assert json.loads(gateway.get(f"/api/v1/cases/A-1/{code}")[2]) == answer

    def test_without_the_code_nothing_is_said(self, gateway, office):
        _, code = office("A-1", "RECEIVED")
        for path in ("/api/v1/cases/A-1", "/api/v1/cases/A-1/events"):
            for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Basic {code}"}):
                status, said, body = gateway.get(path, **headers)
                assert status == 401 and said["WWW-Authenticate"].startswith("Bearer")
                assert json.loads(body)["error"]["code"] == "CODE_MISSING"
        status, _, body = gateway.get("/api/v1/cases/A-1", Authorization="Bearer nonsense")
        assert status == 404 and json.loads(body)["error"]["code"] == "CASE_NOT_FOUND"

    def test_a_code_that_is_no_text_harms_nobody(self, gateway, office):
        """The broker ends the session of who sends it such a thing; it must not come so far."""
        _, code = office("A-1", "RECEIVED")
        for junk in (b"\xad\xff", b"\xc3", b"a\tb", b"x" * 5000):
            for path in (b"/api/v1/cases/A-1", b"/api/v1/cases/A-1/events"):
                heard = raw(gateway, b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n"
                            b"Connection: close\r\nAuthorization: Bearer " + junk + b"\r\n\r\n")
                assert heard.startswith(b"HTTP/1.1 404 ")
        assert gateway.get(f"/c/A-1/{code}")[0] == 200
        assert gateway.get("/readyz")[0] == 200

    def test_streams_too(self, gateway, office):
        _, code = office("A-1", "RECEIVED")
        for path, headers in ((f"/api/v1/cases/A-1/{code}/events", {}),
                              ("/api/v1/cases/A-1/events", {"Authorization": f"Bearer {code}"})):
            stream = Stream(gateway.url + path, **headers)
            assert stream.status == 200
            assert stream.wait(1)[0][1] == "case"
            stream.close()


class TestStreams:
    def test_begins_with_the_state_then_follows(self, gateway, office, stream):
        first, code = office("A-1", "RECEIVED")
        follower = stream("A-1", code)
        assert follower.status == 200
        assert follower.answer.getheader("Content-Type").startswith("text/event-stream")
        assert follower.answer.getheader("X-Accel-Buffering") == "no"
        number, kind, data = follower.wait(1)[0]
        assert (kind, number >= first, data["case"]["stage"]) == ("case", True, "RECEIVED")
        assert 1000 <= follower.retry <= 5000
        office("A-2", "RECEIVED")
        second, _ = office("A-1", "ACCEPTED", step="受理通知")
        follower.wait(2)
        assert follower.events[1][:2] == (second, "node")
        assert follower.events[1][2]["stage"] == "ACCEPTED"
        assert "event_id" not in follower.events[1][2]

    def test_resumes_behind_its_cursor(self, office, stream):
        offsets = [office("A-1", "UNDER_REVIEW")[0] for _ in range(5)]
        office("A-2", "RECEIVED")
        last, code = office("A-1", "UNDER_REVIEW")
        offsets.append(last)
        for headers, query, expected in (
                ({"Last_Event_ID": str(offsets[1])}, "", offsets[2:]),
                ({}, f"?last_event_id={offsets[3]}", offsets[4:]),
                ({"Last_Event_ID": str(offsets[4])}, f"?last_event_id={offsets[0]}", offsets[5:]),
                ({"Last_Event_ID": "0"}, "", offsets)):
            follower = stream("A-1", code, query, **headers)
            follower.wait(len(expected))
            assert follower.ids() == expected
            follower.close()

    def test_a_long_case_is_followed_from_where_one_was(self, publisher, event, stream):
        session = publisher("long")
        receipts = [receipt for _ in range(6) for receipt in session.publish(
            *(event("A-1", stage="UNDER_REVIEW") for _ in range(100)), codes=True)]
        code = receipts[0].code
        follower = stream("A-1", code, Last_Event_ID=str(receipts[-1].offset))
        other = stream("A-1", code, Last_Event_ID=str(receipts[0].offset))
        assert other.wait(1)[0][2]["reason"] == "too_far_behind"
        offset = session.publish(event("A-1", stage="GRANTED"))[0].offset
        assert follower.wait(1)[0][:2] == (offset, "node")
        assert other.wait(2)[1][:2] == (offset, "node")

    @pytest.mark.parametrize("cursor, reason", [
        ("999999", "cursor_unknown"), ("18446744073709551615", "cursor_unknown"),
        ("18446744073709551616", "cursor_invalid"), ("abc", "cursor_invalid"),
        ("-1", "cursor_invalid"), ("1x", "cursor_invalid")])
    def test_says_when_a_cursor_is_none(self, office, stream, cursor, reason):
        _, code = office("A-1", "RECEIVED")
        follower = stream("A-1", code, Last_Event_ID=cursor)
        number, kind, data = follower.wait(1)[0]
        assert (kind, data["reason"]) == ("reset", reason)
        assert data["case"]["stage"] == "RECEIVED" and number == data["through_offset"]
        second, _ = office("A-1", "ACCEPTED")
        assert follower.wait(2)[1][:2] == (second, "node")

    def test_replay_and_live_are_one_under_load(self, gateway, publisher, event, stream):
        """Streams that begin anywhere while events pour in get each of theirs once, in order."""
        session = publisher("busy")
        cases = ["B-1", "B-2", "B-3"]
        offsets = {case: [] for case in cases}
        codes = {}

        def publish(count):
            batch = [event(cases[n % 3], stage="UNDER_REVIEW") for n in range(count)]
            for one, receipt in zip(batch, session.publish(*batch, codes=True)):
                offsets[one.case_no].append(receipt.offset)
                codes[one.case_no] = receipt.code
        publish(30)
        followers = []
        for round_number in range(40):
            publish(9)
            case = cases[round_number % 3]
            # The cursor of a stream that saw the first ten of the case.
            followers.append((case, stream(case, codes[case],
                                           Last_Event_ID=str(offsets[case][9]))))
        for case, follower in followers:
            assert follower.status == 200
            wait.until(lambda: follower.ids()[-1:] == offsets[case][-1:], 20, "the last event")
            assert follower.ids() == offsets[case][10:]
        assert metric(gateway.url, "waybill_gateway_followers") == len(followers)
        assert metric(gateway.url, "waybill_gateway_cases") == 3

    def test_a_follower_who_leaves_is_noticed(self, gateway, office, stream):
        _, code = office("A-1", "RECEIVED")
        follower = stream("A-1", code)
        follower.wait(1)
        assert metric(gateway.url, "waybill_gateway_followers") == 1
        follower.close()
        wait.until(lambda: metric(gateway.url, "waybill_gateway_followers") == 0, 5,
                   "the follower to be gone")
        assert metric(gateway.url, "waybill_gateway_cases") == 0

    def test_survives_the_broker(self, broker, gateway, publisher, event, stream):
        """While the broker is away streams stay open; afterwards nothing is missing."""
        session = publisher("first")
        code = session.publish(event("A-1", stage="RECEIVED"), codes=True)[0].code
        follower = stream("A-1", code)
        follower.wait(1)
        broker.stop()
        wait.until(lambda: gateway.get("/readyz")[0] == 503, 20, "the gateway to see it")
        assert "broker" in gateway.get("/readyz")[2].decode()
        assert gateway.get("/healthz")[0] == 200
        status, headers, body = gateway.get(f"/c/A-1/{code}")
        assert status == 503 and b'data-testid="away-page"' in body and headers["Retry-After"]
        assert gateway.get(f"/c/A-1/{code}/events")[0] == 503
        assert not follower.ended
        broker.start()
        session = publisher("second")
        expected = [session.publish(event("A-1", stage="UNDER_REVIEW"))[0].offset for _ in range(5)]
        wait.until(lambda: follower.ids() == expected, 20, "what happened meanwhile")
        wait.until(lambda: gateway.get("/readyz")[0] == 200, 20, "the gateway to be ready")

    def test_survives_a_refusal_for_good(self, broker, gateway, publisher, event, stream, proto):
        """A broker that refuses the session, as another version would, then the right one."""
        session = publisher("first")
        code = session.publish(event("A-1", stage="RECEIVED"), codes=True)[0].code
        follower = stream("A-1", code)
        follower.wait(1)
        broker.stop()
        with zmq.Context() as context, context.socket(zmq.ROUTER) as other:
            other.linger = 0
            other.bind(broker.streams)
            assert other.poll(20000)
            peer, _ = other.recv_multipart()
            refusal = proto.Refusal(code=3, name="VERSION", message="not this version")
            answer = proto.BrokerMessage(refusal=refusal)
            other.send_multipart([peer, answer.SerializeToString()])
            wait.until(lambda: "refuses" in gateway.get("/readyz")[2].decode(), 20, "the refusal")
        assert gateway.get(f"/c/A-1/{code}")[0] == 503
        broker.start()
        session = publisher("second")
        offset = session.publish(event("A-1", stage="ACCEPTED"))[0].offset
        wait.until(lambda: gateway.get("/readyz")[0] == 200, 20, "another session")
        wait.until(lambda: follower.ids() == [offset], 20, "what happened meanwhile")

    def test_survives_the_gateway(self, gateway, office, stream):
        _, code = office("A-1", "RECEIVED")
        follower = stream("A-1", code)
        last = follower.wait(1)[0][0]
        gateway.stop()
        wait.until(lambda: follower.ended, 5, "the stream to end")
        missed = [office("A-1", "UNDER_REVIEW")[0] for _ in range(3)]
        gateway.start()
        follower = stream("A-1", code, Last_Event_ID=str(last))
        follower.wait(3)
        assert follower.ids() == missed


class TestLimits:
    def test_garbage_and_giants_are_answered(self, gateway):
        host = b"Host: a\r\n"
        assert raw(gateway, b"\x16\x03\x01garbage\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        giant = b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n" + host + b"\r\n"
        assert raw(gateway, giant).startswith(b"HTTP/1.1 414 ")
        giant = b"GET / HTTP/1.1\r\n" + host + b"X: " + b"a" * (1 << 20) + b"\r\n\r\n"
        assert raw(gateway, giant).startswith(b"HTTP/1.1 431 ")
        giant = (b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 9999999\r\n\r\n"
                 + b"a" * (1 << 20))
        assert raw(gateway, giant).startswith(b"HTTP/1.1 413 ")
        assert gateway.get("/healthz")[0] == 200

    def test_slow_requests_and_too_many(self, broker, tmp_path):
        gateway = Gateway(broker.streams, tmp_path / "logs" / "small.log", arguments=[
            "--connections=4", "--request-time=500ms"])
        gateway.start()
        began = time.monotonic()
        assert raw(gateway, b"GET / HTTP/1.1\r\nHost").startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < 3
        held = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(4)]
        for client in held:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-")
        assert raw(gateway, b"").startswith(b"HTTP/1.1 503 ")
        wait.until(lambda: gateway.get("/healthz")[0] == 200, 5, "room again")
        for client in held:
            client.close()
        gateway.close()

    def test_a_follower_who_takes_nothing_is_closed(self, broker, publisher, event, tmp_path):
        gateway = Gateway(broker.streams, tmp_path / "logs" / "small.log",
                          arguments=["--queued-bytes=32KiB"])
        gateway.start()
        session = publisher("slow")
        code = session.publish(event("A-1", stage="RECEIVED"), codes=True)[0].code
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", gateway.port))
            client.sendall(f"GET /c/A-1/{code}/events HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            wait.until(lambda: metric(gateway.url, "waybill_gateway_followers") == 1, 5, "it")
            text = "长" * 1300
            for _ in range(600):
                session.publish(*(event("A-1", stage="UNDER_REVIEW", decision=dict(reason=text))
                                  for _ in range(4)))
                if metric(gateway.url, "waybill_gateway_followers") == 0:
                    break
        wait.until(lambda: b'reason="slow client"' in gateway.get("/metrics")[2], 5, "the reason")
        gateway.close()

    def test_comments_keep_the_line(self, broker, publisher, event, tmp_path):
        gateway = Gateway(broker.streams, tmp_path / "logs" / "small.log",
                          arguments=["--keepalive=200ms"])
        gateway.start()
        session = publisher("quiet")
        code = session.publish(event("A-1", stage="RECEIVED"), codes=True)[0].code
        follower = Stream(f"{gateway.url}/c/A-1/{code}/events")
        wait.until(lambda: follower.comments >= 3, 10, "three comments")
        follower.close()
        gateway.close()

    def test_both_families(self, broker, tmp_path):
        port = wait.free_port()
        gateway = Gateway(broker.streams, tmp_path / "logs" / "both.log", port)
        gateway.argv[gateway.argv.index("--listen") + 1] = f"[::]:{port}"
        gateway.start()
        for host in ("127.0.0.1", "::1"):
            connection = http.client.HTTPConnection(host, port, timeout=5)
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
            connection.close()
        gateway.close()

    def test_an_address_that_is_taken_is_named(self, gateway, broker, cli):
        done = cli.run("waybill-gateway", "--listen", f"127.0.0.1:{gateway.port}", status=1)
        assert f"127.0.0.1:{gateway.port}" in done.stderr and "in use" in done.stderr
        done = cli.run("waybill-gateway", "--listen", "nonsense", status=1)
        assert "nonsense" in done.stderr


def test_it_ends_in_time_with_streams_open(gateway, office, stream):
    _, code = office("A-1", "RECEIVED")
    followers = [stream("A-1", code) for _ in range(20)]
    for follower in followers:
        follower.wait(1)
    began = time.monotonic()
    gateway.stop()
    assert time.monotonic() - began < 5
    wait.until(lambda: all(follower.ended for follower in followers), 5, "the streams to end")
