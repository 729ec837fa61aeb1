"""waybill-adapter-file without a broker: what it makes of real files, and how it speaks of bad
ones."""

import csv
import gzip
import io
import json
import os
import re
import signal
import subprocess
import time

import pytest
from support import paths, wait, xes

EXAMPLES = paths.ROOT / "adapters" / "file" / "examples"
LOGS = paths.SHARED_DATA / "event-logs"
NYC = paths.SHARED_DATA / "open311" / "nyc-2023.csv.gz"
CONFORMANCE = paths.SHARED_DATA / "xes-conformance"
NAME = "waybill-adapter-file"
needs_data = pytest.mark.skipif(not LOGS.exists(), reason="the shared data is not there")

MAPPING = """version: 1
fields:
  case_no: "{trace.concept:name}"
  occurred_at: "{time:timestamp}"
  step: "{concept:name}"
  handler.name: "{org:resource}"
stage: {from: "{lifecycle:transition}", dictionary: {complete: UNDER_REVIEW}}
"""


@pytest.fixture
def mapping(tmp_path):
    path = tmp_path / "mapping.yaml"
    path.write_text(MAPPING)
    return path


@pytest.fixture
def dry(cli):
    """dry(file, mapping, ...) gives what --dry-run --json says."""
    def run(path, mapping, *arguments, events=0, status=0, input=None):
        done = cli.run(NAME, f"--dry-run={events}", "--json", "--mapping", mapping, path,
                       *arguments, status=status, input=input)
        return json.loads(done.stdout) if done.stdout else done.stderr
    return run


class TestRealLogs:
    pytestmark = needs_data

    def test_receipt_is_what_the_file_says(self, dry):
        path = LOGS / "receipt.xes.gz"
        said = dry(path, EXAMPLES / "receipt.yaml", events=10000)
        assert (said["read"], said["acceptable"], said["rejected"]) == (8577, 8577, 0)
        assert said["complete"] and said["unmapped"] == [] and said["unknown_columns"] == []
        for event, (trace, own) in zip(said["events"], xes.events(path), strict=True):
            assert event["case_no"] == "NL-" + trace["concept:name"]
            assert event["step"] == own["concept:name"]
            assert event["handler"]["name"] == own["org:resource"]
            assert xes.instant(event["occurred_at"]) == xes.instant(own["time:timestamp"])
            first = own["concept:name"] == "Confirmation of receipt"
            assert event["stage"] == ("RECEIVED" if first else "UNDER_REVIEW")

    @pytest.mark.parametrize("name, count", [("BPIC15_1", 52217), ("BPIC15_2", 44354)])
    def test_building_permits(self, dry, name, count):
        path = LOGS / f"{name}.xes.gz"
        said = dry(path, EXAMPLES / "bpic15.yaml", events=60000)
        assert (said["read"], said["acceptable"], said["rejected"]) == (count, count, 0)
        ids = {event["event_id"] for event in said["events"]}
        assert len(ids) == count, "exact duplicates have to be kept apart"
        assert all("T" in event["occurred_at"] for event in said["events"]), "midnight is a time"
        for event, (_, own) in zip(said["events"], xes.events(path), strict=True):
            assert xes.instant(event["occurred_at"]) == xes.instant(own["time:timestamp"])

    def test_declarations(self, dry):
        said = dry(LOGS / "BPI_2020_DomesticDeclarations.xes.gz",
                   EXAMPLES / "domestic-declarations.yaml")
        assert (said["acceptable"], said["rejected"]) == (56437, 0)
        assert said["unmapped"] == []

    def test_a_second_run_makes_the_same_ids(self, dry):
        first, second = (dry(LOGS / "receipt.xes.gz", EXAMPLES / "receipt.yaml", events=10000)
                         for _ in range(2))
        assert first["events"] == second["events"]

    def test_rows_of_broken_encoding_are_named(self, dry, tmp_path):
        rejects = tmp_path / "rejects.ndjson"
        said = dry(NYC, EXAMPLES / "nyc-311.yaml", "--rejects", rejects, events=5000, status=1)
        text = gzip.open(NYC, "rt", encoding="utf-8", newline="").read()
        rows = list(csv.DictReader(io.StringIO(text)))
        broken = {number for number, row in enumerate(rows, 2)
                  if re.search("[\x80-\x9f]", "".join(row.values()))}
        assert len(broken) == 183 and said["rejected"] == 183
        assert said["acceptable"] == len(rows) - 183
        told = [json.loads(line) for line in rejects.read_text().splitlines()]
        assert {reject["line"] for reject in told} == broken
        for reject in told:
            assert reject["reason"] == "FIELD_TEXT"
            assert '"Resolution Description"' in reject["detail"]
            assert "c3 a2 c2 80 c2" in reject["detail"]
            assert reject["record"] == rows[reject["line"] - 2]

    def test_local_times(self, dry):
        said = dry(NYC, EXAMPLES / "nyc-311.yaml", events=1, status=1)
        assert said["events"][0]["occurred_at"] == "2023-02-28T23:44:59.000-05:00"


RIGHT = {"booleanCorrectValue", "classifierCorrectAttributes", "classifierEventCorrectAttributes",
         "classifierTraceCorrectAttributes", "dateCorrectValue", "eventCorrectAttributes",
         "extensionCorrectAttributes", "extensionStandard"}
WRONG = {
    "attributeEventSwapped": "4:2: <string> stands behind <event>",
    "attributeTraceSwapped": "4:2: <string> stands behind <trace>",
    "attributeValuesSwapped": "4:3: <string> stands behind <values>",
    "booleanIncorrectValue": '13:2: "yes" is no value of type float',
    "classifierAttributeSwapped": "7:2: <classifier> stands behind <string>",
    "classifierEmptyKeys": '8:2: the classifier "name" names no keys',
    "classifierEventSwapped": "9:2: <classifier> stands behind <event>",
    "classifierIncorrectKey": '8:2: the classifier "name" names the key "resource"',
    "classifierIncorrectScope": '8:2: the classifier "name" has the scope "incorrect"',
    "classifierNoAttributes": "8:1: there is text within <log>",
    "classifierTooManyAttributes": '8:2: <classifier> has an XML attribute "attribute"',
    "classifierTraceSwapped": "7:2: <classifier> stands behind <trace>",
    "dateIncorrectValue": '13:2: "2002-0530T09:30:10Z" is no value of type date',
    "dateNoTZD": '13:2: the date "2002-05-30T09:30:10" has no time zone',
    "elementIncorrect": "15:3: <text> is no element of XES",
    "eventIdenticalAttributes": '10:3: the key "instance" is there twice',
    "eventIncorrectType": '23:4: "org:resource" is of type int here',
    "eventTooManyAttributes": '17:3: <event> has an XML attribute "key"',
    "extensionAttributeSwapped": "3:2: <extension> stands behind <string>",
    "extensionClassifierSwapped": "6:2: <extension> stands behind <classifier>",
    "extensionEventSwapped": "3:2: <extension> stands behind <event>",
    "extensionGlobalSwapped": "3:2: <extension> stands behind <global>",
    "extensionIncorrectKey": '4:3: the extension "concept" has no key "concept:event"',
    "extensionNoAttributes": '2:2: <extension> has no "name"',
    "extensionNotDeclared": '5:3: the key "org:resource" uses the extension "org"',
    "extensionTooManyAttributes": '2:2: <extension> has an XML attribute "attribute"',
    "extensionTraceSwapped": "3:2: <extension> stands behind <trace>",
}


def documents():
    return sorted(CONFORMANCE.glob("*.xes")) if CONFORMANCE.exists() else []


class TestConformance:
    """Each document's name says what is right or wrong about it."""
    pytestmark = needs_data

    def test_every_document_is_known(self):
        assert {path.stem for path in documents()} == RIGHT | WRONG.keys()
        assert not RIGHT & WRONG.keys()

    @pytest.mark.parametrize("path", documents(), ids=lambda path: getattr(path, "stem", "none"))
    def test_document(self, cli, mapping, path):
        done = cli.run(NAME, "--dry-run", "--json", "--mapping", mapping, path, status=None)
        said = json.loads(done.stdout)
        if path.stem in RIGHT:
            assert said["complete"], done.stderr
            # Its events have no time, which is a matter of the mapping and not of XES.
            assert done.returncode == (1 if said["rejected"] else 0)
        else:
            assert not said["complete"] and done.returncode == 1
            assert f"{path.name}:{WRONG[path.stem]}" in done.stderr

    def test_a_zone_in_the_mapping_mends_dates_without_one(self, cli, mapping):
        mapping.write_text(MAPPING + "time: {zone: Asia/Shanghai}\n")
        cli.run(NAME, "--dry-run", "--mapping", mapping, CONFORMANCE / "dateNoTZD.xes")

    def test_lax_passes_over_declarations(self, cli, mapping):
        for name in ("classifierIncorrectKey", "extensionNotDeclared"):
            cli.run(NAME, "--dry-run", "--lax", "--mapping", mapping, CONFORMANCE / f"{name}.xes")


class TestMadeLogs:
    def test_duplicates_are_kept_apart(self, dry, mapping, tmp_path):
        path = tmp_path / "made.xes"
        written = xes.make(path)
        said = dry(path, mapping, events=written)
        assert said["acceptable"] == written
        assert len({event["event_id"] for event in said["events"]}) == written
        for event, (trace, own) in zip(said["events"], xes.events(path), strict=True):
            assert event["case_no"] == trace["concept:name"]
            assert event.get("handler", {}).get("name") == own.get("org:resource")

    def test_truncated_gzip_gives_what_it_holds(self, dry, cli, mapping, tmp_path):
        path, cut = tmp_path / "made.xes.gz", tmp_path / "cut.xes.gz"
        written = xes.make(path, cases=400)
        cut.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
        said = dry(cut, mapping, status=1)
        assert not said["complete"]
        assert written / 4 < said["acceptable"] < written
        done = cli.run(NAME, "--dry-run", "--mapping", mapping, cut, status=1)
        assert "cut.xes.gz ends in the middle of its gzip data" in done.stderr

    def test_standard_input(self, dry, mapping, tmp_path):
        path = tmp_path / "made.xes"
        written = xes.make(path, cases=3)
        said = dry("-", mapping, "--format", "xes", input=path.read_text())
        assert said["acceptable"] == written

    def test_memory_does_not_grow_with_the_file(self, mapping, tmp_path):
        peaks = []
        for cases in (1000, 10000):
            path = tmp_path / f"{cases}.xes"
            xes.make(path, cases=cases)
            argv = [paths.program(NAME), "--dry-run=0", "--quiet", "--mapping", str(mapping),
                    str(path)]
            child = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            assert child.returncode == 0
            peaks.append(usage.ru_maxrss)
        assert peaks[1] < peaks[0] + 2048, f"{peaks} KiB"

    def test_a_signal_ends_it_in_order(self, mapping, tmp_path):
        argv = [paths.program(NAME), "--dry-run=0", "--mapping", str(mapping), "--format", "xes",
                "-"]
        errors = tmp_path / "errors"
        with errors.open("w") as file:
            child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                     stderr=file)
            try:
                child.stdin.write(b"<log>")
                child.stdin.flush()
                wait.until(lambda: asleep(child.pid), 10, "the program waits for input")
                child.send_signal(signal.SIGINT)
                assert child.wait(10) == 1
            finally:
                child.kill()
                child.wait()
        assert "waybill-adapter-file: stopped\n" in errors.read_text()
        assert "0 read, 0 would be accepted" in errors.read_text()

    @pytest.mark.parametrize("rejects", [False, True])
    def test_stopped_without_a_broker_it_says_what_is_open(self, tmp_path, rejects):
        """Also while an event waits for room: more than the publisher holds."""
        line = json.dumps({**TestNdjson.EVENT, "attributes": {f"a{at}": "x" * 1900
                                                              for at in range(30)}})
        for name, count in (("few", 3), ("many", 600)):
            path, errors = tmp_path / f"{name}.ndjson", tmp_path / name
            path.write_text((line + "\n") * count)
            argv = [paths.program(NAME), "--quiet", "--source", "s", "--ingest",
                    f"tcp://127.0.0.1:{wait.free_port()}", str(path)]
            argv += ["--rejects", str(tmp_path / "rejects")] if rejects else []
            with errors.open("w") as file:
                child = subprocess.Popen(argv, stderr=file)
                try:
                    wait.until(lambda: asleep(child.pid), 10, "the program waits")
                    time.sleep(1.5)
                    child.send_signal(signal.SIGTERM)
                    assert child.wait(10) == 1
                finally:
                    child.kill()
                    child.wait()
            said = re.fullmatch(
                r"waybill-adapter-file: stopped; (\d+) events have no acknowledgement: "
                r"run it again, what is known is recognised\n", errors.read_text())
            assert said, errors.read_text()
            assert int(said[1]) == 3 if name == "few" else 100 < int(said[1]) < 600

    def test_closed_streams(self, mapping, tmp_path):
        done = subprocess.run(
            ["sh", "-c", 'exec "$0" --dry-run --mapping "$1" --format csv - <&-',
             paths.program(NAME), mapping], capture_output=True, text=True, timeout=20)
        assert done.returncode == 1
        assert "waybill-adapter-file: " in done.stderr and "standard input is closed" in done.stderr
        (tmp_path / "e.ndjson").write_text(json.dumps(TestNdjson.EVENT) + "\n")
        done = subprocess.run(
            ["sh", "-c", 'exec "$0" --dry-run "$1" >&-', paths.program(NAME),
             tmp_path / "e.ndjson"], capture_output=True, text=True, timeout=20)
        assert done.returncode == 1


def asleep(pid):
    """It reads from the pipe: it has caught its signals and sleeps."""
    status = (paths.Path("/proc") / str(pid) / "status").read_text()
    caught = int(re.search(r"SigCgt:\s*(\w+)", status).group(1), 16)
    return caught & 1 << (signal.SIGINT - 1) and "State:\tS" in status


class TestMarketRegistration:
    MAPPING = EXAMPLES / "market-registration.yaml"
    SAMPLE = EXAMPLES / "market-registration.csv"

    def test_sample(self, dry):
        said = dry(self.SAMPLE, self.MAPPING, events=20)
        rows = list(csv.DictReader(self.SAMPLE.open(encoding="utf-8", newline="")))
        assert said["read"] == len(rows) and said["skipped"] == 1 and said["rejected"] == 0
        assert said["unknown_columns"] == []
        kept = [row for row in rows if row["状态"] != "打印预览"]
        assert [event["case_no"] for event in said["events"]] == [row["办件编号"] for row in kept]
        notices = [event["notices"][0] for event in said["events"] if "notices" in event]
        assert [notice["due_date"] for notice in notices] == ["2026-03-20"]
        assert "\n" in notices[0]["text"]
        assert said["events"][-1]["occurred_at"] == "2026-03-06"

    def gb18030(self, tmp_path, data):
        path, mapping = tmp_path / "night.csv", tmp_path / "gb18030.yaml"
        path.write_bytes(data)
        mapping.write_text(self.MAPPING.read_text().replace("encoding: UTF-8", "encoding: GB18030"))
        return path, mapping

    def test_gb18030_gives_the_same_events(self, dry, tmp_path):
        text = self.SAMPLE.read_text(encoding="utf-8")
        path, mapping = self.gb18030(tmp_path, text.encode("gb18030"))
        assert dry(path, mapping, events=20)["events"] == \
            dry(self.SAMPLE, self.MAPPING, events=20)["events"]

    def test_broken_bytes_cost_one_row(self, dry, tmp_path):
        lines = self.SAMPLE.read_text(encoding="utf-8").encode("gb18030").split(b"\n")
        lines[2] = lines[2].replace("周文清".encode("gb18030"), b"\xd6\xdc\xff\xce\xc4")
        path, mapping = self.gb18030(tmp_path, b"\n".join(lines))
        rejects = tmp_path / "rejects.ndjson"
        said = dry(path, mapping, "--rejects", rejects, status=1)
        assert (said["acceptable"], said["rejected"]) == (7, 1)
        reject = json.loads(rejects.read_text())
        assert reject["line"] == 3
        assert '"办理人"' in reject["detail"] and "ff" in reject["detail"]
        assert reject["record"]["办理人"]["bytes"] == "周".encode().hex() + "ff" + "文".encode().hex()

    def test_wrong_encoding_is_told(self, cli, tmp_path):
        path = tmp_path / "night.csv"
        path.write_bytes(self.SAMPLE.read_text(encoding="utf-8").encode("gb18030"))
        done = cli.run(NAME, "--dry-run", "--mapping", self.MAPPING, path, status=1)
        assert "csv.encoding" in done.stderr


class TestNdjson:
    EVENT = {"case_no": "A-1", "stage": "RECEIVED", "occurred_at": "2026-03-02T09:00:00+08:00"}

    def test_events_as_they_are(self, cli):
        lines = [{**self.EVENT, "event_id": "own"}, self.EVENT, {**self.EVENT, "stage": "ODD"}]
        text = "".join(json.dumps(line) + "\n" for line in lines) + "{broken\n"
        done = cli.run(NAME, "--dry-run", "--json", "--format", "ndjson", "-", input=text, status=1)
        said = json.loads(done.stdout)
        assert [event["event_id"] == "own" for event in said["events"]] == [True, False]
        assert said["reasons"] == {"STAGE_UNKNOWN": 1, "FORMAT": 1}
        assert "standard input:3: " in done.stderr and "standard input:4: " in done.stderr

    def test_mapped(self, dry, tmp_path):
        mapping = tmp_path / "mapping.yaml"
        mapping.write_text('version: 1\nfields: {case_no: "{case.no}", occurred_at: "{at}"}\n'
                           'stage: {from: "{case.state}", dictionary: {"2": ACCEPTED}}\n')
        text = '{"case": {"no": 17, "state": 2}, "at": "2026-03-02T09:00:00Z"}\n'
        said = dry("-", mapping, "--format", "ndjson", events=1, input=text)
        assert said["events"][0]["case_no"] == "17"
        assert said["events"][0]["stage"] == "ACCEPTED"


class TestFindings:
    def write(self, tmp_path, mapping, text):
        (tmp_path / "m.yaml").write_text(mapping)
        (tmp_path / "d.csv").write_text(text)
        return tmp_path / "d.csv", tmp_path / "m.yaml"

    MAPPING = ('version: 1\ntime: {zone: UTC}\n'
               'fields: {case_no: "{no}", occurred_at: "{at}", step: "{stp}"}\n'
               'stage: {from: "{status}", dictionary: {IN: RECEIVED}}\n')

    def test_what_the_mapping_leaves_open(self, dry, cli, tmp_path):
        rows = "".join(f"{number},2026-03-02T09:00:00Z,x,{status},y\n"
                       for number, status in enumerate(["IN", "ODD", "NEW", "ODD"], 1))
        path, mapping = self.write(tmp_path, self.MAPPING, "no,at,step,status,fee\n" + rows)
        said = dry(path, mapping, status=1)
        assert said["reasons"] == {"UNMAPPED": 3}
        assert [(one["value"], one["count"], one["first_line"], one["example"])
                for one in said["unmapped"]] == [("ODD", 2, 3, "2"), ("NEW", 1, 4, "3")]
        assert said["unknown_columns"] == [{"column": "stp", "nearest": "step"}]
        assert said["unused_columns"] == [{"column": "step", "filled": 4},
                                          {"column": "fee", "filled": 4}]
        done = cli.run(NAME, "--dry-run", "--mapping", mapping, path, status=1)
        for words in ('"ODD"  2 times, first in line 3, case 2', 'did you mean "step"?',
                      "fee  filled in 4 records"):
            assert words in done.stdout

    @pytest.mark.parametrize("arguments, words", [
        ([], "no file is named"),
        (["x.ndjson"], "--source is missing"),
        (["--source", "s", "--speed", "fast", "x.ndjson"], "--speed 'fast'"),
        (["--source", "s", "--speed", "1e-300", "x.ndjson"], "--speed '1e-300'"),
        (["--source", "s", "--format", "xml", "x"], "--format 'xml'"),
        (["--dry-run", "d.csv"], "need a mapping"),
        (["--dry-run", "--mapping", "bad.yaml", "d.csv"], "bad.yaml:2: 'feilds' is not known"),
        (["--dry-run", "--mapping", "m.yaml", "d"], "the format of d is not known"),
        (["--source", "Not valid", "e.ndjson"], "source"),
    ])
    def test_usage(self, cli, tmp_path, arguments, words):
        self.write(tmp_path, self.MAPPING, "no\n")
        (tmp_path / "bad.yaml").write_text("version: 1\nfeilds: {}\n")
        (tmp_path / "d").write_text("no\n")
        (tmp_path / "e.ndjson").write_text("")
        cli.directory = tmp_path
        assert words in cli.run(NAME, *arguments, status=2).stderr

    def test_files_that_are_not_there(self, cli, tmp_path):
        path, mapping = self.write(tmp_path, self.MAPPING, "no\n")
        done = cli.run(NAME, "--dry-run", "--mapping", mapping, tmp_path / "none.csv", status=1)
        assert "none.csv cannot be opened" in done.stderr
        done = cli.run(NAME, "--dry-run", "--mapping", mapping, "--rejects", tmp_path / "a" / "b",
                       path, status=1)
        assert "cannot be written" in done.stderr

    def test_columns_of_the_header_are_known_if_all_rows_are_broken(self, dry, tmp_path):
        path, mapping = self.write(tmp_path, self.MAPPING, "no,at,step,status\n1\n2\n")
        said = dry(path, mapping, status=1)
        assert said["rejected"] == 2
        assert said["unknown_columns"] == [{"column": "stp", "nearest": "step"}]

    def test_rejects_never_overwrite_what_is_read(self, cli, tmp_path):
        path, mapping = self.write(tmp_path, self.MAPPING, "no,at,status\n1,never,IN\n")
        (tmp_path / "link").symlink_to("d.csv")
        (tmp_path / "same").hardlink_to(mapping)
        before = path.read_text(), mapping.read_text()
        cli.directory = tmp_path
        for rejects, words in (("d.csv", "file that is read"), ("link", "file that is read"),
                               ("m.yaml", "the mapping"), ("./same", "the mapping")):
            done = cli.run(NAME, "--dry-run", "--mapping", "m.yaml", "--rejects", rejects, "d.csv",
                           status=2)
            assert f"--rejects {rejects} is " in done.stderr and words in done.stderr
        with path.open() as opened:
            done = subprocess.run([paths.program(NAME), "--dry-run", "--mapping", mapping,
                                   "--rejects", path, "--format", "csv", "-"], stdin=opened)
        assert done.returncode == 2
        assert (path.read_text(), mapping.read_text()) == before
        (tmp_path / "old").write_text("x" * 10000)
        cli.run(NAME, "--dry-run", "--mapping", "m.yaml", "--rejects", "old", "d.csv", status=1)
        assert [json.loads(line)["line"] for line in (tmp_path / "old").open()] == [2]

    def test_help_names_every_option_of_the_document(self, cli):
        shown = cli.run(NAME, "--help").stdout
        text = (paths.ROOT / "docs" / "mapping.md").read_text()
        for option in set(re.findall(r"--[a-z][a-z-]+", text)):
            assert option in shown, option


class TestDocument:
    """docs/mapping.md: its files, its command, its output."""
    TEXT = (paths.ROOT / "docs" / "mapping.md").read_text()

    def test_worked_example(self, cli, tmp_path):
        for name, text in re.findall(r"```\w+ (permits\.\w+)\n(.*?)```", self.TEXT, re.S):
            (tmp_path / name).write_text(text)
        command, output = re.search(r"```console\n\$ (.*?)\n(.*?)```", self.TEXT, re.S).groups()
        name, *arguments = command.split()
        cli.directory = tmp_path
        done = cli.run(name, *arguments, status=1)
        complaint, summary = (re.sub(r"in \S+ s \(\d+/s\)", "in 0.0 s (1866/s)", line)
                              for line in done.stderr.splitlines(keepends=True))
        assert output.endswith(summary) and complaint in output
        assert output.removesuffix(summary).replace(complaint, "") == done.stdout
        mapping = tmp_path / "permits.yaml"
        mapping.write_text(mapping.read_text().replace("OK: ACCEPTED",
                                                       "OK: ACCEPTED\n    SENT: FORWARDED"))
        cli.run(name, *arguments)


@needs_data
def test_speed(dry):
    """100,000 events a second on the reference machine; a fifth of it, so that a busy one and
    sanitizers pass."""
    if "asan" in str(paths.BUILD) or "sanitize" in str(paths.BUILD):
        pytest.skip("not a measurement")
    began = time.monotonic()
    dry(LOGS / "BPIC15_1.xes.gz", EXAMPLES / "bpic15.yaml")
    assert 52217 / (time.monotonic() - began) > 20000
