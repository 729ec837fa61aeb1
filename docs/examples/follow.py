#!/usr/bin/python3
"""follow.py INGEST STREAMS [SERVER_KEY KEY_FILE]: publishes one event, then follows the log until
the event comes by."""
import random
import sys
import time
import uuid

import zmq
from waybill.v1 import event_pb2, session_pb2 as wire


def send(socket, **body):
    socket.send(wire.ClientMessage(**body).SerializeToString())


def receive(socket, wanted):
    while socket.poll(10_000):
        message = wire.BrokerMessage.FromString(socket.recv())
        kind = message.WhichOneof("body")
        if kind == "refusal":
            sys.exit(f"{message.refusal.message}: {message.refusal.detail}")
        if kind == wanted:
            return getattr(message, kind)
    sys.exit("the broker does not answer")


def open_session(endpoint, source=""):
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.linger = 0
    if keys:
        server_key, key_file = keys
        pair = dict(line.split() for line in open(key_file) if line[0] in "ps")
        socket.curve_serverkey = server_key.encode()
        socket.curve_publickey = pair["public"].encode()
        socket.curve_secretkey = pair["secret"].encode()
    socket.connect(endpoint)
    number = random.getrandbits(63) + 1
    send(socket, hello=wire.Hello(version=1, session=number, source=source, client="follow.py"))
    while receive(socket, "welcome").session != number:
        pass
    return socket


def publish(socket, event):
    send(socket, publish=wire.Publish(batch=1, events=[event], want_codes=True))
    receipt = receive(socket, "acknowledgement").receipts[0]
    if receipt.HasField("refusal"):
        sys.exit(f"{receipt.refusal.message}: {receipt.refusal.field} {receipt.refusal.detail}")
    return receipt


def follow(socket, cursor):
    send(socket, subscribe=wire.Subscribe(subscription=1, after_offset=cursor, credit=100))
    while True:
        records = receive(socket, "deliver").records
        yield from records
        send(socket, credit=wire.Credit(subscription=1, events=len(records)))


ingest, streams, *keys = sys.argv[1:]
event = event_pb2.Event(event_id=str(uuid.uuid4()), case_no="PY-1", step="窗口收件",
                        stage=event_pb2.STAGE_RECEIVED, utc_offset_minutes=480,
                        occurred_at_us=time.time_ns() // 1000)
receipt = publish(open_session(ingest, source="python"), event)
print(f"committed at offset {receipt.offset}; the applicant's code is {receipt.code}")
for record in follow(open_session(streams), cursor=0):
    stage = event_pb2.Stage.Name(record.event.stage)
    print(record.offset, record.source, record.event.case_no, stage, record.event.step)
    if record.event.event_id == event.event_id:
        break
