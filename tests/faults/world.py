"""A database, two brokers before it, publishers, a follower: what a fault is let loose on."""

import random
import signal
import subprocess
import time
from contextlib import ExitStack

from support import postgres as pg
from support import paths, wait
from support.process import clean_environment

from . import checker
from .actors import Adapter, Follow, Load, Site
from .checker import Row

TAKEOVER_SECONDS = 10  # what the standby has to keep
SLACK_SECONDS = 3      # publishers look for another broker up to 2 s, and the machine is busy
END_SECONDS = 60       # until everything that was sent has its receipt, after everything was mended


class Violation(AssertionError):
    """The checker found something; its words say what."""


class World:
    """Use it as a context: what it started has ended afterwards."""

    def __init__(self, cluster, directory, seed, sources=3, rate=400, canary=None, clock=False,
                 namespace=None, brokers=2, spools=None):
        self.cluster = cluster
        self.directory = directory
        self.random = random.Random(seed)
        self.notes = []
        self._stack = ExitStack()
        self.database = cluster.create()
        self._stack.callback(self._drop)
        name = self.database.rsplit("=", 1)[1]
        # Leaves of the log that change all the time: repeats come from others than the newest.
        leaf = self.random.choice((None, "1s", "5s"))
        if leaf:
            self.note(f"leaves of {leaf}")
        self.sites = []
        for letter in "ab"[:brokers]:
            site = Site(letter, lambda host, port: f"host={host} port={port} user=waybill"
                        f" dbname={name}", cluster.port, directory, program=canary,
                        namespace=namespace if letter == "a" else None,
                        clock=directory / f"clock-{letter}" if clock else None,
                        arguments=["--partition", leaf] if leaf else [])
            self._stack.callback(site.close)
            self.sites.append(site)
        self.ingest = ",".join(site.ingest.endpoint for site in self.sites)
        self.streams = ",".join(site.streams.endpoint for site in self.sites)
        self.spools = spools
        self.loads = [self._load(number, rate) for number in range(1, sources + 1)]
        self.follower = Follow(self.streams, directory)
        for program in (*self.loads, self.follower):
            self._stack.callback(program.kill)
        self.adapter = None

    def __enter__(self):
        try:
            self.sites[0].broker.start()
            for site in self.sites[1:]:
                site.broker.start(ready=False)
            for program in (*self.loads, self.follower):
                program.start()
            return self
        except BaseException:
            self._stack.close()
            raise

    def __exit__(self, kind, *_):
        if kind is None:
            self._stack.close()
            return
        try:
            self.mend()
            self._stack.close()
        except Exception as problem:  # the first one says what happened
            self.note(f"and at its end: {problem}")

    def _load(self, number, rate):
        source = f"source-{number}"
        spool = self.spools / f"{self.directory.name}-{source}.spool" if self.spools else None
        if spool:
            self._stack.callback(lambda: [file.unlink() for file in
                                          self.spools.glob(f"{spool.name}*")])
        return Load(self.ingest, source, self.directory, rate if not spool else rate // 4,
                    self.random.randrange(1 << 32), spool)

    def _drop(self):
        if not self.cluster.process or self.cluster.process.poll() is not None:
            self.cluster.start()
        self.cluster.drop(self.database)

    def _vital(self):
        """Nobody has ended by itself."""
        for site in self.sites:
            site.alive()
        for program in (*self.loads, self.follower):
            status = program.process.poll()
            assert status in (None, -signal.SIGKILL), (
                f"{program.log.stem} ended with {status}: {program.text()[-500:]}")
        return True

    def note(self, words):
        self.notes.append(words)

    def writer(self, timeout=30):
        """The broker that writes."""
        return wait.until(lambda: next((site for site in self.sites if site.ready()), None),
                          timeout, "a broker that is ready")

    def other(self, site):
        return next(one for one in self.sites if one is not site)

    def flow(self, timeout=30):
        """Waits until everything works as it should: every publisher is acknowledged, the follower
        follows, one broker writes and the others stand by. Returns who writes."""
        since = time.monotonic()
        for load in self.loads:
            wait.until(lambda: self._vital() and load.first_acknowledged(since), timeout,
                       f"an acknowledgement for {load.source}", 0.05)
        newest = self.loads[0].acknowledgements[-1].offset
        wait.until(lambda: self.follower.read().rows and self.follower.rows[-1].offset >= newest,
                   timeout, f"offset {newest} at the follower", 0.05)
        writer = self.writer(timeout)
        for site in self.sites:
            wait.until(lambda: site is writer or site.stands_by(), timeout,
                       f"broker {site.name} standing by", 0.1)
        return writer

    def linger(self, least, most):
        """Lets time pass under load, as long as the seed says."""
        time.sleep(self.random.uniform(least, most))

    def acknowledged_again(self, since, what, seconds=TAKEOVER_SECONDS + SLACK_SECONDS):
        """Every publisher has to get something acknowledged that it sent after the fault, in time.
        """
        firsts = []
        for load in self.loads:
            left = max(0.1, since + seconds + 20 - time.monotonic())
            firsts.append(wait.until(lambda: self._vital() and load.first_acknowledged(since), left,
                                     f"an acknowledgement for {load.source} after {what}", 0.05))
        first, last = min(firsts) - since, max(firsts) - since
        self.note(f"{what}: first acknowledgement after {first:.1f} s, all publishers after"
                  f" {last:.1f} s")
        assert last <= seconds, (f"{what}: a publisher waited {last:.1f} s, {seconds} s are allowed"
                                 f" ({TAKEOVER_SECONDS} s and {SLACK_SECONDS} s of slack)")
        return last

    def add_adapter(self, records):
        self.adapter = Adapter(self.ingest, self.directory, records)
        self._stack.callback(self.adapter.kill)
        return self.adapter

    def mend(self):
        for site in self.sites:
            for proxy in site.proxies():
                proxy.mend()
            if site.namespace:
                site.namespace.mend()
        if not self.cluster.process or self.cluster.process.poll() is not None:
            self.cluster.start()

    def end_in_peace(self):
        """Everything works again; every publisher ends once all it sent is acknowledged."""
        self.mend()
        for site in self.sites:
            if not site.broker.running():
                site.broker.start(ready=False)
        self.flow()
        for load in self.loads:
            load.process.terminate()
        if self.adapter:
            self.adapter.finish(END_SECONDS)
        for load in self.loads:
            status = load.wait(END_SECONDS)
            assert status == 0, f"{load.source} ended with {status}: {load.text()[-1000:]}"

    def rows(self):
        """The log and its head, from the database."""
        rows = [Row(*row) for row in pg.rows(
            self.database, "SELECT e.event_offset, s.name, e.event_id,"
            " (extract(epoch FROM e.recorded_at) * 1000000)::bigint FROM waybill.event e"
            " JOIN waybill.source s ON s.id = e.source ORDER BY e.event_offset")]
        return rows, pg.value(self.database, "SELECT last_offset FROM waybill.head")

    def _verify(self):
        """What the operator's own checker finds: its lines, unless it calls the log sound."""
        done = subprocess.run([paths.program("waybill"), "admin", "verify", "--database",
                               self.database, "--cases", "200"], capture_output=True, text=True,
                              env=clean_environment(), timeout=60)
        return (done.stdout + done.stderr).splitlines() if done.returncode else []

    def check(self, peaceful=True):
        """Compares what everybody knows. Raises Violation."""
        rows, head = self.rows()
        streams = {}
        if peaceful:
            wait.until(lambda: len(self.follower.read().rows) >= len(rows), 30,
                       f"{len(rows)} events at the follower, which has {len(self.follower.rows)}")
            reader = Follow(self.streams, self.directory, "reader", until=len(rows)).start()
            try:
                assert reader.wait(60) == 0, f"the reader of the log failed: {reader.text()[-500:]}"
            finally:
                reader.kill()
            streams = {"the follower": self.follower.rows, "the stream": reader.read().rows}
        sent = [load.sent(complete=peaceful) for load in self.loads]
        if self.adapter:
            sent.append(self.adapter.sent())
        findings = checker.check(rows, head, sent, streams)
        for program in (*self.loads, self.follower):
            for line in program.trouble:
                findings.add("nobody is refused", f"{program.log.stem}: {line}")
        for line in self._verify() if peaceful else ():
            findings.add("waybill admin verify finds the log sound", line)
        if findings:
            raise Violation("\n".join(findings.lines()))
        repeats = sum(ack.repeat for one in sent for ack in one.acknowledgements)
        self.note(f"{len(rows)} events, {repeats} repeats recognised")
