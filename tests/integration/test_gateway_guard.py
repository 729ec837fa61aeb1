"""The gateway as strangers meet it: guessing, proxies, slow and gone clients, its end, headers."""

import http.client
import json
import re
import selectors
import signal
import socket
import statistics
import struct
import time
import urllib.parse
from pathlib import Path

import pytest

from support import namespace, wait
from support.waybill import Gateway, metric

WRONG = "ZZZZ-ZZZZ-ZZZZ"
FORMS = ("/c/{}/{}", "/c/{}/{}/fragment", "/c/{}/{}/events", "/api/v1/cases/{}/{}",
         "/api/v1/cases/{}/{}/events")


@pytest.fixture
def office(publisher, event):
    """office(case_no, stage, …): publishes one event; its offset and the case's code."""
    session = publisher()

    def happen(case_no, stage="RECEIVED", **fields):
        receipt = session.publish(event(case_no, stage=stage, **fields), codes=True)[0]
        assert receipt.offset, receipt
        return receipt.offset, receipt.code
    return happen


@pytest.fixture
def guarded(broker, tmp_path):
    """guarded("--option=value", …): a gateway of its own, ready."""
    made = []

    def make(*arguments):
        log = tmp_path / "logs" / f"guarded-{len(made) + 1}.log"
        made.append(Gateway(broker.streams, log, arguments=arguments))
        return made[-1].start()
    yield make
    for one in made:
        one.close()


def ask(gateway, path, source="127.0.0.1", **headers):
    """Status, headers, body, asked from an address of this machine. 127.0.N.1 is block N."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10,
                                            source_address=(source, 0))
    try:
        connection.request("GET", path,
                           headers={name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        streams = answer.status == 200 and path.endswith("/events")
        return answer.status, dict(answer.getheaders()), b"" if streams else answer.read()
    finally:
        connection.close()


def guess_until_throttled(gateway, path, most=200, **options):
    for count in range(most):
        status, headers, body = ask(gateway, path, **options)
        if status == 429:
            return count, headers, body
        assert status == 404
    raise AssertionError(f"{most} wrong codes, and nothing happened")


class TestGuessing:
    def test_a_block_that_guesses_has_to_wait(self, guarded, office):
        _, code = office("A-1")
        _, other = office("A-2")
        gateway = guarded("--wrong-codes-block=6", "--wrong-codes-case=0")
        neighbour, stranger = "127.0.1.77", "127.0.2.1"
        assert ask(gateway, f"/c/A-1/{code}", neighbour)[0] == 200
        count, headers, body = guess_until_throttled(
            gateway, "/api/v1/cases/B-1/" + WRONG, source="127.0.1.1")
        assert 12 <= count <= 14
        assert json.loads(body)["error"]["code"] == "TOO_MANY_WRONG_CODES"
        assert 1 <= int(headers["Retry-After"]) <= 10
        for form in FORMS:
            for pair in (("A-2", other), ("B-2", WRONG)):
                status, headers, body = ask(gateway, form.format(*pair), "127.0.1.1")
                assert status == 429 and int(headers["Retry-After"]) >= 1
                assert headers["Cache-Control"] == "no-store"
                assert headers["Referrer-Policy"] == "no-referrer"
        for language, words in (("zh", "查询码输错次数太多"), ("en", "Too many wrong codes")):
            page = ask(gateway, f"/c/A-2/{other}?lang={language}", "127.0.1.1")[2].decode()
            assert words in page and "http-equiv" not in page
            assert 'data-testid="throttled-page"' in page
        # Who has opened the case from there before still may, and who comes from elsewhere.
        for form in FORMS:
            assert ask(gateway, form.format("A-1", code), neighbour)[0] == 200
            assert ask(gateway, form.format("A-2", other), stranger)[0] == 200
        assert ask(gateway, "/", "127.0.1.1")[0] == 200
        assert b'throttled_total{by="block"}' in ask(gateway, "/metrics")[2]
        wait.until(lambda: ask(gateway, f"/c/A-2/{other}", "127.0.1.1")[0] == 200, 30,
                   "the block to be let in again")

    @pytest.mark.parametrize("form", FORMS)
    def test_wherever_it_guesses(self, guarded, office, form):
        office("A-1")
        gateway = guarded("--wrong-codes-block=3", "--wrong-codes-case=0")
        count, _, _ = guess_until_throttled(gateway, form.format("A-1", WRONG))
        assert 6 <= count <= 7

    def test_guessing_one_case_from_everywhere_does_not_lock_its_holder_out(self, guarded, office):
        _, code = office("A-1")
        gateway = guarded("--wrong-codes-block=600", "--wrong-codes-case=5")
        put = 0
        for _ in range(6):
            for block in range(20):
                status = ask(gateway, f"/c/A-1/{WRONG}", f"127.0.{100 + block}.1")[0]
                assert status in (404, 429)
                put += status == 404
        assert put <= 10 + 20 * 3 + 2, "the case's bucket, then three tries of each block"
        assert ask(gateway, f"/c/A-1/{code}", "127.0.100.1")[0] == 429
        holder = "127.0.9.1"
        assert ask(gateway, f"/c/A-1/{WRONG}", holder)[0] == 404, "a slip of the finger"
        assert ask(gateway, f"/c/A-1/{code}", holder)[0] == 200
        assert ask(gateway, f"/c/A-1/{code}/events", holder)[0] == 200
        assert b'throttled_total{by="case"}' in ask(gateway, "/metrics")[2]

    def test_those_who_know_their_codes_never_wait(self, guarded, office):
        codes = [office(f"A-{n}")[1] for n in range(20)]
        gateway = guarded("--wrong-codes-block=1", "--wrong-codes-case=1")
        for n, code in enumerate(codes):
            for form in FORMS:
                assert ask(gateway, form.format(f"A-{n}", code))[0] == 200


class TestLookingAlike:
    @pytest.fixture
    def broker(self, make_broker, cli, gateway_port):
        """One whose links expire at once when a case has ended."""
        return make_broker(public_url=f"http://127.0.0.1:{gateway_port}",
                           arguments=["--code-life=1ms"]).start()

    @pytest.fixture
    def kinds(self, office):
        """Three ways not to open a case, by name."""
        office("A-1")
        office("A-2")
        _, expired = office("A-2", "WITHDRAWN")
        return {"wrong": ("A-1", WRONG), "unknown": ("A-9", WRONG), "expired": ("A-2", expired)}

    @pytest.mark.parametrize("form", FORMS)
    def test_in_every_byte(self, guarded, kinds, form):
        gateway = guarded()
        said = {kind: ask(gateway, form.format(*pair)) for kind, pair in kinds.items()}
        for status, headers, body in said.values():
            headers.pop("Date")
            assert status == 404 and (status, headers, body) == said["wrong"]

    @pytest.mark.takes_time
    def test_in_time(self, guarded, kinds):
        """By rank: how often one of the one kind took longer than one of the other. All kinds in
        turn, so that what else the machine does meets all of them."""
        gateway = guarded("--wrong-codes-block=0", "--wrong-codes-case=0")
        took = {kind: [] for kind in kinds}
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
        for turn in range(150):
            order = list(kinds)[turn % 3:] + list(kinds)[:turn % 3]
            for kind in order if turn % 2 else reversed(order):
                began = time.perf_counter()
                connection.request("GET", FORMS[turn % len(FORMS)].format(*kinds[kind]))
                assert connection.getresponse().read() is not None
                took[kind].append(time.perf_counter() - began)
        connection.close()
        for kind in ("unknown", "expired"):
            longer = statistics.mean(
                other > wrong for other, wrong in zip(took[kind], took["wrong"]))
            assert 0.3 < longer < 0.7, f"{kind}: a fair coin's deviation of 150 is 0.04"


class TestProxies:
    def throttled(self, gateway, source, forwarded, name="X_Forwarded_For"):
        path = "/api/v1/cases/B-1/" + WRONG
        return ask(gateway, path, source, **{name: forwarded})[0] == 429

    def test_only_a_configured_one_is_believed(self, guarded):
        gateway = guarded("--wrong-codes-block=2", "--wrong-codes-case=0",
                          "--trusted-proxies=127.0.0.1 127.0.3.0/24")
        for _ in range(5):
            self.throttled(gateway, "127.0.0.1", "192.0.2.7")
        assert self.throttled(gateway, "127.0.0.1", "192.0.2.8")
        assert self.throttled(gateway, "127.0.3.9", "192.0.2.9, 127.0.0.1")
        assert not self.throttled(gateway, "127.0.0.1", "192.0.3.7")
        # What the client made up, before the proxy added its address.
        assert self.throttled(gateway, "127.0.0.1", "198.51.100.1, 192.0.2.7")
        assert self.throttled(gateway, "127.0.0.1", '"198.51.100.1, 192.0.2.7')
        # Somebody who is no proxy remains who it is, whatever it says.
        assert [self.throttled(gateway, "127.0.7.1", f"203.0.{n}.1") for n in range(5)] == [
            False, False, False, False, True]
        assert [self.throttled(gateway, "127.0.8.1", f"for=203.0.{n}.1", "Forwarded")
                for n in range(5)] == [False, False, False, False, True]

    def test_forwarded_where_it_is_chosen(self, guarded):
        gateway = guarded("--wrong-codes-block=2", "--wrong-codes-case=0",
                          "--trusted-proxies=127.0.0.1", "--proxy-header=forwarded")
        for n in range(5):
            self.throttled(gateway, "127.0.0.1", f'for="[2001:db8::{n}]:4711"', "Forwarded")
        assert self.throttled(gateway, "127.0.0.1", 'for="[2001:db8:0:7f::1]"', "Forwarded")
        assert not self.throttled(gateway, "127.0.0.1", 'for="[2001:db8:1::1]"', "Forwarded")

    def test_one_that_is_not_configured_is_told_of(self, guarded):
        gateway = guarded()
        for _ in range(3):
            ask(gateway, "/", X_Forwarded_For="192.0.2.7")
        assert gateway.text().count("trusted_proxies") == 1

    @pytest.mark.parametrize("option, words", [
        ("--trusted-proxies=10.0.0.1/8", "10.0.0.1/8"), ("--trusted-proxies=nginx", "nginx"),
        ("--proxy-header=x-real-ip", "x-real-ip")])
    def test_what_is_no_proxy_is_named(self, broker, cli, option, words):
        done = cli.run("waybill-gateway", "--listen", "127.0.0.1:0", "--streams", broker.streams,
                       option, status=1)
        assert words in done.stderr and "write" in done.stderr


class Lines:
    """Many event streams read by one thread, as bytes: .heard by number, .ended those that
    closed and how (True: cleanly)."""

    def __init__(self, gateway, paths):
        self.selector = selectors.DefaultSelector()
        self.heard, self.ended = [b""] * len(paths), {}
        for number, path in enumerate(paths):
            line = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            line.setblocking(False)
            self.selector.register(line, selectors.EVENT_READ, number)

    def read(self, seconds=0.05):
        for key, _ in self.selector.select(seconds):
            try:
                part = key.fileobj.recv(65536)
                clean = True
            except OSError:
                part, clean = b"", False
            self.heard[key.data] += part
            if not part:
                self.selector.unregister(key.fileobj)
                key.fileobj.close()
                self.ended[key.data] = clean

    def until(self, condition, timeout=30, what="it"):
        wait.until(lambda: self.read() or condition(), timeout, what, every=0)

    def close(self):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


def processor_s(gateway):
    fields = Path(f"/proc/{gateway.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


class TestClients:
    @pytest.mark.parametrize("reset", [False, True])
    def test_who_leaves_is_noticed_at_once(self, guarded, office, reset):
        _, code = office("A-1")
        gateway = guarded()
        lines = Lines(gateway, [f"/c/A-1/{code}/events"] * 200)
        lines.until(lambda: all(b"event: case" in heard for heard in lines.heard))
        wait.until(lambda: metric(gateway.url, "waybill_gateway_connections") >= 200, 5, "all")
        for key in list(lines.selector.get_map().values()):
            if reset:
                key.fileobj.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       struct.pack("ii", 1, 0))
            key.fileobj.close()
        began = time.monotonic()
        # The question itself may be counted, and the one before it.
        wait.until(lambda: metric(gateway.url, "waybill_gateway_connections") <= 2, 5, "none")
        assert time.monotonic() - began < 1
        assert metric(gateway.url, "waybill_gateway_followers") == 0
        before = processor_s(gateway)
        began = time.monotonic()
        wait.until(lambda: time.monotonic() - began > 1, 5, "a second of idling", every=0.2)
        assert processor_s(gateway) - before < 0.1, "closed clients cost nothing any more"

    def test_who_does_not_read_is_told_why_and_misses_nothing(self, guarded, publisher, event):
        gateway = guarded("--queued-bytes=32KiB")
        session = publisher("slow")
        code = session.publish(event("A-1", stage="RECEIVED"), codes=True)[0].code
        offsets = []
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(20)
        line.connect(("127.0.0.1", gateway.port))
        line.sendall(f"GET /c/A-1/{code}/events HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        heard = b""
        while b"event: case\n" not in heard:  # behind its offset nothing may be missing
            heard += line.recv(65536)
        text = "长" * 1300
        for _ in range(800):
            offsets += [receipt.offset for receipt in session.publish(
                *(event("A-1", stage="UNDER_REVIEW", decision=dict(reason=text))
                  for _ in range(4)))]
            if metric(gateway.url, "waybill_gateway_followers") == 0:
                break
        while part := line.recv(65536):
            heard += part
        line.close()
        assert heard.endswith(b'event: end\ndata: {"reason":"slow_client"}\n\n')
        assert re.search(rb"\nretry: [0-9]+\nevent: end\n", heard)
        got = [int(number) for number in re.findall(rb"^id: ([0-9]+)\nevent: node", heard, re.M)]
        assert got == offsets[:len(got)] and 0 < len(got) < len(offsets)
        assert b'reason="slow client"' in ask(gateway, "/metrics")[2]
        path = f"/c/A-1/{code}/events?last_event_id={got[-1]}"
        again = Lines(gateway, [path])
        again.until(lambda: f"id: {offsets[-1]}\n".encode() in again.heard[0], what="the rest")
        if b"event: reset" not in again.heard[0]:
            rest = re.findall(rb"^id: ([0-9]+)\nevent: node", again.heard[0], re.M)
            assert got + [int(number) for number in rest] == offsets
        else:
            assert len(offsets) > 500, "only a case too long for one answer begins anew"
        again.close()

    def test_silent_and_slow_ones_keep_nobody_out(self, guarded, office):
        """One address opens all connections that there are and says next to nothing on them."""
        _, code = office("A-1")
        gateway = guarded("--connections=50", "--request-time=1s")
        held = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(60)]
        for number, line in enumerate(held):
            try:
                line.sendall(b"GET / HT" if number % 2 else b"")
            except OSError:
                pass
        wait.until(lambda: ask(gateway, f"/c/A-1/{code}")[0] == 200, 5, "room")
        for line in held:
            line.close()


@pytest.fixture
def outside(broker, tmp_path):
    """outside("--option=value", …): a gateway that another machine reaches, and a function that
    connects to it from there; .silence() cuts the line."""
    why_not = namespace.why_not()
    if why_not:
        pytest.skip(why_not)
    made = []

    def make(*arguments):
        net = namespace.Namespace()
        made.append(net)
        gateway = Gateway(broker.streams, tmp_path / "logs" / "outside.log", arguments=arguments)
        place = gateway.argv.index("--listen") + 1
        gateway.argv[place] += f" {net.host}:{gateway.port}"
        made.insert(0, gateway)
        return gateway.start(), net.connector(gateway.port, net.host), net
    yield make
    for one in made:
        one.close() if isinstance(one, Gateway) else one.remove()


class TestStrangers:
    def test_one_block_does_not_take_all_connections(self, outside, office):
        _, code = office("A-1")
        gateway, connect, _ = outside("--block-connections=20", "--request-time=2s")
        held = [connect() for _ in range(20)]
        for line in held:
            line.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-")  # and no more than that
        refused = connect()
        refused.settimeout(10)
        assert refused.recv(65536).startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
        refused.close()
        assert ask(gateway, f"/c/A-1/{code}")[0] == 200, "others are served meanwhile"
        assert b'reason="too many of one network"' in ask(gateway, "/metrics")[2]
        for line in held:
            line.settimeout(10)
            assert line.recv(65536).startswith(b"HTTP/1.1 408 ")
            line.close()

        def let_in():
            line = connect()
            line.settimeout(10)
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            with line:
                return b" 200 " in line.recv(65536)
        wait.until(let_in, 10, "room for the block again")

    def test_all_that_a_block_held_is_given_back(self, outside):
        gateway, connect, _ = outside("--block-connections=5")
        for _ in range(40):
            lines = [connect() for _ in range(4)]
            for line in lines:
                line.close()
            wait.until(lambda: metric(gateway.url, "waybill_gateway_connections") <= 2, 10, "it")
        line = connect()
        line.settimeout(10)
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 200 ")
        line.close()

    @pytest.mark.takes_time
    def test_a_client_that_fell_silent_is_let_go(self, outside, office):
        """A phone that lost its network says nothing and acknowledges nothing."""
        _, code = office("A-1")
        gateway, connect, net = outside("--keepalive=1s")
        line = connect()
        line.sendall(f"GET /c/A-1/{code}/events HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        wait.until(lambda: metric(gateway.url, "waybill_gateway_followers") == 1, 10, "it")
        net.silence()
        wait.until(lambda: metric(gateway.url, "waybill_gateway_followers") == 0, 60,
                   "the gateway to give it up", every=0.5)
        net.mend()
        line.close()


class TestEnd:
    def test_everybody_is_told_to_come_again(self, guarded, office):
        _, code = office("A-1")
        gateway = guarded("--notice=1s", "--drain=5s", "--retry=10s")
        lines = Lines(gateway, [f"/c/A-1/{code}/events"] * 500)
        lines.until(lambda: all(b"event: case" in heard for heard in lines.heard), what="all")
        began = time.monotonic()
        gateway.process.send_signal(signal.SIGTERM)
        wait.until(lambda: ask(gateway, "/readyz")[0] == 503, 1, "the notice", every=0)
        assert b"stopping" in ask(gateway, "/readyz")[2]
        assert ask(gateway, "/healthz")[0] == 200 and not lines.ended
        lines.until(lambda: len(lines.ended) == 500, what="all to end")
        assert all(lines.ended.values()), "a reset is no clean end"
        assert gateway.wait(10) == 0
        assert time.monotonic() - began < 1 + 5
        retries = []
        for heard in lines.heard:
            end = re.search(rb'retry: ([0-9]+)\nevent: end\ndata: {"reason":"server_stopped"}\n\n$',
                            heard)
            assert end, heard[-300:]
            retries.append(int(end.group(1)))
        assert 2000 <= min(retries) < 3500 and 8500 < max(retries) <= 10000, "spread"
        with pytest.raises(OSError):
            ask(gateway, "/healthz")


HEADERS = {
    "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY", "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
}


def say(gateway, request):
    """The head of what comes back, as (status, headers)."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
        client.sendall(request)
        heard = b""
        while b"\r\n\r\n" not in heard:
            part = client.recv(65536)
            assert part, heard
            heard += part
    first, *lines = heard.split(b"\r\n\r\n")[0].decode().split("\r\n")
    return int(first.split(" ")[1]), dict(line.split(": ", 1) for line in lines)


class TestWhatIsSaid:
    def test_every_answer_has_the_headers(self, gateway, office):
        _, code = office("A-1")
        page = ask(gateway, f"/c/A-1/{code}")[2].decode()
        asset = re.search(r'href="(/assets/[^"]+)"', page).group(1)
        get = [("GET", path, 200) for path in (
            "/", f"/c/A-1/{code}", f"/c/A-1/{code}/fragment", f"/c/A-1/{code}/events", asset,
            f"/api/v1/cases/A-1/{code}", "/favicon.svg", "/robots.txt", "/healthz", "/metrics")]
        cases = [*get, *(("HEAD", path, status) for _, path, status in get),
                 ("GET", f"/?case=A-1&code={code}", 303), ("GET", "/c/A-1/x", 404),
                 ("GET", "/nowhere", 404), ("GET", "/api/v1/cases/A-1", 401),
                 ("PUT", "/", 405), ("OPTIONS", "/", 405), ("TRACE", "/", 405),
                 ("GET", "http://elsewhere.example/nowhere", 404), ("GET", "*", 400),
                 ("CONNECT", "elsewhere.example:443", 400), ("GET", "/%00", 400),
                 ("GET", "/" + "a" * 20000, 414), ("NONSENSE", "/", 400)]
        for method, path, expected in cases:
            status, headers = say(gateway, f"{method} {path} HTTP/1.1\r\nHost: a\r\n"
                                           "Range: bytes=0-1\r\n\r\n".encode())
            assert status == expected, (method, path, status)
            for name, value in HEADERS.items():
                assert headers.get(name) == value, (method, path, name)
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "unsafe" not in policy
            assert "*" not in policy and "http" not in policy and "data:" not in policy
            assert "Set-Cookie" not in headers and "Server" not in headers
            assert "Access-Control-Allow-Origin" not in headers
            if status == 405:
                assert headers["Allow"] == "GET, HEAD, POST"

    def test_what_is_written_in_a_page_needs_no_exception(self, gateway, office):
        """Nothing inline, so that the policy holds for what a page is made of."""
        _, code = office("A-1")
        for path in ("/", f"/c/A-1/{code}", "/c/A-1/x", "/nowhere"):
            page = ask(gateway, path)[2].decode()
            assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]*\ssrc=)",
                                 page), path
            for address in re.findall(r'(?:src|href|action)="([^"]*)"', page):
                assert address.startswith(("/", "?", "#", "tel:")) or address == "", address

    def test_the_log_holds_no_secret_at_any_level(self, broker, tmp_path, office):
        _, code = office("京A-1")
        gateway = Gateway(broker.streams, tmp_path / "logs" / "talkative.log",
                          arguments=["--log-level=debug", "--wrong-codes-block=2",
                                     "--trusted-proxies=127.0.0.1"]).start()
        case = urllib.parse.quote("京A-1")
        for given in (code, WRONG):
            for form in FORMS:
                for _ in range(2):
                    ask(gateway, form.format(case, given), X_Forwarded_For="192.0.2.77")
            ask(gateway, "/api/v1/cases/" + case, Authorization=f"Bearer {given}")
            ask(gateway, f"/?case={case}&code={given}")
            say(gateway, f"GET /c/{case}/{given} HTTP/1.1\r\n\r\n".encode())
        broker.stop()
        ask(gateway, f"/c/{case}/{code}")
        gateway.stop()
        text = gateway.text()
        assert "listening" in text
        for secret in (code, code.replace("-", ""), WRONG, "京A-1", case, "192.0.2.77", "/c/"):
            assert secret not in text, secret
