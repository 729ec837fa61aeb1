"""Following by case at scale: who comes again is served from the broker's memory."""

import os
import resource
import time

import pytest

from support import wait, wire
from support.crowd import Crowd
from support.waybill import Gateway, metric

MANY = int(os.environ.get("WAYBILL_FOLLOWERS", "2000"))


def questions(broker):
    """Cases that were read from the database, however it came out."""
    _, _, body = wait.http_get(f"{broker.http}/metrics")
    lines = body.decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines
               if line.startswith("waybill_case_queries_total{"))


@pytest.fixture
def office(publisher, event):
    """office(*cases): publishes an event of each; their offsets. office.codes by case."""
    session = publisher()

    def happen(*cases, **fields):
        offsets = []
        session.open()  # the broker has ended it if a test took its time
        for start in range(0, len(cases), 1000):
            part = cases[start:start + 1000]
            receipts = session.publish(
                *(event(case, stage="UNDER_REVIEW", **fields) for case in part), codes=True)
            happen.codes.update({case: receipt.code for case, receipt in zip(part, receipts)})
            offsets += [receipt.offset for receipt in receipts]
        return offsets
    happen.codes = {}
    return happen


@pytest.fixture
def crowd(gateway, office):
    """crowd(cases): followers of the gateway, with their codes; connected, and settled."""
    made = []

    def gather(cases):
        made.append(Crowd(gateway.port, [(case, office.codes[case]) for case in cases]))
        made[-1].come()
        made[-1].until(lambda one: one.cursor is not None)
        return made[-1]
    yield gather
    for one in made:
        one.close()


def test_who_comes_again_costs_no_read(broker, gateway, office, crowd):
    cases = [f"C-{number}" for number in range(50)]
    office(*cases)
    followers = crowd(cases)
    assert questions(broker) == len(cases)
    gateway.stop()
    followers.until_gone()
    missed = office("C-7", "C-8", "C-7")
    gateway.start()
    followers.come()
    followers.until(lambda one: one.begun)
    live = office("C-7", "C-9")
    expected = {"C-7": [missed[0], missed[2], live[0]], "C-8": [missed[1]], "C-9": [live[1]]}
    followers.until(lambda one: one.nodes == expected.get(one.case_no, []))
    assert questions(broker) == len(cases)
    assert metric(gateway.url, "waybill_gateway_cases") == len(cases)


def test_nothing_of_other_cases_comes_to_the_gateway(gateway, office, crowd):
    office("C-1", "C-2")
    followers = crowd(["C-1"])
    office(*["C-2"] * 500)
    offset = office("C-1")[0]
    followers.until(lambda one: one.nodes == [offset])
    assert metric(gateway.url, "waybill_gateway_records_total") == 1
    followers.close()


@pytest.mark.parametrize("cursor", [None, 1, 2])
def test_a_wrong_code_does_not_get_in_where_a_right_one_is(gateway, office, crowd, cursor):
    office("C-1", "C-2")
    followers = crowd(["C-1"])
    headers = {"Last_Event_ID": str(cursor)} if cursor else {}
    unknown = gateway.get(f"/c/C-99/{office.codes['C-1']}/events", **headers)
    for code in (office.codes["C-2"], "-"):
        status, said, body = gateway.get(f"/c/C-1/{code}/events", **headers)
        assert (status, body) == (404, unknown[2])
        assert set(said) == set(unknown[1])
    offset = office("C-1")[0]
    followers.until(lambda one: one.nodes == [offset])


def test_an_expired_link_is_an_unknown_case_for_who_has_a_cursor_too(
        make_broker, tmp_path, proto, event):
    """What was in the broker's memory a moment ago does not open a case that has been closed."""
    broker = make_broker(arguments=["--code-life=1s"]).start()
    gateway = Gateway(broker.streams, tmp_path / "logs" / "gateway.log")
    gateway.start()
    session = wire.Publisher(proto, broker.ingest)
    session.open()
    code = session.publish(event("C-1", stage="REFUSED"), codes=True)[0].code
    path = f"/c/C-1/{code}"
    assert gateway.get(path)[0] == 200
    wait.until(lambda: gateway.get(path)[0] == 404, 10, "the link to expire")
    answers = [gateway.get(f"/c/{case}/{code}/events", Last_Event_ID="1")
               for case in ("C-1", "C-99")]
    assert [status for status, _, _ in answers] == [404, 404]
    assert answers[0][2] == answers[1][2]
    session.close()
    gateway.close()


def test_many_followers_of_one_case(broker, gateway, office, crowd):
    office("C-1")
    followers = crowd(["C-1"] * 300)
    assert metric(gateway.url, "waybill_gateway_cases") == 1
    assert broker.metric("waybill_followed_cases") == 1
    offsets = office("C-1", "C-1")
    followers.until(lambda one: one.nodes == offsets)
    followers.close()
    wait.until(lambda: broker.metric("waybill_followed_cases") == 0, 10, "the case to be dropped")


def test_the_cursor_is_fresh_where_nothing_happens(broker, office, tmp_path):
    """The case's own events have left the broker's memory; its follower's cursor has not."""
    gateway = Gateway(broker.streams, tmp_path / "logs" / "fresh.log",
                      arguments=["--keepalive=200ms"])
    gateway.start()
    office("C-1", "C-2")
    followers = Crowd(gateway.port, [("C-1", office.codes["C-1"])])
    followers.come()
    followers.until(lambda one: one.cursor is not None)
    for _ in range(60):  # more than recent_bytes
        last = office(*["C-2"] * 50, decision=dict(reason="长" * 1300))[-1]
    followers.until(lambda one: one.cursor >= last)
    asked = questions(broker)
    gateway.stop()
    followers.until_gone()
    missed = office("C-1")
    gateway.start()
    followers.come()
    followers.until(lambda one: one.nodes == missed)
    assert questions(broker) == asked
    followers.close()
    gateway.close()


def test_the_broker_comes_back_and_nobody_is_asked_for(broker, gateway, crowd, publisher, event):
    """Thousands of places are named again; what happened meanwhile is read once, as the log."""
    cases = [f"C-{number}" for number in range(600)]
    session = publisher("first")
    codes = [receipt.code for receipt in session.publish(*map(event, cases), codes=True)]
    followers = Crowd(gateway.port, list(zip(cases, codes)))
    followers.come()
    followers.until(lambda one: one.cursor is not None)
    broker.stop()
    wait.until(lambda: gateway.get("/readyz")[0] == 503, 20, "the gateway to see it")
    broker.start()
    session = publisher("second")
    missed = {case: session.publish(event(case))[0].offset for case in cases[::100]}
    followers.until(lambda one: one.nodes == ([missed[one.case_no]]
                                              if one.case_no in missed else []))
    wait.until(lambda: broker.metric("waybill_followed_cases") == len(cases), 20, "all places")
    assert questions(broker) == 0
    followers.close()


def test_a_storm_after_a_restart(broker, office, tmp_path, capsys):
    """All come at once, with their cursors, and are served from memory."""
    wanted = MANY + 512
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, hard)), hard))
    gateway = Gateway(broker.streams, tmp_path / "logs" / "storm.log",
                      arguments=[f"--connections={MANY + 100}"])
    gateway.start()
    cases = [f"C-{number}" for number in range(MANY)]
    office(*cases)
    followers = Crowd(gateway.port, [(case, office.codes[case]) for case in cases])
    for start in range(0, MANY, 500):  # for the first time each costs a read
        part = followers.all[start:start + 500]
        followers.come(part)
        wait.until(lambda: followers.turn() or all(one.begun for one in part), 60, "the first")
    asked = questions(broker)
    gateway.stop()
    followers.until_gone()
    some = cases[::10]
    missed = dict(zip(some, office(*some)))
    gateway.start()
    began = time.monotonic()
    followers.come()
    followers.until(lambda one: one.begun)
    settled = time.monotonic() - began
    followers.until(lambda one: one.nodes == ([missed[one.case_no]]
                                              if one.case_no in missed else []))
    assert {one.status for one in followers.all} == {200}
    assert questions(broker) == asked
    with capsys.disabled():
        print(f" [{MANY} were back in {settled:.2f} s]", end="")
    assert settled < 20
    followers.close()
    gateway.close()
