"""waybill publish: NDJSON in, one line out for each acknowledgement."""

import json
import os
import re
import signal
import subprocess

import psycopg2
from support import paths, wait


def ndjson(*events):
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)


def event(n, **fields):
    return {"event_id": f"e{n}", "case_no": f"A-{n}", "stage": "RECEIVED",
            "occurred_at": "2026-03-02T09:00:00+08:00", **fields}


def logged(database):
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT event_id FROM waybill.readable ORDER BY event_offset")
        return [row[0] for row in cursor.fetchall()]


def publish(cli, text, *options, **run):
    return cli("publish", "--source", "permits", *options, "-", input=text, **run)


def json_lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_prints_a_line_for_each_acknowledgement(broker, cli):
    text = ndjson(event(1), event(2, stage="ACCEPTED"), event(1))
    assert publish(cli, text).stdout.splitlines() == [
        "offset 1  A-1  RECEIVED", "offset 2  A-2  ACCEPTED", "offset 1  A-1  RECEIVED  repeat"]


def test_codes_and_links(broker, cli, gateway_port):
    line, = publish(cli, ndjson(event(1)), "--codes").stdout.splitlines()
    found = re.fullmatch(r"offset 1  A-1  RECEIVED  code (\S+)  link (\S+)", line)
    assert found and found[2] == f"http://127.0.0.1:{gateway_port}/c/A-1/{found[1]}"
    answer, = json_lines(publish(cli, ndjson(event(1)), "--codes", "--json"))
    assert answer == {"line": 1, "offset": 1, "repeat": True, "event_id": "e1", "case_no": "A-1",
                      "code": found[1], "link": found[2]}


def test_bad_lines_are_named_and_the_others_go_on(broker, cli, database):
    text = ("\ufeff" + ndjson(event(1)) + "\n  \r\n{broken\n" + ndjson(event(2, stage="SOON"))
            + ndjson(event(3, color="red"), event(4, case_no=""), event(5)) + '"text"\n[]\n'
            + ndjson(event(6))[:-1])
    done = publish(cli, text, status=1)
    assert [line.split()[2] for line in done.stdout.splitlines()] == ["A-1", "A-5", "A-6"]
    said = done.stderr.splitlines()
    assert [line.split(":")[0] for line in said] == [f"line {n}" for n in (4, 5, 6, 7, 9, 10)]
    assert "{broken" in said[0] and "SOON" in said[1] and "color" in said[2]
    assert "case_no" in said[3] and all(line.endswith(")") for line in said)
    assert logged(database) == ["e1", "e5", "e6"]


def test_refusals_as_json(broker, cli):
    text = ndjson(event(1, stage="SOON")) + "\n" + ndjson(event(2))
    done = publish(cli, text, "--json", status=1)
    refused, accepted = json_lines(done)
    assert refused["line"] == 1 and accepted["line"] == 3
    assert refused["refusal"]["name"] == "STAGE_UNKNOWN" and refused["refusal"]["code"] == 207
    assert set(refused["refusal"]) == {"code", "name", "message", "detail", "hint", "field"}
    assert refused["refusal"]["field"] == "stage"
    assert done.stderr == ""


def test_the_broker_refuses_what_only_it_may_say(broker, cli):
    done = publish(cli, ndjson(event(1, kind="alert"), event(2)), "--json", status=1)
    refused = [line for line in json_lines(done) if "refusal" in line]
    assert [line["line"] for line in refused] == [1]
    assert refused[0]["refusal"]["name"] == "KIND_NOT_ALLOWED"
    done = publish(cli, ndjson(event(3, alert={"light": "red", "days_left": -2})), "--json",
                   status=1)
    refusal = json_lines(done)[0]["refusal"]
    assert (refusal["name"], refusal["field"]) == ("KIND_NOT_ALLOWED", "alert")


def test_events_without_an_id_are_known_by_what_they_say(broker, cli, database):
    first = {"case_no": "A-1", "stage": "RECEIVED", "occurred_at": "2026-03-02"}
    turned = dict(reversed(first.items()))
    answers = json_lines(publish(cli, ndjson(first, {**first, "step": "收件"}, turned), "--json"))
    assert [answer["offset"] for answer in answers] == [1, 2, 1]
    assert answers[2]["repeat"] and len(answers[0]["event_id"]) == 32
    assert len(logged(database)) == 2


def test_a_line_that_is_too_long(broker, cli):
    long = ndjson(event(1, step="x" * 600_000))
    done = publish(cli, ndjson(event(0)) + long + ndjson(event(2)), status=1)
    assert "line 2: " in done.stderr and "262144" in done.stderr
    assert [line.split()[2] for line in done.stdout.splitlines()] == ["A-0", "A-2"]


def test_garbage_is_refused(broker, cli, tmp_path):
    (tmp_path / "garbage").write_bytes(bytes(range(256)) * 4000)
    done = cli("publish", "--source", "permits", "garbage", status=1)
    assert done.stdout == "" and "line 1: " in done.stderr
    (tmp_path / "empty").write_bytes(b"")
    assert cli("publish", "--source", "permits", "empty").stdout == ""
    deep = '{"attributes":' + '{"a":' * 100_000 + "1" + "}" * 100_001
    assert "line 1: " in publish(cli, deep, status=1).stderr


def test_usage(cli):
    for words in ([], ["publish"], ["publish", "-"], ["publish", "--source", "a"], ["publsh"],
                  ["publish", "--source", "Not A Name", "-"], ["--nonsense"],
                  ["publish", "--source", "a", "--timeout", "soon", "-"],
                  ["publish", "--source", "a", "one", "two"],
                  ["publish", "--source", "a", "--ingest", "nowhere", "-"]):
        assert cli(*words, status=2).stderr
    assert cli("publish", "--source", "a", "missing.ndjson", status=1).stderr.endswith(
        "missing.ndjson: No such file or directory\n")
    assert cli("--help").stdout.startswith("Usage: waybill")
    assert "publish" in cli("help").stdout
    assert re.fullmatch(r"waybill \d+\.\d+\.\d+\n", cli("--version").stdout)


def test_without_a_broker_it_says_so_and_gives_up_when_told(cli):
    endpoint = f"tcp://127.0.0.1:{wait.free_port()}"
    done = publish(cli, ndjson(event(1)), "--ingest", endpoint, "--timeout", "2.5", status=1)
    waiting, gave_up = done.stderr.splitlines()
    assert waiting == f"waybill publish: waiting for the broker at {endpoint}"
    assert endpoint in gave_up and "1" in gave_up


def test_large_events_do_not_outwait_the_timeout(cli, tmp_path):
    """More bytes than the library holds, in fewer events than would fill the window."""
    (tmp_path / "large").write_text(ndjson(*(event(n, attributes={
        f"a{at}": "x" * 1900 for at in range(30)}) for n in range(400))))
    endpoint = f"tcp://127.0.0.1:{wait.free_port()}"
    done = cli("publish", "--source", "permits", "--ingest", endpoint, "--timeout", "3", "large",
               status=1)
    assert "waiting for the broker" in done.stderr
    assert f"no acknowledgement from {endpoint}" in done.stderr


def start_piped(cli, broker, *options):
    return subprocess.Popen(
        [paths.program("waybill"), "publish", "--source", "permits", *options, "-"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=cli.environment)


def test_acknowledges_while_the_pipe_is_open(broker, cli):
    program = start_piped(cli, broker)
    for n in range(3):
        program.stdin.write(ndjson(event(n)))
        program.stdin.flush()
        assert program.stdout.readline() == f"offset {n + 1}  A-{n}  RECEIVED\n"
    program.stdin.close()
    assert program.wait(10) == 0


def test_goes_on_through_a_broker_that_is_killed(broker, cli, database, tmp_path):
    count = 30_000
    (tmp_path / "many").write_text(ndjson(*(event(n) for n in range(count))))
    program = cli.start("waybill", "publish", "--source", "permits", "--json",
                        str(tmp_path / "many"))
    for at in (1, 4000):
        wait.until(lambda: program.text().count("\n") > at, what=f"{at} acknowledgements")
        broker.kill()
        broker.start()
    assert program.wait(60) == 0
    answers = [json.loads(line) for line in program.text().splitlines() if line.startswith("{")]
    assert "lost" in program.text()
    assert [answer["event_id"] for answer in answers] == [f"e{n}" for n in range(count)]
    assert [answer["offset"] for answer in answers] == list(range(1, count + 1))
    assert logged(database) == [f"e{n}" for n in range(count)]


def test_interrupted_it_ends_at_once(broker, cli):
    program = start_piped(cli, broker)
    program.stdin.write(ndjson(event(1)))
    program.stdin.flush()
    assert program.stdout.readline()
    os.kill(program.pid, signal.SIGINT)
    assert program.wait(5) == 1
    program.stdin.close()
    assert "waybill publish: stopped; 0 events have no acknowledgement" in program.stderr.read()


def test_interrupted_without_a_broker_it_says_what_is_open(cli, tmp_path):
    (tmp_path / "two").write_text(ndjson(event(1), event(2)))
    program = cli.start("waybill", "publish", "--source", "permits", "--ingest",
                        f"tcp://127.0.0.1:{wait.free_port()}", str(tmp_path / "two"))
    wait.until(lambda: "waiting for the broker" in program.text(), what="a word of waiting")
    os.kill(program.pid, signal.SIGTERM)
    assert program.wait(5) == 1
    assert program.text().splitlines()[1:] == [
        "waybill publish: stopped; 2 events have no acknowledgement: run it again, what is known "
        "is recognised"]


def test_a_closed_input_is_an_error(cli):
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" publish --source permits - <&-', paths.program("waybill")],
        capture_output=True, text=True, timeout=20, env=cli.environment)
    assert done.returncode == 1 and "standard input is closed" in done.stderr


def test_a_closed_output_is_an_error(broker, cli, tmp_path):
    (tmp_path / "many").write_text(ndjson(*(event(n) for n in range(20_000))))
    program = subprocess.Popen(
        [paths.program("waybill"), "publish", "--source", "permits", str(tmp_path / "many")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=cli.environment)
    program.stdout.close()
    assert program.wait(30) == 1
    assert b"not all acknowledgements could be written" in program.stderr.read()
