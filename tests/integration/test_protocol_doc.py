"""PROTOCOL.md says what the code does: its tables and its bytes are compared with their sources."""

import json
import re

import pytest
from support.paths import ROOT

DOCUMENT = (ROOT / "proto" / "PROTOCOL.md").read_text()
TYPES = {"FIELD_NAME": "line", "FIELD_PROSE": "prose", "FIELD_ID": "id", "FIELD_URL": "URL",
         "FIELD_DATE": "date", "FIELD_DIGITS": "digits", "FIELD_NUMBER": "number",
         "FIELD_STAGE": "stage", "FIELD_KIND": "kind", "FIELD_TIME": "time",
         "FIELD_NOTICE": "notice kind", "FIELD_TRACE": "traceparent", "FIELD_CLOCK": "clock",
         "FIELD_LIGHT": "light", "FIELD_FLAG": "flag", "FIELD_DAYS": "days"}
IN_JSON = {"number": int, "days": int, "flag": bool}
PREFIXES = {"EVENT": "", "HANDLER": "handler.", "SPECIAL": "special.", "NOTICE": "notices.",
            "EXTENSION": "extension.", "DECISION": "decision.", "ALERT": "alert."}


def section(title):
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", DOCUMENT, re.S | re.M)
    assert found, f"no section {title}"
    return found.group(1)


def table(title, heading):
    """The rows of the section's table whose first column is headed so, as lists of cells."""
    lines = section(title).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[start + 2:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    assert rows
    return rows


def bounds():
    source = (ROOT / "proto" / "bounds.h").read_text()
    return {name: int(value)
            for name, value in re.findall(r"^#define LIMIT_(\w+)\s+(\d+)", source, re.M)}


def number(text):
    return bounds()[text.removeprefix("LIMIT_")] if text.startswith("LIMIT_") else int(text)


def fields_in_code():
    source = (ROOT / "proto" / "field.c").read_text()
    found = {PREFIXES[macro] + name: (TYPES[kind], number(limit)) for macro, name, kind, limit in
             re.findall(r"^    ([A-Z]+)\((\w+), (FIELD_\w+), (\w+)\),", source, re.M)}
    for name, kind, limit in re.findall(r'\{"([a-z_.]+)", (FIELD_\w+), PART_\w+, (\d+), ', source):
        found[name] = TYPES[kind], int(limit)
    return found


def test_fields():
    documented = {row[0].strip("`"): (row[1], int(row[2] or 0))
                  for row in table("Fields", "field")}
    in_code = fields_in_code()
    assert len(in_code) == 45
    assert documented == in_code


def test_fields_in_json():
    for row in table("Fields", "field"):
        value = json.loads(row[3].strip("`"))
        assert isinstance(value, IN_JSON.get(row[1], str)), row[0]


def test_every_type_is_explained():
    explained = {word.strip() for row in table("Fields", "type") for word in row[0].split(",")}
    assert explained == set(TYPES.values())


def test_errors():
    source = (ROOT / "proto/waybill/errors.def").read_text()
    in_code = [[code, name, {"true": "yes", "false": "no"}[again], message, hint]
               for code, name, again, message, hint in re.findall(
                   r'^WB_ERROR\(\s*(\d+), (\w+),\s+(\w+),\s+"(.*?)",\s+"(.*?)"\)$', source, re.M)]
    assert len(in_code) == source.count("\nWB_ERROR(")
    assert table("Errors", "code") == in_code


def test_limits_of_the_contract():
    documented = {row[0].strip("`"): int(row[1]) for row in table("Limits", "limit")}
    assert documented == {name.lower(): value for name, value in bounds().items()}


def test_limits_announced(proto):
    """The defaults are those of the broker's options, and every member of Limits is told of."""
    announced = section("Limits").split("Announced", 1)[1]
    documented = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", announced, re.M))
    source = (ROOT / "broker" / "options.def").read_text()
    for name, value in documented.items():
        default = re.search(rf'OPTION\({name.removesuffix("_ms")},\s+\w+,\s+"(\w+)"', source)
        assert default, f"the broker has no option for {name}"
        text = default.group(1)
        assert value == (str(int(text[:-1]) * 1000) if re.fullmatch(r"\d+s", text) else text)
    of_the_contract = {row[0].strip("`") for row in table("Limits", "limit")}
    for field in proto.Limits.DESCRIPTOR.fields:
        assert field.name in of_the_contract | set(documented)


@pytest.mark.parametrize("name", ["hello", "welcome", "publish", "acknowledgement"])
def test_the_worked_exchange(name):
    block = re.search(rf"`{name}`:\n\n```text\n(.*?)```", section("A worked exchange"), re.S)
    assert block, f"no bytes of {name}"
    digits = "".join(line.split(";")[0] for line in block.group(1).splitlines())
    golden = (ROOT / "proto" / "vectors" / f"{name}.hex").read_text()
    assert bytes.fromhex(digits) == bytes.fromhex(golden)


def test_the_json_example():
    """The example is an event whose members all stand in the table."""
    block = re.search(r"```json\n(.*?)```", section("JSON form"), re.S)
    event = json.loads(block.group(1))
    known = {row[0].strip("`") for row in table("Fields", "field")}
    for name, value in event.items():
        if name == "attributes":
            continue
        for part in value if isinstance(value, list) else [value]:
            members = {f"{name}.{member}" for member in part} if isinstance(part, dict) else {name}
            assert members <= known


AUDIENCES = {"DROP": "", "KEEP": "kept", "CASE": "kept", "MASK": "masked", "WHOLE": "whole",
             "LINK": "whole", "WORD": "known", "DISCLOSE": "disclosed"}


def rules():
    """The table of redact.c: part, number, name, wire type, and a deed for each audience."""
    source = (ROOT / "broker" / "audience" / "redact.c").read_text()
    table = source.split("static const struct rule rules", 1)[1].split("clang-format on", 1)[0]
    found = []
    for part, body in re.findall(r"^    \[(\w+)\] = \{\n(.*?)^    \},", table, re.S | re.M):
        for row in re.findall(r'^        \[(\d+)\] = \{"([\w.]+)", WIRE_(\w+), '
                              r"\{(\w+), (\w+), (\w+)\}, (\w+)\},$", body, re.M):
            found.append((part, int(row[0]), row[1], row[2], row[3:6], row[6]))
        assert len([row for row in found if row[0] == part]) == body.count("\n")
    return found


def test_audiences():
    """The document has every field that is not a part, and says of each what the code does."""
    in_code = {name: [AUDIENCES[deed] for deed in deeds]
               for _, _, name, _, deeds, inside in rules() if inside == "0"}
    documented = {row[0].strip("`"): row[1:] for row in table("Audiences", "field")}
    assert documented == in_code


def test_every_field_has_an_audience(proto):
    """A field that is added to event.proto needs a decision about who may see it."""
    parts = {"EVENT": proto.Event, "HANDLER": proto.Handler, "NOTICE": proto.Notice,
             "SPECIAL": proto.SpecialProcedure, "EXTENSION": proto.Extension,
             "DECISION": proto.Decision, "ALERT": proto.Alert}
    declared = set()
    for part, message in parts.items():
        for field in message.DESCRIPTOR.fields:
            wire = "BYTES" if field.type in (field.TYPE_STRING, field.TYPE_MESSAGE) else "VARINT"
            declared.add((part, field.number, field.name, wire))
    assert {(part, number, name.split(".")[-1], wire)
            for part, number, name, wire, _, _ in rules()} == declared


def test_nothing_is_left_to_fill_in():
    assert not re.search(r"^[A-Z]+(-[A-Z]+)+$", DOCUMENT, re.M)
