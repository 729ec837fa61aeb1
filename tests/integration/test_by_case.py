"""Subscriptions by case on a real broker: what Follow names is delivered, and nothing else."""

import time

import pytest

from support import wait

ALL = 100_000


@pytest.fixture
def office(publisher, event):
    """office(case_no, …): publishes one event for each; their offsets. office.codes by case."""
    session = publisher()

    def happen(*cases, **fields):
        events = [event(case, stage="UNDER_REVIEW", **fields) for case in cases]
        receipts = session.publish(*events, codes=True)
        assert all(receipt.offset for receipt in receipts), receipts
        happen.codes.update({case: receipt.code for case, receipt in zip(cases, receipts)})
        return [receipt.offset for receipt in receipts]
    happen.codes = {}
    return happen


@pytest.fixture
def by_case(follower, proto, office):
    """by_case(): a session with a subscription by case, for applicants."""
    class ByCase:
        def __init__(self, credit=ALL, **start):
            self.session = follower()
            self.early = []  # delivered before an answer
            self.session.send(subscribe=proto.Subscribe(
                subscription=1, credit=credit, by_case=True,
                audience="AUDIENCE_APPLICANT", **start))
            self.begun = self.session.expect("subscribed")

        def send(self, *places, dropped=()):
            """places: (case_no, after_offset), with the right code; or (case_no, after, code)."""
            self.session.send(follow=proto.Follow(subscription=1, dropped=dropped, places=[
                proto.Place(case_no=case, after_offset=after,
                            code=code[0] if code else office.codes[case])
                for case, after, *code in places]))

        def follow(self, *places, dropped=()):
            self.send(*places, dropped=dropped)
            answers = []
            while len(answers) < len(places):
                message = self.session.receive()
                assert message, "Follow was not answered"
                self.early.extend(record.offset for record in message.deliver.records)
                answers.extend(message.followed.places)
            assert [answer.case_no for answer in answers] == [place[0] for place in places]
            return [(proto.Outcome.Name(answer.outcome)[8:], answer.through_offset,
                     [record.offset for record in answer.records]) for answer in answers]

        def opened(self, *cases):
            """Asks for each case, as one does who sees it for the first time."""
            for number, case in enumerate(cases):
                self.session.case(case, office.codes[case], request=number + 1)

        def offsets(self, count):
            early, self.early = self.early, []
            return early + [record.offset
                            for record in self.session.records(count - len(early))]
    return ByCase


def test_what_was_missed_comes_from_memory(by_case, office, broker):
    first = office("A-1", "A-2", "A-1", "A-3", "A-1")
    reader = by_case()
    reader.opened("A-1", "A-2")
    queries = broker.metric("waybill_case_queries_total")
    assert reader.follow(("A-1", first[0]), ("A-2", first[1]), ("A-1", 0)) == [
        ("FOLLOWED", 5, [first[2], first[4]]), ("FOLLOWED", 5, []),
        ("FOLLOWED", 5, [first[0], first[2], first[4]])]
    more = office("A-3", "A-1", "A-2", "A-3", "A-1")
    assert reader.offsets(3) == [more[1], more[2], more[4]]
    assert broker.metric("waybill_case_queries_total") == queries
    assert broker.metric("waybill_followed_cases") == 2
    reader.send(dropped=["A-1", "nobody's"])
    wait.until(lambda: broker.metric("waybill_followed_cases") == 1, 10, "A-1 to be dropped")
    last = office("A-1", "A-2")
    assert reader.offsets(1) == [last[1]]
    # Dropped and named again in one message: it is followed.
    assert reader.follow(("A-2", last[1]), dropped=["A-2"]) == [("FOLLOWED", last[1], [])]
    assert office("A-2") == reader.offsets(1)
    reader.session.close()
    wait.until(lambda: broker.metric("waybill_followed_cases") == 0, 20, "the end")


def test_who_is_behind_has_to_ask(by_case, office):
    offsets = office("A-1", "A-2")
    reader = by_case()
    # A case that nobody has opened yet may have been closed to its code, or be none.
    assert reader.follow(("A-1", offsets[0])) == [("BEHIND", 2, [])]
    reader.opened("A-1")
    assert reader.follow(("A-1", offsets[0])) == [("FOLLOWED", 2, [])]
    # Beyond the log's end.
    assert reader.follow(("A-1", 3), ("A-1", 2**64 - 1)) == [("BEHIND", 2, [])] * 2
    assert office("A-1") == reader.offsets(1)


def test_codes_are_looked_at(by_case, office, broker):
    office("A-1", "A-2")
    reader = by_case()
    reader.opened("A-1")
    codes = office.codes
    places = [("A-1", 0, codes["A-2"]), ("A-1", 0, "nonsense"), ("nobody", 0, codes["A-1"]),
              ("A" * 200, 0, codes["A-1"]), ("", 0, codes["A-1"])]
    assert {outcome for outcome, _, _ in reader.follow(*places)} == {"REFUSED"}
    assert broker.metric("waybill_followed_cases") == 0
    # Followed by one, a case is not open to another without its code.
    assert reader.follow(("A-1", 0))[0][0] == "FOLLOWED"
    assert reader.follow(*places[:2]) == [("REFUSED", 2, [])] * 2
    typed = codes["A-1"].lower().replace("-", "")
    assert reader.follow(("A-1", 2, typed))[0][0] == "FOLLOWED"


def test_what_left_memory_has_to_be_asked_for(by_case, office, broker):
    offsets = office("A-1", "A-2", "A-1")
    reader = by_case()
    reader.opened("A-1", "A-2")
    assert reader.follow(("A-1", offsets[0])) == [("FOLLOWED", 3, [offsets[2]])]
    text = "长" * 1300
    for _ in range(50):  # more than recent_bytes
        last = office(*["B-1"] * 50, decision=dict(reason=text))[-1]
    outcomes = [reader.follow(("A-1", after), ("A-2", after)) for after in (offsets[2], last)]
    assert [outcome for outcome, _, _ in outcomes[0]] == ["BEHIND"] * 2
    assert outcomes[1] == [("FOLLOWED", last, [])] * 2
    assert office("A-1") == reader.offsets(1)


def test_only_by_case(follower, proto, office):
    office("A-1")
    session = follower()
    session.subscribe(1, after=0)
    session.expect("subscribed")
    session.send(follow=proto.Follow(subscription=1, places=[proto.Place(case_no="A-1")]))
    session.records(1)
    assert session.refusal().name == "SUBSCRIPTION"
    for bad in (dict(filter=proto.Filter(case_nos=["A-1"])), dict(reader="me")):
        session.send(subscribe=proto.Subscribe(subscription=2, by_case=True, credit=1, **bad))
        assert session.refusal().name == "SUBSCRIPTION"
    # Follow of a subscription that is over crossed its refusal.
    session.send(follow=proto.Follow(subscription=9, places=[proto.Place(case_no="A-1")]))
    session.case("A-1", office.codes["A-1"])


def test_many_places_and_large_answers(by_case, office, broker):
    """An answer is spread over as many messages as it needs; too much is BEHIND."""
    cases = [f"L-{number}" for number in range(1000)]
    first = office(*cases)
    text = "长" * 1300
    for start in range(0, 300, 50):
        office(*cases[start:start + 50], decision=dict(reason=text))
    reader = by_case()
    reader.opened(*cases[:300])
    answers = reader.follow(*((case, first[-1]) for case in cases))
    assert [outcome for outcome, _, _ in answers[300:]] == ["BEHIND"] * 700
    assert [outcome for outcome, _, _ in answers[:300]] == ["FOLLOWED"] * 300
    assert all(len(records) == 1 for _, _, records in answers[:300])
    office(*["L-0"] * 501)
    assert len(reader.offsets(501)) == 501
    assert reader.follow(("L-0", answers[0][1]))[0][0] == "BEHIND"


def test_what_an_answer_told_does_not_come_again(by_case, office):
    """The cursor that a session knows of is never behind what it was told of a case."""
    office("A-1")
    reader = by_case()
    reader.opened("A-1")
    office("A-1")  # while nobody follows it
    wait.until(lambda: reader.follow(("A-1", 1)) == [("FOLLOWED", 2, [2])], 10, "the cursor at 2")
    reader = by_case()
    cursor, through = reader.begun.after_offset, 0
    office("A-1")
    while through < 3:
        reader.send(("A-1", 2))
        while (message := reader.session.receive()).WhichOneof("body") == "deliver":
            cursor = message.deliver.through_offset
        through = message.followed.places[0].through_offset
        assert cursor == through


def test_a_case_of_many_events_named_often_keeps_nobody_waiting(follower, publisher, event, proto):
    """Each place is a way back through the case's events: all of a Follow together are bounded."""
    office, other = publisher(), publisher("other")
    for _ in range(20):
        office.publish(*[event("A-1", stage="UNDER_REVIEW") for _ in range(1000)])
    for cursor in (20_000, 10_000):  # where the events are behind the cursor, and beyond it
        reader = follower()
        reader.send(subscribe=proto.Subscribe(subscription=1, after_offset=cursor, by_case=True))
        reader.expect("subscribed")
        follow = proto.ClientMessage(follow=proto.Follow(subscription=1, places=[
            proto.Place(case_no="A-1", after_offset=cursor - 400) for _ in range(1024)]))
        for _ in range(32):
            reader.send_raw(follow.SerializeToString())
        answer = reader.expect("followed")
        begun = time.monotonic()
        other.publish(event("B-1"))
        assert time.monotonic() - begun < 1
        assert len(answer.places[0].records) in (0, 400)


def test_goes_on_in_a_new_session_without_asking(by_case, office, broker):
    """The old cursor, no credit until all places are named: nothing is missed, nothing asked."""
    office("A-1", "A-2")
    reader = by_case()
    reader.opened("A-1", "A-2")
    reader.follow(("A-1", 2), ("A-2", 2))
    missed = office("A-2", "A-3", "A-1")
    reader.session.close()
    broker.stop()
    broker.start()
    reader = by_case(credit=0, after_offset=2)
    assert reader.begun.after_offset == 2
    reader.session.send(follow=dict(subscription=1, places=[
        dict(case_no=case, code=office.codes[case], after_offset=2, again=True)
        for case in ("A-1", "A-2")]))
    answers = reader.session.expect("followed").places
    assert [(answer.outcome, answer.through_offset) for answer in answers] == [(1, 2)] * 2
    reader.session.send(credit=dict(subscription=1, events=10))
    assert reader.offsets(2) == [missed[0], missed[2]]
    assert b"waybill_case_queries_total{" not in wait.http_get(f"{broker.http}/metrics")[2]
