"""Event logs go in, and come out again: every event, in order, with its time, step and handler.

What is expected is read from the file by the few lines of support/xes.py, not by Waybill."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support import postgres as pg
from support import wait, xes
from support.paths import ROOT

MAPPINGS = ROOT / "adapters" / "file" / "examples"


@dataclass
class Log:
    path: Path
    count: int
    mapping: str
    case_prefix: str
    step: str  # the attribute that becomes the step
    handler: str  # the handler's field that org:resource becomes
    expected: list = field(default_factory=list)

    def arguments(self, source="permits"):
        return ["--source", source, "--mapping", MAPPINGS / self.mapping, "--json", self.path]

    def read(self):
        """(case, step, microseconds, zone's minutes, handler) of each event in the file."""
        if not self.expected:
            for trace, event in xes.events(self.path):
                handler = event.get("org:resource", "")
                self.expected.append((
                    self.case_prefix + trace["concept:name"], event[self.step],
                    *xes.instant(event["time:timestamp"]), "" if handler == "UNKNOWN" else handler))
        return self.expected


def known(path, count):
    bpi = "BPIC" in path.name
    return Log(path, count, *(("bpic15.yaml", "BP-", "activityNameEN", "name") if bpi else
                              ("receipt.yaml", "NL-", "concept:name", "name")))


@pytest.fixture(scope="module", params=["generated.xes", "generated.xes.gz",
                                        ("receipt.xes.gz", 8577), ("BPIC15_1.xes.gz", 52217)],
                ids=lambda it: it if isinstance(it, str) else it[0])
def log(request, tmp_path_factory):
    if isinstance(request.param, str):
        path = tmp_path_factory.mktemp("log") / request.param
        return known(path, xes.make(path, cases=60))
    name, count = request.param
    path = ROOT.parent / "shared" / "data" / "event-logs" / name
    if not path.exists():
        pytest.skip(f"{name} is not beside the repository")
    return known(path, count)


@pytest.fixture
def generated(tmp_path):
    path = tmp_path / "log.xes.gz"
    return known(path, xes.make(path, cases=2500, events_per_case=12))


def stored(database, proto, handler):
    """As Log.read, from the database."""
    events = (proto.Event.FromString(bytes(payload)) for payload, in pg.rows(
        database, "SELECT payload FROM waybill.event ORDER BY event_offset"))
    return [(event.case_no, event.step, event.occurred_at_us, event.utc_offset_minutes,
             getattr(event.handler, handler)) for event in events]


def offsets(text):
    return [json.loads(line)["offset"] for line in text.splitlines()]


def test_every_event_arrives_as_it_stands_in_the_file(log, broker, cli, database, proto):
    said = json.loads(cli.run("waybill-adapter-file", *log.arguments()).stdout)
    assert (said["read"], said["acknowledged"], said["repeats"], said["rejected"]) == \
        (log.count, log.count, 0, 0)
    assert stored(database, proto, log.handler) == log.read()
    columns = pg.rows(database, "SELECT case_no, extract(epoch FROM occurred_at) * 1000000,"
                                " utc_offset_minutes FROM waybill.event ORDER BY event_offset")
    assert columns == [(case, at, zone) for case, _, at, zone, _ in log.read()]
    assert offsets(cli("tail", "--from", "start", "--until-head").stdout) == \
        list(range(1, log.count + 1))

    again = json.loads(cli.run("waybill-adapter-file", *log.arguments()).stdout)
    assert (again["acknowledged"], again["repeats"]) == (log.count, log.count)
    assert pg.value(database, "SELECT count(*) FROM waybill.event") == log.count
    assert pg.value(database, "SELECT last_offset FROM waybill.head") == log.count


def test_another_source_may_bring_the_same_file(broker, cli, database, tmp_path):
    path = tmp_path / "log.xes"
    log = known(path, xes.make(path, cases=30))
    for source in ("one", "two"):
        cli.run("waybill-adapter-file", *log.arguments(source))
    assert pg.value(database, "SELECT count(*) FROM waybill.event") == 2 * log.count


def test_a_replay_goes_in_the_order_of_time(log, broker, cli, database):
    cli.run("waybill-adapter-file", "--speed", "max", *log.arguments())
    times = [at for at, in pg.rows(
        database, "SELECT occurred_at FROM waybill.event ORDER BY event_offset")]
    assert len(times) == log.count
    assert times == sorted(times)
    # The ids come from the records, not from the order in which they are sent.
    cli.run("waybill-adapter-file", *log.arguments())
    assert pg.value(database, "SELECT count(*) FROM waybill.event") == log.count


def test_a_tail_begun_in_the_middle_ends_with_the_same_list(generated, broker, cli, database):
    adapter = cli.start("waybill-adapter-file", *generated.arguments())
    wait.until(lambda: pg.value(database, "SELECT last_offset FROM waybill.head") > 0,
               what="the first events")
    tail = cli.start("waybill", "tail", "--from", "start", "--count", generated.count)
    assert adapter.wait() == 0
    assert tail.wait() == 0
    during = [line for line in tail.text().splitlines() if line.startswith("{")]
    after = cli("tail", "--from", "start", "--until-head").stdout.splitlines()
    assert during == after
    assert offsets("\n".join(after)) == list(range(1, generated.count + 1))


def test_a_tail_goes_on_at_any_offset(broker, cli, tmp_path):
    path = tmp_path / "log.xes"
    log = known(path, xes.make(path, cases=30))
    cli.run("waybill-adapter-file", *log.arguments())
    for begin in (2, 100, log.count):
        said = cli("tail", "--from", begin, "--until-head").stdout
        assert offsets(said) == list(range(begin, log.count + 1))


def test_a_dry_run_shows_and_sends_nothing(broker, cli, database, tmp_path):
    path = tmp_path / "log.xes"
    log = known(path, xes.make(path, cases=3))
    said = cli.run("waybill-adapter-file", "--dry-run", *log.arguments()).stdout
    assert "NL-case-0" in said
    assert pg.value(database, "SELECT last_offset FROM waybill.head") == 0
