"""Bad input and bad peers: a clear error for each, nothing lost, nothing leaked, still serving."""

import gzip
import json
import random
import select
import socket
import struct
import time
import urllib.parse

import pytest
import zmq

from support import postgres as pg
from support import wait, xes
from support.paths import ROOT

EXAMPLES = ROOT / "adapters" / "file" / "examples"
MIB = 1024 * 1024
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)


def garbage(seed, size):
    return random.Random(seed).randbytes(size)


def address(url):
    parts = urllib.parse.urlsplit(url)
    return parts.hostname, parts.port


@pytest.fixture
def still_serving(broker, gateway, publisher, follower, event, database):
    """At the end of the test both programs still do all that they are for, the log is without a
    gap, and neither has grown by more than 64 MiB nor kept a descriptor for each peer."""
    def used(program):
        return program.rss_kib(), program.descriptors()
    for status, url in ((200, broker.http), (200, gateway.url)):
        assert wait.http_status(f"{url}/readyz") == status
    before = {program: used(program) for program in (broker, gateway)}
    yield
    receipt, = publisher("afterwards").publish(event("AFTER-1"), codes=True)
    assert receipt.offset > 0
    assert follower().case("AFTER-1", receipt.code).state.case_no == "AFTER-1"
    status, _, body = gateway.get(f"/api/v1/cases/AFTER-1/{receipt.code}")
    if status == 404:
        status, _, body = gateway.get(f"/c/AFTER-1/{receipt.code}")
    assert status == 200 and b"AFTER-1" in body
    counts = pg.rows(database, "SELECT count(*), coalesce(max(event_offset), 0)"
                               " FROM waybill.event")[0]
    assert counts[0] == counts[1]
    sanitized = "asan" in str(broker.argv[0])
    for program, (rss, _) in before.items():
        grown = program.rss_kib() - rss
        assert sanitized or grown < 64 * 1024, f"{program.argv[0]} grew by {grown} KiB"
        wait.until(lambda: program.descriptors() < before[program][1] + 20, 15,
                   "the release of descriptors")


class TestFiles:
    @pytest.mark.parametrize("cut", [0.1, 0.5, 0.99])
    def test_a_truncated_gzip(self, still_serving, cli, database, tmp_path, cut):
        path = tmp_path / "log.xes.gz"
        xes.make(path, cases=60)
        path.write_bytes(path.read_bytes()[:int(path.stat().st_size * cut)])
        done = cli.run("waybill-adapter-file", "--source", "x", "--json", "--mapping",
                       EXAMPLES / "receipt.yaml", path, status=1)
        assert "log.xes.gz" in done.stderr
        said = json.loads(done.stdout)
        assert not said["complete"]
        assert said["acknowledged"] == pg.value(database, "SELECT count(*) FROM waybill.event")

    def test_xml_that_is_none(self, still_serving, cli, database, tmp_path):
        path = tmp_path / "log.xes"
        xes.make(path, cases=4)
        text = path.read_text().replace("</trace>", "</tracee>", 3)
        path.write_text(text)
        done = cli.run("waybill-adapter-file", "--source", "x", "--mapping",
                       EXAMPLES / "receipt.yaml", path, status=1)
        assert "line" in done.stderr or "log.xes:" in done.stderr

    def test_an_event_without_a_case_number_costs_one_event(self, still_serving, cli, database,
                                                            tmp_path):
        path = tmp_path / "log.csv"
        path.write_text("case,time,step\nA-1,2026-01-05T09:00:00+08:00,one\n"
                        ",2026-01-05T09:01:00+08:00,two\nA-1,2026-01-05T09:02:00+08:00,three\n")
        mapping = tmp_path / "mapping.yaml"
        mapping.write_text('version: 1\nformat: csv\nfields:\n  case_no: "{case}"\n'
                           '  occurred_at: "{time}"\n  step: "{step}"\nstage:\n  from: "{step}"\n'
                           '  dictionary: {one: RECEIVED}\n  otherwise: UNDER_REVIEW\n')
        done = cli.run("waybill-adapter-file", "--source", "x", "--json", "--mapping", mapping,
                       "--rejects", tmp_path / "rejects", path, status=1)
        said = json.loads(done.stdout)
        assert (said["acknowledged"], said["rejected"]) == (2, 1)
        assert "case_no" in (tmp_path / "rejects").read_text()
        assert pg.value(database, "SELECT count(*) FROM waybill.event") == 2

    def test_a_stage_that_does_not_exist(self, still_serving, cli, tmp_path):
        line = ('{"event_id": "1", "case_no": "A-1", "stage": "ABDUCTED",'
                ' "occurred_at": "2026-01-05T09:00:00+08:00"}\n')
        done = cli("publish", "--source", "x", "-", input=line, status=1)
        assert "ABDUCTED" in done.stdout + done.stderr

    def test_broken_encoding(self, still_serving, cli, database, shared_data):
        done = cli.run("waybill-adapter-file", "--source", "nyc", "--json", "--mapping",
                       EXAMPLES / "nyc-311.yaml", shared_data / "open311" / "nyc-2023.csv.gz",
                       status=None)
        said = json.loads(done.stdout)
        assert said["acknowledged"] == pg.value(database, "SELECT count(*) FROM waybill.event")
        assert said["read"] == 4999
        assert said["acknowledged"] + said["rejected"] + said["skipped"] == said["read"]

    def test_malformed_documents_of_a_peer(self, still_serving, cli, shared_data):
        for path in sorted((shared_data / "xes-conformance").glob("*.xes")):
            done = cli.run("waybill-adapter-file", "--source", "x", "--mapping",
                           EXAMPLES / "receipt.yaml", path, status=None)
            assert done.returncode in (0, 1), path
            assert done.stderr.strip(), f"{path} was taken without a word"


class TestSockets:
    """What arrives on a port that anybody on this machine can reach."""

    ALL = ["ingest", "live", "streams", "http", "gateway"]

    def connect(self, broker, gateway, which):
        url = gateway.url if which == "gateway" else getattr(broker, which)
        return socket.create_connection(address(url), timeout=10)

    def pour(self, connection, data):
        """Sends as much as the peer takes before it hangs up, and waits for its end."""
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while len(answer) < MIB and (piece := connection.recv(65536)):
                answer += piece
            return answer
        except OSError:
            return b""
        finally:
            connection.close()

    @pytest.mark.parametrize("which", ALL)
    def test_garbage(self, still_serving, broker, gateway, which):
        for seed in range(8):
            self.pour(self.connect(broker, gateway, which), garbage(seed, 200_000))

    @pytest.mark.parametrize("which", ALL)
    def test_garbage_behind_a_greeting(self, still_serving, broker, gateway, which):
        for seed in range(8):
            self.pour(self.connect(broker, gateway, which), GREETING + garbage(seed, 200_000))

    @pytest.mark.parametrize("which", ALL)
    def test_silent_peers(self, still_serving, broker, gateway, which):
        peers = [self.connect(broker, gateway, which) for _ in range(200)]
        for peer in peers[::2]:
            peer.send(b"G")
        for peer in peers:
            peer.close()

    @pytest.mark.parametrize("which", ["http", "gateway"])
    def test_a_request_line_of_a_mebibyte(self, still_serving, broker, gateway, which):
        connection = self.connect(broker, gateway, which)
        sent, status = 0, b""
        connection.sendall(b"GET /")
        while sent < MIB and not select.select([connection], [], [], 0)[0]:
            sent += connection.send(b"a" * 4096)
        if sent >= MIB:
            connection.sendall(b" HTTP/1.1\r\nHost: x\r\n\r\n")
        status = connection.recv(65536).split(b"\r\n")[0]
        connection.close()
        assert status.split(b" ")[1] in (b"400", b"414", b"431")

    @pytest.mark.parametrize("which", ["http", "gateway"])
    def test_headers_without_end(self, still_serving, broker, gateway, which):
        head = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(
            b"X-%d: %s\r\n" % (number, b"y" * 100) for number in range(20_000))
        answer = self.pour(self.connect(broker, gateway, which), head)
        assert not answer or answer.split(b" ")[1] in (b"400", b"413", b"431")

    @pytest.mark.parametrize("which", ["http", "gateway"])
    @pytest.mark.parametrize("request_line", [
        b"GET / HTTP/9.9", b"GET  HTTP/1.1", b"\x00\x01\x02", b"POST / HTTP/1.1",
        b"GET /%zz HTTP/1.1", b"GET /../../etc/passwd HTTP/1.1", b"GET /c/%00/%ff HTTP/1.1",
        b"GET /c/" + b"%E4%BA%8B" * 400 + b"/AAAA-AAAA-AAAA HTTP/1.1", b"PRI * HTTP/2.0"])
    def test_odd_requests(self, still_serving, broker, gateway, which, request_line):
        answer = self.pour(self.connect(broker, gateway, which),
                           request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert not answer or 400 <= int(answer.split(b" ")[1]) < 600

    def test_a_body_that_never_ends(self, still_serving, broker, gateway):
        head = b"POST /api/v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
        answer = self.pour(self.connect(broker, gateway, "gateway"), head + bytes(8 * MIB))
        assert not answer or 400 <= int(answer.split(b" ")[1]) < 600


class TestMessages:
    def refused(self, session):
        """The names of what comes back; silence is allowed where the connection is cut."""
        names = []
        while (message := session.receive(1)) is not None:
            assert message.WhichOneof("body") == "refusal"
            assert message.refusal.message and message.refusal.hint
            names.append(message.refusal.name)
        return names

    @pytest.mark.parametrize("endpoint", ["ingest", "streams"])
    def test_a_frame_of_64_mib(self, still_serving, broker, channel, endpoint):
        session = channel(getattr(broker, endpoint))
        session.hello("x")
        session.send_raw(bytes(64 * MIB))
        assert set(self.refused(session)) <= {"TOO_LARGE", "NO_SESSION"}

    @pytest.mark.parametrize("endpoint", ["ingest", "streams"])
    def test_a_message_a_little_too_large_is_refused_in_words(self, still_serving, broker, channel,
                                                              endpoint):
        session = channel(getattr(broker, endpoint))
        limit = session.hello("x").limits.message_bytes
        session.send_raw(bytes(limit + 1))
        assert self.refused(session) == ["TOO_LARGE"]

    @pytest.mark.parametrize("endpoint", ["ingest", "streams"])
    def test_frames_of_garbage(self, still_serving, broker, channel, endpoint):
        for seed in range(40):
            session = channel(getattr(broker, endpoint))
            if seed % 2:
                session.hello("x")
            session.send_raw(garbage(seed, random.Random(seed).randrange(0, 5000)))
            message = session.receive()
            assert message is not None and message.WhichOneof("body") == "refusal"
            assert message.refusal.name in ("MALFORMED", "NO_SESSION")

    @pytest.mark.parametrize("endpoint", ["ingest", "streams"])
    def test_more_frames_than_one(self, still_serving, broker, channel, proto, endpoint):
        session = channel(getattr(broker, endpoint))
        session.send_raw(b"", proto.ClientMessage(ping=proto.Ping(token=1)).SerializeToString())
        assert session.refusal().name == "MALFORMED"
        session.send_raw(*[b"x"] * 1000)
        assert session.refusal().name == "MALFORMED"

    def test_a_message_that_is_nested_deeply(self, still_serving, broker, channel):
        """protobuf-c knows no limit to recursion: the scan before it does."""
        data = b""
        for _ in range(20_000):
            data = b"\x0a" + varint(len(data)) + data
        session = channel(broker.ingest)
        session.send_raw(data[:1_000_000])
        assert session.refusal().name == "MALFORMED"

    def test_a_valid_message_cut_and_changed(self, still_serving, broker, channel, proto, event):
        whole = proto.ClientMessage(publish=proto.Publish(
            batch=1, events=[event(step="现场勘验", agency="住建局")])).SerializeToString()
        chance = random.Random(7)
        for number in range(300):
            data = bytearray(whole[:chance.randrange(len(whole))] if number % 2 else whole)
            for _ in range(chance.randrange(1, 4)):
                if data:
                    data[chance.randrange(len(data))] = chance.randrange(256)
            session = channel(broker.ingest)
            session.hello("x")
            session.send_raw(bytes(data))
            message = session.receive(0.05)
            assert message is None or message.WhichOneof("body") in (
                "refusal", "acknowledgement", "welcome", "pong")
            session.close()

    @pytest.mark.parametrize("change, name, field", [
        ({"case_no": ""}, "FIELD_MISSING", "case_no"),
        ({"event_id": ""}, "FIELD_MISSING", "event_id"),
        ({"case_no": "x" * 129}, "FIELD_TOO_LONG", "case_no"),
        ({"stage": 0}, "FIELD_MISSING", "stage"),
        ({"stage": 99}, "STAGE_UNKNOWN", "stage"),
        ({"kind": 3}, "KIND_NOT_ALLOWED", "kind"),
        ({"occurred_at_us": -1}, "TIME_RANGE", "occurred_at"),
        ({"occurred_at_us": 1 << 62}, "TIME_RANGE", "occurred_at"),
        ({"step": "a\x01b"}, "FIELD_TEXT", "step"),
        ({"case_no": "A-1\n"}, "FIELD_TEXT", "case_no"),
        ({"utc_offset_minutes": 5000}, "FIELD_VALUE", "utc_offset_minutes"),
    ])
    def test_an_event_is_refused_by_the_field(self, still_serving, publisher, event, change, name,
                                              field):
        bad = event("A-1")
        for key, value in change.items():
            setattr(bad, key, value)
        refused, good = publisher().publish(bad, event("A-2"))
        assert (refused.offset, good.offset) == (0, 1)
        assert refused.refusal.name in (name, "FIELD_VALUE", "STAGE_UNKNOWN")
        assert refused.refusal.field == field
        assert refused.refusal.message and refused.refusal.hint

    def test_a_subscriber_that_never_reads(self, still_serving, broker, follower, publisher, event):
        """It may keep its credit's worth, bounded; the others do not wait for it."""
        lazy = follower()
        lazy.subscribe(credit=1 << 40)
        socket_live = zmq.Context.instance().socket(zmq.SUB)
        socket_live.linger = 0
        socket_live.rcvhwm = 1
        socket_live.connect(broker.live)
        socket_live.subscribe(b"")
        writer = publisher()
        for _ in range(60):
            writer.publish(*(event(step="x" * 200) for _ in range(500)))
        reader = follower()
        reader.subscribe()
        reader.expect("subscribed")
        assert len(reader.records(8000)) >= 8000
        socket_live.close()

    def test_subscriptions_that_look_at_much_and_find_nothing(self, still_serving, follower,
                                                              publisher, event):
        """What is looked at for readers in one turn of the loop is bounded: admission goes on."""
        writer = publisher()
        for _ in range(30):
            writer.publish(*(event(f"A-{n}", agency="住建局") for n in range(1000)))
        reader = follower()
        for number in range(1, 251):
            reader.subscribe(number, after=10_000, agencies=[f"住建局{n:064d}" for n in range(64)])
        reader.expect("subscribed")
        begun = time.monotonic()
        writer.publish(event())
        assert time.monotonic() - begun < 1
        for _ in range(249):
            while reader.receive().WhichOneof("body") != "subscribed":
                pass

    def test_the_live_endpoint_takes_no_words(self, still_serving, broker):
        connection = socket.create_connection(address(broker.live), timeout=10)
        connection.sendall(GREETING)
        connection.sendall(b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB")
        for size in (1, 100, 255):
            connection.sendall(b"\x00" + struct.pack("B", size) + b"\x01" * size)
        connection.close()


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def test_a_bomb_of_gzip_is_read_in_bounded_memory(broker, cli, tmp_path):
    """A gibibyte of white space in a file of one mebibyte."""
    path = tmp_path / "bomb.xes.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(b'<?xml version="1.0"?>\n<log>')
        for _ in range(256):
            file.write(b" " * MIB)
        file.write(b"</log>")
    adapter = cli.start("waybill-adapter-file", "--source", "x", "--mapping",
                        EXAMPLES / "receipt.yaml", path)
    peak = 0
    while adapter.running():
        try:
            peak = max(peak, adapter.rss_kib())
        except (AssertionError, FileNotFoundError):
            break
    assert adapter.wait() in (0, 1)
    assert peak < 200 * 1024, f"{peak} KiB resident"
