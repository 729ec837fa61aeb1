"""What goes away in the middle of an import and comes back: nothing is lost or there twice."""

import signal

import psycopg2
import pytest

from support import postgres as pg
from support import wait, xes
from support.paths import ROOT, SHARED_DATA

EXAMPLES = ROOT / "adapters" / "file" / "examples"
BPIC = SHARED_DATA / "event-logs" / "BPIC15_1.xes.gz"


@pytest.fixture(scope="module", params=["generated", "BPIC15_1"])
def log(request, tmp_path_factory):
    """Path, mapping, count: enough events that the import is still at work when it is disturbed."""
    if request.param == "generated":
        path = tmp_path_factory.mktemp("log") / "log.xes.gz"
        return path, EXAMPLES / "receipt.yaml", xes.make(path, cases=3000, events_per_case=20)
    if not BPIC.exists():
        pytest.skip("BPIC15_1 is not beside the repository")
    return BPIC, EXAMPLES / "bpic15.yaml", 52217


@pytest.fixture
def importing(log, broker, cli, database):
    """An import at work: some events are in the database, most are not."""
    path, mapping, count = log
    adapter = cli.start("waybill-adapter-file", "--source", "permits", "--mapping", mapping, path)
    watch = psycopg2.connect(database)
    watch.autocommit = True
    try:
        with watch.cursor() as cursor:
            def begun():
                cursor.execute("SELECT last_offset FROM waybill.head")
                return cursor.fetchone()[0] > count // 20
            wait.until(begun, what="the beginning of the import", every=0.002)
    finally:
        watch.close()
    return adapter


def is_complete(adapter, database, count, cli, seconds=120):
    assert adapter.wait(seconds) == 0
    assert pg.rows(database, "SELECT count(*), min(event_offset), max(event_offset),"
                             " count(DISTINCT (source, event_id)) FROM waybill.event") == \
        [(count, 1, count, count)]
    assert f"{count} acknowledged" in adapter.text()
    said = cli("tail", "--from", "start", "--until-head").stdout
    assert said.count("\n") == count


def test_broker_killed(importing, log, broker, cli, database):
    for _ in range(3):
        broker.kill()
        left = pg.value(database, "SELECT count(*) FROM waybill.event")
        assert importing.running() and left < log[2], "the import was over too soon to disturb"
        broker.start()
        wait.until(lambda: pg.value(database, "SELECT last_offset FROM waybill.head") > left,
                   what="progress after the restart", every=0.002)
        if pg.value(database, "SELECT last_offset FROM waybill.head") > log[2] // 2:
            break
    is_complete(importing, database, log[2], cli)


def test_broker_stopped_and_started(importing, log, broker, cli, database):
    broker.restart()
    is_complete(importing, database, log[2], cli)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "as in a crash"])
def test_postgres_stopped_and_started(importing, log, broker, postgres, cli, database, how):
    postgres.stop(how)
    try:
        assert importing.running(), "the import was over too soon to disturb"
        wait.until(lambda: wait.http_status(f"{broker.http}/readyz") == 503, what="503")
        assert wait.http_status(f"{broker.http}/healthz") == 200
    finally:
        postgres.start()
    broker.wait_ready()
    is_complete(importing, database, log[2], cli)


def test_a_tail_outlives_the_broker(importing, log, broker, cli):
    tail = cli.start("waybill", "tail", "--from", "start", "--count", log[2])
    broker.kill()
    broker.start()
    assert importing.wait(120) == 0
    assert tail.wait(60) == 0
    lines = [line for line in tail.text().splitlines() if line.startswith("{")]
    assert [int(line.split(":")[1].split(",")[0]) for line in lines] == \
        list(range(1, log[2] + 1))


def test_adapter_killed_and_run_again(importing, log, broker, cli, database):
    importing.kill()
    path, mapping, count = log
    again = cli.start("waybill-adapter-file", "--source", "permits", "--mapping", mapping, path)
    is_complete(again, database, count, cli)
