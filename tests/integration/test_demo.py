"""waybill-demo: the district that is not there."""

import json
import re

import psycopg2
from support import wait

STAGES = """SUBMITTED RECEIVED CORRECTION_REQUESTED CORRECTION_RECEIVED NOT_REQUIRED NOT_ACCEPTED
    ACCEPTED UNDER_REVIEW FORWARDED SPECIAL_PROCEDURE RESUMED EXTENDED GRANTED REFUSED DELIVERED
    WITHDRAWN TERMINATED REVOKED CANCELLED""".split()


def query(database, sql):
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def count(database):
    return query(database, "SELECT count(*) FROM waybill.readable")[0][0]


def test_history_has_everything_and_is_told_once(broker, cli, database, tmp_path):
    cli.run("waybill-demo", "--once", "--sample", tmp_path / "sample")
    stages = {row[0] for row in query(database, "SELECT DISTINCT stage FROM waybill.readable")}
    assert set(STAGES) <= stages
    kinds = {row[0] for row in query(database, "SELECT DISTINCT kind FROM waybill.readable")}
    assert kinds == {"progress", "correction", "retraction"}
    late = query(database, "SELECT count(*) FROM waybill.readable WHERE occurred_at > recorded_at")
    assert late == [(0,)]
    numbers = [row[0] for row in query(database, "SELECT DISTINCT case_no FROM waybill.readable")]
    assert 50 < len(numbers) < 90
    assert all(re.fullmatch(r"320411\d{13}", number) for number in numbers)
    before = count(database)
    again = cli.run("waybill-demo", "--once")
    assert count(database) == before and " 0 events published" in again.stderr


def test_sample_is_in_the_middle_of_its_course(broker, cli, tmp_path, gateway_port):
    cli.run("waybill-demo", "--once", "--sample", tmp_path / "sample")
    sample = json.loads((tmp_path / "sample").read_text())
    assert (tmp_path / "sample").stat().st_mode & 0o077 == 0
    assert sample["link"] == \
        f"http://127.0.0.1:{gateway_port}/c/{sample['case_no']}/{sample['code']}"
    case = json.loads(cli("track", sample["case_no"], "--code", sample["code"], "--json").stdout)
    stages = [node["stage"] for node in case["nodes"]]
    assert {"CORRECTION_REQUESTED", "CORRECTION_RECEIVED", "ACCEPTED"} < set(stages)
    assert case["case"]["stage"] == "UNDER_REVIEW" and not case["case"].get("ended")
    assert case["nodes"][-1]["handler"]["phone"].startswith("0519-0000-")
    assert case["nodes"][-1]["notices"][0]["due_date"] > case["nodes"][-1]["occurred_at"][:10]


def test_keeps_moving_through_a_restart_of_the_broker(broker, cli, database, tmp_path):
    demo = cli.start("waybill-demo", "--rate", "50", "--sample", tmp_path / "sample")
    wait.until((tmp_path / "sample").exists, what="the sample")
    told = count(database)
    wait.until(lambda: count(database) > told + 20, what="movement")
    broker.kill()
    broker.start()
    told = count(database)
    wait.until(lambda: count(database) > told + 20, what="movement after the restart")
    demo.stop()
    rows = query(database, """SELECT case_no, event_id FROM waybill.readable""")
    assert len(rows) == len(set(rows))


def test_goes_on_where_it_was(broker, cli, database, tmp_path):
    samples = []
    for _ in range(2):
        demo = cli.start("waybill-demo", "--sample", tmp_path / "sample")
        wait.until((tmp_path / "sample").exists, what="the sample")
        demo.stop()
        samples.append(json.loads((tmp_path / "sample").read_text()))
        (tmp_path / "sample").unlink()
    assert samples[0] == samples[1]


def test_options(cli):
    for words in (["--cases", "many"], ["--cases", "1000"], ["--rate", "0"], ["--nonsense"],
                  ["--history-days", "-1"], ["word"], ["--ingest", "nowhere"]):
        done = cli.run("waybill-demo", *words, status=None)
        assert done.returncode in (1, 2) and done.stderr
