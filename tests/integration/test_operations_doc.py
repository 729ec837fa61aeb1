"""docs/operations.md is made from tables in the code: it has to equal them."""

import re
import subprocess

from support import paths

DOCUMENT = (paths.ROOT / "docs" / "operations.md").read_text()


def test_options_are_those_of_the_program():
    reference = subprocess.run([paths.program("waybilld"), "--config-reference"],
                               capture_output=True, text=True, check=True).stdout.strip()
    assert reference.count("\n") > 10
    assert reference in DOCUMENT


def test_metrics_are_those_of_the_program():
    table = (paths.ROOT / "broker" / "meter.def").read_text()
    rows = re.findall(r'METER\(\w+,\s*"([^"]+)",\s*(\w+),\s*(NULL|"[^"]*"),\s*"([^"]*)"\)', table)
    assert len(rows) == table.count("METER(") > 10
    documented = re.findall(r"^\| `(waybill_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", DOCUMENT, re.M)
    labels = ["" if label == "NULL" else f"`{label[1:-1]}`" for _, _, label, _ in rows]
    assert documented == [(name, kind.lower(), label, meaning)
                          for (name, kind, _, meaning), label in zip(rows, labels)]


def test_a_running_broker_gives_them(broker):
    from support import wait
    _, _, body = wait.http_get(f"{broker.http}/metrics")
    named = set(re.findall(r"^# TYPE (waybill_\w+)", body.decode(), re.M))
    table = (paths.ROOT / "broker" / "meter.def").read_text()
    assert named <= set(re.findall(r'"(waybill_\w+)"', table))
    assert {"waybill_ready", "waybill_head_offset", "waybill_events_total"} <= named
