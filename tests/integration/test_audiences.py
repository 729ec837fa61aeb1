"""What leaves the broker and the gateway is for who reads it: personal data is thrown at every
field of many events, and looked for in every byte that comes back."""

import http.client
import json
import re

import pytest
import zmq
from support import wait, wire
from support.personal import Thrown, mobile
from support.registry import Registry

CASES = 6
FREE, CATALOGUE = "随意写下", "目录之名"  # words of free text, and of what everybody may read
HAN = "龢麤灪爨驫鱻麣厵靐龘齉龖籲癵"  # in no other word
AUDIENCES = {"staff": 2, "applicant": 3, "public": 4}
LINES = {"phone", "staff_no", "id", "type", "item_code"}  # too short for a number in groups


@pytest.fixture
def live():
    return {audience: f"tcp://127.0.0.1:{wait.free_port()}" for audience in AUDIENCES}


@pytest.fixture
def make_ready(make_broker, cli, gateway_port, live):
    def start(*arguments):
        words = [word for name, endpoint in live.items() for word in (f"--live-{name}", endpoint)]
        return make_broker(public_url=f"http://127.0.0.1:{gateway_port}",
                           arguments=[*words, *arguments]).start()
    return start


@pytest.fixture(params=["title", "number", "office"])
def broker(make_ready, request):
    return make_ready("--disclosure", request.param)


class Office:
    """Makes up events that have something in every field that a source may fill."""

    def __init__(self, proto, seed):
        self.proto = proto
        self.thrown = Thrown(seed)
        self.names, self.count = set(), 0

    def name(self):
        name = self.thrown.seed.choice("王欧陈") + "".join(self.thrown.seed.choices(HAN, k=3))
        self.names.add(name)
        return name

    def text(self, name):
        number = self.thrown.number
        if name in ("name", "approver"):
            return self.name()
        if name == "region_code":
            return number(kinds=(mobile,), plain=True)
        if name == "url":
            return f"https://example.org/?q={number(plain=True)}&x=1"
        if name == "due_date":
            return "2026-03-09"
        if name == "traceparent":
            return "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
        word = CATALOGUE if name in ("item_name", "agency") else FREE
        return f"{word}{number(plain=name in LINES)}号"

    def fill(self, message, skip=()):
        for field in message.DESCRIPTOR.fields:
            if field.name in skip:
                continue
            if field.type == field.TYPE_STRING:
                setattr(message, field.name, self.text(field.name))
            elif field.type == field.TYPE_MESSAGE and field.label == field.LABEL_REPEATED:
                for _ in range(2):
                    self.fill(getattr(message, field.name).add())
            elif field.type == field.TYPE_MESSAGE:
                self.fill(getattr(message, field.name))
            elif field.type == field.TYPE_UINT32:
                setattr(message, field.name, 7)
        return message

    def event(self, event, case_no):
        self.count += 1
        identity = f"e-{self.count}-{self.thrown.number(plain=True)}"
        made = event(case_no, stage="SPECIAL_PROCEDURE", event_id=identity,
                     parent_case_no="320411-2026-P-000001")
        self.fill(made, skip=("event_id", "case_no", "parent_case_no", "alert", "replaces"))
        if self.count % 3 == 0:
            made.kind = self.proto.KIND_CORRECTION
            made.replaces = f"e-0-{self.thrown.number(plain=True)}"
        return made


@pytest.fixture
def office(broker, publisher, event, proto, listeners):
    """Personal data at every field of all cases; .cases are their codes, .last the last offset.
    .publish(): more of it; the last offset of each case."""
    made, writer = Office(proto, 20260302), publisher()
    made.cases = {}

    def publish():
        offsets = {}
        for number in range(CASES):
            case_no = f"320411-2026-{number:06}"
            receipts = writer.publish(*(made.event(event, case_no) for _ in range(7)), codes=True)
            assert all(receipt.offset for receipt in receipts), receipts
            made.cases[case_no] = receipts[-1].code
            made.last = offsets[case_no] = receipts[-1].offset
        return offsets
    made.publish = publish
    publish()
    assert len(made.thrown.numbers) > 1000 and len(made.names) > 100
    return made


@pytest.fixture
def listeners(broker, live, publisher, event, proto):
    """A subscriber to every topic of each live feed, there before anything happens."""
    sockets, writer = {}, publisher("probe")
    for audience, endpoint in live.items():
        socket = sockets[audience] = zmq.Context.instance().socket(zmq.SUB)
        socket.linger, socket.rcvhwm = 0, 0
        for topic in (b"case/", b"item/", b"region/", b"agency/", b"log\n"):
            socket.subscribe(topic)
        socket.connect(endpoint)

        def arrives():
            writer.publish(event("probe"))
            return socket.poll(50)
        wait.until(arrives, what=f"the live feed of {audience}")
    yield sockets
    for socket in sockets.values():
        socket.close()


def from_live(proto, socket, last):
    """All bytes that came up to an offset, and the topics."""
    data, through, topics = b"", 0, set()
    while through < last or socket.poll(200):
        assert socket.poll(10_000), "the live feed ends early"
        topic, body = socket.recv_multipart()
        if topic == b"log\n":
            through = proto.LiveBatch.FromString(body).through_offset
        data += topic + body
        topics.add(topic.split(b"/")[0])
    return data, topics


def from_stream(proto, follower, audience, last):
    session, data, through = follower(), b"", 0
    session.send(subscribe=proto.Subscribe(subscription=1, credit=8192, after_offset=0,
                                           audience=audience))
    while through < last:
        assert session.socket.poll(10_000), "the stream ends early"
        frame = session.socket.recv()
        message = proto.BrokerMessage.FromString(frame)
        assert message.WhichOneof("body") in ("subscribed", "deliver"), message
        through = max(through, message.deliver.through_offset)
        data += frame
    return data


def from_answers(proto, follower, cases):
    """Cases asked for by their codes, and what they got since then by following them."""
    session, data = follower(), b""

    def receive(kind):
        nonlocal data
        assert session.socket.poll(10_000), f"no {kind}"
        frame = session.socket.recv()
        data += frame
        message = proto.BrokerMessage.FromString(frame)
        assert message.WhichOneof("body") == kind, message
        return getattr(message, kind)

    for request, (case_no, code) in enumerate(cases.items(), 1):
        session.send(case_query=proto.CaseQuery(request=request, case_no=case_no, code=code))
        answer = receive("case_answer")
        assert len(answer.nodes) == 7 and answer.code == ""
    session.send(subscribe=proto.Subscribe(subscription=9, credit=8192, by_case=True, now=True,
                                           audience=proto.AUDIENCE_APPLICANT))
    receive("subscribed")
    session.send(follow=proto.Follow(subscription=9, places=[
        proto.Place(case_no=case_no, code=code, after_offset=1)
        for case_no, code in cases.items()]))
    places = []
    while len(places) < len(cases):
        places.extend(receive("followed").places)
    assert all(place.outcome == proto.OUTCOME_FOLLOWED and len(place.records) == 7
               for place in places), places
    return data


class Lines:
    """An event stream of the gateway as bytes."""

    def __init__(self, gateway, path, **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
        self.connection.request("GET", path, headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()

    def read(self, last):
        """All up to the event with that offset."""
        data, offset = b"", 0
        for line in self.answer:
            data += line
            if line.startswith(b"id:"):
                offset = int(line[3:])
            if line == b"\n" and offset >= last:
                break
        self.connection.close()
        assert offset >= last, data[-500:]
        return data


def from_pages(gateway, cases):
    data = b""
    for case_no, code in cases.items():
        for path in (f"/c/{case_no}/{code}", f"/c/{case_no}/{code}/fragment",
                     f"/api/v1/cases/{case_no}/{code}"):
            status, _, body = gateway.get(path)
            assert status == 200, path
            data += body
    return data


def check(office, data, audience):
    """Nothing of what was thrown that this audience may not see is in the bytes."""
    text = data.decode("utf-8", "replace")
    assert office.thrown.found_in(data) == []
    if audience != "staff":
        assert [name for name in office.names if name in text] == []
    if audience == "public":
        assert FREE not in text and "320411-2026-" not in text and "e-1" not in text
        assert not re.search(f"[{HAN}]", text)
    else:
        assert FREE in text and "320411-2026-00000" in text
    assert CATALOGUE in text and "*" in text


def test_streams(office, follower, proto):
    full = from_stream(proto, follower, 1, office.last)
    assert len(office.thrown.found_in(full)) == len(office.thrown.numbers)
    assert all(name in full.decode("utf-8", "replace") for name in office.names)
    for audience, number in AUDIENCES.items():
        check(office, from_stream(proto, follower, number, office.last), audience)


def test_live_feeds(office, listeners, proto):
    for audience, socket in listeners.items():
        data, topics = from_live(proto, socket, office.last)
        check(office, data, audience)
        assert topics == {b"agency", b"log\n"} | ({b"case"} if audience != "public" else set())


def test_answers_with_a_code(office, follower, proto):
    check(office, from_answers(proto, follower, office.cases), "applicant")


def test_the_gateway_s_pages(office, gateway):
    check(office, from_pages(gateway, office.cases), "applicant")


def test_the_gateway_s_case_streams(office, gateway):
    streams = {case_no: Lines(gateway, f"/c/{case_no}/{code}/events")
               for case_no, code in office.cases.items()}
    for case_no, offset in office.publish().items():
        check(office, streams[case_no].read(offset), "applicant")


def test_the_commands(office, broker, cli):
    cli.use(WAYBILL_STREAMS=broker.streams)
    for audience in AUDIENCES:
        lines = cli("tail", "--from", "start", "--until-head", "--audience", audience).stdout
        check(office, lines.encode(), audience)
        events = [json.loads(line) for line in lines.splitlines()]
        assert [event["offset"] for event in events] == list(range(1, office.last + 1))
        assert all(("case_no" in event) == (audience != "public") for event in events)
        assert all(("event_id" in event) <= (audience == "staff") for event in events)
    told = [cli("track", case_no, "--code", code, "--json").stdout
            for case_no, code in office.cases.items()]
    check(office, "".join(told).encode(), "applicant")


@pytest.mark.parametrize("audience", ["staff", "public"])
def test_the_gateway_s_streams(office, gateway, broker, database, audience):
    token = Registry(database, broker).token("screen", audience=audience)
    stream = Lines(gateway, f"/api/v1/streams/{audience}?from=start",
                   Authorization=f"Bearer {token}")
    check(office, stream.read(office.last), audience)


def test_an_item_has_its_own_disclosure(make_ready, proto, event, database):
    broker = make_ready("--disclosure", "office")
    registry = Registry(database, broker)
    registry.item("LIC", "title")
    registry.item("LIC-7", "full")
    writer, reader = wire.Publisher(proto, broker.ingest), wire.Follower(proto, broker.streams)
    try:
        writer.open()
        reader.hello()
        for item, name in (("LIC-1", "王科长"), ("LIC-7-2", "王芳"), ("TAX", "")):
            handler = proto.Handler(name="王芳", post="科长")
            code = writer.publish(event(item, item_code=item, handler=handler),
                                  codes=True)[0].code
            answer = reader.case(item, code)
            assert answer.state.handler.name == name
            assert answer.nodes[0].record.event.handler == answer.state.handler
    finally:
        writer.close()
        reader.close()


def test_a_full_disclosure_names_the_handler(make_ready, proto, event):
    broker = make_ready("--disclosure", "full")
    writer, reader = wire.Publisher(proto, broker.ingest), wire.Follower(proto, broker.streams)
    try:
        writer.open()
        reader.hello()
        receipt = writer.publish(event("A-1", handler=proto.Handler(
            name="王芳", phone="138-0013-8000")), codes=True)[0]
        answer = reader.case("A-1", receipt.code)
        assert answer.audience == proto.AUDIENCE_APPLICANT and answer.code == ""
        assert answer.state.handler.name == answer.nodes[0].record.event.handler.name == "王芳"
        assert answer.state.handler.phone == "***-****-****"
        full = reader.case("A-1")
        assert full.audience == proto.AUDIENCE_FULL and full.code == receipt.code
        assert full.state.handler.phone == "138-0013-8000"
    finally:
        writer.close()
        reader.close()
