"""The wire contract for tests, spoken without Waybill's own libraries: protoc and pyzmq alone."""

import importlib
import itertools
import subprocess
import sys
import time
from types import SimpleNamespace

import zmq

from .paths import ROOT

MIDNIGHT = 1767225600000000  # 2026-01-01T00:00:00Z in microseconds
_numbers = itertools.count(1)


def generate(directory):
    """Python modules of the .proto files: .event, .session, .query, and all names in one."""
    sources = sorted((ROOT / "proto" / "waybill" / "v1").glob("*.proto"))
    subprocess.run(["protoc", f"--proto_path={ROOT / 'proto'}", f"--python_out={directory}",
                    *map(str, sources)], check=True)
    sys.path.insert(0, str(directory))
    modules = {path.stem: importlib.import_module(f"waybill.v1.{path.stem}_pb2")
               for path in sources}
    proto = SimpleNamespace(**modules)
    for module in modules.values():
        for name in dir(module):
            if name[0].isupper() and not hasattr(proto, name):
                setattr(proto, name, getattr(module, name))
    return proto


def event(proto, case_no="A-1", event_id=None, stage="RECEIVED", at_us=None, **fields):
    """A valid event; every call gives another id, a second later than the one before."""
    number = next(_numbers)
    return proto.Event(
        event_id=event_id if event_id is not None else f"e-{number}", case_no=case_no,
        stage=proto.Stage.Value(f"STAGE_{stage}"), utc_offset_minutes=480,
        occurred_at_us=at_us if at_us is not None else MIDNIGHT + number * 1_000_000, **fields)


def show_key(socket, keys, server_key):
    """Before it connects: its own pair (public, secret), and the broker's public key."""
    socket.curve_publickey, socket.curve_secretkey = keys
    socket.curve_serverkey = server_key


class Channel:
    """A DEALER socket to one of the broker's endpoints. curve: what show_key takes."""

    def __init__(self, proto, endpoint, curve=None):
        self.proto = proto
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        if curve:
            show_key(self.socket, *curve)
        self.socket.connect(endpoint)
        self.session = 0

    def send(self, **body):
        self.send_raw(self.proto.ClientMessage(**body).SerializeToString())

    def send_raw(self, *frames):
        self.socket.send_multipart(list(frames))

    def receive(self, timeout=10.0):
        """The next BrokerMessage; None if none comes in time."""
        if not self.socket.poll(timeout * 1000):
            return None
        frames = self.socket.recv_multipart()
        assert len(frames) == 1, f"{len(frames)} frames, PROTOCOL.md says 1"
        return self.proto.BrokerMessage.FromString(frames[0])

    def expect(self, kind, timeout=10.0):
        """The next message, which has to be of this kind: its body."""
        message = self.receive(timeout)
        assert message is not None, f"no {kind} came within {timeout:g} s"
        assert message.WhichOneof("body") == kind, f"not a {kind}: {message}"
        return getattr(message, kind)

    def hello(self, source="", version=1, timeout=10.0):
        self.session += 1
        self.send(hello=self.proto.Hello(version=version, session=self.session, source=source,
                                         client="tests"))
        return self.welcome(timeout)

    def welcome(self, timeout=10.0):
        """Passes over what belongs to an earlier session, as PROTOCOL.md asks of a client."""
        while True:
            message = self.receive(timeout)
            assert message is not None, f"no welcome came within {timeout:g} s"
            stale = message.WhichOneof("body") == "refusal" and message.refusal.name == "NO_SESSION"
            if message.WhichOneof("body") == "welcome" and message.welcome.session == self.session:
                return message.welcome
            assert stale, f"not a welcome: {message}"

    def refusal(self, timeout=10.0):
        return self.expect("refusal", timeout)

    def close(self):
        self.socket.close()


class Publisher(Channel):
    """An ingest session that sends one batch at a time."""

    def __init__(self, proto, endpoint, source="tests", curve=None):
        super().__init__(proto, endpoint, curve)
        self.source = source
        self.batch = 0

    def open(self):
        self.batch = 0
        return self.hello(self.source)

    def publish(self, *events, codes=False, timeout=20.0):
        """The receipts of one batch."""
        self.batch += 1
        self.send(publish=self.proto.Publish(batch=self.batch, events=events, want_codes=codes))
        answer = self.expect("acknowledgement", timeout)
        assert answer.batch == self.batch
        assert len(answer.receipts) == len(events)
        return list(answer.receipts)


class Follower(Channel):
    """A streams session."""

    def subscribe(self, number=1, after=0, credit=100_000, now=False, audience="UNSPECIFIED",
                  token="", **filter_fields):
        message = self.proto.Subscribe(subscription=number, credit=credit, token=token,
                                       audience=f"AUDIENCE_{audience}")
        if now:
            message.now = True
        else:
            message.after_offset = after
        if filter_fields:
            message.filter.CopyFrom(self.proto.Filter(**filter_fields))
        self.send(subscribe=message)

    def records(self, count, number=1, timeout=20.0):
        """Reads Deliver messages of a subscription until count records have come."""
        records = []
        deadline = time.monotonic() + timeout
        while len(records) < count:
            deliver = self.expect("deliver", max(0.001, deadline - time.monotonic()))
            assert deliver.subscription == number
            records.extend(deliver.records)
        return records

    def case(self, case_no, code="", request=1, limit=0, audience="UNSPECIFIED", token=""):
        """The answer, or the refusal."""
        self.send(case_query=self.proto.CaseQuery(request=request, case_no=case_no, code=code,
                                                  limit=limit, audience=f"AUDIENCE_{audience}",
                                                  token=token))
        message = self.receive()
        assert message is not None, "no answer about the case"
        body = getattr(message, message.WhichOneof("body"))
        assert body.request == request
        return body
