"""The programs of docs/live.md, run as the document says: Python and Node on the live feed."""

import os
import re
import shutil
import subprocess

import pytest

from support import paths, wait, wire
from support.keys import Keys
from support.process import Program, clean_environment
from support.proxy import Proxy, connector
from support.registry import Registry

DOCUMENT = paths.ROOT / "docs" / "live.md"
EXAMPLES = paths.ROOT / "docs" / "examples"
PROGRAMS = {"python": "live.py", "js": "live.mjs"}

def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.S)


def commands(language):
    """(what prepares, what runs the program), of the document."""
    text = blocks("sh")[list(PROGRAMS).index(language)]
    *before, last = text.strip().splitlines()
    return "\n".join(before), last


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """prepared(language): a directory in which the document's first commands were run."""
    made = {}

    def prepare(language):
        if language not in made:
            if language == "js" and not shutil.which("npm"):
                pytest.skip("npm is not installed (deploy/packages node)")
            directory = tmp_path_factory.mktemp(language)
            shutil.copytree(EXAMPLES, directory / "docs" / "examples",
                            ignore=shutil.ignore_patterns("node_modules"))
            shutil.copytree(paths.ROOT / "proto", directory / "proto")
            before, _ = commands(language)
            done = subprocess.run(["bash", "-ec", before], cwd=directory, capture_output=True,
                                  text=True, timeout=180, stdin=subprocess.DEVNULL,
                                  env={**os.environ, "npm_config_cache": str(directory / "npm")})
            assert done.returncode == 0, done.stdout + done.stderr
            made[language] = directory
        return made[language]
    return prepare


@pytest.fixture(params=PROGRAMS)
def language(request, prepared):
    """Prepared before the test opens a session, which would fall silent meanwhile."""
    prepared(request.param)
    return request.param


@pytest.fixture
def follow(prepared, tmp_path):
    """follow(language, live, streams, …): the document's program, running beside the test."""
    started = []

    def start(language, live, streams, after=0, *keys):
        _, command = commands(language)
        settings, argv = {}, command.split()
        while "=" in argv[0]:
            settings.update([argv.pop(0).split("=", 1)])
        assert argv[-3:] == ["tcp://127.0.0.1:7412", "tcp://127.0.0.1:7413", "0"], command
        argv[-3:] = [live, streams, after, *keys]
        program = Program(["env", "-C", prepared(language), *argv],
                          tmp_path / "logs" / f"{language}.log", {**clean_environment(),
                                                                  **settings})
        started.append(program)
        return program.start()
    yield start
    for program in started:
        program.kill()


def shown(program):
    """Offset and case of each event that was printed as a whole line."""
    lines = program.text().rpartition("\n")[0].splitlines()
    return [(int(line.split()[0]), line.split()[2]) for line in lines if line[:1].isdigit()]


def missed(program):
    found = re.findall(r"offset (\d+) to (\d+) were missed", program.text())
    return [(int(first), int(last)) for first, last in found]


class Office:
    """Publishes events and knows which log they make."""

    def __init__(self, session, event):
        self.session, self.event = session, event
        self.log = []

    def publish(self, count=1):
        for _ in range(count):
            case_no = f"L-{len(self.log) + 1}"
            receipt, = self.session.publish(self.event(case_no, step="窗口收件"))
            self.log.append((receipt.offset, case_no))

    def publish_until_seen(self, program):
        """A SUB socket that is about to connect misses what is published: one more, until all is
        there."""
        def seen():
            assert program.running(), program.text()
            self.publish()
            return shown(program)[-1:] > [self.log[-2]]
        wait.until(seen, 30, f"the newest events: {program.text()[-1000:]}", every=0.1)
        wait.until(lambda: len(shown(program)) == len(self.log), 20, "the rest")


@pytest.mark.parametrize("shown_in", PROGRAMS)
def test_the_document_shows_the_program(shown_in):
    assert blocks(shown_in) == [(EXAMPLES / PROGRAMS[shown_in]).read_text()]


def test_a_gap_is_seen_and_fetched(language, broker, publisher, event, follow):
    office = Office(publisher(), event)
    office.publish(3)
    proxy = Proxy(connector(*broker.live.removeprefix("tcp://").split(":")))
    try:
        program = follow(language, proxy.endpoint, broker.streams)
        office.publish_until_seen(program)
        assert missed(program)[0][0] == 1 and missed(program)[0][1] >= 3
        proxy.cut()
        known = len(office.log)
        office.publish(1200)  # more than the credit that it gives at first
        proxy.mend()
        office.publish_until_seen(program)
        assert shown(program) == office.log
        assert missed(program)[-1][0] == known + 1 and missed(program)[-1][1] >= known + 1200
    finally:
        proxy.close()


def test_goes_on_behind_an_offset(language, broker, publisher, event, follow):
    office = Office(publisher(), event)
    office.publish(5)
    program = follow(language, broker.live, broker.streams, 4)
    del office.log[:4]
    office.publish_until_seen(program)
    assert shown(program) == office.log


def test_shows_its_keys(language, make_broker, database, proto, event, follow, tmp_path):
    server, own = Keys(tmp_path, "broker"), Keys(tmp_path, "permits")
    broker = make_broker(arguments=["--curve", "all", "--key-file", server.path]).start()
    registry = Registry(database, broker)
    source = Keys(tmp_path, "source")
    registry.source("tests", (source.public.encode(),))
    registry.follower("dashboard", (own.public.encode(),))
    session = wire.Publisher(proto, broker.ingest, curve=(
        (source.public.encode(), source.secret.encode()), server.public.encode()))
    session.open()
    office = Office(session, event)
    program = follow(language, broker.live, broker.streams, 0, server.public, own.path)
    office.publish(2)
    office.publish_until_seen(program)
    assert shown(program) == office.log
    session.close()


def test_follows_the_public_feed(language, make_broker, proto, event, follow):
    live = f"tcp://127.0.0.1:{wait.free_port()}"
    broker = make_broker(arguments=["--live-public", live]).start()
    session = wire.Publisher(proto, broker.ingest)
    session.open()
    office = Office(session, event)
    program = follow(language, live, broker.streams, 0)
    office.publish(2)

    def seen():
        office.publish()
        return re.search(r"^\d+ tests +STAGE_RECEIVED *$", program.text(), re.M)
    wait.until(seen, 30, "an event without a case's number", every=0.1)
    session.close()
