"""The measures, and the scenes that give them: what is started, done and timed."""

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
from support.postgres import Postgres, value
from support.process import clean_environment
from support.waybill import Broker, Gateway

ROUNDS = 3          # of a short measurement; the median counts
SHORT_SECONDS = 45  # rounds end when this much time is spent
CASES, RATE = 200, 1000
BPIC = paths.SHARED_DATA / "event-logs" / "BPIC15_1.xes.gz"
MAPPING = paths.ROOT / "adapters" / "file" / "examples" / "bpic15.yaml"

Measure = namedtuple("Measure", "name unit better reach aim words")



def built():
    """The names of the programs and libraries that the build directory has."""
    return [path.name.split(".so")[0] for path in (*sorted(paths.BUILD.glob("bin/waybill*")),
                                                   *sorted(paths.BUILD.glob("lib/*.so")))]


RATE_UNIT = "events/s"
MEASURES = [
    Measure("import", RATE_UNIT, "larger", None, None,
            "BPIC15_1.xes.gz through waybill-adapter-file --speed max, against its --dry-run"),
    Measure("import_copy", RATE_UNIT, "larger", None, None,
            "the same, against COPY of the same rows into the same table and indexes"),
    Measure("publish", RATE_UNIT, "larger", 0.5, 0.9,
            "acknowledged after commit, one publisher, full window, against COPY of the same rows"),
    Measure("replay", RATE_UNIT, "larger", 0.5, 0.9,
            "the log through the subscriber library, against psql COPY TO STDOUT"),
    Measure("catch_up", RATE_UNIT, "larger", None, None,
            "the log through waybill tail (JSON), against psql COPY TO STDOUT"),
    Measure("sse_latency_p50", "ms", "smaller", None, None,
            f"event to open page at {RATE}/s, {CASES} cases, median, against acknowledgement"),
    Measure("sse_latency_p99", "ms", "smaller", None, None,
            "the same, 99th percentile"),
    Measure("memory.broker", "MiB", "smaller", None, None,
            "resident memory of waybilld after the latency run"),
    Measure("memory.gateway", "MiB", "smaller", None, None,
            f"resident memory of waybill-gateway with {CASES} followers, after the same"),
    *(Measure(f"program_size.{name}", "KiB", "smaller", None, None, "installed and stripped")
      for name in built()),
]


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


def run_json(*argv):
    """What the program printed, as JSON; it has to end with status 0."""
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True,
                          env=clean_environment(), stdin=subprocess.DEVNULL, timeout=240)
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}: {done.stderr[-500:].strip()}")
    return json.loads(done.stdout)


class Context:
    """What one run of the bench needs and gives."""

    def __init__(self, directory, wanted, events, seconds):
        self.directory = directory
        self.wanted = wanted
        self.events = events
        self.seconds = seconds
        self.failed = False
        self._found = {}
        self._postgres = None
        self._started = []
        self._log = 0

    @property
    def postgres(self):
        if self._postgres is None:
            self._postgres = Postgres()
        return self._postgres

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

    def found(self, name, figure, against=None, note=""):
        self._found[name] = (figure, against, note)

    def results(self):
        table = []
        for m in MEASURES:
            if m.name not in self.wanted:
                continue
            figure, against, note = self._found.get(m.name, (None, None, "was not measured"))
            ratio = figure / against if figure is not None and against else None
            table.append({"measure": m.name, "value": rounded(figure), "unit": m.unit,
                          "against": rounded(against), "ratio": rounded(ratio), "reach": m.reach,
                          "aim": m.aim, "better": m.better, "note": note})
        return table

    def broker(self, database):
        self._log += 1
        return self._start(Broker(database, self.directory / "logs" / f"{self._log}.log"))

    def gateway(self, streams):
        self._log += 1
        return self._start(Gateway(streams, self.directory / "logs" / f"{self._log}.log"))

    def _start(self, program):
        self._started.append(program)
        return program.start()

    def stop(self, program):
        program.stop()
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


def rounds(action):
    """Repeats a short action: the list of what it returned, and words for the note."""
    results, began = [], time.monotonic()
    while len(results) < ROUNDS and (not results or time.monotonic() - began < SHORT_SECONDS):
        results.append(action())
    return results, "one run" if len(results) == 1 else f"median of {len(results)}"


def median(values):
    return statistics.median(values)


class Copies:
    """COPY within the server, one backend: the limit that a log in PostgreSQL has."""

    def __init__(self, context, database):
        self.postgres = context.postgres
        self.database = database
        self.name = database.rsplit("dbname=", 1)[1]
        self.file = self.postgres.base / "rows"
        self.rows = value(database, "SELECT count(*) FROM waybill.event")
        self.execute(f"COPY (SELECT * FROM waybill.event ORDER BY event_offset) TO '{self.file}' "
                     "(FORMAT binary)")

    def execute(self, statement):
        self.postgres.execute(self.name, statement)

    def rate(self):
        """Rows a second into an empty table with the log's indexes."""
        self.execute("DROP TABLE IF EXISTS bench_copy")
        self.execute("CREATE TABLE bench_copy (LIKE waybill.event INCLUDING ALL)")
        self.execute("CHECKPOINT")
        taken = seconds_of(lambda: self.execute(f"COPY bench_copy FROM '{self.file}' "
                                                "(FORMAT binary)"))
        self.execute("DROP TABLE bench_copy")
        return self.rows / taken

    def remove(self):
        self.file.unlink(missing_ok=True)


def play_import(context):
    if not BPIC.exists():
        raise Skip(f"{BPIC.name} is not there")
    adapter = paths.program("waybill-adapter-file")
    reading = [adapter, "--mapping", MAPPING, "--json", "--quiet"]

    def once():
        dry = run_json(*reading, "--dry-run=0", BPIC)
        database = context.postgres.create()
        broker = context.broker(database)
        context.postgres.execute("postgres", "CHECKPOINT")
        real = run_json(*reading, "--source", "bench", "--ingest", broker.ingest,
                        "--speed", "max", BPIC)
        context.stop(broker)
        copies = Copies(context, database)
        assert real["acknowledged"] == dry["acceptable"] == copies.rows + real["repeats"], \
            f"{real['acknowledged']} acknowledged, {copies.rows} in the log"
        copy_rate = copies.rate() if context.wants("import_copy") else None
        copies.remove()
        context.postgres.drop(database)
        return (real["acknowledged"] / real["seconds"], dry["acceptable"] / dry["seconds"],
                copy_rate, real["acknowledged"])

    say("import")
    found, times = rounds(once)
    rate = median([round[0] for round in found])
    events = found[0][3]
    context.found("import", rate, median([round[1] for round in found]),
                  f"{events} events; against reading and mapping alone; {times}")
    if context.wants("import_copy"):
        context.found("import_copy", rate, median([round[2] for round in found]),
                      f"against COPY of the same rows, one backend; {times}")


class Processors:
    """Processor time that publishing takes, in microseconds for each event."""

    def __init__(self, database, broker):
        self.pids = {"PostgreSQL": value(database, "SELECT pid FROM pg_stat_activity "
                                         "WHERE application_name = 'waybilld writer'"),
                     "broker": broker.pid}
        self.before = self.seconds()

    def seconds(self):
        found = {}
        for name, pid in self.pids.items():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            found[name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        used = resource.getrusage(resource.RUSAGE_CHILDREN)  # those that have ended
        found["publisher"] = used.ru_utime + used.ru_stime
        return found

    def words(self, events):
        spent = {name: (after - self.before[name]) / events * 1e6
                 for name, after in self.seconds().items()}
        return ", ".join(f"{name} {us:.1f}" for name, us in spent.items()) + " us an event"


def load(context, database, broker):
    """Publishes the made-up events: what bench-load says, and who worked how much for it."""
    context.postgres.execute("postgres", "CHECKPOINT")
    processors = Processors(database, broker)
    done = run_json(program_of_ours("bench-load"), "--ingest", broker.ingest,
                    "--events", context.events)
    done["processors"] = processors.words(context.events)
    assert done["acknowledged"] == context.events and done["repeats"] == 0, str(done)
    head = value(database, "SELECT last_offset FROM waybill.head")
    assert head == context.events, f"the log ends at {head}, not at {context.events}"
    return done


def play_log(context):
    """Publishing to an empty log, then reading the last one of these logs."""
    state = {}

    def once():
        if state:
            context.stop(state["broker"])
            context.postgres.drop(state["database"])
        state["database"] = context.postgres.create()
        state["broker"] = context.broker(state["database"])
        say(f"publish: {context.events} events")
        state["done"] = load(context, state["database"], state["broker"])
        if not context.wants("publish"):
            return None
        copies = Copies(context, state["database"])
        copy_rate = copies.rate()
        copies.remove()
        return context.events / state["done"]["seconds"], copy_rate

    if context.wants("publish"):
        found, times = rounds(once)
        context.found("publish", median([round[0] for round in found]),
                      median([round[1] for round in found]),
                      f"{context.events} events of {state['done']['event_bytes']} bytes; against "
                      f"COPY, one backend, one transaction; processor time: "
                      f"{state['done']['processors']}; {times}")
    else:
        once()
    if context.wants("replay", "catch_up"):
        play_reading(context, state["database"], state["broker"])


def count_lines(argv):
    """Lines that the program writes, and the seconds that it took."""
    began = time.monotonic()
    with subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          env=clean_environment()) as writer:
        counted = subprocess.run(["wc", "-l"], stdin=writer.stdout, capture_output=True,
                                 text=True, check=True)
    assert writer.returncode == 0, f"{argv[0]} ended with {writer.returncode}"
    return int(counted.stdout), time.monotonic() - began


def rate_of_lines(context, argv):
    lines, taken = count_lines(argv)
    assert lines == context.events, f"{argv[0]} gave {lines} lines, not {context.events}"
    return lines / taken


def play_reading(context, database, broker):
    psql = [context.postgres.bin / "psql", "-X", "-d", database, "-c",
            "COPY waybill.event TO STDOUT"]
    tail = [paths.program("waybill"), "tail", "--streams", broker.streams, "--from", "start",
            "--until-head"]

    def once():
        rates = {"copy": rate_of_lines(context, psql)}
        if context.wants("replay"):
            done = run_json(program_of_ours("bench-replay"), "--streams", broker.streams,
                            "--events", context.events)
            rates["replay"] = context.events / done["seconds"]
        if context.wants("catch_up"):
            rates["catch_up"] = rate_of_lines(context, tail)
        return rates

    say("replay, catch_up")
    found, times = rounds(once)
    for name in ("replay", "catch_up"):
        if context.wants(name):
            context.found(name, median([rates[name] for rates in found]),
                          median([rates["copy"] for rates in found]),
                          f"{context.events} events; against psql COPY TO STDOUT, text; {times}")


def mebibytes(program):
    return program.rss_kib() / 1024


def play_latency(context):
    broker = context.broker(context.postgres.create())
    gateway = context.gateway(broker.streams)
    say(f"sse_latency: {context.seconds} s")
    done = run_json(program_of_ours("bench-follow"), "--ingest", broker.ingest,
                    "--gateway", f"127.0.0.1:{gateway.port}", "--cases", CASES, "--rate", RATE,
                    "--seconds", context.seconds)
    for percentile in ("p50", "p99"):
        context.found(f"sse_latency_{percentile}", done["sse_us"][percentile] / 1000,
                      done["acknowledge_us"][percentile] / 1000,
                      f"{done['delivered']} events at {RATE}/s to {CASES} followers, slowest "
                      f"{done['sse_us']['max'] / 1000:.1f} ms; against publish to acknowledgement, "
                      f"slowest {done['acknowledge_us']['max'] / 1000:.1f} ms; events were sent at "
                      f"most {done['late_us_max'] / 1000:.1f} ms behind their time")
    context.found("memory.broker", mebibytes(broker), note=f"peak {peak(broker):.1f} MiB")
    context.found("memory.gateway", mebibytes(gateway), note=f"peak {peak(gateway):.1f} MiB")


def peak(program):
    """The most resident memory that it had, in MiB."""
    for line in open(f"/proc/{program.pid}/status", encoding="ascii"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {program.pid} shows no peak of resident memory")


def play_sizes(context):
    target = context.directory / "installed"
    done = subprocess.run(["cmake", "--install", paths.BUILD, "--strip", "--prefix", target],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"cmake --install: {done.stderr[-300:].strip()}"
    for path in sorted(target.rglob("*")):
        name = f"program_size.{path.name.split('.so')[0]}"
        if path.is_file() and not path.is_symlink() and context.wants(name):
            context.found(name, path.stat().st_size / 1024, note="installed and stripped")


# Latency before what leaves the disk with much to write.
SCENES = [
    (("sse_latency_p50", "sse_latency_p99", "memory.broker", "memory.gateway"), play_latency),
    (("import", "import_copy"), play_import),
    (("publish", "replay", "catch_up"), play_log),
    (tuple(m.name for m in MEASURES if m.name.startswith("program_size.")), play_sizes),
]
