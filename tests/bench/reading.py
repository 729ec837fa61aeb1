"""Reading the log: by the subscriber library, and by the command as JSON."""

import subprocess
import time

from bench.context import median, program_of_ours, rounds, run_json, say
from support import paths
from support.process import clean_environment

REPLAY_SECONDS = 90  # of rounds


def count_lines(argv):
    """Lines that the program writes, and the seconds that it took."""
    began = time.monotonic()
    with subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          env=clean_environment()) as writer:
        counted = subprocess.run(["wc", "-l"], stdin=writer.stdout, capture_output=True,
                                 text=True, check=True)
    assert writer.returncode == 0, f"{argv[0]} ended with {writer.returncode}"
    return int(counted.stdout), time.monotonic() - began


def rate_of_lines(events, argv):
    lines, taken = count_lines(argv)
    assert lines == events, f"{argv[0]} gave {lines} lines, not {events}"
    return lines / taken


def copy_rate(context, database, events):
    return rate_of_lines(events, [context.postgres.bin / "psql", "-X", "-d", database, "-c",
                                  "COPY (SELECT * FROM waybill.event) TO STDOUT"])


def play_catch_up(context, database, broker):
    events = context.events
    tail = [paths.program("waybill"), "tail", "--streams", broker.streams, "--from", "start",
            "--until-head"]
    say("catch_up")
    found, times = rounds(lambda: (rate_of_lines(events, tail),
                                   copy_rate(context, database, events)))
    context.found("catch_up", *(median([each[i] for each in found]) for i in (0, 1)),
                  f"{events} events; against psql COPY TO STDOUT, text; {times}")


def play_replay(context, database, broker):
    events = context.replayed

    def once():
        done = run_json(program_of_ours("bench-replay"), "--streams", broker.streams, "--events",
                        events, timeout=1200)
        return events / done["seconds"], copy_rate(context, database, events)

    say("replay")
    found, times = rounds(once, REPLAY_SECONDS)
    context.found("replay", *(median([each[i] for each in found]) for i in (0, 1)),
                  f"{events} events; against psql COPY TO STDOUT, text; {times}")
