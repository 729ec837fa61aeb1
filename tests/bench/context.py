"""What one run of the bench needs and gives: servers, figures, notes."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

from support import paths
from support.postgres import Postgres, rows, value
from support.process import clean_environment
from support.waybill import Broker, Gateway

ROUNDS = 3          # of a short measurement; the median counts
SHORT_SECONDS = 45  # rounds end when this much time is spent
EVENTS, REPLAYED, STORED = 1_000_000, 5_000_000, 20_000_000

RATE_UNIT = "events/s"
Measure = namedtuple("Measure", "name unit better reach aim words")

# A server that has been running for a while writes its log into files that it had before. A new one
# makes each of them first, which takes a quarter of the time that publishing takes.
WAL_SEGMENTS = 64
SETTINGS = {"min_wal_size": "2GB", "max_wal_size": "4GB", "shared_buffers": "512MB"}
MEMORY_MB = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20


class Skip(Exception):
    """This machine cannot give the figure; the words say why."""


def say(words):
    print(f"bench: {words}", file=sys.stderr, flush=True)


def seconds_of(action):
    began = time.monotonic()
    action()
    return time.monotonic() - began


def program_of_ours(name):
    path = paths.BUILD / "tests" / "bench" / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: configure with -D WAYBILL_BENCH=ON and build")
    return str(path)


def run_words(*argv, timeout=240):
    """What the program printed; it has to end with status 0."""
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True,
                          env=clean_environment(), stdin=subprocess.DEVNULL, timeout=timeout)
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}: {done.stderr[-500:].strip()}")
    return done.stdout


def run_json(*argv, timeout=240):
    """What the program printed, as JSON."""
    return json.loads(run_words(*argv, timeout=timeout))


def season(postgres):
    """Gives a new server the log files that one which has been running for a while has."""
    for _ in range(WAL_SEGMENTS):
        postgres.execute("postgres", "SELECT pg_logical_emit_message(false, 'bench', '')")
        postgres.execute("postgres", "SELECT pg_switch_wal()")
    postgres.execute("postgres", "CHECKPOINT")


class Context:
    """What one run of the bench needs and gives."""

    def __init__(self, directory, wanted, events, seconds):
        self.directory = directory
        self.wanted = wanted
        self.events = events or EVENTS
        self.replayed = events or REPLAYED
        self.stored = events or STORED
        self.seconds = seconds
        self.failed = False
        self._found = {}
        self._skipped = {}
        self._postgres = None
        self._settings = {}
        self._started = []
        self._log = 0

    @property
    def postgres(self):
        if self._postgres is None:
            self._postgres = Postgres(settings={**SETTINGS, **self._settings})
            season(self._postgres)
        return self._postgres

    def serve_from(self, settings):
        """From now on a server with these settings too; what the one before held is gone."""
        self._settings = settings
        if self._postgres is not None:
            self._postgres.remove()
            self._postgres = None

    def wants(self, *names):
        return any(name in self.wanted for name in names)

    def play(self, scene):
        names, function = scene
        if not self.wants(*names):
            return
        os.sync()  # what was written before is not to be waited for in here
        try:
            function(self)
        except Skip as reason:
            self._without_figure(names, f"skipped: {reason}")
        except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as problem:
            say(f"{', '.join(names)}: {problem}")
            self.failed = True
            self._without_figure(names, f"failed: {problem}")
        finally:
            self._stop_all()

    def _without_figure(self, names, note):
        for name in names:
            if name not in self._found:
                self._found[name] = (None, None, note)

    def skip(self, name, reason):
        """One measure of a scene whose others go on."""
        self.wanted.discard(name)
        self._skipped[name] = (None, None, f"skipped: {reason}")

    def found(self, name, figure, against=None, note=""):
        self._found[name] = (figure, against, note)

    def results(self, measures):
        table = []
        for m in measures:
            if m.name not in self.wanted and m.name not in self._skipped:
                continue
            figure, against, note = self._found.get(
                m.name, self._skipped.get(m.name, (None, None, "was not measured")))
            ratio = figure / against if figure is not None and against else None
            table.append({"measure": m.name, "value": rounded(figure), "unit": m.unit,
                          "against": rounded(against), "ratio": rounded(ratio), "reach": m.reach,
                          "aim": m.aim, "better": m.better, "note": note})
        return table

    def log(self):
        self._log += 1
        return self.directory / "logs" / f"{self._log}.log"

    def broker(self, database, arguments=()):
        return self.start(Broker(database, self.log(), arguments=arguments))

    def gateway(self, streams, arguments=()):
        return self.start(Gateway(streams, self.log(), arguments=arguments))

    def start(self, program):
        """It is ended when the scene is over, at the latest."""
        self._started.append(program)
        return program.start()

    def stop(self, program):
        program.stop()
        self.forget(program)

    def forget(self, program):
        self._started.remove(program)

    def _stop_all(self):
        for program in reversed(self._started):
            program.kill()
        self._started.clear()

    def close(self):
        self._stop_all()
        if self._postgres is not None:
            self._postgres.remove()


def rounded(figure):
    return None if figure is None else float(f"{figure:.4g}")


def rounds(action, seconds=SHORT_SECONDS):
    """Repeats a short action: the list of what it returned, and words for the note."""
    results, began = [], time.monotonic()
    while len(results) < ROUNDS and (not results or time.monotonic() - began < seconds):
        results.append(action())
    return results, "one run" if len(results) == 1 else f"median of {len(results)}"


def median(values):
    return statistics.median(values)


def peak(program):
    """The most resident memory that it had, in MiB."""
    for line in open(f"/proc/{program.pid}/status", encoding="ascii"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {program.pid} shows no peak of resident memory")


class Processors:
    """Processor time that publishing takes, in microseconds for each event."""

    def __init__(self, database, broker):
        writers = rows(database, "SELECT pid FROM pg_stat_activity WHERE datname = "
                       "current_database() AND application_name LIKE 'waybilld writer%'")
        self.pids = {"PostgreSQL": [pid for pid, in writers], "broker": [broker.pid]}
        self.before = self.seconds()

    def seconds(self):
        found = {}
        for name, pids in self.pids.items():
            found[name] = 0
            for pid in pids:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                found[name] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        used = resource.getrusage(resource.RUSAGE_CHILDREN)  # those that have ended
        found["publisher"] = used.ru_utime + used.ru_stime
        return found

    def words(self, events):
        spent = {name: (after - self.before[name]) / events * 1e6
                 for name, after in self.seconds().items()}
        return ", ".join(f"{name} {us:.1f}" for name, us in spent.items()) + " us an event"


def load(context, database, broker, events, *arguments):
    """Publishes made-up events: what bench-load says, and who worked how much for it."""
    context.postgres.execute("postgres", "CHECKPOINT")
    before = value(database, "SELECT last_offset FROM waybill.head")
    processors = Processors(database, broker)
    done = run_json(program_of_ours("bench-load"), "--ingest", broker.ingest,
                    "--events", events, *arguments, timeout=3600)
    done["rate"] = events / done["seconds"]
    done["processors"] = processors.words(events)
    assert done["acknowledged"] == events and done["repeats"] == done["repeated"], str(done)
    added = value(database, "SELECT last_offset FROM waybill.head") - before
    assert added == events - done["repeated"], f"the log grew by {added}: {done}"
    return done


