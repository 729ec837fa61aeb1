"""Clients that know several brokers on one database: they use the one that is ready, and go on at
the other when it dies, without losing an event or seeing one twice."""

import json
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
from support import paths, wait
from support.process import clean_environment
from support.sse import Stream
from support.waybill import Gateway

TAKEOVER_S = 20  # of the standby, on a busy machine, and of its clients


@pytest.fixture
def pair(make_broker):
    """Two brokers on one database; the first writes."""
    first = make_broker().start()
    second = make_broker()
    second.start(ready=False)
    wait.until(lambda: wait.http_status(f"{second.http}/healthz") == 200, what="the standby")
    return first, second


def several(pair, name):
    return ",".join(getattr(broker, name) for broker in pair)


def line(number, case_no="A-1"):
    return json.dumps({"event_id": f"e-{number}", "case_no": case_no, "stage": "UNDER_REVIEW",
                       "occurred_at": "2026-03-02T09:00:00+08:00", "step": str(number)}) + "\n"


class Office:
    """`waybill publish` reading from a pipe: it publishes events until it is told to end."""

    def __init__(self, endpoints, rate=100):
        self.process = subprocess.Popen(
            [paths.program("waybill"), "publish", "--source", "office", "--json", "--ingest",
             endpoints, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env=clean_environment())
        self.rate, self.sent, self.receipts = rate, 0, []
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=run, daemon=True)
                        for run in (self._write, self._read)]
        for thread in self.threads:
            thread.start()

    def _write(self):
        while not self.ending.wait(1 / self.rate):
            self.sent += 1
            self.process.stdin.write(line(self.sent))
            self.process.stdin.flush()
        self.process.stdin.close()

    def _read(self):
        self.receipts.extend((time.monotonic(), json.loads(text)) for text in self.process.stdout)

    def grows(self, by, timeout=TAKEOVER_S):
        before = len(self.receipts)
        wait.until(lambda: len(self.receipts) >= before + by, timeout, f"{by} acknowledgements")

    def end(self):
        self.ending.set()
        status = self.process.wait(60)
        for thread in self.threads:
            thread.join()
        return status

    def close(self):
        self.ending.set()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def office(pair):
    running = Office(several(pair, "ingest"))
    yield running
    running.close()


def follow_all(cli, endpoints):
    said = cli("tail", "--streams", endpoints, "--from", "start", "--until-head").stdout
    return [json.loads(text) for text in said.splitlines()]


def check_once_each(records, count):
    ids = [record["event_id"] for record in records]
    assert ids == [f"e-{number}" for number in range(1, count + 1)]
    assert [record["offset"] for record in records] == list(range(1, count + 1))


class TestTakeover:
    def test_every_event_once(self, pair, office, cli):
        office.grows(100)
        pair[0].kill()
        office.grows(200)
        assert office.end() == 0
        assert len(office.receipts) == office.sent
        check_once_each(follow_all(cli, several(pair, "streams")), office.sent)

    def test_a_reader_goes_on_behind_its_cursor(self, pair, office, cli):
        tail = cli.start("waybill", "tail", "--from", "start", "--streams",
                         several(pair, "streams"))
        office.grows(50)
        pair[0].kill()
        office.grows(50)
        assert office.end() == 0

        def records():
            lines = [text for text in tail.text().splitlines() if text.startswith("{")]
            return [json.loads(text) for text in lines]
        wait.until(lambda: len(records()) >= office.sent, what="what was published")
        check_once_each(records(), office.sent)

    def test_the_gateway_follows_whichever_is_ready(self, pair, office, tmp_path, cli):
        gateway = Gateway(several(pair, "streams"), tmp_path / "logs" / "gateway.log").start()
        try:
            assert gateway.get("/readyz")[2].decode() == f"ready, with {pair[0].streams}\n"
            office.grows(20)
            told = json.loads(cli("link", "A-1", "--json", "--gateway", gateway.url, "--streams",
                                  several(pair, "streams")).stdout)
            followers = [Stream(f"{gateway.url}/c/A-1/{told['code']}/events") for _ in range(5)]
            first = [follower.wait(1)[0][0] for follower in followers]
            office.grows(20)
            pair[0].kill()
            wait.until(lambda: gateway.get("/readyz")[2].decode()
                       == f"ready, with {pair[1].streams}\n", TAKEOVER_S, "the other broker")
            office.grows(50)
            assert office.end() == 0
            for begun, follower in zip(first, followers):
                wait.until(lambda f=follower: f.ids() and f.ids()[-1] >= office.sent,
                           TAKEOVER_S, "the newest event")
                assert follower.ids() == list(range(begun + 1, office.sent + 1))
                assert not follower.ended
                follower.close()
        finally:
            gateway.close()

    def test_a_frozen_broker_is_left(self, pair, office, cli):
        office.grows(50)
        pair[0].process.send_signal(signal.SIGSTOP)
        try:
            office.grows(50, timeout=45)
        finally:
            pair[0].process.send_signal(signal.SIGCONT)
        office.grows(50)
        assert office.end() == 0
        check_once_each(follow_all(cli, pair[1].streams), office.sent)

    def test_back_to_the_first_when_the_second_dies(self, pair, office, cli):
        office.grows(30)
        pair[0].kill()
        office.grows(30)
        pair[0].start(ready=False)
        pair[1].kill()
        office.grows(30)
        assert office.end() == 0
        check_once_each(follow_all(cli, several(pair, "streams")), office.sent)


class TestTheList:
    def test_the_first_may_be_away_or_silent(self, broker, cli):
        """A port that nobody listens on, and one where nobody answers."""
        with socket.create_server(("127.0.0.1", 0)) as mute:
            silent = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
            away = f"tcp://127.0.0.1:{wait.free_port()}"
            for others in ([away], [silent], [away, silent]):
                ingest = ",".join([*others, broker.ingest])
                cli("publish", "--source", "tests", "--ingest", ingest, "-", input=line(1))
                streams = " ".join([*others, broker.streams])
                assert len(follow_all(cli, streams)) == 1
                cli("track", "A-1", "--streams", streams)

    def test_a_standby_is_passed_by(self, pair, cli):
        ingest = several(reversed(pair), "ingest")
        cli("publish", "--source", "tests", "--ingest", ingest, "-", input=line(1))
        assert len(follow_all(cli, several(reversed(pair), "streams"))) == 1

    @pytest.mark.parametrize("endpoints, named", [
        ("tcp://127.0.0.1:1,127.0.0.1:2", "'127.0.0.1:2'"),
        ("tcp://127.0.0.1:1,tcp://127.0.0.1:1", "named twice"),
        (",".join(f"tcp://127.0.0.1:{n}" for n in range(1, 10)), "8 brokers"),
        (" , ", "no broker")])
    def test_a_list_that_is_none(self, cli, endpoints, named):
        said = cli("publish", "--source", "s", "--ingest", endpoints, "-", input="", status=2)
        assert named in said.stderr
        assert named in cli("tail", "--streams", endpoints, status=2).stderr

    def test_the_reader_of_the_document(self, pair, cli, prefix, tmp_path):
        """The program of docs/subscriber.md that names two brokers, built and run."""
        text = (paths.ROOT / "docs" / "subscriber.md").read_text()
        source, = [block for block in re.findall(r"```c\n(.*?)```", text, re.S)
                   if "wb_subscriber_endpoint" in block]
        flags = "-fsanitize=address" if "WAYBILL_SANITIZE:BOOL=ON" in (
            paths.BUILD / "CMakeCache.txt").read_text() else "-O1"
        described = next(prefix.rglob("waybill-subscriber.pc")).parent
        (tmp_path / "two.c").write_text(source)
        subprocess.run(["bash", "-ec", "cc -Wall -Wextra -Werror -o two two.c "
                        f"$(pkg-config --cflags --libs waybill-subscriber) {flags} "
                        f"-Wl,-rpath,{described.parent}"], check=True, cwd=tmp_path,
                       env={**clean_environment(), "PKG_CONFIG_PATH": str(described)})
        cli("publish", "--source", "s", "--ingest", several(pair, "ingest"), "-", input=line(1))
        program = subprocess.Popen(
            ["stdbuf", "-oL", tmp_path / "two", several(reversed(pair), "streams")], text=True,
            # stdbuf preloads its library in front of the sanitizer's
            stdout=subprocess.PIPE, env={**clean_environment(),
                                         "ASAN_OPTIONS": "verify_asan_link_order=0"})
        try:
            assert program.stdout.readline() == f"A-1 from {pair[0].streams}\n"
        finally:
            program.kill()
            program.wait()
