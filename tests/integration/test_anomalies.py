"""Facts are not refused: what contradicts the expected course is recorded, marked and counted.

The marks are computed here a second time, from PROTOCOL.md alone: its table of stages is read, its
sentences are written out as they stand."""

import random
import re
import signal
from types import SimpleNamespace

import pytest
from support import wait, wire
from support.paths import ROOT
from support.postgres import rows
from support.wire import MIDNIGHT

HOUR = 3_600_000_000
DAY = 24 * HOUR
FACTS = {"acceptance": "WITHOUT_ACCEPTANCE", "grant": "WITHOUT_GRANT",
         "request": "WITHOUT_REQUEST"}
ENDS = {"NOT_REQUIRED", "NOT_ACCEPTED", "REFUSED", "DELIVERED", "WITHDRAWN", "TERMINATED",
        "REVOKED", "CANCELLED"}


def read_rules():
    text = (ROOT / "proto" / "PROTOCOL.md").read_text()
    table = re.search(r"^\| stage \| shows \|.*?\n\n", text, re.S | re.M).group(0)
    rules = {}
    for line in table.strip().splitlines()[2:]:
        stage, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rules[stage] = SimpleNamespace(**{
            name: set(re.findall(r"\w+", cell))
            for name, cell in zip(("shows", "needs", "not_after", "goes_on_after"), cells)})
    return rules


RULES = read_rules()


def span(event):
    return event.at, event.at + (DAY if event.date_only else 0)


def certainly(one, other):
    """Of one that stands before the other."""
    return span(one)[1] <= other.at


def may_be_before(events, place):
    event = events[place]
    return events[:place] + [other for other in events[place + 1:]
                             if event.date_only and other.at < span(event)[1]]


def order_mark(events, place, course):
    event, last = events[place], events[place - 1] if place else None
    rule = RULES[event.stage]
    if (last and last.stage in ENDS and last.stage != event.stage and certainly(last, event) and
            last.stage not in rule.goes_on_after):
        return "AFTER_END"
    before = {other.stage for other in events[course:place] if certainly(other, event)}
    if "grant" in rule.not_after and "GRANTED" in before:
        return "AFTER_DECISION"
    several_steps = last and last.stage == event.stage == "ACCEPTED" and last.step != event.step
    if "acceptance" in rule.not_after and "ACCEPTED" in before and not several_steps:
        return "AFTER_ACCEPTANCE"
    return None


def under_way(events):
    pauses = []
    for event in events:
        if event.stage == "SPECIAL_PROCEDURE":
            pauses.append(event.special)
        elif event.stage == "RESUMED":
            pauses = [pause for pause in pauses if event.special and pause != event.special]
        elif event.stage in ENDS:
            pauses = []
    return pauses


def resumes_nothing(events, place):
    event = events[place]
    pauses = under_way(events[:place])
    later = may_be_before(events, place)[place:]
    return (event.stage == "RESUMED" and not (event.special in pauses if event.special else pauses)
            and not any(other.stage == "SPECIAL_PROCEDURE" for other in later))


def judge(events):
    """The marks of each event that stands, by their order."""
    course, marks = 0, []
    for place, event in enumerate(events):
        order = order_mark(events, place, course)
        shown = set().union(*(RULES[other.stage].shows for other in may_be_before(events, place)))
        found = [order] if order else []
        found += [mark for fact, mark in FACTS.items()
                  if place and fact in RULES[event.stage].needs - shown]
        if resumes_nothing(events, place):
            found.append("NOTHING_TO_RESUME")
        if event.unmatched:
            found.append("NOTHING_TO_AMEND")
        if event.at > event.recorded + 300_000_000:
            found.append("AHEAD_OF_TIME")
        marks.append(found)
        if order in ("AFTER_END", "AFTER_DECISION"):
            course = place
    return marks


def compare(proto, answer):
    """The broker's marks against those that are computed here; gives their number."""
    standing = [node for node in answer.nodes
                if node.record.event.kind in (proto.KIND_PROGRESS, proto.KIND_CORRECTION) and
                node.standing in (proto.STANDING_CURRENT, proto.STANDING_UNMATCHED)]
    events = [SimpleNamespace(stage=proto.Stage.Name(event.stage)[6:], at=event.occurred_at_us,
                              date_only=event.date_only, step=event.step, special=event.special.id,
                              recorded=node.record.recorded_at_us,
                              unmatched=node.standing == proto.STANDING_UNMATCHED)
              for node in standing for event in [node.record.event]]
    marked = [[proto.Anomaly.Name(anomaly)[8:] for anomaly in node.anomalies] for node in standing]
    told = [(event.stage, event.date_only, event.at, event.special) for event in events]
    assert marked == judge(events), told
    return sum(map(len, marked))


def counted(broker):
    """waybill_anomalies_total by source and anomaly."""
    _, _, body = wait.http_get(f"{broker.http}/metrics")
    found = re.findall(r'^waybill_anomalies_total\{source="(.*?)",anomaly="(.*?)"\} (\d+)',
                       body.decode(), re.M)
    return {(source, anomaly): int(count) for source, anomaly, count in found}


def marks_of(proto, answer):
    return {node.record.event.event_id: [proto.Anomaly.Name(anomaly)[8:].lower()
                                         for anomaly in node.anomalies]
            for node in answer.nodes if node.anomalies}


class TestMarks:
    def test_what_contradicts_the_course_is_recorded_like_any_other(
            self, publisher, follower, event, proto):
        receipts = publisher().publish(
            event("A-1", "received"), event("A-1", "granted", stage="GRANTED"),
            event("A-1", "delivered", stage="DELIVERED"),
            event("A-1", "review", stage="UNDER_REVIEW"),
            event("A-1", "retraction", kind=proto.KIND_RETRACTION, replaces="nothing"))
        assert [receipt.offset for receipt in receipts] == [1, 2, 3, 4, 5]
        reader = follower()
        reader.subscribe()
        reader.expect("subscribed")
        assert [record.offset for record in reader.records(5)] == [1, 2, 3, 4, 5]
        answer = follower().case("A-1")
        assert marks_of(proto, answer) == {"granted": ["without_acceptance"],
                                           "review": ["after_end"],
                                           "retraction": ["nothing_to_amend"]}
        assert answer.state.stage == proto.STAGE_UNDER_REVIEW

    def test_what_comes_late_takes_the_mark_away(self, publisher, follower, event, proto):
        writer = publisher()
        writer.publish(event("A-1", "received", at_us=MIDNIGHT),
                       event("A-1", "granted", stage="GRANTED", at_us=MIDNIGHT + 3 * DAY))
        assert marks_of(proto, follower().case("A-1")) == {"granted": ["without_acceptance"]}
        writer.publish(event("A-1", stage="ACCEPTED", at_us=MIDNIGHT + 2 * DAY))
        assert marks_of(proto, follower().case("A-1")) == {}

    @pytest.mark.parametrize("seed", range(4))
    def test_two_programs_agree(self, publisher, follower, event, proto, seed):
        chance = random.Random(seed)
        stages = [name[6:] for name in proto.Stage.keys()[1:]]
        likely = ["RECEIVED", "ACCEPTED", "UNDER_REVIEW", "SPECIAL_PROCEDURE", "RESUMED", "GRANTED",
                  "DELIVERED"]
        writer, reader, marks = publisher(), follower(), 0

        def one(case_no, ids):
            stage = chance.choice(chance.choice((stages, likely)))
            day, date_only = chance.randrange(6), chance.random() < 0.4
            made = event(case_no, stage=stage, date_only=date_only, at_us=MIDNIGHT + day * DAY +
                         (0 if date_only else chance.randrange(24) * HOUR),
                         step=chance.choice(("", "step")))
            if stage in ("SPECIAL_PROCEDURE", "RESUMED"):
                made.special.id = chance.choice(("", "a", "b"))
            if chance.random() < 0.1:
                made.kind = chance.choice((proto.KIND_CORRECTION, proto.KIND_RETRACTION))
                made.replaces = chance.choice([*ids, "none"])
            if chance.random() < 0.05:
                made.occurred_at_us += 200 * 365 * DAY // 2
            ids.append(made.event_id)
            return made

        for number in range(150):
            case_no, ids = f"R-{seed}-{number}", []
            writer.publish(*(one(case_no, ids) for _ in range(chance.randrange(2, 14))))
            marks += compare(proto, reader.case(case_no))
        assert marks > 150

    def test_a_real_log_has_few(self, broker, database, follower, cli, proto, shared_data):
        cli.run("waybill-adapter-file", "--source", "declarations", "--quiet", "--mapping",
                ROOT / "adapters/file/examples/domestic-declarations.yaml",
                shared_data / "event-logs" / "BPI_2020_DomesticDeclarations.xes.gz")
        reader, events, marks = follower(), 0, 0
        for (case_no,) in rows(database, "SELECT DISTINCT case_no FROM waybill.event"
                                         " WHERE event_offset % 60 = 0"):
            answer = reader.case(case_no)
            events += len(answer.nodes)
            marks += compare(proto, answer)
        assert 0 < marks < events / 10

    def test_people_see_them(self, publisher, cli, gateway, event):
        receipts = publisher().publish(event("A-1"), event("A-1", stage="GRANTED"), codes=True)
        shown = cli("track", "A-1", "--code", receipts[0].code, "--lang", "en").stdout
        assert "Anomaly: had not been accepted before" in shown
        nodes = gateway.json(f"/api/v1/cases/A-1/{receipts[0].code}")["nodes"]
        assert [node.get("anomalies") for node in nodes] == [None, ["without_acceptance"]]


class TestCounting:
    def test_by_source_and_anomaly_each_once(self, broker, publisher, event, proto):
        permits, licences = publisher("permits"), publisher("licences")
        permits.publish(event("A-1"), event("A-1", stage="GRANTED"), event("B-1"))
        licences.publish(event("C-1"), event("C-1", stage="DELIVERED"))
        expected = {("permits", "without_acceptance"): 1, ("licences", "without_acceptance"): 1,
                    ("licences", "without_grant"): 1}
        wait.until(lambda: counted(broker) == expected, what="the first marks")
        # Another event of a case that has been counted: only what is new counts.
        permits.publish(event("A-1", stage="DELIVERED"), event("C-1", stage="ACCEPTED"))
        licences.publish(event("D-1", stage="RESUMED"))
        expected[("permits", "after_end")] = 1
        expected[("licences", "nothing_to_resume")] = 1
        wait.until(lambda: counted(broker) == expected, what="the later marks")
        assert broker.metric("waybill_unexamined_events_total") == 0

    def test_what_falls_out_of_memory_is_passed_over(self, make_broker, proto, event):
        broker = make_broker(arguments=["--recent-bytes", "64KiB"]).start()
        writer = wire.Publisher(proto, broker.ingest)
        writer.open()
        for _ in range(20):
            writer.publish(*(event(f"F-{n}", stage="UNDER_REVIEW") for n in range(1000)))
        wait.until(lambda: broker.metric("waybill_unexamined_events_total") > 0,
                   what="events that fell out")
        writer.publish(event("A-1"), event("A-1", stage="GRANTED"))
        wait.until(lambda: counted(broker) == {("tests", "without_acceptance"): 1}, timeout=60,
                   what="the newest mark")
        writer.close()

    def test_a_long_case_is_passed_over(self, broker, publisher, event):
        writer = publisher()
        for _ in range(2):
            writer.publish(*(event("L-1", stage="UNDER_REVIEW") for _ in range(600)))
        wait.until(lambda: broker.metric("waybill_unexamined_events_total") > 0,
                   what="the long case")
        writer.publish(event("L-1", stage="WITHDRAWN"), event("L-1", stage="ACCEPTED"))
        writer.publish(event("A-1", stage="RESUMED"))
        wait.until(lambda: counted(broker), what="the short case")
        assert counted(broker) == {("tests", "nothing_to_resume"): 1}

    def test_it_goes_on_after_the_database_was_away(self, broker, publisher, event, postgres):
        publisher().publish(event("A-1", stage="RESUMED"))
        wait.until(lambda: counted(broker) == {("tests", "nothing_to_resume"): 1},
                   what="the mark before")
        postgres.stop(signal.SIGQUIT)
        postgres.start()
        wait.until(lambda: wait.http_status(f"{broker.http}/readyz") == 200, what="the broker")
        publisher().publish(event("B-1", stage="RESUMED"))
        wait.until(lambda: counted(broker) == {("tests", "nothing_to_resume"): 2},
                   what="the mark behind")
