"""Admission and journal: what publishing costs, beside what others take for it."""

import shutil

from bench.context import (MEMORY_MB, Measure, RATE_UNIT, Skip, load, median, peak,
                           program_of_ours, rounds, run_json, run_words, say)
from bench.peers import INSERT_CONNECTIONS, Copies, insert_rate, jetstream_absence, with_jetstream
from bench.reading import play_catch_up, play_replay
from support import paths, wait
from support.postgres import value
from support.process import Program, clean_environment

PUBLISH_SECONDS = 240  # of rounds, with all that is measured beside
LATENCY_RATE, LATENCY_SECONDS = 2000, 20
SOURCES, FLOODING, LIGHT_RATE = 100, 10, 20
UNDER_WAY = 100_000  # events that a flood has written when it counts as one
FEW_STORED, QUERIES = 100_000, 2000
STORED_BYTES = 1000  # on disk, of an event with its indexes and its part of the server's log
REPEATS = ("--repeat-percent", 1)

JOURNAL_MEASURES = [
    Measure("publish", RATE_UNIT, "larger", 0.5, 0.9,
            "acknowledged after commit, one publisher, full window, against COPY of the same rows"),
    Measure("publish.jetstream", RATE_UNIT, "larger", 0.6, 1.0,
            "the same, against NATS JetStream (files, not flushed), asynchronous publish"),
    Measure("publish.inserts", RATE_UNIT, "larger", 3, 6,
            f"the same, against single-row inserts over {INSERT_CONNECTIONS} connections "
            "(pgbench)"),
    Measure("publish.curve", RATE_UNIT, "larger", 0.8, 0.95,
            "the same with CURVE on every endpoint, against without"),
    Measure("latency", "ms", "smaller", 2.0, 1.0,
            f"publish to acknowledgement at {LATENCY_RATE}/s, 99th percentile, against JetStream's "
            "publish to deliver"),
    Measure("fairness", "ms", "smaller", None, None,
            f"the same for a source with {LIGHT_RATE}/s while {FLOODING} others flood, against "
            "the same alone"),
    Measure("memory.throng", "MiB", "smaller", 64, 32,
            f"peak of waybilld's resident memory, {SOURCES} sources at full load"),
    Measure("stored.rate", RATE_UNIT, "larger", 0.9, 1.0,
            "publish onto 20 million events, one repeat in a hundred, against onto an empty log"),
    Measure("stored.rate_random_ids", RATE_UNIT, "larger", 0.9, 1.0,
            "the same with ids without an order"),
    Measure("stored.timeline", "ms", "smaller", 1.3, 1.1,
            f"timeline of one case out of 20 million events, median, against out of {FEW_STORED}"),
]


class Log:
    """A new log and its broker, until the end of the scene or of this."""

    def __init__(self, context, arguments=()):
        self.context = context
        self.database = context.postgres.create()
        self.broker = context.broker(self.database, arguments)

    def load(self, events, *arguments):
        return load(self.context, self.database, self.broker, events, *arguments)

    def remove(self):
        self.context.stop(self.broker)
        self.context.postgres.drop(self.database)


class Keys:
    """Key pairs for a broker and for the source 'bench'."""

    def __init__(self, context):
        directory = context.directory / "keys"
        if not directory.exists():
            directory.mkdir()
            for name in ("broker", "source"):
                run_words(paths.program("waybill"), "keygen", "--out", directory / f"{name}.key")
        self.broker_file, self.source_file = directory / "broker.key", directory / "source.key"
        self.broker_arguments = ("--key-file", self.broker_file, "--curve", "all")
        self.source_arguments = ("--server-key", f"{self.broker_file}.pub", "--key-file",
                                 self.source_file)

    def admit_source(self, database):
        run_words(paths.program("waybill"), "admin", "source", "add", "bench", "--everything",
                  "--key", f"{self.source_file}.pub", "--database", database)


def curve_rate(context, events):
    """Events a second onto a new log whose every endpoint asks for keys."""
    keys = Keys(context)
    log = Log(context, keys.broker_arguments)
    keys.admit_source(log.database)
    rate = log.load(events, *keys.source_arguments)["rate"]
    log.remove()
    return rate


def play_publish(context):
    """Publishing to an empty log, beside the others; then reading the last one as JSON."""
    if context.wants("publish.jetstream") and jetstream_absence():
        context.skip("publish.jetstream", jetstream_absence())
    logs, events = [], context.events

    def once():
        while logs:
            logs.pop().remove()
        log = Log(context)
        logs.append(log)
        say(f"publish: {events} events")
        done = log.load(events)
        rates = {"own": done["rate"], "done": done}
        if context.wants("publish"):
            copies = Copies(context, log.database)
            rates["publish"] = copies.rate()
            copies.remove()
        if context.wants("publish.curve"):
            rates["publish.curve"] = curve_rate(context, events)
        if context.wants("publish.jetstream"):
            peer = with_jetstream(context, events, done["event_bytes"])
            rates["publish.jetstream"] = events / peer["seconds"]
        if context.wants("publish.inserts"):
            rates["publish.inserts"] = insert_rate(context, log.database)
        return rates

    against = {"publish": "COPY, one backend, one transaction",
               "publish.jetstream": "as many messages of that size, window 8192, no subscriber",
               "publish.inserts": f"{INSERT_CONNECTIONS} connections, prepared, a row a "
                                  "transaction"}
    if context.wants("publish.curve", *against):
        found, times = rounds(once, PUBLISH_SECONDS)
        done = found[-1]["done"]
        if context.wants("publish.curve"):
            context.found("publish.curve", median([each["publish.curve"] for each in found]),
                          median([each["own"] for each in found]),
                          f"{events} events of {done['event_bytes']} bytes, all three endpoints "
                          f"ask for keys; {times}")
        for name, words in against.items():
            if context.wants(name):
                context.found(name, median([each["own"] for each in found]),
                              median([each[name] for each in found]),
                              f"{events} events of {done['event_bytes']} bytes; against {words}; "
                              f"processor time: {done['processors']}; {times}")
    else:
        once()
    if context.wants("catch_up"):
        play_catch_up(context, logs[0].database, logs[0].broker)


def play_replayed(context):
    need_disk(context, context.replayed)
    log = Log(context)
    say(f"replay: loading {context.replayed} events")
    log.load(context.replayed)
    settle(log)
    context.postgres.execute("postgres", "CHECKPOINT")  # loading is not to be paid by reading
    play_replay(context, log.database, log.broker)
    log.remove()


def acknowledged(broker, rate, seconds, source="bench"):
    """Microseconds to the acknowledgement, and how late the latest event was sent."""
    done = run_json(program_of_ours("bench-latency"), "--ingest", broker.ingest, "--rate", rate,
                    "--seconds", seconds, "--source", source)
    return {**done["acknowledge_us"], "late": done["late_us_max"]}


def delivered(context, events, *arguments):
    """The same of JetStream's messages, to a subscriber."""
    done = with_jetstream(context, events, 300, "--rate", LATENCY_RATE, *arguments)
    return {**done["delivery_us"], "late": done["late_us_max"]}


def play_latency(context):
    if jetstream_absence():
        raise Skip(jetstream_absence())
    seconds, events = LATENCY_SECONDS, LATENCY_SECONDS * LATENCY_RATE

    def once():
        log = Log(context)
        context.postgres.execute("postgres", "CHECKPOINT")
        own = acknowledged(log.broker, LATENCY_RATE, seconds)
        log.remove()
        return own, delivered(context, events)

    say(f"latency: {seconds} s at {LATENCY_RATE}/s, and the peer's")
    found, times = rounds(once, seconds * 9)
    at_once = delivered(context, events // 2, "--at-once")
    own, peer = ({key: median([each[who][key] for each in found]) / 1000 for key in found[0][who]}
                 for who in (0, 1))
    context.found("latency", own["p99"], peer["p99"],
                  f"{events} events, one a message; p50 {own['p50']:.2f} ms, slowest "
                  f"{own['max']:.1f} ms, sent at most {own['late']:.1f} ms late; against p50 "
                  f"{peer['p50']:.2f} ms, slowest {peer['max']:.1f} ms, sent at most "
                  f"{peer['late']:.1f} ms late, of a client with the library's defaults; one that "
                  "does not wait for more to write (SendAsap) has p50 "
                  f"{at_once['p50'] / 1000:.2f}, p99 {at_once['p99'] / 1000:.2f} ms; {times}")


def throng(context, broker, sources, events, *arguments):
    """bench-throng, running; its log holds what it says."""
    return context.start(Program(
        [program_of_ours("bench-throng"), "--ingest", broker.ingest, "--sources", sources,
         "--events", events, *arguments], context.log(), clean_environment()))


def play_fairness(context):
    seconds = LATENCY_SECONDS
    say(f"fairness: {seconds} s alone, {seconds} s beside {FLOODING} that flood")
    log = Log(context)
    alone = acknowledged(log.broker, LIGHT_RATE, seconds, "light-alone")
    flood = throng(context, log.broker, FLOODING, 100_000_000, "--seconds", seconds + 3)
    wait.until(lambda: log.broker.metric("waybill_events_total") > UNDER_WAY, 30, "the flood")
    beside = acknowledged(log.broker, LIGHT_RATE, seconds, "light")
    assert flood.running(), f"the flood ended: {flood.text()[-300:]}"
    assert flood.wait(60) == 0, f"bench-throng: {flood.text()[-300:]}"
    context.forget(flood)
    context.found("fairness", beside["p99"] / 1000, alone["p99"] / 1000,
                  f"{beside['count']} events; p50 {beside['p50'] / 1000:.2f} ms, slowest "
                  f"{beside['max'] / 1000:.1f} ms; alone p50 {alone['p50'] / 1000:.2f} ms; the "
                  f"flood: {flood.text().strip()}")


def play_memory(context):
    say(f"memory.throng: {SOURCES} sources")
    log = Log(context)
    done = run_json(program_of_ours("bench-throng"), "--ingest", log.broker.ingest, "--sources",
                    SOURCES, "--events", max(context.events // SOURCES, 1))
    context.found("memory.throng", peak(log.broker),
                  note=f"{done['acknowledged']} events at "
                       f"{done['acknowledged'] / done['seconds']:,.0f}/s in the default "
                       "configuration; reach and aim speak of the value")


def need_disk(context, events):
    free = shutil.disk_usage(context.postgres.base).free
    if free < events * STORED_BYTES + 4 * 2**30:
        raise Skip(f"{events} events need {events * STORED_BYTES / 2**30 + 4:.0f} GiB of disk, "
                   f"{free / 2**30:.0f} are free; --events N takes fewer")


def fill(log, events, *arguments):
    """Through the broker, in four parts: the rate of each, for the note."""
    rates, part = [], events // 4
    for first in range(0, part * 4, part):
        rates.append(log.load(part, "--first", first, *arguments)["rate"])
        say(f"stored: {first + part} events, {rates[-1]:,.0f}/s")
    return part * 4, ", ".join(f"{rate:,.0f}" for rate in rates)


def measure_stored(context, name, log, stored, loaded, *arguments):
    """Publishes onto the full log and onto empty ones, in turns."""
    events = max(stored // 20, 10_000)
    first = stored

    def once():
        nonlocal first
        onto_full = log.load(events, "--first", first, *REPEATS, *arguments)
        first += events - onto_full["repeated"]
        empty = Log(context)
        onto_empty = empty.load(events, *REPEATS, *arguments)
        empty.remove()
        return onto_full, onto_empty

    found, times = rounds(once, PUBLISH_SECONDS)
    full, empty = ([each[i]["rate"] for each in found] for i in (0, 1))
    done = found[-1][0]
    context.found(name, median(full), median(empty),
                  f"{stored} events stored (loaded through the broker at {loaded} events/s by "
                  f"quarters), {events} of {done['event_bytes']} bytes more each time, "
                  f"{done['repeated']} of them repeats; processor time: {done['processors']}; "
                  f"empty: {found[-1][1]['processors']}; {times}")


# Bytes of the newest leaf that the upkeep has not been over yet; it comes back at 64 MiB.
UNSETTLED = """SELECT pg_relation_size(c.oid) - c.relallvisible * 8192::bigint FROM pg_class c
               WHERE c.oid = (SELECT to_regclass('waybill.event_' || max(number))
                              FROM waybill.partition)"""
SETTLED_BYTES = 2**26


def median_answer(log, events, seed):
    return run_json(program_of_ours("bench-timeline"), "--streams", log.broker.streams,
                    "--events", events // 10_000 * 10_000, "--queries", QUERIES,
                    "--seed", seed)["p50"] / 1000


def settle(log):
    """Waits until the upkeep has frozen what was loaded, as it does beside a load of every day."""
    wait.until(lambda: value(log.database, UNSETTLED) < SETTLED_BYTES, 300, "the upkeep")


def measure_timeline(context, log, stored):
    settle(log)
    few = Log(context)
    few.load(min(FEW_STORED, stored))
    context.postgres.execute("postgres", "CHECKPOINT")  # loading is not to be paid by reading
    found = [(median_answer(log, stored, seed), median_answer(few, FEW_STORED, seed))
             for seed in (1, 2, 3)]
    few.remove()
    context.found("stored.timeline", *(median([each[i] for each in found]) for i in (0, 1)),
                  note=f"{QUERIES} random cases of ten events each time, one after another, "
                       f"without a code; {stored} events stored; shared_buffers "
                       f"{MEMORY_MB * BUFFERS_PERCENT // 100} MiB; median of 3 medians")


# Of the memory: enough to hold twenty million events on a machine of 24 GiB. What the system's
# cache holds of a log is the machine's affair, and some give it back to others within a minute;
# what the server's buffers hold stays.
BUFFERS_PERCENT = 60


def hold_the_log(context):
    """A server for so many events."""
    need_disk(context, context.stored)
    context.serve_from({"shared_buffers": f"{MEMORY_MB * BUFFERS_PERCENT // 100}MB"})


def play_stored(context):
    hold_the_log(context)
    log = Log(context)
    stored, loaded = fill(log, context.stored)
    if context.wants("stored.timeline"):
        measure_timeline(context, log, stored)
    if context.wants("stored.rate"):
        measure_stored(context, "stored.rate", log, stored, loaded)
    log.remove()


def play_stored_random(context):
    hold_the_log(context)
    log = Log(context)
    stored, loaded = fill(log, context.stored, "--scattered-ids")
    measure_stored(context, "stored.rate_random_ids", log, stored, loaded, "--scattered-ids")
    log.remove()
