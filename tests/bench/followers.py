"""The gateway with many followers, beside Nchan: deliveries, memory, processor time, latency."""

import os
import time
from pathlib import Path

from bench.context import Measure, Skip, median, program_of_ours, rounds, run_json, say
from bench.nchan import Nchan, absence
from bench.peers import jetstream_absence, with_jetstream
from support import wait
from support.process import Program, clean_environment, rss_kib

TOGETHER, EVENTS, WINDOW = 2000, 1000, 64  # followers of one stream, what they get, and ahead
IDLE = 10_000                              # followers, each of a case of its own
IDLE_SECONDS = 30
RATE, SECONDS = 2000, 20                   # of the events to the idle ones' cases
FRAME_BYTES = 30                           # what Nchan puts around a message, at least

FOLLOWER_MEASURES = [
    Measure("sse.deliveries", "deliveries/s", "larger", 3, 8,
            f"events of one case to {TOGETHER} followers, against Nchan, one worker"),
    Measure("sse.public", "deliveries/s", "larger", 3, 8,
            "the same on the public stream"),
    Measure("sse.memory_follower", "KiB", "smaller", 0.5, 0.2,
            f"resident memory for each of {IDLE} idle followers of {IDLE} cases, against Nchan"),
    Measure("gateway.idle_cpu", "%", "smaller", 2, 0.5,
            f"of one core, by the gateway with those followers, over {IDLE_SECONDS} s"),
    Measure("sse.latency", "ms", "smaller", 3, 1.5,
            f"publish to follower's socket, 99th percentile, {IDLE} followers, {RATE} events/s "
            "over their cases, against JetStream's publish to deliver"),
]


def gateway_for(context, broker, followers):
    return context.gateway(broker.streams, arguments=("--connections", followers + 1000,
                                                      "--public-stream", "on"))


def crowd(*arguments):
    return [program_of_ours("bench-crowd"), *map(str, arguments)]


def deliveries(arguments):
    """Deliveries a second, and the bytes of one."""
    done = run_json(*crowd("--followers", TOGETHER, "--events", EVENTS, "--window", WINDOW,
                           *arguments))
    return done["deliveries"] / done["seconds"], done["delivery_bytes"]


def play_deliveries(context):
    if absence():
        raise Skip(absence())
    paths = {"sse.deliveries": (), "sse.public": ("--path", "/api/v1/streams/public")}
    wanted = {name: path for name, path in paths.items() if context.wants(name)}

    def own(path):
        broker = context.broker(context.postgres.create())
        gateway = gateway_for(context, broker, TOGETHER)
        rate, size = deliveries(("--ingest", broker.ingest, "--gateway",
                                 f"127.0.0.1:{gateway.port}", *path))
        context.stop(gateway)
        context.stop(broker)
        return rate, size

    def peer(size):
        server = context.start(Nchan(context, TOGETHER))
        rate, _ = deliveries(("--nchan", server.address, "--bytes", size))
        server.kill()
        context.forget(server)
        return rate

    for name, path in wanted.items():
        say(f"{name}: {TOGETHER} followers, {EVENTS} events, and the peer's")

        def once(path=path):
            rate, size = own(path)
            return rate, peer(max(size - FRAME_BYTES, 1)), size

        found, times = rounds(once, 90)
        context.found(name, median([each[0] for each in found]),
                      median([each[1] for each in found]),
                      f"{EVENTS} events of {found[-1][2]} bytes on the stream, at most {WINDOW} "
                      f"published ahead; durable, against messages of that size in memory; {times}")


class Holding:
    """Idle followers, until the scene is over or stop()."""

    def __init__(self, context, followers, *arguments):
        self.context = context
        self.program = context.start(Program(
            crowd("--hold", "--followers", followers, "--cases", followers, *arguments),
            context.log(), clean_environment()))
        wait.until(self._open, 120, f"{followers} followers")

    def _open(self):
        assert self.program.running(), f"bench-crowd ended: {self.program.text()[-500:]}"
        return '"followers"' in self.program.text()

    def stop(self):
        self.context.stop(self.program)


def processor_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peers_memory(context):
    server = context.start(Nchan(context, IDLE))
    worker = server.worker()
    before = rss_kib(worker)
    holding = Holding(context, IDLE, "--nchan", server.address)
    after = rss_kib(worker)
    holding.stop()
    server.kill()
    context.forget(server)
    return before, after


def share(pid, seconds):
    """Processor time over some seconds, in per cent of one core."""
    before, began = processor_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (processor_seconds(pid) - before) / (time.monotonic() - began) * 100


def play_idle(context):
    if context.wants("sse.memory_follower") and absence():
        context.skip("sse.memory_follower", absence())
    say(f"sse.memory_follower, gateway.idle_cpu: {IDLE} followers")
    broker = context.broker(context.postgres.create())
    gateway = gateway_for(context, broker, IDLE)
    before = gateway.rss_kib()
    holding = Holding(context, IDLE, "--ingest", broker.ingest, "--gateway",
                      f"127.0.0.1:{gateway.port}")
    assert gateway.metric("waybill_gateway_followers") == IDLE
    after = gateway.rss_kib()
    if context.wants("gateway.idle_cpu"):
        used = share(gateway.pid, IDLE_SECONDS)
        assert gateway.metric("waybill_gateway_followers") == IDLE
        context.found("gateway.idle_cpu", used,
                      note=f"{IDLE} followers of {IDLE} cases without an event, with keep-alive "
                           f"comments, over {IDLE_SECONDS} s; reach and aim speak of the value")
    holding.stop()
    if context.wants("sse.memory_follower"):
        peer = peers_memory(context)
        context.found("sse.memory_follower", (after - before) / IDLE, (peer[1] - peer[0]) / IDLE,
                      f"{IDLE} followers: {before / 1024:.1f} to {after / 1024:.1f} MiB; Nchan's "
                      f"worker {peer[0] / 1024:.1f} to {peer[1] / 1024:.1f} MiB; what the kernel "
                      "holds for the sockets is in neither")


def play_latency(context):
    if jetstream_absence():
        raise Skip(jetstream_absence())
    say(f"sse.latency: {SECONDS} s at {RATE}/s to {IDLE} followers, and the peer's")

    def once():
        broker = context.broker(context.postgres.create())
        gateway = gateway_for(context, broker, IDLE)
        own = run_json(program_of_ours("bench-follow"), "--ingest", broker.ingest, "--gateway",
                       f"127.0.0.1:{gateway.port}", "--cases", IDLE, "--rate", RATE, "--seconds",
                       SECONDS)
        context.stop(gateway)
        context.stop(broker)
        peer = with_jetstream(context, RATE * SECONDS, 300, "--rate", RATE)
        return own, peer

    found, times = rounds(once, 120)
    ms = {(who, key): median([each[i][who][key] for each in found]) / 1000
          for i, who in ((0, "sse_us"), (0, "acknowledge_us"), (1, "delivery_us"))
          for key in ("p50", "p99", "max")}
    context.found("sse.latency", ms["sse_us", "p99"], ms["delivery_us", "p99"],
                  f"{RATE * SECONDS} events; p50 {ms['sse_us', 'p50']:.2f} ms, slowest "
                  f"{ms['sse_us', 'max']:.1f} ms; to the acknowledgement p50 "
                  f"{ms['acknowledge_us', 'p50']:.2f}, p99 {ms['acknowledge_us', 'p99']:.2f} ms; "
                  f"against p50 {ms['delivery_us', 'p50']:.2f} ms, slowest "
                  f"{ms['delivery_us', 'max']:.1f} ms; {times}")


FOLLOWER_SCENES = [
    (("sse.latency",), play_latency),
    (("sse.memory_follower", "gateway.idle_cpu"), play_idle),
    (("sse.deliveries", "sse.public"), play_deliveries),
]
