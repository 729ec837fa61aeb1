"""deploy/quickstart in a clone of its own, in a path that shells and URLs find hard."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from support import postgres as pg
from support import wait
from support.paths import BUILD, ROOT
from support.process import clean_environment

pytestmark = pytest.mark.skipif("asan" in BUILD.name, reason="it makes a build of its own")


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def inside(directory):
    """Processes that were started from this directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if str(directory) in (entry / "cmdline").read_text() and alive(entry.name):
                    found.append(entry.name)
            except OSError:
                pass
    return found


class Clone:
    def __init__(self, directory):
        self.directory = directory
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
             "--exclude-standard"], cwd=ROOT, capture_output=True)
        if listed.returncode != 0:
            pytest.skip("not a clone: git cannot say which files belong to it")
        for name in os.fsdecode(listed.stdout).split("\0"):
            if name and (ROOT / name).is_file():
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, directory / name)

    def run(self, *options, status=0, **settings):
        done = subprocess.run(
            [self.directory / "deploy/quickstart", *options], capture_output=True, text=True,
            timeout=200, env={**clean_environment(), **settings}, stdin=subprocess.DEVNULL)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def status(self):
        return json.loads(self.run("--status", "--json"))


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    directory = tmp_path_factory.mktemp("quick") / "办件 a clone"
    made = Clone(directory)
    yield made
    made.run("--stop")
    assert not inside(directory)


@pytest.fixture(scope="module")
def started(clone):
    clone.run("--local", "--port", str(wait.free_port()))
    return clone.status()


def test_everything_runs_and_is_found(started):
    assert all(alive(pid) for pid in started["pids"].values())
    assert set(started["pids"]) == {"broker", "gateway", "postgres", "demo"}
    assert wait.http_status(f"{started['gateway']}/readyz") == 200
    assert pg.value(started["database"], "SELECT count(*) FROM waybill.event") > 100
    for endpoint in ("ingest", "live", "streams"):
        assert started[endpoint].startswith("tcp://127.0.0.1:")
    sample = started["sample"]
    status, _, body = wait.http_get(sample["link"].replace("localhost", "127.0.0.1"))
    assert status == 200
    assert sample["case_no"] in body.decode()
    assert sample["link"].endswith(f"/c/{sample['case_no']}/{sample['code']}")


def test_a_second_time_changes_nothing(clone, started):
    said = clone.run("--local")
    assert "Starting" not in said
    assert started["sample"]["link"] in said
    assert clone.status() == started


def test_what_ended_is_started_again(clone, started):
    os.kill(started["pids"]["gateway"], 9)
    wait.until(lambda: not alive(started["pids"]["gateway"]), what="the end of the gateway")
    assert json.loads(clone.run("--status", "--json", status=1))["gateway"] is None
    clone.run("--local")
    now = clone.status()
    assert now["pids"]["gateway"] != started["pids"]["gateway"]
    assert now["pids"]["broker"] == started["pids"]["broker"]
    assert now["gateway"] == started["gateway"]


def test_the_database_outlives_a_stop(clone, started):
    before = pg.value(started["database"], "SELECT count(*) FROM waybill.event")
    clone.run("--stop")
    assert not inside(clone.directory)
    assert json.loads(clone.run("--status", "--json", status=1))["pids"] == {
        "broker": None, "gateway": None, "postgres": None, "demo": None}
    assert "Nothing" in clone.run("--stop")
    clone.run("--local", "--no-demo")
    again = clone.status()
    assert again["pids"]["demo"] is None
    assert pg.value(again["database"], "SELECT count(*) FROM waybill.event") >= before
    assert [again[name] for name in ("ingest", "streams", "gateway")] == \
        [started[name] for name in ("ingest", "streams", "gateway")]


def test_a_server_that_is_named_is_used(clone, started, database):
    clone.run("--local", WAYBILL_DATABASE=database)
    now = clone.status()
    assert (now["database"], now["pids"]["postgres"]) == (database, None)
    assert pg.value(database, "SELECT count(*) FROM waybill.event") > 100
    said = clone.run("--local", status=1, WAYBILL_DATABASE="host=127.0.0.1 port=1")
    assert "WAYBILL_DATABASE" in said
    clone.run("--stop")


def test_nothing_of_it_is_for_git(clone):
    done = subprocess.run(["git", "init", "-q"], cwd=clone.directory)
    assert done.returncode == 0
    listed = subprocess.run(["git", "status", "--porcelain", "-uall"], cwd=clone.directory,
                            capture_output=True, text=True).stdout
    assert "var/" not in listed and "build/" not in listed


@pytest.mark.parametrize("options, word", [
    (["--nonsense"], "--nonsense"), (["--port"], "--port"), (["--port", "0"], "0"),
    (["--port", "99999"], "99999"), (["--json"], "--status")])
def test_usage(clone, options, word):
    assert word in clone.run(*options, status=2)
