"""Following the log and a case: waybill tail, track and link, and what docs/subscriber.md shows."""

import json
import os
import re
import signal
import subprocess

import pytest

from support import paths, wait
from support import postgres as pg
from support.process import Program, clean_environment

DOCUMENT = paths.ROOT / "docs" / "subscriber.md"


def lines(*events):
    """NDJSON of events given as dictionaries over a valid one."""
    valid = {"stage": "RECEIVED", "occurred_at": "2026-03-02T09:00:00+08:00"}
    return "".join(json.dumps({**valid, **event}) + "\n" for event in events)


def numbered(first, last, **fields):
    return lines(*({"event_id": f"e{n}", "case_no": f"A-{n % 7}", **fields}
                   for n in range(first, last + 1)))


@pytest.fixture
def log(broker, cli):
    """log(NDJSON, source): publishes it."""
    return lambda text, source="tests": cli("publish", "--source", source, "-", input=text)


def offsets(text):
    return [json.loads(line)["offset"] for line in text.splitlines() if line.startswith("{")]


class TestTail:
    def test_gives_the_whole_log_or_a_part(self, cli, log):
        log(numbered(1, 300))
        whole = cli("tail", "--from", "start", "--until-head")
        assert offsets(whole.stdout) == list(range(1, 301))
        assert whole.stderr == ""
        part = cli("tail", "--from", "250", "--until-head", "--json")
        assert part.stdout.splitlines() == whole.stdout.splitlines()[249:]
        assert offsets(cli("tail", "--from", "7", "--count", "3").stdout) == [7, 8, 9]
        assert cli("tail", "--from", "301", "--until-head").stdout == ""
        assert cli("tail", "--from", "now", "--until-head").stdout == ""

    def test_an_empty_log_ends_at_once(self, broker, cli):
        assert cli("tail", "--from", "start", "--until-head").stdout == ""

    def test_prints_what_can_be_published_again(self, cli, log, broker):
        log(numbered(1, 5, handler={"name": "王芳"}))
        text = cli("tail", "--from", "start", "--until-head").stdout
        again = cli("publish", "--source", "tests", "-", input=text)
        assert again.stdout.count("repeat") == 5

    def test_filters(self, cli, log):
        log(lines({"event_id": "1", "case_no": "A-1", "item_code": "31010", "agency": "住建局",
                   "region_code": "320411"},
                  {"event_id": "2", "case_no": "A-2", "stage": "ACCEPTED", "item_code": "31011"},
                  {"event_id": "3", "case_no": "A-2", "kind": "correction", "replaces": "2",
                   "parent_case_no": "P-1"}))
        log(lines({"event_id": "1", "case_no": "A-1"}), source="other")

        def filtered(*pairs):
            options = [word for pair in pairs for word in ("--filter", pair)]
            return offsets(cli("tail", "--from", "start", "--until-head", *options).stdout)

        assert filtered("case=A-1") == [1, 4]
        assert filtered("case=A-1", "source=other") == [4]
        assert filtered("case=A-1", "case=A-2") == [1, 2, 3, 4]
        assert filtered("stage=accepted") == [2]
        assert filtered("kind=correction") == [3]
        assert filtered("parent=P-1") == [3]
        assert filtered("item=3101") == [1, 2]
        assert filtered("agency=住建") == [1]
        assert filtered("region=3204") == [1]
        assert filtered("case=NONE") == []

    @pytest.mark.parametrize("arguments, status, words", [
        (["--from", "99"], 1, "98"),
        (["--from", "0"], 2, "from 1"),
        (["--from", "yesterday"], 2, "yesterday"),
        (["--from", "-3"], 2, "-3"),
        (["--filter", "colour=red"], 2, "colour"),
        (["--filter", "case"], 2, "FIELD=VALUE"),
        (["--filter", "stage=LOST"], 2, "LOST"),
        (["--filter", "kind=odd"], 2, "odd"),
        (["--filter", "case=" + "x" * 300], 2, "256"),
        (["--count", "none"], 2, "none"),
        (["--streams", "nonsense"], 2, "nonsense"),
    ])
    def test_what_is_wrong_is_named(self, broker, cli, arguments, status, words):
        done = cli("tail", *arguments, status=status)
        assert words in done.stderr
        assert done.stdout == ""

    def test_the_wrong_endpoint_is_named(self, broker, cli):
        for arguments in (["tail"], ["track", "A-1"], ["link", "A-1"]):
            said = cli(*arguments, "--streams", broker.ingest, status=1).stderr
            assert len(said.splitlines()) == 1
            assert broker.ingest in said and "is this the broker's streams endpoint?" in said
            assert "waiting" not in said and "not valid" not in said

    def test_survives_the_broker(self, cli, log, broker):
        """Killed twice while events come: each is printed once and in order."""
        log(numbered(1, 50))
        tail = cli.start("waybill", "tail", "--from", "start")
        for first in (51, 101):
            wait.until(lambda: f'"offset":{first - 1},' in tail.text(), what="the events so far")
            broker.kill()
            wait.until(lambda: tail.text().count("waiting for it") == first // 50,
                       what="a word about the broker")
            broker.start()
            log(numbered(first, first + 49))
        wait.until(lambda: '"offset":150,' in tail.text(), what="the last event")
        assert offsets(tail.text()) == list(range(1, 151))
        assert tail.text().count("connected to") == 2
        tail.stop()

    def test_survives_the_database(self, cli, log, postgres):
        log(numbered(1, 20))
        tail = cli.start("waybill", "tail", "--from", "start")
        wait.until(lambda: '"offset":20,' in tail.text(), what="the events so far")
        postgres.stop()
        try:
            late = cli.start("waybill", "publish", "--source", "late",
                             TestTrack.file(cli, 20))
        finally:
            postgres.start()
        assert late.wait(60) == 0
        wait.until(lambda: '"offset":40,' in tail.text(), what="the last event")
        assert offsets(tail.text()) == list(range(1, 41))
        tail.stop()

    def test_waits_for_a_broker_that_is_not_there(self, cli, make_broker):
        broker = make_broker()
        tail = cli.start("waybill", "tail", "--from", "start", "--count", "1", "--streams",
                         broker.streams)
        wait.until(lambda: broker.streams in tail.text(), what="a word about the broker")
        broker.start()
        cli.use(WAYBILL_INGEST=broker.ingest)
        cli("publish", "--source", "tests", "-", input=numbered(1, 1))
        assert tail.wait() == 0
        assert offsets(tail.text()) == [1]

    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
    def test_ends_when_asked(self, cli, log, how):
        log(numbered(1, 3))
        tail = cli.start("waybill", "tail", "--from", "start")
        wait.until(lambda: '"offset":3,' in tail.text(), what="the events")
        tail.process.send_signal(how)
        assert tail.wait(5) == 0

    def test_a_closed_pipe_is_no_drama(self, cli, log, broker):
        log(numbered(1, 3000, step="x" * 100))
        done = subprocess.run(
            ["bash", "-c", f"{paths.program('waybill')!r} tail --from start | head -n 2"],
            capture_output=True, text=True, timeout=30, env=cli.environment)
        assert offsets(done.stdout) == [1, 2]
        assert done.stderr == ""


def code_of(cli, case_no):
    return json.loads(cli("track", case_no, "--json").stdout)["code"]


HANDLER = {"name": "王芳", "post": "经办人", "unit": "审批一处", "phone": "0519-85127777"}
CORRECTED = lines(
    {"event_id": "1", "case_no": "A-1", "handler": HANDLER, "agency": "住建局"},
    {"event_id": "2", "case_no": "A-1", "stage": "GRANTED",
     "occurred_at": "2026-03-04T09:00:00+08:00"},
    {"event_id": "3", "case_no": "A-1", "kind": "correction", "replaces": "2",
     "stage": "CORRECTION_REQUESTED", "occurred_at": "2026-03-03T10:30:00+08:00", "notices": [
         {"kind": "materials", "title": "补交图纸", "text": "请补交", "due_date": "2026-03-10"}]})


class TestTrack:
    def test_shows_where_it_stands(self, cli, log):
        log(CORRECTED)
        shown = cli("track", "A-1").stdout.splitlines()
        assert shown[0] == "补正告知  Correction requested"
        assert "A-1" in shown[1] and "住建局" in shown[1]
        assert shown[2].startswith("自 2026-03-03 10:30")
        assert shown[3] == "经办 王芳 · 经办人 · 审批一处 · 电话 0519-85127777"
        assert "  材料：补交图纸（截止 2026-03-10，已过期）" in shown
        timeline = shown[shown.index("办理过程") + 1:]
        nodes = [line for line in timeline if line.startswith("2026-")]
        assert nodes == ["2026-03-04 09:00  ○ 准予  #2  [已更正，见 #3]",
                         "2026-03-03 10:30  ● 更正：补正告知  #3",
                         "2026-03-02 09:00  ● 收件  #1"]
        assert "\033" not in "".join(shown)

    def test_speaks_english(self, cli, log):
        log(CORRECTED)
        shown = cli("track", "A-1", "--lang", "en").stdout
        assert shown.startswith("补正告知  Correction requested\n")
        assert "Since 2026-03-03 10:30" in shown
        assert "2026-03-04 09:00  ○ Granted  #2  [corrected, see #3]" in shown

    def test_takes_the_applicants_code(self, cli, log):
        log(CORRECTED)
        code = code_of(cli, "A-1")
        answer = json.loads(cli("track", "A-1", "--code", code, "--json").stdout)
        assert answer["case"]["stage"] == "CORRECTION_REQUESTED"
        assert [node["standing"] for node in answer["nodes"]] == ["current", "current", "corrected"]

    @pytest.mark.parametrize("arguments", [["A-9"], ["A-1", "--code", "AAAA-BBBB-CCCC"],
                                           ["A-9", "--code", "AAAA-BBBB-CCCC"]])
    def test_unknown_cases_and_wrong_codes_look_alike(self, cli, log, arguments):
        log(CORRECTED)
        done = cli("track", *arguments, status=1)
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert "no such case" in done.stderr

    @pytest.mark.parametrize("arguments", [[], ["A-1", "A-2"], ["A-1", "--lang", "fr"]])
    def test_a_command_line_that_is_not_valid(self, cli, arguments):
        assert "waybill track" in cli("track", *arguments, status=2).stderr

    def test_follows_without_gap_or_repeat(self, cli, log):
        """Events come before, while and after it begins."""
        log(numbered(1, 5, case_no="A-1"))
        noise = cli.start("waybill", "publish", "--source", "noise", self.file(cli, 200))
        track = cli.start("waybill", "track", "A-1", "--follow", "--json")
        assert noise.wait() == 0
        wait.until(lambda: '{"case":' in track.text(), what="the case")
        log(numbered(6, 8, case_no="A-1"))
        wait.until(lambda: '"event_id":"e8"' in track.text(), what="the last event")
        first, *rest = [json.loads(line) for line in track.text().splitlines()]
        seen = [node["event_id"] for node in sorted(first["nodes"], key=lambda n: n["offset"])]
        seen += [record["event_id"] for record in rest]
        own = [one for one in seen if one.startswith("e")]
        assert own == [f"e{n}" for n in range(1, 9)]
        assert sorted(one for one in seen if one.startswith("n")) == sorted(
            f"n{n}" for n in range(200))
        track.stop()

    @staticmethod
    def file(cli, count):
        path = cli.directory / "noise.ndjson"
        path.write_text(lines(*({"event_id": f"n{n}", "case_no": "A-1"} for n in range(count))))
        return path

    def test_follows_in_words(self, cli, log, broker):
        log(CORRECTED)
        track = cli.start("waybill", "track", "A-1", "--follow")
        wait.until(lambda: "实时跟踪中" in track.text(), what="the view")
        broker.restart()
        log(lines({"event_id": "4", "case_no": "A-1", "stage": "REFUSED", "decision": {
            "reason": "材料不全"}}))
        wait.until(lambda: "● 不予许可  #4" in track.text(), what="the new event")
        assert "理由：材料不全" in track.text()
        track.stop()


@pytest.mark.parametrize("arguments", [["tail", "--from", "start", "--until-head"],
                                       ["tail", "--from", "start", "--count", "99"],
                                       ["track", "A-1"], ["track", "A-1", "--json"],
                                       ["link", "A-1"], ["link", "A-1", "--json"]])
class TestTheCommandLine:
    def test_a_full_output_is_said(self, cli, log, arguments):
        log(CORRECTED)
        with open("/dev/full", "w") as full:
            done = subprocess.run([paths.program("waybill"), *arguments], stdout=full, text=True,
                                  stderr=subprocess.PIPE, timeout=30, env=cli.environment)
        assert done.returncode == 1
        assert done.stderr == f"waybill {arguments[0]}: the output: No space left on device\n"

    def test_an_endpoint_that_is_none(self, cli, arguments):
        assert "tcp://HOST:PORT" in cli(*arguments, "--streams", "foo", status=2).stderr


class TestLink:
    def test_gives_link_code_and_picture(self, cli, log, broker, gateway_port):
        log(lines({"event_id": "1", "case_no": "苏A 1/2"}))
        code = code_of(cli, "苏A 1/2")
        expected = f"http://127.0.0.1:{gateway_port}/c/%E8%8B%8FA%201%2F2/{code}"
        shown = cli("link", "苏A 1/2").stdout.splitlines()
        assert shown[:2] == [expected, code]
        assert len(shown) > 15 and set("".join(shown[3:])) <= set(" ▀▄█")
        assert cli("link", "苏A 1/2", "--no-qr").stdout.splitlines() == [expected, code]
        assert json.loads(cli("link", "苏A 1/2", "--json").stdout) == {
            "case_no": "苏A 1/2", "code": code, "link": expected}
        elsewhere = cli("link", "苏A 1/2", "--no-qr", "--gateway", "https://track.example/x/")
        assert elsewhere.stdout.startswith("https://track.example/x/c/%E8%8B%8FA")

    def test_says_what_is_missing(self, cli, make_broker):
        broker = make_broker().start()
        cli.use(WAYBILL_INGEST=broker.ingest, WAYBILL_STREAMS=broker.streams)
        cli("publish", "--source", "tests", "-", input=numbered(1, 1))
        assert "--gateway" in cli("link", "A-1", status=1).stderr
        assert "no such case" in cli("link", "A-9", status=1).stderr
        assert "https://" in cli("link", "A-1", "--gateway", "ftp://x", status=2).stderr
        cli("link", "A-1", "--gateway", "https://track.example")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.S)


@pytest.fixture(scope="module")
def installed(prefix):
    """compiled(number): a program of the document, built as it says, with an installed Waybill."""
    described = next(prefix.rglob("waybill-subscriber.pc")).parent
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "waybill-subscriber"], text=True,
                           env={**os.environ, "PKG_CONFIG_PATH": str(described)}, check=True,
                           stdout=subprocess.PIPE).stdout.split()
    if "WAYBILL_SANITIZE:BOOL=ON" in (paths.BUILD / "CMakeCache.txt").read_text():
        flags.append("-fsanitize=address")

    def compiled(number):
        source, program = prefix / f"p{number}.c", prefix / f"p{number}"
        source.write_text(blocks("c")[number])
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(source),
                        *flags, f"-Wl,-rpath,{described.parent}"], check=True)
        return program
    return compiled


class TestDocument:
    def test_the_first_program_follows_the_log(self, log, broker, installed):
        log(numbered(1, 3, step="收件"))
        program = subprocess.Popen([installed(0), broker.streams], text=True,
                                   stdout=subprocess.PIPE, env=clean_environment())
        try:
            assert [program.stdout.readline() for _ in range(3)] == [
                f"{n} A-{n % 7} 收件\n" for n in (1, 2, 3)]
            log(numbered(4, 4))
            assert program.stdout.readline().startswith("4 ")
        finally:
            program.kill()
            program.wait()

    def test_the_second_program_asks_and_follows(self, log, broker, installed):
        log(numbered(1, 9))
        program = installed(1)

        def run(case_no):
            return subprocess.run([program, broker.streams, case_no], text=True, timeout=30,
                                  capture_output=True, env=clean_environment())
        assert run("A-1").stdout == "2 events so far\n"
        missing = run("A-99")
        assert missing.returncode == 1 and "no such case" in missing.stderr

    def test_the_fourth_program_follows_cases(self, log, broker, installed, cli):
        log(numbered(1, 9))
        codes = {case: json.loads(cli("link", case, "--json").stdout)["code"]
                 for case in ("A-1", "A-2")}
        program = subprocess.Popen(
            [installed(3), broker.streams, "A-1", codes["A-1"], "A-2", codes["A-1"]], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment())
        try:
            assert program.stderr.readline() == "A-2 is not followed\n"
            assert program.stdout.readline() == "A-1: 2 events so far\n"
            log(numbered(10, 17, step="收件"))
            assert program.stdout.readline() == "15 A-1 收件\n"
        finally:
            program.kill()
            program.wait()

    def test_the_fifth_program_reads_under_a_name(self, log, broker, installed, database):
        log(numbered(1, 3))
        first = 1
        for last in (3, 5):
            program = subprocess.Popen([installed(4), broker.streams], text=True,
                                       stdout=subprocess.PIPE, env=clean_environment())
            try:
                for n in range(first, last + 1):
                    assert program.stdout.readline() == f"{n} A-{n % 7}\n"
                wait.until(lambda: pg.value(database, "SELECT cursor FROM waybill.reader") == last,
                           what="the acknowledgement of the last")
            finally:
                program.kill()
                program.wait()
            first = last + 1
            log(numbered(4, 5))

    def test_the_live_feed(self, log, broker, proto, tmp_path):
        directory = os.path.dirname(os.path.dirname(os.path.dirname(proto.event.__file__)))
        script = Program(["/usr/bin/python3", "-c", blocks("python")[0], broker.live],
                         tmp_path / "logs" / "live.log",
                         {**clean_environment(), "PYTHONPATH": directory}).start()
        count = iter(range(1, 1000))

        def said_something():
            number = next(count)
            log(numbered(number, number))
            return script.text()
        try:  # what was published before it was connected is lost to it: that is the contract
            said = wait.until(said_something, what="the first live event", every=0.1)
            assert re.match(r"\d+ A-\d \n", said)
        finally:
            script.kill()

    def test_the_commands(self, cli, log, broker):
        """Each is valid; those that end by themselves do so with status 0."""
        log(numbered(1, 30))
        for command in "".join(blocks("sh")).splitlines():
            words = command.split("#")[0].split()
            assert words[0] == "waybill"
            if "now" not in words and "--follow" not in words:
                cli(*words[1:])
                continue
            sessions = broker.text().count("opened by")
            program = cli.start(*words)
            wait.until(lambda: broker.text().count("opened by") > sessions, what=command)
            wait.until(lambda: "now" in words or "Ctrl-C" in program.text(), what=command)
            program.stop()
