"""Fixtures: real PostgreSQL, real programs, on ports of their own.

A test that asks for `broker` gets a broker on an empty database; `gateway` adds a gateway before
it; `cli` runs `waybill …` with both in its environment, `cli.run("waybill-adapter-file", …)` any
other program. `proto` are the Python modules that protoc makes, `publisher` and `follower` speak
the wire contract with them. A failed test shows the end of every log.
"""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import paths, wire  # noqa: E402
from support.postgres import Postgres  # noqa: E402
from support.wait import free_port  # noqa: E402
from support.waybill import Broker, Commands, Gateway  # noqa: E402


def pytest_collection_modifyitems(items):
    for item in items:
        if paths.SANITIZED and item.get_closest_marker("takes_time"):
            item.add_marker(pytest.mark.skip(reason="it takes time, and took it elsewhere"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    directory = getattr(item, "funcargs", {}).get("tmp_path")
    if not report.failed or directory is None:
        return
    for log in sorted((directory / "logs").glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-60:]
        report.sections.append((f"end of {log.name}", "\n".join(line[:400] for line in lines)))


TEST_SECONDS_MAX = 240


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """A test that hangs fails, and the others still run."""
    def expired(signum, frame):
        raise TimeoutError(f"{item.name} took more than {TEST_SECONDS_MAX} s")
    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(TEST_SECONDS_MAX)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def postgres():
    """A cluster of this test run's own. It may be stopped and started again."""
    cluster = Postgres()
    yield cluster
    cluster.remove()


@pytest.fixture
def database(postgres):
    """The conninfo of a new, empty database."""
    conninfo = postgres.create()
    yield conninfo
    postgres.drop(conninfo)


@pytest.fixture(scope="session")
def proto(tmp_path_factory):
    return wire.generate(tmp_path_factory.mktemp("proto"))


@pytest.fixture(scope="session")
def prefix():
    """Waybill as an administrator installs it, but elsewhere: a path without spaces, because the
    words of `$(pkg-config …)` in a document's command are split at them."""
    with tempfile.TemporaryDirectory(prefix="waybill-installed-") as directory:
        subprocess.run(["cmake", "--install", paths.BUILD, "--prefix", directory], check=True,
                       stdout=subprocess.DEVNULL)
        yield Path(directory)


@pytest.fixture
def make_broker(tmp_path, database):
    """make_broker(arguments=[…]) gives a broker on this test's database, not yet started."""
    made = []

    def make(database=database, **options):
        log = tmp_path / "logs" / f"broker-{len(made) + 1}.log"
        made.append(Broker(database, log, **options))
        return made[-1]

    yield make
    _close(made)


@pytest.fixture
def gateway_port():
    """Known before either starts: the broker announces the gateway's address."""
    return free_port()


@pytest.fixture
def broker(make_broker, cli, gateway_port):
    """A broker that is ready."""
    running = make_broker(public_url=f"http://127.0.0.1:{gateway_port}").start()
    cli.use(WAYBILL_INGEST=running.ingest, WAYBILL_STREAMS=running.streams,
            WAYBILL_LIVE=running.live)
    return running


@pytest.fixture
def gateway(broker, tmp_path, cli, gateway_port):
    """A gateway before the broker, ready."""
    running = Gateway(broker.streams, tmp_path / "logs" / "gateway.log", gateway_port)
    running.start()
    cli.use(WAYBILL_GATEWAY=running.url)
    yield running
    _close([running])


@pytest.fixture
def cli(tmp_path):
    commands = Commands(tmp_path)
    yield commands
    commands.close()


@pytest.fixture
def channel(broker, proto):
    """channel(endpoint) gives a DEALER socket that speaks the contract by hand."""
    yield from _channels(lambda endpoint: wire.Channel(proto, endpoint))


@pytest.fixture
def publisher(broker, proto):
    """publisher() or publisher(source): an ingest session of its own, open."""
    def make(source="tests"):
        session = wire.Publisher(proto, broker.ingest, source)
        session.open()
        return session
    yield from _channels(make)


@pytest.fixture
def follower(broker, proto):
    """follower(): a streams session of its own, open."""
    def make():
        session = wire.Follower(proto, broker.streams)
        session.hello()
        return session
    yield from _channels(make)


@pytest.fixture
def event(proto):
    """event(case_no="A-1", stage="RECEIVED", …): a valid event, another one with every call."""
    return lambda *args, **fields: wire.event(proto, *args, **fields)


@pytest.fixture
def shared_data():
    """Real input beside the repository, which is not part of it."""
    if not paths.SHARED_DATA.is_dir():
        pytest.skip("no shared data beside the repository")
    return paths.SHARED_DATA


def _channels(make):
    made = []

    def kept(*args, **options):
        made.append(make(*args, **options))
        return made[-1]

    yield kept
    for one in made:
        one.close()


def _close(programs):
    """Every one is ended, also if the end of another was not as it should be."""
    failures = []
    for program in programs:
        try:
            program.close()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n".join(failures)
