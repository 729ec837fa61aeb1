"""Waybill's own programs, started for a test on ports of their own."""

import json
import subprocess
from pathlib import Path

from . import paths, wait
from .process import Program, clean_environment, sanitizer_reports


class Server(Program):
    """A program that says on its own /readyz, below self.http, when it can be used."""

    def start(self, ready=True):
        super().start()
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=15):
        name = Path(self.argv[0]).name

        def answers():
            assert self.running(), f"{name} ended: {self.text()[-2000:]}"
            return wait.http_status(f"{self.http}/readyz") == 200
        wait.until(answers, timeout, f"/readyz of {name}")

    def restart(self):
        """Stops it as systemd would, and starts it."""
        self.stop()
        return self.start()


class Broker(Server):
    """waybilld on a database. Its endpoints stay the same when it is started again."""

    def __init__(self, database, log, public_url="", arguments=()):
        self.database = database
        self.ingest, self.live, self.streams = (
            f"tcp://127.0.0.1:{wait.free_port()}" for _ in range(3))
        address = f"127.0.0.1:{wait.free_port()}"
        self.http = f"http://{address}"
        argv = [paths.program("waybilld"), "--database", database, "--ingest", self.ingest,
                "--live", self.live, "--streams", self.streams, "--http", address]
        if public_url:
            argv += ["--public-url", public_url]
        super().__init__([*argv, *arguments], log)

    def metric(self, name):
        """The sum over a metric's labels, from /metrics."""
        return metric(self.http, name)


class Gateway(Server):
    """waybill-gateway before a broker's streams."""

    def __init__(self, streams, log, port=None, arguments=()):
        self.port = port or wait.free_port()
        self.url = self.http = f"http://127.0.0.1:{self.port}"
        super().__init__([paths.program("waybill-gateway"), "--listen", f"127.0.0.1:{self.port}",
                          "--streams", streams, *arguments], log)

    def get(self, path, **headers):
        """Status, headers, body of a page."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return wait.http_get(self.url + path, named)

    def json(self, path):
        status, _, body = self.get(path)
        assert status == 200, f"{path}: {status} {body[:300]}"
        return json.loads(body)

    def metric(self, name):
        """The sum over a metric's labels, from /metrics."""
        return metric(self.http, name)


def metric(url, name):
    status, _, body = wait.http_get(f"{url}/metrics")
    assert status == 200
    found = [line for line in body.decode().splitlines()
             if line.split("{")[0].split(" ")[0] == name]
    assert found, f"{url}/metrics has no {name}"
    return sum(float(line.rsplit(" ", 1)[1]) for line in found)


class Commands:
    """Runs programs of the build with the endpoints of this test's broker in the environment."""

    def __init__(self, directory):
        self.directory = directory
        self.environment = clean_environment()
        self.background = []

    def use(self, **settings):
        self.environment.update(settings)

    def run(self, name, *arguments, input=None, status=0, timeout=120):
        """Runs a program to its end. status: what it has to end with, None for any."""
        done = subprocess.run(
            [paths.program(name), *map(str, arguments)], input=input, capture_output=True,
            text=True, errors="replace", timeout=timeout, env=self.environment,
            cwd=self.directory, stdin=subprocess.DEVNULL if input is None else None)
        said = f"{name} {' '.join(map(str, arguments))}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        assert not sanitizer_reports(done.stderr), said
        if status is not None:
            assert done.returncode == status, f"status {done.returncode}, not {status}: {said}"
        return done

    def __call__(self, *arguments, **options):
        """`waybill …`"""
        return self.run("waybill", *arguments, **options)

    def start(self, name, *arguments):
        """Starts a program beside the test; its output is in .log, .text() reads it."""
        number = len(self.background) + 1
        program = Program([paths.program(name), *arguments],
                          self.directory / "logs" / f"{name}-{number}.log", self.environment)
        self.background.append(program)
        return program.start()

    def close(self):
        for program in self.background:
            program.kill()
        for program in self.background:
            reports = sanitizer_reports(program.text())
            assert not reports, f"{program.argv[0]}: {reports[0]}; see {program.log}"
