"""Reading the log: by the subscriber library, and by the command as JSON."""

import subprocess
import time

from bench.context import median, program_of_ours, rounds, run_json, say
from support import paths
from support.process import clean_environment


def count_lines(argv):
    """Lines that the program writes, and the seconds that it took."""
    began = time.monotonic()
    with subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          env=clean_environment()) as writer:
        counted = subprocess.run(["wc", "-l"], stdin=writer.stdout, capture_output=True,
                                 text=True, check=True)
    assert writer.returncode == 0, f"{argv[0]} ended with {writer.returncode}"
    return int(counted.stdout), time.monotonic() - began


def rate_of_lines(context, argv):
    lines, taken = count_lines(argv)
    assert lines == context.events, f"{argv[0]} gave {lines} lines, not {context.events}"
    return lines / taken


def play_reading(context, database, broker):
    psql = [context.postgres.bin / "psql", "-X", "-d", database, "-c",
            "COPY (SELECT * FROM waybill.event) TO STDOUT"]
    tail = [paths.program("waybill"), "tail", "--streams", broker.streams, "--from", "start",
            "--until-head"]

    def once():
        rates = {"copy": rate_of_lines(context, psql)}
        if context.wants("replay"):
            done = run_json(program_of_ours("bench-replay"), "--streams", broker.streams,
                            "--events", context.events)
            rates["replay"] = context.events / done["seconds"]
        if context.wants("catch_up"):
            rates["catch_up"] = rate_of_lines(context, tail)
        return rates

    say("replay, catch_up")
    found, times = rounds(once)
    for name in ("replay", "catch_up"):
        if context.wants(name):
            context.found(name, median([rates[name] for rates in found]),
                          median([rates["copy"] for rates in found]),
                          f"{context.events} events; against psql COPY TO STDOUT, text; {times}")
