"""The load generator's own record: what it says was sent first has to have been."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults.actors import Load  # noqa: E402
from support import wait  # noqa: E402


@pytest.fixture
def load(tmp_path):
    """With a spool, and nobody to publish to."""
    one = Load(f"tcp://127.0.0.1:{wait.free_port()}", "source-1", tmp_path, 100, 7,
               tmp_path / "spool")
    yield one
    one.kill()


def handed_over(load, count):
    """The first of what it handed over once it was started: letters and ids."""
    before = load.record.read_text().count("\n") if load.record.exists() else 0

    def found():
        text = load.record.read_text() if load.record.exists() else ""
        lines = text[:text.rfind("\n") + 1].splitlines()[before:]
        words = [line.split(" ") for line in lines if line.count(" ") == 2]
        hands = [(letter, event_id) for letter, _, event_id in words if letter in "SPK"]
        return len(hands) >= count and hands[:count]

    load.start()
    return wait.until(found, 20, f"{count} lines of hand-overs")


def test_the_first_event_is_nothing_once_more(load):
    assert handed_over(load, 2) == [("S", "e-000000000"), ("K", "e-000000000")]


@pytest.mark.parametrize("end", [
    "S 3 e-000000001\n",  # killed before it was taken, or before it said so
    "S 3 e-000000001\nK 4 e-0000",  # in the middle of saying so
    "S 3 e-000000001\nK 4 e-000000001\n",
    "S 3 e-000000001\nP 4 e-000000001\n",  # killed again
], ids=["not taken", "cut", "taken", "killed again"])
def test_the_newest_comes_once_more_before_the_next(load, end):
    load.record.write_text("S 1 e-000000000\nK 2 e-000000000\n" + end)
    assert handed_over(load, 2) == [("P", "e-000000001"), ("K", "e-000000001")]
    load.read()
    assert load.event_ids[:2] == ["e-000000000", "e-000000001"]
