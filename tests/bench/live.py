"""The live feed beside a bare XPUB, and admission while many read slowly and follow."""

import json
import threading
import time

from bench.context import Measure, RATE_UNIT, median, program_of_ours, rounds, say
from bench.followers import IDLE, Holding, gateway_for
from bench.journal import PUBLISH_SECONDS, Log
from support import wait, wire
from support.process import Program, clean_environment

SUBSCRIBERS = 10
TOPIC = "log\n"  # everything, in batches
READERS, CREDIT, TURN_SECONDS = 10, 16, 0.1

LIVE_MEASURES = [
    Measure("live.ten", "deliveries/s", "larger", 0.5, 0.9,
            f"events, as they are published and committed, to {SUBSCRIBERS} subscribers of the "
            "live feed, against a bare XPUB"),
    Measure("admission.followed", RATE_UNIT, "larger", 0.9, 0.98,
            f"publish with {READERS} slow readers from the start and {IDLE} followers at the "
            "gateway, against with none"),
]


def subscribers(*arguments):
    return [program_of_ours("bench-live"), "--subscribers", SUBSCRIBERS, "--topic", TOPIC,
            *arguments]


def last_object(program):
    """What bench-live printed at its end."""
    assert program.wait(120) == 0, f"bench-live: {program.text()[-300:]}"
    return json.loads(program.text().splitlines()[-1])


def open_feed(log, program):
    """Publishes an event now and then until all subscribers have got one, which is how they know
    that they are there: how many it took."""
    for sent in range(1, 20):
        log.load(1, "--first", sent - 1)
        try:
            wait.until(lambda: '"open"' in program.text() or not program.running(), 2)
            break
        except TimeoutError:
            continue
    assert '"open"' in program.text(), f"bench-live: {program.text()[-300:]}"
    return sent


def play_live(context):
    events = context.events

    def bare(size):
        endpoint = f"tcp://127.0.0.1:{wait.free_port()}"
        text = context.start(Program(subscribers("--live", endpoint, "--events", events, "--bare",
                                                 size), context.log(), clean_environment()))
        done = last_object(text)
        context.forget(text)
        return done["deliveries"] / done["seconds"]

    def once():
        log = Log(context)
        program = context.start(Program(
            subscribers("--live", log.broker.live, "--events", events), context.log(),
            clean_environment()))
        sent = open_feed(log, program)
        published = log.load(events, "--first", sent)
        done = last_object(program)
        context.forget(program)
        log.remove()
        return done, published, bare(published["event_bytes"])

    say(f"live.ten: {events} events, and the peer's")
    found, times = rounds(once, PUBLISH_SECONDS)
    done, published, _ = found[-1]
    context.found("live.ten", median([own["deliveries"] / own["seconds"] for own, _, _ in found]),
                  median([peer for _, _, peer in found]),
                  f"{events} events of {published['event_bytes']} bytes, published at "
                  f"{published['rate']:,.0f}/s; lost {done['lost']} of {events * SUBSCRIBERS} "
                  f"deliveries, {done['messages']} messages; against messages of that size from "
                  f"memory; {times}")


class SlowReaders:
    """They read the log from its start, and give little credit, and that late."""

    def __init__(self, context, log):
        modules = context.directory / "proto"
        if not hasattr(SlowReaders, "proto"):
            modules.mkdir()
            SlowReaders.proto = wire.generate(modules)
        self.all = [wire.Follower(self.proto, log.broker.streams) for _ in range(READERS)]
        for reader in self.all:
            reader.hello()
            reader.subscribe(credit=CREDIT)
        self.read, self.failure = [0] * READERS, None
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while not self.ending.wait(TURN_SECONDS):
                for number, reader in enumerate(self.all):
                    self._turn(number, reader)
        except Exception as problem:  # reported by stop()
            self.failure = problem

    def _turn(self, number, reader):
        came = 0
        while message := reader.receive(0):
            kind = message.WhichOneof("body")
            assert kind in ("subscribed", "deliver", "pong"), f"a slow reader got: {message}"
            came += len(message.deliver.records)
        self.read[number] += came
        reader.send(ping=self.proto.Ping(token=1))
        if came:
            reader.send(credit=self.proto.Credit(subscription=1, events=came))

    def stop(self):
        """How many events the slowest has read."""
        self.ending.set()
        self.thread.join()
        for reader in self.all:
            reader.close()
        assert self.failure is None, f"a slow reader: {self.failure}"
        return min(self.read)


def play_followed(context):
    events = context.events

    def alone():
        log = Log(context)
        done = log.load(events, "--followed", IDLE)
        log.remove()
        return done

    def beside():
        log = Log(context)
        gateway = gateway_for(context, log.broker, IDLE)
        followers = Holding(context, IDLE, "--ingest", log.broker.ingest, "--gateway",
                            f"127.0.0.1:{gateway.port}")
        readers = SlowReaders(context, log)
        done = log.load(events, "--followed", IDLE)
        wait.until(lambda: gateway.metric("waybill_gateway_delivered_total") >= events // 100, 30,
                   "the events of the cases that are followed")
        done["read"] = readers.stop()
        assert 0 < done["read"] < events, f"the slow readers read {done['read']} events"
        followers.stop()
        context.stop(gateway)
        log.remove()
        return done

    say(f"admission.followed: {events} events, with followers and without")
    found, times = rounds(lambda: (beside(), alone()), PUBLISH_SECONDS)
    done = found[-1][0]
    context.found("admission.followed", *(median([each[i]["rate"] for each in found])
                                          for i in (0, 1)),
                  f"{events} events of {done['event_bytes']} bytes, one in a hundred to a case "
                  f"that is followed; a slow reader came to event {done['read']} of the log; "
                  f"processor time: {done['processors']}; alone: {found[-1][1]['processors']}; "
                  f"{times}")
