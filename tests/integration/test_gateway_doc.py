"""docs/gateway.md says what the program does: its tables are those of the code."""

import re
import subprocess

from support import paths

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
    source = (folder / "follow.c").read_text() + (folder / "gateway.c").read_text()
    reasons = set(re.findall(r'"((?:cursor|too|log)_\w+)"', source))
    assert reasons == {"cursor_invalid", "cursor_unknown", "too_far_behind", "log_replaced"}
    for reason in reasons:
        assert f"`{reason}`" in DOCUMENT
