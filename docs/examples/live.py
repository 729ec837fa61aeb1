#!/usr/bin/python3
"""live.py LIVE STREAMS AFTER [SERVER_KEY KEY_FILE]: prints the events behind offset AFTER as they
come on the live feed, and fetches what was missed there from the streams endpoint."""
import random
import sys

import zmq
from waybill.v1 import event_pb2, session_pb2 as wire


def connect(kind, endpoint):
    socket = zmq.Context.instance().socket(kind)
    socket.linger = 0
    if keys:
        server_key, key_file = keys
        pair = dict(line.split() for line in open(key_file) if line[0] in "ps")
        socket.curve_serverkey = server_key.encode()
        socket.curve_publickey = pair["public"].encode()
        socket.curve_secretkey = pair["secret"].encode()
    socket.connect(endpoint)
    return socket


def ask(socket, **body):
    socket.send(wire.ClientMessage(**body).SerializeToString())


def answer(socket, wanted):
    while socket.poll(10_000):
        message = wire.BrokerMessage.FromString(socket.recv())
        kind = message.WhichOneof("body")
        if kind == "refusal":
            sys.exit(f"{message.refusal.message}: {message.refusal.detail}")
        if kind == wanted:
            return getattr(message, kind)
    sys.exit("the broker does not answer")


def fetch(after, through):
    """The events between two offsets, from the log."""
    with connect(zmq.DEALER, streams) as socket:
        ask(socket, hello=wire.Hello(version=1, session=random.getrandbits(63) + 1))
        answer(socket, "welcome")
        ask(socket, subscribe=wire.Subscribe(subscription=1, after_offset=after, credit=500))
        while after < through:
            records = answer(socket, "deliver").records
            yield from (record for record in records if record.offset <= through)
            after = records[-1].offset if records else after
            ask(socket, credit=wire.Credit(subscription=1, events=len(records)))


def follow(after):
    """Every event behind that offset, once and in order."""
    live = connect(zmq.SUB, live_endpoint)
    live.subscribe("log\n")
    while True:
        topic, body = live.recv_multipart()
        batch = wire.LiveBatch.FromString(body)
        if batch.from_offset > after + 1:
            print(f"offset {after + 1} to {batch.from_offset - 1} were missed", file=sys.stderr)
            yield from fetch(after, batch.from_offset - 1)
        yield from (record for record in batch.records if record.offset > after)
        after = max(after, batch.through_offset)


live_endpoint, streams, after, *keys = sys.argv[1:]
for record in follow(int(after)):
    stage = event_pb2.Stage.Name(record.event.stage)
    print(record.offset, record.source, record.event.case_no, stage, record.event.step, flush=True)
