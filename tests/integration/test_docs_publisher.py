"""What docs/publisher.md shows: compiled against an installed prefix, and run."""

import os
import re
import subprocess

import pytest
from support import paths
from support.process import clean_environment

DOCUMENT = paths.ROOT / "docs" / "publisher.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.S)


def run(*command, cwd=None, **environment):
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True,
                          timeout=120, env={**clean_environment(), **environment})
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def package(prefix):
    return os.path.dirname(next(prefix.rglob("waybill-publisher.pc")))


def sanitizer_flags():
    cache = (paths.BUILD / "CMakeCache.txt").read_text()
    return ["-fsanitize=address,undefined"] if "WAYBILL_SANITIZE:BOOL=ON" in cache else []


@pytest.fixture(scope="module")
def programs(tmp_path_factory, package):
    """Each C block of the document, compiled with the document's own command."""
    command, = re.findall(r"^    (cc .*)$", DOCUMENT.read_text(), re.M)
    made = []
    for source in blocks("c"):
        directory = tmp_path_factory.mktemp("program")
        (directory / "publish.c").write_text(source)
        strict = ["-Wall", "-Wextra", "-Werror", *sanitizer_flags()]
        run("bash", "-c", " ".join([command, *strict]), cwd=directory, PKG_CONFIG_PATH=package)
        made.append((directory / "publish", os.path.dirname(package)))
    return made


def start(program, *arguments):
    path, libraries = program
    return run(path, *arguments, LD_LIBRARY_PATH=libraries)


def test_the_simplest_program_is_ten_lines(programs, broker, cli):
    body = re.search(r"\{\n(.*)\n\}", blocks("c")[0], re.S).group(1)
    assert body.count(";\n") <= 11
    assert start(programs[0], broker.ingest) == ""
    line = cli("publish", "--source", "permits", "-", input='{"event_id":"1","case_no":"A-1",'
               '"stage":"RECEIVED","occurred_at":"2026-01-01T00:00:00Z"}\n').stdout
    assert line.startswith("offset 1 ") and line.endswith(" repeat\n")


def test_receipts_bring_codes_and_links(programs, broker):
    first = start(programs[1], broker.ingest)
    assert re.fullmatch(r"A-17 offset 1 http://127\.0\.0\.1:\d+/c/A-17/\S+\n", first)
    again = start(programs[1], broker.ingest)
    assert again == first.replace("offset 1", "offset 1 (known already)")


def test_a_spool_outlives_the_program(programs, broker, cli, tmp_path):
    spool = tmp_path / "permits.spool"
    assert start(programs[-1], broker.ingest, spool) == "taken\n"
    broker.stop()
    path, libraries = programs[-1]
    done = subprocess.run([path, broker.ingest, spool], capture_output=True, text=True,
                          env={**clean_environment(), "LD_LIBRARY_PATH": libraries})
    assert done.stdout == "taken\n" and "3 events have no receipt yet" in done.stderr
    broker.start()
    printed = cli("publish", "--source", "permits", "--spool", spool, "-", input="").stdout
    assert printed.splitlines() == [f"offset {n}  A-3  UNDER_REVIEW  repeat" for n in (1, 2, 3)]


def test_only_the_interface_is_exported(package):
    library, = paths.Path(package).parent.glob("libwaybill-publisher.so.0")
    symbols = run("nm", "-D", "--defined-only", library).split("\n")
    names = {line.split()[-1].split("@")[0] for line in symbols if " " in line}
    headers = [(paths.ROOT / "adapters/lib/waybill" / name).read_text()
               for name in ("publisher.h", "spool.h")]
    declared = set(re.findall(r"\b(wb_(?:publisher|spool)_\w+)\(", "".join(headers)))
    declared -= {"wb_spool_fn"}
    ours = {name for name in names if not re.fullmatch(r"waybill__v1__\w+__descriptor", name)}
    extra = {name for name in ours - declared
             if not re.match(r"WAYBILL_PUBLISHER_0$|_*(asan|odr_asan|ubsan)", name)}
    assert declared <= names and not extra


def test_shell(broker, cli):
    script, = blocks("sh")
    done = run("bash", "-ec", script, WAYBILL_INGEST=broker.ingest,
               PATH=f"{paths.BUILD / 'bin'}:{os.environ['PATH']}")
    first, second = done.splitlines()
    shown = re.search(r"^offset 1 .*$", DOCUMENT.read_text(), re.M).group()
    pattern = shown.replace("7KQM-2XPD-9RTW", r"\S+").replace("localhost:", r"127\.0\.0\.1:")
    pattern = pattern.replace(":7400", r":\d+")
    assert re.fullmatch(pattern, first)
    assert second.startswith("offset 2  A-2  ACCEPTED  code ")
