"""The checker's own canaries: each way in which a log can be wrong is found, and nothing else."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults import checker  # noqa: E402
from faults.checker import Acknowledgement, Row, Sent, check  # noqa: E402


def log():
    """Two sources, ten events in turn, recorded a second apart."""
    return [Row(n, "ab"[n % 2], f"e-{n}", n * 1_000_000) for n in range(1, 11)]


def sent(rows, **options):
    return [Sent(source, [row.event_id for row in rows if row.source == source],
                 [Acknowledgement(row.event_id, row.offset, False) for row in rows
                  if row.source == source], **options) for source in "ab"]


def promises(rows, told, head=None, **streams):
    return check(rows, len(rows) if head is None else head, told, streams).promises()


def test_a_sound_log_passes():
    rows = log()
    assert promises(rows, sent(rows), follower=rows, stream=rows) == set()
    assert promises([], [], follower=[]) == set()


def test_a_repeat_that_was_recognised_passes():
    rows, told = log(), sent(log())
    told[0].again.append("e-2")
    told[0].acknowledgements.append(Acknowledgement("e-2", 2, True))
    assert promises(rows, told) == set()


def test_a_gap():
    rows = log()
    del rows[4]
    told = sent(rows)
    assert promises(rows, told, 10) == {checker.GAP}
    assert promises(log()[1:], sent(log()[1:]), 10) == {checker.GAP}


def test_an_event_recorded_twice():
    rows = [*log(), Row(11, "a", "e-2", 11_000_000)]
    assert promises(rows, sent(log())) == {checker.TWICE}


def test_two_sources_may_use_the_same_id():
    rows = [Row(1, "a", "same", 1), Row(2, "b", "same", 1)]
    assert promises(rows, sent(rows)) == set()


def test_a_reordering():
    rows = log()
    rows[1], rows[3] = (rows[3]._replace(offset=2, recorded_at_us=2_000_000),
                        rows[1]._replace(offset=4, recorded_at_us=4_000_000))
    told = sent(log())
    for one in told:
        one.acknowledgements = []
        one.receipts = None
    assert promises(rows, told) == {checker.ORDER}


def test_an_acknowledgement_with_a_wrong_offset():
    rows, told = log(), sent(log())
    told[1].acknowledgements[0] = Acknowledgement("e-1", 3, False)
    assert promises(rows, told) == {checker.LOST}


def test_an_acknowledged_event_that_is_gone():
    rows, told = log()[:9], sent(log(), complete=False)
    assert promises(rows, told) == {checker.LOST}


def test_an_event_that_was_sent_and_never_came():
    rows, told = log(), sent(log())
    told[0].event_ids.append("e-12")
    assert promises(rows, told) == {checker.INCOMPLETE, checker.RECEIPTS}
    told[0].complete = False
    assert promises(rows, told) == set()


def test_an_event_that_nobody_sent():
    rows = [*log(), Row(11, "c", "e-11", 11_000_000)]
    assert promises(rows, sent(log())) == {checker.STRANGE}


def test_a_repeat_that_was_called_new():
    rows, told = log(), sent(log())
    told[0].again.append("e-2")
    told[0].acknowledgements.append(Acknowledgement("e-2", 2, False))
    assert promises(rows, told) == {checker.RECEIPTS}


def test_a_receipt_that_did_not_come():
    rows, told = log(), sent(log())
    told[0].acknowledgements.pop()
    assert promises(rows, told) == {checker.RECEIPTS}


def test_a_publisher_with_a_spool_is_told_at_least_once():
    rows, told = log(), sent(log(), receipts="some")
    told[0].acknowledgements.append(told[0].acknowledgements[-1])
    told[0].event_ids.append("e-12")
    told[0].taken = told[0].event_ids[:-1]  # killed before it was stored
    assert promises(rows, told) == set()
    told[0].taken = told[0].event_ids
    assert promises(rows, told) == {checker.INCOMPLETE, checker.RECEIPTS}
    told = sent(log(), receipts="some")
    told[1].acknowledgements.pop()
    assert promises(rows, told) == {checker.RECEIPTS}


def test_a_clock_that_went_back():
    rows = log()
    rows[5] = rows[5]._replace(recorded_at_us=4_000_000)
    assert promises(rows, sent(rows)) == {checker.TIME}


def test_a_head_that_is_not_the_end():
    assert promises(log(), sent(log()), 12) == {checker.HEAD}


def test_a_follower_that_missed_or_repeated_something():
    rows, promise = log(), checker.stream_promise("the follower")
    for seen in (rows[:4] + rows[5:], rows[:5] + rows[4:], rows[:9], [*rows[1::-1], *rows[2:]],
                 [*rows[:9], rows[9]._replace(recorded_at_us=1)]):
        assert check(rows, 10, sent(rows), {"the follower": seen}).promises() == {promise}


def test_what_is_found_is_told_with_offsets_and_ids():
    told = sent(log(), complete=False)
    lines = list(check(log()[:2], 2, told).lines())
    assert lines[0] == f"{checker.LOST}: 8 times"
    assert lines[1] == ("    a/e-4 was acknowledged at offset 4 and is nowhere;"
                        " there is nothing")
    assert lines[-1] == "    and 3 more"
