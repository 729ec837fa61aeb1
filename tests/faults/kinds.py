"""The kinds of faults: each breaks one thing in a world that works, sees it through, and leaves a
world that works."""

import contextlib
import functools
import os
import signal
import tempfile
import time
from pathlib import Path

from support import postgres as pg
from support import wait, wire
from support.proxy import Proxy

from .world import SLACK_SECONDS, TAKEOVER_SECONDS

KINDS = {}

PAUSE_SECONDS = 30
# A standby's end is nobody's business but its own: publishers must not wait for it.
UNDISTURBED_SECONDS = 3


def kind(name, quick=False, **needs):
    """needs: what the world has to be built with: clock, namespace, small_disk (PostgreSQL's),
    spools (True or 'small'), adapter (records), database (proxies before it, which namespace
    excludes)."""
    def register(function):
        KINDS[name] = function
        function.quick = quick
        function.needs = needs
        return function
    return register


@contextlib.contextmanager
def full_disk(place):
    """Fills the file system up to the last byte."""
    ballast = Path(place, "ballast")
    with ballast.open("wb") as file:
        chunk = 1 << 20
        while chunk >= 512:
            try:
                os.write(file.fileno(), bytes(chunk))
            except OSError:
                chunk //= 2
    try:
        yield
    finally:
        ballast.unlink(missing_ok=True)


@kind("broker-kill", quick=True)
def broker_kill(world):
    """kill -9 of the broker that writes."""
    victim = world.flow()
    victim.broker.kill()
    since = time.monotonic()
    world.acknowledged_again(since, f"kill -9 of broker {victim.name}")
    victim.broker.start(ready=False)


@kind("standby-kill")
def standby_kill(world):
    """kill -9 of the broker that stands by, twice."""
    writer = world.flow()
    since = time.monotonic()
    for _ in range(2):
        standby = world.other(writer)
        standby.broker.kill()
        world.linger(0.3, 1.5)
        standby.broker.start(ready=False)
        wait.until(standby.stands_by, 20, f"broker {standby.name} standing by again")
    longest = max(load.longest_wait(since) for load in world.loads)
    world.note(f"kill -9 of the standby: nobody waited longer than {longest:.1f} s")
    assert longest < UNDISTURBED_SECONDS, "publishers waited although only the standby was killed"
    assert world.writer() is writer, "another broker took over although the writer lived"


@kind("adapter-kill", adapter=3000)
def adapter_kill(world):
    """kill -9 of the adapter in the middle of its file, over and over."""
    world.flow()
    for _ in range(4):
        world.adapter.start()
        world.linger(0.5, 2.5)
        world.adapter.kill()
    there = pg.value(world.database, "SELECT count(*) FROM waybill.event e JOIN waybill.source s"
                     " ON s.id = e.source WHERE s.name = %s", world.adapter.SOURCE)
    world.note(f"kill -9 of the adapter: four times, {there} of {len(world.adapter.event_ids)}"
               " events were there by then")
    assert 0 < there < len(world.adapter.event_ids), "it was not killed in the middle of its file"


@kind("follower-kill")
def follower_kill(world):
    """kill -9 of the follower, which goes on from the cursor that it stored."""
    world.flow()
    for _ in range(5):
        world.follower.kill()
        world.linger(0.1, 1)
        world.follower.start()
        world.linger(0.1, 1)
    world.note("kill -9 of the follower: five times")


@kind("publisher-kill", spools=True)
def publisher_kill(world):
    """kill -9 of publishers that spool to disk, also while the broker is away: what they took is
    sent when they are started again."""
    world.flow()
    for load in world.loads:
        load.kill()
        world.linger(0.1, 0.8)
        load.start()
    world.linger(0.5, 1.5)
    for site in world.sites:
        site.ingest.cut()
    for _ in range(2):
        for load in world.loads:
            world.linger(0.2, 0.6)
            load.kill()
            load.start()
    world.linger(0.2, 1)
    for load in world.loads:
        load.kill()
        load.start()
    since = time.monotonic()
    for site in world.sites:
        site.ingest.mend()
    world.acknowledged_again(since, "kill -9 of publishers, four times each")


@kind("spool-disk-full", spools="small")
def spool_disk_full(world):
    """The disk of the publishers' spools is full while the broker is away, and one of them is
    killed meanwhile."""
    world.flow()
    for site in world.sites:
        site.ingest.cut()
    with full_disk(world.spools):
        wait.until(lambda: all(load.read().refused_by_spool for load in world.loads), 20,
                   "every spool saying that it cannot store")
        world.loads[0].kill()
        world.linger(1, 3)
        for site in world.sites:
            site.ingest.mend()
        world.linger(1, 3)
    world.loads[0].start()
    since = time.monotonic()
    world.acknowledged_again(since, "the disk of the spools was full")


@kind("postgres-kill", quick=True)
def postgres_kill(world):
    """PostgreSQL stops at once, as after a crash, and comes back."""
    for _ in range(2):
        world.flow()
        world.cluster.stop(signal.SIGQUIT)
        world.linger(0.2, 4)
        since = time.monotonic()
        world.cluster.start()
        world.acknowledged_again(since, "immediate stop and start of PostgreSQL")


@kind("postgres-hung")
def postgres_hung(world):
    """Every process of PostgreSQL is stopped for longer than a standby waits, and goes on: what was
    under way goes on too."""
    world.flow()
    main = world.cluster.process.pid
    os.kill(main, signal.SIGSTOP)  # so that nothing new begins
    children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    for pid in children:
        os.kill(int(pid), signal.SIGSTOP)
    try:
        world.linger(5.5, 9)
    finally:
        since = time.monotonic()
        for pid in (main, *map(int, children)):
            os.kill(pid, signal.SIGCONT)
    world.acknowledged_again(since, "PostgreSQL hung")


@kind("database-cut", database=True)
def database_cut(world):
    """The writer's connections to PostgreSQL are reset and refused; the standby's are not."""
    writer = world.flow()
    writer.database.cut()
    since = time.monotonic()
    world.acknowledged_again(since, f"broker {writer.name} cut off from PostgreSQL")
    writer.database.mend()


@kind("database-frozen", database=True)
def database_frozen(world):
    """Nothing passes between the writer and PostgreSQL any more, or only in one direction; what was
    held arrives when the standby has long taken over."""
    for up, down in ((True, True), world.random.choice([(True, False), (False, True)])):
        writer = world.flow()
        writer.database.freeze(up=up, down=down)
        since = time.monotonic()
        world.acknowledged_again(since, f"frozen between broker {writer.name} and PostgreSQL"
                                 f" ({'statements' if up else ''}{' and ' if up and down else ''}"
                                 f"{'results' if down else ''})")
        writer.database.mend()


@kind("database-slow", database=True)
def database_slow(world):
    """Every message between the brokers and PostgreSQL takes up to 300 ms longer."""
    writer = world.flow()
    since = time.monotonic()
    for site in world.sites:
        site.database.slow(world.random.uniform(0.05, 0.3))
    world.linger(5, 7)
    for site in world.sites:
        site.database.mend()
    longest = max(load.longest_wait(since) for load in world.loads)
    world.note(f"a slow database: nobody waited longer than {longest:.1f} s")
    assert world.writer() is writer, "another broker took over although the database was just slow"


@kind("publisher-cut")
def publisher_cut(world):
    """Connections of publishers and followers are reset, again and again, then refused a while."""
    writer = world.flow()
    for _ in range(8):
        writer.ingest.reset()
        writer.streams.reset()
        world.linger(0.1, 0.6)
    writer.ingest.cut()
    writer.streams.cut()
    world.linger(0.5, 3)
    since = time.monotonic()
    writer.ingest.mend()
    writer.streams.mend()
    world.acknowledged_again(since, "publishers were cut off")


@kind("publisher-frozen")
def publisher_frozen(world):
    """Nothing passes between publishers and the broker, or only in one direction."""
    for up, down in ((True, True), (True, False), (False, True)):
        writer = world.flow()
        writer.ingest.freeze(up=up, down=down)
        world.linger(0.5, 6)
        since = time.monotonic()
        writer.ingest.mend()
        world.acknowledged_again(since, "publishers were frozen")


@kind("cut-off", namespace=True)
def cut_off(world):
    """The broker in a network of its own loses every packet to and from PostgreSQL, for real: its
    server process lives on and holds the lock."""
    guest, other = world.sites
    world.flow()
    if world.writer() is not guest:
        other.broker.stop()
        wait.until(guest.ready, 30, f"broker {guest.name} writing")
        other.broker.start(ready=False)
        world.flow()
    guest.namespace.silence()
    since = time.monotonic()
    world.acknowledged_again(since, f"broker {guest.name} lost its network")
    world.linger(0, 8)
    guest.namespace.mend()


@kind("postgres-disk-full", small_disk=True)
def postgres_disk_full(world):
    """PostgreSQL's disk is full for a while; where it gives up it is started again."""
    world.flow()
    place = world.cluster.base.parent
    before = time.monotonic()
    with full_disk(place):
        world.linger(6, 10)
        stalled = [load for load in world.loads
                   if load.first_acknowledged(time.monotonic() - 2) is None]
    died = world.cluster.process.poll() is not None
    since = time.monotonic()
    if died:
        world.cluster.start()
    world.acknowledged_again(since, "PostgreSQL's disk was full")
    world.note(f"the disk was full for {since - before:.0f} s; PostgreSQL"
               f" {'gave up' if died else 'went on'}, {len(stalled)} publishers stood still")
    assert stalled, "the disk was not full enough for anybody to notice"


@kind("clock", clock=True)
def clock(world):
    """The writer's clock jumps an hour forward and a day back; then the other one, whose clock is
    right, takes over."""
    for offset in ("+3600", "-86400"):
        writer = world.flow()
        writer.set_clock(offset)
        ahead = int(offset) > 0
        if ahead:
            wait.until(lambda: newest(world) > time.time() + 3000, 15,
                       "an event recorded by the clock that jumped", 0.2)
        else:
            world.linger(2, 3)
    writer = world.flow()
    writer.broker.kill()
    since = time.monotonic()
    world.acknowledged_again(since, f"kill -9 of broker {writer.name}, whose clock is wrong")
    assert newest(world) > time.time() + 3000, "the log's time went back"
    writer.set_clock("+0")
    writer.broker.start(ready=False)
    world.note("the clock jumped an hour forward, then a day back")


def newest(world):
    return world.follower.read().rows[-1].recorded_at_us / 1e6


@kind("paused", database=True)
def paused(world):
    """The writer is paused with a batch in flight, for longer than the standby waits. When it goes
    on, its late commit must fail, and nobody may be told that it was one: neither the publishers,
    which have long gone to the other broker, nor one that stayed."""
    writer = world.flow()
    epoch = pg.value(world.database, "SELECT epoch FROM waybill.head")
    before = given_up(writer)
    witness = wire.Publisher(protocol(), writer.broker.ingest, "witness")
    witness.open()
    in_flight(world, writer)
    witness.send(publish=witness.proto.Publish(batch=1, events=[wire.event(witness.proto)]))
    writer.broker.process.send_signal(signal.SIGSTOP)
    since = time.monotonic()
    world.acknowledged_again(since, f"broker {writer.name} paused")
    pause_to(since + PAUSE_SECONDS)
    writer.database.mend()
    writer.broker.process.send_signal(signal.SIGCONT)
    wait.until(lambda: given_up(writer) > before, 20,
               f"broker {writer.name} giving its batch up")
    answer = witness.receive(20)
    witness.close()
    assert answer and answer.WhichOneof("body") == "refusal", (
        f"who stayed with broker {writer.name} was not refused: {answer}")
    wait.until(writer.stands_by, 20, f"broker {writer.name} standing by")
    after = pg.value(world.database, "SELECT epoch FROM waybill.head")
    world.note(f"its late batch was given up; the epoch went from {epoch} to {after}")
    assert after > epoch


@functools.cache
def protocol():
    with tempfile.TemporaryDirectory() as directory:
        return wire.generate(directory)


def in_flight(world, writer):
    """Holds the statements of the writer, and among them a batch's: it is certain to be waiting."""
    def is_held():  # many rows, or few: those are a prepared statement's parameters
        held = writer.database.held(Proxy.UP)
        return b"COPY waybill.event" in held or b"\0few_" in held

    for _ in range(20):
        writer.database.freeze(up=True, down=False)
        with contextlib.suppress(TimeoutError):
            return wait.until(is_held, 1, "a batch on its way")
        writer.database.mend()  # it waits for the answer to something else: once more
        world.flow()
    raise AssertionError(f"broker {writer.name} sent no batch")


def given_up(site):
    """Batches of which the broker says that they were not recorded, or that nobody knows."""
    _, _, body = wait.http_get(f"{site.broker.http}/metrics")
    lines = [line for line in body.decode().splitlines()
             if line.startswith(('waybill_batches_total{outcome="failed"}',
                                 'waybill_batches_total{outcome="unknown"}'))]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def pause_to(moment):
    time.sleep(max(0, moment - time.monotonic()))


@kind("stutter", quick=True)
def stutter(world):
    """The writer is paused at any moment, just about as long as the standby waits."""
    for _ in range(2):
        writer = world.flow()
        writer.broker.process.send_signal(signal.SIGSTOP)
        since = time.monotonic()
        try:
            pause_to(since + world.random.uniform(3.5, 8.5))
        finally:
            writer.broker.process.send_signal(signal.SIGCONT)
        world.acknowledged_again(since, f"broker {writer.name} stuttered",
                                 2 * TAKEOVER_SECONDS + SLACK_SECONDS)
