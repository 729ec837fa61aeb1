"""A private PostgreSQL cluster on a loopback port, with durable defaults, gone afterwards."""

import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg2

from . import wait
from .process import die_with_parent


def _binaries():
    found = glob.glob("/usr/lib/postgresql/*/bin/postgres")
    found = [path for path in found if int(path.split("/")[4]) >= 15]
    if not found:
        raise FileNotFoundError("PostgreSQL 15 or newer is not installed: deploy/packages run")
    return Path(max(found, key=lambda path: int(path.split("/")[4]))).parent


class Postgres:
    """PostgreSQL does not run as root: started by root it belongs to the package's account.

    directory: where its data lies, instead of the temporary directory. addresses: more than
    loopback to listen on, and to let in from. settings: of the server, beside or instead of those
    below."""

    def __init__(self, directory=None, addresses=(), settings=None):
        self.bin = _binaries()
        self.port = wait.free_port()
        self.addresses = ["127.0.0.1", *addresses]
        self.settings = settings or {}
        self.base = Path(tempfile.mkdtemp(prefix="waybill-postgres-", dir=directory))
        self.data = self.base / "data"
        self.log = self.base / "log"
        self.process = None
        self._databases = 0
        self._as = []
        if os.getuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.base, account.pw_uid, account.pw_gid)
            self._as = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}",
                        "--clear-groups", "--pdeathsig=INT", "--"]
        self._run("initdb", "-D", self.data, "--username=waybill", "--auth=trust",
                  "--encoding=UTF8", "--locale=C", "--no-sync")
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.writelines(f"host all all {address}/30 trust\n" for address in addresses)
        self.start()

    def _run(self, name, *arguments):
        command = [*self._as, str(self.bin / name), *map(str, arguments)]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True)
        assert done.returncode == 0, f"{name}: {done.stderr or done.stdout}"

    def start(self):
        """Starts it and waits until it takes connections."""
        settings = {"listen_addresses": ",".join(self.addresses), "port": self.port,
                    "unix_socket_directories": "", "max_connections": "200",
                    "shared_buffers": "64MB", "log_min_messages": "warning", **self.settings}
        options = [f"--{name}={value}" for name, value in settings.items()]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._as, str(self.bin / "postgres"), "-D", str(self.data), *options], cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGINT))
        wait.until(self._answers, 30, "PostgreSQL")

    def _answers(self):
        assert self.process.poll() is None, f"PostgreSQL ended: {self.log.read_text()}"
        try:
            psycopg2.connect(self.conninfo("postgres")).close()
            return True
        except psycopg2.OperationalError:
            return False

    def stop(self, how=signal.SIGINT):
        """SIGINT: fast shutdown; SIGQUIT: at once, without a checkpoint, as after a crash."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)

    def remove(self):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.base, ignore_errors=True)

    def conninfo(self, database):
        return f"host=127.0.0.1 port={self.port} user=waybill dbname={database}"

    def create(self):
        """A new, empty database: its conninfo."""
        self._databases += 1
        name = f"waybill_{self._databases}"
        self.execute("postgres", f"CREATE DATABASE {name} TEMPLATE template0")
        return self.conninfo(name)

    def drop(self, conninfo):
        name = re.search(r"dbname=(\w+)", conninfo).group(1)
        self.execute("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, database, statement):
        connection = psycopg2.connect(self.conninfo(database))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()


def rows(conninfo, statement, *values):
    """The rows of one query, in a connection of its own."""
    connection = psycopg2.connect(conninfo)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def value(conninfo, statement, *values):
    """The one value of a query's one row."""
    return rows(conninfo, statement, *values)[0][0]
