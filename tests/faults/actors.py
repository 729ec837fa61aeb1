"""Who takes part while things break: brokers, publishers, a follower, an adapter. Each is the real
program; what a publisher or follower was told is read back from the record that it keeps."""

import re
import signal
import subprocess
import sysconfig
from pathlib import Path

from support import paths, wait
from support.process import Program, clean_environment
from support.proxy import Proxy, connector
from support.waybill import Broker

from .checker import Acknowledgement, Row, Sent


def own_program(name):
    path = paths.BUILD / "tests" / "faults" / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: build with -DWAYBILL_FAULTS=ON")
    return str(path)


def fake_clock():
    """The library that lies about the time; None if it is not installed."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    path = Path("/usr/lib", multiarch, "faketime", "libfaketimeMT.so.1")
    return path if path.exists() else None


class Site:
    """One broker, and a proxy before each way that leads to it and from it to its database."""

    def __init__(self, name, database, port, directory, program=None, namespace=None, clock=None,
                 arguments=()):
        """database: a function from host and port to a conninfo; port: PostgreSQL's."""
        self.name = name
        self.namespace = namespace
        self.clock = clock
        self.database = None if namespace else Proxy(connector("127.0.0.1", port))
        where = (namespace.host, port) if namespace else ("127.0.0.1", self.database.port)
        self.broker = Broker(database(*where), directory / f"broker-{name}.log",
                             arguments=["--ping-interval", "500ms", *arguments])
        if program:
            self.broker.argv[0] = program
        self.ingest, self.streams, self.http = (self._before(address) for address in (
            self.broker.ingest, self.broker.streams, self.broker.http))
        if namespace:
            self.broker.argv[:0] = namespace.command()
            self.broker.http = f"http://{self.http.address}"
        if clock:
            self.set_clock("+0")
            self.broker.environment |= {
                "LD_PRELOAD": str(fake_clock()), "FAKETIME_TIMESTAMP_FILE": str(clock),
                "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1"}

    def _before(self, address):
        port = int(address.rsplit(":", 1)[1])
        return Proxy(self.namespace.connector(port) if self.namespace
                     else connector("127.0.0.1", port))

    def set_clock(self, offset):
        """As libfaketime reads it: '+3600', '-1d'."""
        self.clock.write_text(f"{offset}\n")

    def proxies(self):
        return [proxy for proxy in (self.database, self.ingest, self.streams, self.http) if proxy]

    def alive(self):
        """It runs. One that ended although nobody asked it to or killed it is a failure."""
        status = self.broker.process.poll() if self.broker.process else 0
        assert status in (None, 0, -signal.SIGKILL), (
            f"broker {self.name} ended by itself with status {status}")
        return status is None

    def ready(self):
        return self.alive() and wait.http_status(f"{self.broker.http}/readyz") == 200

    def stands_by(self):
        """It runs, answers, and says that the other one writes."""
        if not self.alive() or wait.http_status(f"{self.broker.http}/healthz") != 200:
            return False
        status, _, body = wait.http_get(f"{self.broker.http}/readyz")
        return status != 200 and b"another broker writes" in body

    def close(self):
        try:
            self.alive()
            self.broker.close()
        finally:
            self.broker.kill()
            for proxy in self.proxies():
                proxy.close()


class Recorder(Program):
    """A program that keeps a record; read() takes in what was added since."""

    def __init__(self, argv, record, log):
        super().__init__(argv, log)
        self.record = Path(record)
        self._at = 0
        self.trouble = []

    def read(self):
        if not self.record.exists():
            return self
        with self.record.open("rb") as file:
            file.seek(self._at)
            data = file.read()
        whole = data.rfind(b"\n") + 1
        self._at += whole
        for line in data[:whole].decode(errors="replace").splitlines():
            self.take(line)
        return self


class Load(Recorder):
    """One source's publisher, which knows what it sent."""

    def __init__(self, ingest, source, directory, rate, seed, spool=None):
        self.source = source
        self.spool = spool
        record = directory / f"{source}.record"
        arguments = ["--spool", spool] if spool else []
        super().__init__([own_program("faults-load"), "--ingest", ingest, "--source", source,
                          "--record", record, "--rate", rate, "--seed", seed, *arguments],
                         record, directory / f"{source}.log")
        self.event_ids, self.again, self.acknowledgements = [], [], []
        self.taken, self.refused_by_spool = set(), 0
        self.acknowledged_at = []  # when, and when that event was handed over: seconds
        self._handed = {}

    def take(self, line):
        letter, time, rest = line.split(" ", 2)
        seconds = int(time) / 1e6
        if letter == "K":
            self.taken.add(rest)
        elif letter == "N":
            self.refused_by_spool += 1
        elif letter == "A":
            event_id, offset, repeat = rest.split(" ")
            self.acknowledgements.append(Acknowledgement(event_id, int(offset), repeat == "1"))
            self.acknowledged_at.append((seconds, self._handed[event_id]))
        elif letter in "SP":
            (self.event_ids if letter == "S" else self.again).append(rest)
            self._handed[rest] = seconds
        elif letter in "RF":
            self.trouble.append(line)

    def first_acknowledged(self, since):
        """When the first event was acknowledged that was handed over behind that moment; None."""
        self.read()
        first = None
        for seconds, handed in reversed(self.acknowledged_at):
            if seconds < since:
                break
            if handed > since:
                first = seconds
        return first

    def longest_wait(self, since):
        """The longest time without any acknowledgement."""
        moments = [seconds for seconds, _ in self.read().acknowledged_at if seconds >= since]
        return max((later - earlier for earlier, later in zip(moments, moments[1:])), default=0)

    def sent(self, complete):
        self.read()
        return Sent(self.source, self.event_ids, self.acknowledgements, self.again, complete,
                    "some" if self.spool else "each", self.taken if self.spool else None)


class Follow(Recorder):
    """Follows the log, and goes on behind what it has when it is started again."""

    def __init__(self, streams, directory, name="follower", until=None):
        record = directory / f"{name}.record"
        limit = ["--until", until] if until is not None else []
        super().__init__([own_program("faults-follow"), "--streams", streams, "--record", record,
                          *limit], record, directory / f"{name}.log")
        self.rows = []

    def take(self, line):
        if line.startswith("F"):
            self.trouble.append(line)
            return
        _, offset, source, event_id, recorded_at_us, _ = line.split(" ")
        self.rows.append(Row(int(offset), source, event_id, int(recorded_at_us)))


MAPPING = """version: 1
format: csv
time: {formats: [rfc3339]}
fields: {case_no: "F-{id}", occurred_at: "{at}", step: "{step}"}
event_id: ["{id}"]
stage: {from: "{step}", dictionary: {收件: RECEIVED, 受理: ACCEPTED}}
"""


class Adapter(Program):
    """waybill-adapter-file over a file of its own. Run again it adds only what is missing."""

    SOURCE = "files"

    def __init__(self, ingest, directory, records):
        self.mapping, self.file = directory / "adapter.yaml", directory / "adapter.csv"
        self.mapping.write_text(MAPPING)
        self.file.write_text("id,at,step\n" + "".join(
            f"{n},2026-03-02T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}+08:00,"
            f"{'收件' if n % 2 else '受理'}\n" for n in range(records)))
        self._common = [paths.program("waybill-adapter-file"), "--mapping", self.mapping]
        self._publish = [*self._common, "--source", self.SOURCE, "--ingest", ingest, "--speed"]
        super().__init__([*self._publish, "300x", self.file], directory / "adapter.log")
        self.event_ids = self._dry_run(records)

    def _dry_run(self, records):
        done = subprocess.run([*self._common, f"--dry-run={records}", self.file],
                              capture_output=True, text=True, env=clean_environment())
        ids = re.findall(r'^  "event_id": "(\w+)"', done.stdout, re.M)
        assert len(ids) == records, f"--dry-run showed {len(ids)} of {records}: {done.stderr}"
        return ids

    def finish(self, timeout):
        """Runs it once more, as fast as it goes, to its end."""
        self.kill()
        self.argv = [str(word) for word in (*self._publish, "max", self.file)]
        status = self.start().wait(timeout)
        assert status == 0, f"the adapter ended with {status}: {self.text()[-1000:]}"

    def sent(self):
        return Sent(self.SOURCE, self.event_ids, receipts=None)
