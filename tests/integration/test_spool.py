"""Store and forward: what the publisher took is in the log exactly once, whatever is killed;
`waybill spool`, and `--spool` of the programs."""

import json
import os
import random
import re
import subprocess
import time
from pathlib import Path

import psycopg2
import pytest
from support import paths, wait
from support.process import clean_environment, die_with_parent

OFFICE = Path(__file__).with_name("spool_office.c")


def line(n, **fields):
    return {"event_id": f"e{n}", "case_no": f"A-{n}", "stage": "RECEIVED",
            "occurred_at": "2026-03-02T09:00:00+08:00", **fields}


def ndjson(*events):
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in events)


def logged(database, source="permits"):
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT event_id FROM waybill.readable WHERE source = %s "
                       "ORDER BY event_offset", (source,))
        return [row[0] for row in cursor.fetchall()]


def ids(first, last):
    return [f"e{n}" for n in range(first, last)]


def sanitized():
    """A sanitizer keeps what was freed for a while: memory says nothing then."""
    return "WAYBILL_SANITIZE:BOOL=ON" in (paths.BUILD / "CMakeCache.txt").read_text()


def nobody():
    """An endpoint where no broker is."""
    return f"tcp://127.0.0.1:{wait.free_port()}"


@pytest.fixture(scope="module")
def office_program(tmp_path_factory, prefix):
    """spool_office.c, compiled as a user of the library would, and where the library is."""
    package = os.path.dirname(next(prefix.rglob("waybill-publisher.pc")))
    program = tmp_path_factory.mktemp("office") / "spool_office"
    sanitize = "-fsanitize=address,undefined" if sanitized() else ""
    subprocess.run(
        ["bash", "-c", f"cc -std=gnu11 -Wall -Wextra -Werror {sanitize} -o '{program}' '{OFFICE}' "
         "$(pkg-config --cflags --libs waybill-publisher)"],
        check=True, env={**clean_environment(), "PKG_CONFIG_PATH": package})
    return program, {**clean_environment(), "LD_LIBRARY_PATH": os.path.dirname(package)}


class Office:
    def __init__(self, program, directory):
        self.path, self.environment = program
        self.spool = directory / "permits.spool"

    def arguments(self, endpoint, first, last, batch=100, kib=0, *more):
        return [str(word) for word in
                (self.path, endpoint, self.spool, first, last, batch, kib, *more)]

    def run(self, *arguments, status=0, **options):
        done = subprocess.run(self.arguments(*arguments), capture_output=True, text=True,
                              env=self.environment, timeout=200, **options)
        assert done.returncode == status, done.stdout[-300:] + done.stderr
        return done

    def start(self, *arguments):
        return subprocess.Popen(self.arguments(*arguments), stdout=subprocess.PIPE, text=True,
                                env=self.environment, preexec_fn=die_with_parent())

    def status(self, cli):
        return json.loads(cli("spool", "status", self.spool, "--json").stdout)


@pytest.fixture
def office(office_program, tmp_path):
    return Office(office_program, tmp_path)


def test_killed_at_random_places_nothing_is_lost_or_twice(broker, office, database):
    """kill -9 of the publisher, and of the broker in between. After each, the office goes on with
    the first event for which it got no yes."""
    dice = random.Random(3)
    taken = 0
    for turn in range(12):
        program = office.start(broker.ingest, taken, 10**9, dice.choice((1, 7, 100)))
        for _ in range(dice.randrange(1, 60)):
            taken = int(program.stdout.readline())
        program.kill()
        said = program.stdout.read().split("\n")[:-1]
        taken = int(said[-1]) if said else taken
        program.wait()
        if turn % 4 == 1:
            broker.kill()
        elif turn % 4 == 2:
            broker.start()
    office.run(broker.ingest, taken, taken + 1, 1, 0, "wait")
    log = logged(database)
    # The last batch of each run may have been taken without the office hearing of it; it is the
    # same events that it gives again.
    assert log == ids(0, len(log)) and len(log) >= taken + 1 and taken > 100


def test_a_week_without_a_broker(broker, office, database, cli):
    broker.stop()
    office.run(broker.ingest, 0, 5000)
    office.run(broker.ingest, 5000, 5003, 1)
    status = office.status(cli)
    assert (status["events"], status["dead_letters"], status["in_use"]) == (5003, 0, False)
    assert status["source"] == "permits" and status["oldest_at"].endswith("Z")
    broker.start()
    office.run(broker.ingest, 5003, 5010, 1, 0, "wait")
    assert logged(database) == ids(0, 5010)
    assert office.status(cli)["events"] == 0


def test_catching_up_takes_little_memory_and_leaves_others_their_turn(broker, office, database,
                                                                      publisher, event, cli):
    count = 200_000
    office.run(nobody(), 0, count, 1000)
    assert office.status(cli)["events"] == count
    program = office.start(broker.ingest, count, count + 1, 1, 0, "wait")
    other = publisher("other")
    slowest = peak = 0
    while program.poll() is None:
        before = time.monotonic()
        other.publish(event())
        slowest = max(slowest, time.monotonic() - before)
        peak = vm_hwm_kib(program.pid) or peak
    assert program.wait() == 0
    assert peak < 40 * 1024 or sanitized(), f"{peak} KiB"
    assert slowest < 2, f"another source waited {slowest:.2f} s"
    assert logged(database) == ids(0, count + 1)
    assert os.path.getsize(office.spool) < 20 << 20, "the room is given back"


def vm_hwm_kib(pid):
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(found[1]) if found else None


def test_two_processes_on_one_spool(office, cli):
    endpoint = nobody()
    first = office.start(endpoint, 0, 10, 10, 0, "wait")
    assert first.stdout.readline() == "10\n"
    second = office.run(endpoint, 10, 20, status=1)
    assert f"{office.spool} is in use by process {first.pid} (spool_office)" in second.stderr
    assert "a file of its own" in second.stderr
    status = office.status(cli)
    assert (status["pid"], status["in_use"], status["events"]) == (first.pid, True, 10)
    text = cli("spool", "status", office.spool).stdout
    assert f"published by  process {first.pid}\n" in text and "waiting       10, since" in text
    first.kill()
    first.wait()
    office.run(endpoint, 10, 20)
    assert office.status(cli)["events"] == 20


def test_a_damaged_file_is_left_as_it_is(broker, office, database, cli, tmp_path):
    office.run(nobody(), 0, 3000)
    good = office.spool.read_bytes()
    middle = len(good) // 2 // 4096 * 4096
    for bad, words in ((good[:middle], "is damaged"), (good[:-1000], "middle of a page"),
                       (b"\0" * 100 + good[100:], "is not a spool"), (b"text", "is not a spool")):
        office.spool.write_bytes(bad)
        done = office.run(broker.ingest, 3000, 3001, status=1)
        assert words in done.stderr and str(office.spool) in done.stderr
        assert office.spool.read_bytes() == bad
    assert logged(database) == []
    # A page in the middle: what lies before it goes out, then it is told.
    office.spool.write_bytes(good[:middle] + b"\x5a" * 4096 + good[middle + 4096:])
    done = office.run(broker.ingest, 3000, 3001, 1, 0, "wait", status=1)
    assert "is damaged" in done.stderr and "waybill spool salvage" in done.stderr
    sent = logged(database)
    assert sent == ids(0, len(sent)) and 1000 < len(sent) < 3000
    # What can be read of the rest is got out as the document says.
    command, = re.findall(r"^    waybill (spool salvage) permits.damaged permits.spool$",
                          (paths.ROOT / "docs/publisher.md").read_text(), re.M)
    moved = tmp_path / "damaged"
    office.spool.rename(moved)
    said = json.loads(cli(*command.split(), moved, office.spool, "--json").stdout)
    assert 2900 < said["events"] < 3000 and said["dead_letters"] == 0
    assert "is there already" in cli(*command.split(), moved, office.spool, status=1).stderr
    assert office.status(cli)["events"] == said["events"]
    office.run(broker.ingest, 3001, 3002, 1, 0, "wait")
    assert len(logged(database)) == said["events"] + 1


def test_a_full_spool(broker, office, database, cli):
    done = office.run(nobody(), 0, 10**9, 1, 256, status=1)
    assert "is full: it takes the 256 KiB that it may" in done.stderr
    taken = int(done.stdout.split()[-1])
    assert office.status(cli)["events"] == taken > 500
    office.run(broker.ingest, taken, taken + 1, 1, 300, "wait")
    assert logged(database) == ids(0, taken + 1)


def test_a_full_disk(broker, office, database, cli, tmp_path):
    """A file system of 4 MiB that something else fills, in a mount namespace of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("the kernel lets nobody mount here")
    office.spool = disk / "permits.spool"
    fill = " ".join(office.arguments(nobody(), 0, 10**9, 10))
    more = " ".join(office.arguments(broker.ingest, 0, 0, 1, 0, "wait"))
    script = f"""
        mount -t tmpfs -o size=4m tmpfs '{disk}' || exit 77
        head -c 2m /dev/zero > '{disk}/other'
        {fill} > '{tmp_path}/taken'
        head -c 1m /dev/zero > '{disk}/last' 2>/dev/null   # not a byte is left
        timeout 100 {more}; echo "sent: $?"
        {fill.replace(' 0 1000000000 ', ' 900000 1000000 ')}
        rm '{disk}/other'
        timeout 100 {more}; echo "mended: $?"
        cp '{office.spool}'* '{tmp_path}'"""
    done = subprocess.run(["unshare", "-rm", "bash", "-c", script], env=office.environment,
                          capture_output=True, text=True, timeout=220)
    if done.returncode == 77:
        pytest.skip("no tmpfs can be mounted here")
    assert done.stderr.count("No space left on device") >= 2 and "make room" in done.stderr
    taken = int((tmp_path / "taken").read_text().split()[-1])
    assert done.stdout == "sent: 0\nmended: 0\n", done.stdout + done.stderr
    log = logged(database)
    assert log == ids(0, taken) and taken > 500
    office.spool = tmp_path / "permits.spool"
    assert office.status(cli)["events"] == 0


def test_refused_events_wait_for_a_person(broker, cli, database, tmp_path):
    spool = tmp_path / "permits.spool"
    done = cli("publish", "--source", "permits", "--spool", spool, "-", status=1,
               input=ndjson(line(1), line(2, kind="alert"), line(3), line(4, kind="alert")))
    assert done.stdout.count("offset") == 2
    assert re.findall("^line (\\d): .*kind", done.stderr, re.M) == ["2", "4"]
    status = cli("spool", "status", spool).stdout
    assert "dead letters  2\n" in status and f"'waybill spool list --dead {spool}'" in status
    dead = [json.loads(one) for one in
            cli("spool", "list", "--dead", spool, "--json").stdout.splitlines()]
    assert [(one["event"]["event_id"], one["refusal"]["name"]) for one in dead] == [
        ("e2", "KIND_NOT_ALLOWED"), ("e4", "KIND_NOT_ALLOWED")]
    text = cli("spool", "list", "--dead", spool).stdout.splitlines()
    assert " e2  A-2  RECEIVED" in text[0] and "kind" in text[1] and len(text) == 4
    missing = cli("spool", "retry", spool, "e9", "e2", status=1)
    assert "no dead letter 'e9'" in missing.stderr
    assert missing.stdout.startswith("requeued: 1\nThey are sent when a publisher opens")
    again = cli("publish", "--source", "permits", "--spool", spool, "-", input="", status=1)
    assert "e2, stored by an earlier run: " in again.stderr
    assert json.loads(cli("spool", "discard", spool, "e2", "--yes", "--json").stdout) == {
        "discarded": 1}
    assert cli("spool", "discard", spool, "--all", "--yes").stdout == "discarded: 1\n"
    assert "dead letters  0\n" in cli("spool", "status", spool).stdout
    assert logged(database) == ["e1", "e3"]


def test_publish_keeps_lines_in_a_spool(broker, cli, database, tmp_path):
    spool = tmp_path / "permits.spool"
    done = cli("publish", "--source", "permits", "--spool", spool, "--ingest", nobody(),
               "--timeout", "1", "-", input=ndjson(line(1), line(2)), status=1)
    assert f"2 events wait in {spool}, and go with the next run" in done.stderr
    listed = [json.loads(line) for line in cli("spool", "list", spool, "--json").stdout.split("\n")
              if line]
    assert [one["event"]["event_id"] for one in listed] == ["e1", "e2"]
    text = cli("spool", "list", spool, "--limit", "1").stdout
    assert re.fullmatch(r"\S+Z  e1  A-1  RECEIVED\n", text)
    done = cli("publish", "--source", "permits", "--spool", spool, "--json", "-",
               input=ndjson(line(3), line(2)))
    assert [(one.get("line"), one["event_id"], one["offset"], one["repeat"])
            for one in map(json.loads, done.stdout.splitlines())] == [
        (None, "e1", 1, False), (None, "e2", 2, False), (1, "e3", 3, False), (2, "e2", 2, True)]
    assert logged(database) == ids(1, 4)
    assert cli("spool", "list", spool).stdout == ""
    assert cli("publish", "--source", "land", "--spool", spool, "-", input="",
               status=1).stderr.startswith("waybill publish: the spool cannot be used: ")


def test_publish_with_a_spool_goes_on_through_a_broker_that_is_killed(broker, cli, database,
                                                                      tmp_path):
    count = 30_000
    (tmp_path / "many").write_text(ndjson(*(line(n) for n in range(count))))
    program = cli.start("waybill", "publish", "--source", "permits", "--spool",
                        str(tmp_path / "spool"), str(tmp_path / "many"))
    for at in (1, 4000):
        wait.until(lambda: program.text().count("\n") > at, what=f"{at} acknowledgements")
        broker.kill()
        broker.start()
    assert program.wait(60) == 0
    assert logged(database) == ids(0, count)


def test_spool_says_what_is_wrong(cli, tmp_path):
    path = tmp_path / "none"
    assert f"there is no spool {path}" in cli("spool", "status", path, status=1).stderr
    path.write_text("dear diary")
    assert "is not a spool" in cli("spool", "list", path, status=1).stderr
    assert "say --yes" in cli("spool", "discard", path, "--all", status=2).stderr
    assert "name event ids, or say --all" in cli("spool", "retry", path, status=2).stderr
    assert "say status, list" in cli("spool", "polish", path, status=2).stderr
    assert path.read_text() == "dear diary"


def test_the_file_adapter_with_a_spool(broker, cli, database, tmp_path):
    """Stopped while the broker is away: the next run sends what the first one read, and more."""
    spool = tmp_path / "permits.spool"
    (tmp_path / "first.ndjson").write_text(ndjson(*(line(n) for n in range(600))))
    (tmp_path / "second.ndjson").write_text(ndjson(line(600), line(601, kind="alert")))
    first = cli.start("waybill-adapter-file", "--source", "permits", "--spool", str(spool),
                      "--ingest", nobody(), str(tmp_path / "first.ndjson"))
    wait.until(lambda: spool.exists() and json.loads(
        cli("spool", "status", spool, "--json", status=None).stdout or "{}").get("events") == 600,
        what="600 events in the spool")
    first.process.terminate()
    assert first.wait() == 1 and "600" in first.text()
    done = cli.run("waybill-adapter-file", "--source", "permits", "--spool", spool,
                   tmp_path / "second.ndjson", status=1)
    assert "second.ndjson:2: " in done.stderr
    assert logged(database) == ids(0, 601)
    assert json.loads(cli("spool", "status", spool, "--json").stdout)["dead_letters"] == 1
