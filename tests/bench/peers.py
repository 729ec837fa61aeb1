"""What Waybill is measured against: COPY and single inserts in its own database, JetStream."""

import re
import shutil
import subprocess

from bench.context import Skip, program_of_ours, run_json, seconds_of
from support import paths, wait
from support.postgres import rows, value
from support.process import Program, clean_environment

INSERT_CONNECTIONS, INSERT_SECONDS = 16, 8


def leaf_of(database):
    """The table that holds the log's newest events, with their columns and indexes: the newest
    partition, or the log itself."""
    return value(database, "SELECT coalesce((SELECT e.tableoid::regclass FROM waybill.event e "
                 "ORDER BY event_offset DESC LIMIT 1), 'waybill.event')::text")


def name_of(database):
    return database.rsplit("dbname=", 1)[1]


def empty_like_leaf(context, database, name):
    """An empty table like the log's newest one: columns, collations, storage, indexes."""
    for statement in (f"DROP TABLE IF EXISTS {name}",
                      f"CREATE TABLE {name} (LIKE {leaf_of(database)} INCLUDING ALL)",
                      f"ALTER TABLE {name} SET (autovacuum_enabled = off)", "CHECKPOINT"):
        context.postgres.execute(name_of(database), statement)


class Copies:
    """COPY within the server, one backend: the limit that a log in PostgreSQL has."""

    def __init__(self, context, database):
        self.context = context
        self.database = database
        self.file = context.postgres.base / "rows"
        self.rows = value(database, "SELECT count(*) FROM waybill.event")
        self._execute(f"COPY (SELECT * FROM waybill.event ORDER BY event_offset) TO '{self.file}' "
                      "(FORMAT binary)")

    def _execute(self, statement):
        self.context.postgres.execute(name_of(self.database), statement)

    def rate(self):
        """Rows a second into an empty table with the log's indexes."""
        empty_like_leaf(self.context, self.database, "public.bench_copy")
        taken = seconds_of(lambda: self._execute(f"COPY public.bench_copy FROM '{self.file}' "
                                                 "(FORMAT binary)"))
        self._execute("DROP TABLE public.bench_copy")
        return self.rows / taken

    def remove(self):
        self.file.unlink(missing_ok=True)


def insert_script(database, table):
    """pgbench's script: one row, like the log's newest but for its number, id and case. pgbench
    takes a colon for a variable, so times are the server's."""
    own = {"event_offset": "n", "event_id": "'shenpi-' || lpad(n::text, 16, '0')",
           "case_no": "'320411-2026-' || lpad((n / 10000 * 1000 + n % 1000)::text, 9, '0')"}
    columns = rows(database, "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                   "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
                   "AND attgenerated = '' ORDER BY attnum", table)
    chosen = []
    for name, kind in columns:
        if name in own:
            chosen.append(own[name])
        elif kind.startswith("timestamp"):
            chosen.append("now()")
        else:
            text = value(database, f"SELECT quote_nullable({name}::text) FROM waybill.event "
                         "ORDER BY event_offset DESC LIMIT 1")
            chosen.append(f"{text}::{kind}")
    return (f"INSERT INTO {table} ({', '.join(name for name, _ in columns)}) "
            f"SELECT {', '.join(chosen)} FROM nextval('public.bench_number') n;\n")


def insert_rate(context, database):
    """Rows a second, one in a transaction, over sixteen connections, by pgbench."""
    pgbench = context.postgres.bin / "pgbench"
    table = "public.bench_insert"
    context.postgres.execute(name_of(database), "CREATE SEQUENCE IF NOT EXISTS public.bench_number")
    empty_like_leaf(context, database, table)
    script = context.directory / "insert.sql"
    script.write_text(insert_script(database, table))
    done = subprocess.run(
        [pgbench, "--no-vacuum", "--protocol=prepared", f"--client={INSERT_CONNECTIONS}",
         "--jobs=2", f"--time={INSERT_SECONDS}", f"--file={script}", database],
        capture_output=True, text=True, env=clean_environment(), stdin=subprocess.DEVNULL)
    found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.M)
    assert done.returncode == 0 and found, f"pgbench: {done.stderr[-300:].strip()}"
    context.postgres.execute(name_of(database), f"DROP TABLE {table}")
    return float(found.group(1))


def nats_server():
    return shutil.which("nats-server", path="/usr/bin:/usr/sbin:/usr/local/bin")


def jetstream_absence():
    """Why this peer cannot be measured here, or None."""
    if nats_server() is None:
        return "nats-server is not installed (deploy/packages bench)"
    if not (paths.BUILD / "tests" / "bench" / "bench-jetstream").exists():
        return "bench-jetstream is not built; it needs libnats-dev (deploy/packages bench)"
    return None


class JetStream(Program):
    """A NATS server with JetStream and nothing changed of how it stores; its files are below the
    run's directory."""

    def __init__(self, context):
        absence = jetstream_absence()
        if absence:
            raise Skip(absence)
        self.port = wait.free_port()
        self.store = context.directory / "jetstream"
        super().__init__([nats_server(), "-js", "-sd", self.store, "-a", "127.0.0.1", "-p",
                          self.port], context.log())

    def start(self):
        super().start()
        wait.until(self._answers, 15, "nats-server")
        return self

    def _answers(self):
        assert self.running(), f"nats-server ended: {self.text()[-500:]}"
        return wait.listens(self.port)

    def publish(self, events, size, *arguments):
        """What bench-jetstream says."""
        return run_json(program_of_ours("bench-jetstream"), "--server",
                        f"nats://127.0.0.1:{self.port}", "--events", events, "--bytes", size,
                        *arguments)


def with_jetstream(context, events, size, *arguments):
    """One run on a server of its own."""
    server = context.start(JetStream(context))
    try:
        return server.publish(events, size, *arguments)
    finally:
        server.kill()
        context.forget(server)
        shutil.rmtree(server.store, ignore_errors=True)
