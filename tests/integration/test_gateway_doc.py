"""docs/gateway.md says what the program does: its tables are those of the code."""

import os
import re
import signal
import subprocess

import pytest

from support import paths, wait
from support.registry import Registry

DOCUMENT = (paths.ROOT / "docs" / "gateway.md").read_text()


def test_options_are_those_of_the_program():
    reference = subprocess.run([paths.program("waybill-gateway"), "--config-reference"],
                               capture_output=True, text=True, check=True).stdout.strip()
    assert reference.count("\n") > 5
    assert reference in DOCUMENT


def test_metrics_are_those_of_the_program():
    table = (paths.ROOT / "subscribers" / "gateway" / "meter.def").read_text()
    rows = re.findall(r'METER\(\w+,\s*"([^"]+)",\s*(\w+),\s*(NULL|"[^"]*"),\s*"([^"]*)"\)', table)
    assert len(rows) == table.count("METER(") > 10
    documented = re.findall(r"^\| `(waybill_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", DOCUMENT, re.M)
    labels = ["" if label == "NULL" else f"`{label[1:-1]}`" for _, _, label, _ in rows]
    assert documented == [(name, kind.lower(), label, meaning)
                          for (name, kind, _, meaning), label in zip(rows, labels)]


def test_every_route_is_described():
    source = (paths.ROOT / "subscribers" / "gateway" / "route.c").read_text()
    routes = re.findall(r'\{"(GET|POST)", "([^"]+)"', source)
    assert len(routes) > 10
    for _, path in routes:
        plain = path.replace("/*/*", "/CASE/CODE").replace("/*", "/CASE")
        plain = plain.replace("/assets/CASE", "/assets/…")
        plain = plain.replace("/api/v1/cases/CASE/CODE/events", "…/CODE/events")
        assert f"`{plain}`" in DOCUMENT or f"{plain}`" in DOCUMENT, path


def test_reasons_for_a_reset_are_all_named():
    folder = paths.ROOT / "subscribers" / "gateway"
    names = ("follow.c", "gateway.c", "channel.c", "viewer.c", "stream_request.c")
    source = "".join((folder / name).read_text() for name in names)
    reasons = set(re.findall(r'"((?:cursor|too|log)_\w+)"', source))
    assert reasons == {"cursor_invalid", "cursor_unknown", "cursor_expired", "too_far_behind",
                       "log_replaced"}
    for reason in reasons:
        assert f"`{reason}`" in DOCUMENT


@pytest.fixture
def told(broker, gateway, database, publisher, event):
    """Some events, and what the document's commands take from the environment."""
    session = publisher()
    receipts = session.publish(
        *(event("A-1", item_code="LIC-1", region_code="320402", stage="GRANTED")
          for _ in range(3)), codes=True)
    token = Registry(database, broker).token("boss")
    return {"CODE": receipts[-1].code, "CASE": "A-1", "TOKEN": token}


@pytest.mark.parametrize("command, words", [
    ("cases/$CASE/events", "event: case"), ("streams/staff?item", "id: 3\nevent: node"),
    ("streams/public", "event: begin"), ("Last-Event-ID", "id: 3\nevent: node")])
def test_commands_do_what_they_say(told, gateway, tmp_path, command, words):
    found, = [line for line in re.findall(r"^curl .*$", DOCUMENT, re.M) if command in line]
    heard = tmp_path / "heard"
    with heard.open("wb") as out:
        running = subprocess.Popen(found.replace("http://127.0.0.1:7400", gateway.url), shell=True,
                                   stdout=out, stderr=subprocess.DEVNULL, start_new_session=True,
                                   env={**os.environ, **told})
    try:
        wait.until(lambda: words in heard.read_text(), 10, words)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
