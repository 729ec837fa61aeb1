"""The live feed: its topics, its audiences, and the log in few messages."""

import pytest
import zmq
from support import wait

AUDIENCES = ("full", "staff", "applicant", "public")
OPTIONS = {"staff": "--live-staff", "applicant": "--live-applicant", "public": "--live-public"}


@pytest.fixture
def endpoints():
    return {audience: f"tcp://127.0.0.1:{wait.free_port()}" for audience in OPTIONS}


@pytest.fixture
def broker(make_broker, endpoints):
    arguments = [word for audience, endpoint in endpoints.items()
                 for word in (OPTIONS[audience], endpoint)]
    running = make_broker(arguments=arguments).start()
    endpoints["full"] = running.live
    return running


@pytest.fixture
def listen(broker, endpoints, publisher, event):
    """listen(topic, …, audience="full"): a subscriber that is there, and its messages so far."""
    made = []
    writer = publisher("probe")

    def start(*topics, audience="full"):
        socket = zmq.Context.instance().socket(zmq.SUB)
        socket.linger, socket.rcvhwm = 0, 0
        made.append(socket)
        socket.connect(endpoints[audience])
        for topic in topics:
            socket.subscribe(topic)

        def arrives():
            writer.publish(event("probe", item_code="probe", region_code="99", agency="probe"))
            return socket.poll(50)
        for topic in (b"log\n", b"case/probe\n"):
            if audience != "public" or topic == b"log\n":
                socket.subscribe(topic)
                wait.until(arrives, what=f"a message of {topic}")
                if topic not in topics:
                    socket.unsubscribe(topic)
                while socket.poll(200):
                    socket.recv_multipart()
                break
        return socket

    yield start
    for socket in made:
        socket.close()


def take(socket, timeout):
    """The next message that is not of a probe, which other subscribers send; None: none came."""
    while socket.poll(timeout * 1000):
        message = socket.recv_multipart()
        if b"probe" not in message[1]:
            return message
    return None


def receive(socket, count, timeout=10):
    """So many messages, and no more behind them."""
    messages = []
    while len(messages) < count:
        messages.append(take(socket, timeout))
        assert messages[-1], f"{len(messages) - 1} of {count} messages came"
    assert not take(socket, 0.1)
    return messages


def batches(proto, socket, through, timeout=20):
    """The messages of the log up to an offset."""
    found = []
    while not found or found[-1].through_offset < through:
        assert socket.poll(timeout * 1000), "the log ends early"
        topic, body = socket.recv_multipart()
        assert topic == b"log\n"
        found.append(proto.LiveBatch.FromString(body))
    return found


def test_the_log_comes_in_few_messages(listen, publisher, event, proto):
    socket = listen(b"log\n")
    writer = publisher()
    sent = [event(f"A-{number % 7}", step="步骤") for number in range(4000)]
    receipts = [receipt for at in range(0, 4000, 500)
                for receipt in writer.publish(*sent[at:at + 500])]
    found = batches(proto, socket, receipts[-1].offset)
    assert len(found) <= 40, "one message a Publish would be 8"
    for batch in found:
        offsets = [record.offset for record in batch.records]
        assert offsets == list(range(batch.from_offset, batch.through_offset + 1))
    assert [batch.from_offset for batch in found[1:]] == \
        [batch.through_offset + 1 for batch in found[:-1]]
    records = [record for batch in found for record in batch.records
               if record.source == "tests"]
    assert [record.event for record in records] == sent
    assert [record.offset for record in records] == [receipt.offset for receipt in receipts]


def test_a_large_batch_is_split(listen, publisher, event, proto):
    socket = listen(b"log\n")
    sent = [event("A-1", attributes=[proto.Attribute(name=f"a{i}", value="x" * 2000)
                                     for i in range(25)]) for _ in range(12)]
    last = publisher().publish(*sent)[-1].offset
    found = batches(proto, socket, last)
    assert all(batch.ByteSize() < 128 * 1024 for batch in found)
    assert sum(len(batch.records) for batch in found) == 12


def test_topics(listen, publisher, event, proto):
    agency = "agency/住建局\n".encode()
    subscribers = {topic: listen(topic) for topic in
                   (b"item/3101\n", b"region/3204", agency, b"case/A-1\n")}
    publisher().publish(
        event("A-1", item_code="3101", region_code="320411", agency="住建局"),
        event("A-10", item_code="31011", region_code="3205"),
        event("A-2", item_code="3101", region_code="3204"))
    expected = {b"item/3101\n": [b"item/3101\n"] * 2,
                b"region/3204": [b"region/320411\n", b"region/3204\n"],
                agency: [agency], b"case/A-1\n": [b"case/A-1\n"]}
    for topic, socket in subscribers.items():
        messages = receive(socket, len(expected[topic]))
        assert [name for name, _ in messages] == expected[topic]
        assert all(proto.Record.FromString(body).source == "tests" for _, body in messages)


def test_each_audience_has_its_own(broker, listen, publisher, event, proto):
    subscribers = {audience: listen(b"log\n", audience=audience) for audience in AUDIENCES}
    last = publisher().publish(event("A-1", step="13800138000", item_code="31",
                                     handler=proto.Handler(name="王芳")))[-1].offset
    seen = {audience: batches(proto, socket, last)[-1].records[-1].event
            for audience, socket in subscribers.items()}
    assert {audience: record.case_no for audience, record in seen.items()} == \
        {"full": "A-1", "staff": "A-1", "applicant": "A-1", "public": ""}
    assert {audience: record.step for audience, record in seen.items()} == \
        {"full": "13800138000", "staff": "***********", "applicant": "***********", "public": ""}
    assert {audience: record.handler.name for audience, record in seen.items()} == \
        {"full": "王芳", "staff": "王芳", "applicant": "王工作人员", "public": ""}
    assert all(record.item_code == "31" for record in seen.values())
    assert broker.metric("waybill_live_events_total") >= 8


def test_the_public_has_no_case_topics(listen, publisher, event):
    everything = listen(b"", audience="public")
    case, item = listen(b"case/", audience="public"), listen(b"item/", audience="public")
    publisher().publish(event("A-1", item_code="31"))
    assert receive(item, 1)[0][0] == b"item/31\n"
    assert sorted(topic for topic, _ in receive(everything, 2)) == [b"item/31\n", b"log\n"]
    assert not take(case, 0.1)


def test_without_a_live_feed(make_broker):
    broker = make_broker(arguments=["--live", ""]).start()
    assert "live none" in broker.text()
