"""The measures, and the scenes that give them: what is started, done and timed."""

import subprocess

from bench.context import (Measure, RATE_UNIT, Skip, median, peak, program_of_ours, rounds,
                           run_json, say)
from bench.followers import FOLLOWER_MEASURES, FOLLOWER_SCENES
from bench.journal import (JOURNAL_MEASURES, play_fairness, play_latency, play_memory, play_publish,
                           play_replayed, play_stored, play_stored_random)
from bench.live import LIVE_MEASURES, play_followed, play_live
from bench.peers import Copies
from support import paths

CASES, RATE = 200, 1000
BPIC = paths.SHARED_DATA / "event-logs" / "BPIC15_1.xes.gz"
MAPPING = paths.ROOT / "adapters" / "file" / "examples" / "bpic15.yaml"


def built():
    """The names of the programs and libraries that the build directory has."""
    return [path.name.split(".so")[0] for path in (*sorted(paths.BUILD.glob("bin/waybill*")),
                                                   *sorted(paths.BUILD.glob("lib/*.so")))]


MEASURES = [
    Measure("import", RATE_UNIT, "larger", None, None,
            "BPIC15_1.xes.gz through waybill-adapter-file --speed max, against its --dry-run"),
    Measure("import_copy", RATE_UNIT, "larger", None, None,
            "the same, against COPY of the same rows into the same table and indexes"),
    *JOURNAL_MEASURES,
    *FOLLOWER_MEASURES,
    *LIVE_MEASURES,
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


def mebibytes(program):
    return program.rss_kib() / 1024


def play_pages(context):
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


def play_sizes(context):
    target = context.directory / "installed"
    done = subprocess.run(["cmake", "--install", paths.BUILD, "--strip", "--prefix", target],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"cmake --install: {done.stderr[-300:].strip()}"
    for path in sorted(target.rglob("*")):
        name = f"program_size.{path.name.split('.so')[0]}"
        if path.is_file() and not path.is_symlink() and context.wants(name):
            context.found(name, path.stat().st_size / 1024, note="installed and stripped")


# What takes so long that it has to be asked for by name.
LONG = ("stored", "replay", "sse.latency", "admission")

# Latency before what leaves the disk with much to write.
SCENES = [
    (("sse_latency_p50", "sse_latency_p99", "memory.broker", "memory.gateway"), play_pages),
    (("latency",), play_latency),
    (("fairness",), play_fairness),
    *FOLLOWER_SCENES,
    (("import", "import_copy"), play_import),
    (("publish", "publish.jetstream", "publish.inserts", "publish.curve", "catch_up"),
     play_publish),
    (("memory.throng",), play_memory),
    (("live.ten",), play_live),
    (("admission.followed",), play_followed),
    (("replay",), play_replayed),
    (("stored.rate", "stored.timeline"), play_stored),
    (("stored.rate_random_ids",), play_stored_random),
    (tuple(m.name for m in MEASURES if m.name.startswith("program_size.")), play_sizes),
]
