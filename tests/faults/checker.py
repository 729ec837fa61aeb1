"""What must hold of a log, whatever broke while it was written.

The checker compares four things that were written down apart: what the publishers handed over and
were told (Sent), what the database holds, what a broker's stream shows afterwards, and what a
follower saw while it happened. It names what does not agree, with offsets and ids.
"""

from collections import namedtuple

Row = namedtuple("Row", "offset source event_id recorded_at_us")
Acknowledgement = namedtuple("Acknowledgement", "event_id offset repeat")

SHOWN = 5  # of each kind of violation


class Sent:
    """What one source handed over, and what it was told.

    complete: it ended in peace, so every event that was taken has to be in the log. receipts:
    'each' hand-over has exactly one; 'some': at least one, as of a publisher that was killed and
    had a spool; None: nobody wrote them down."""

    def __init__(self, source, event_ids, acknowledgements=(), again=(), complete=True,
                 receipts="each", taken=None):
        self.source = source
        self.event_ids = list(event_ids)  # in the order in which each was first handed over
        self.again = list(again)          # handed over once more
        self.acknowledgements = list(acknowledgements)
        self.taken = self.event_ids if taken is None else taken
        self.complete = complete
        self.receipts = receipts


class Findings:
    """Violations by what they violate; bounded when printed, counted in full."""

    def __init__(self):
        self.found = {}

    def add(self, promise, words):
        self.found.setdefault(promise, []).append(words)

    def __bool__(self):
        return bool(self.found)

    def promises(self):
        return set(self.found)

    def lines(self):
        for promise, words in self.found.items():
            yield f"{promise}: {len(words)} times"
            for line in words[:SHOWN]:
                yield f"    {line}"
            if len(words) > SHOWN:
                yield f"    and {len(words) - SHOWN} more"


GAP = "offsets count from 1 without a gap"
TWICE = "no event is recorded twice"
TIME = "recorded_at never goes back"
STRANGE = "nothing is recorded that was not sent"
ORDER = "a source's events keep the order in which they were first sent"
LOST = "an acknowledged event is in the log, at the offset of its acknowledgement"
RECEIPTS = "every hand-over gets its receipt, and only one calls the event new"
INCOMPLETE = "every event sent is there once its publisher ended in peace"
HEAD = "the head is the offset of the last event"


def stream_promise(name):
    return f"{name} shows what the database holds, once and in order"


def check(rows, head, sent, streams=None):
    """rows: the database's, by offset. streams: {name: rows} that have to be the same."""
    findings = Findings()
    rows = list(rows)
    _check_log(findings, rows, head)
    places = _places(findings, rows)
    by_source = {one.source: one for one in sent}
    _check_strange(findings, rows, by_source)
    for one in sent:
        _check_order(findings, places, one)
        _check_acknowledgements(findings, rows, places, one)
        if one.complete:
            _check_complete(findings, places, one)
    for name, seen in (streams or {}).items():
        _check_stream(findings, rows, name, list(seen))
    return findings


def _words(row):
    return f"offset {row.offset} {row.source}/{row.event_id}"


def _check_log(findings, rows, head):
    expected, newest = 1, 0
    for row in rows:
        if row.offset != expected:
            findings.add(GAP, f"{_words(row)} stands where offset {expected} should")
        if row.recorded_at_us < newest:
            findings.add(TIME, f"{_words(row)} was recorded {newest - row.recorded_at_us} us before"
                               " the one that it follows")
        expected, newest = row.offset + 1, max(newest, row.recorded_at_us)
    if head != expected - 1:
        findings.add(HEAD, f"the head says {head}, the last event has offset {expected - 1}")


def _places(findings, rows):
    """(source, id) -> offset of the first."""
    places = {}
    for row in rows:
        key = row.source, row.event_id
        if key in places:
            findings.add(TWICE, f"{_words(row)} is at offset {places[key]} already")
        else:
            places[key] = row.offset
    return places


def _check_strange(findings, rows, by_source):
    known = {source: set(one.event_ids) for source, one in by_source.items()}
    for row in rows:
        if row.event_id not in known.get(row.source, ()):
            findings.add(STRANGE, f"{_words(row)} was never sent")


def _check_order(findings, places, one):
    highest, before = 0, None
    for event_id in one.event_ids:
        offset = places.get((one.source, event_id))
        if offset is None:
            continue
        if offset < highest:
            findings.add(ORDER, f"{one.source}/{event_id} is at offset {offset}, before {before} at"
                                f" {highest}, which was sent earlier")
        else:
            highest, before = offset, event_id


def _check_acknowledgements(findings, rows, places, one):
    at = {row.offset: row for row in rows}
    new = {}
    for ack in one.acknowledgements:
        offset = places.get((one.source, ack.event_id))
        if offset != ack.offset:
            there = at.get(ack.offset)
            is_at = "is nowhere" if offset is None else f"is at {offset}"
            findings.add(LOST, f"{one.source}/{ack.event_id} was acknowledged at offset"
                               f" {ack.offset} and {is_at}; there is"
                               f" {_words(there) if there else 'nothing'}")
        if not ack.repeat:
            if ack.event_id in new and one.receipts == "each":
                findings.add(RECEIPTS, f"{one.source}/{ack.event_id} was acknowledged as new at"
                                       f" {new[ack.event_id]} and at {ack.offset}")
            new[ack.event_id] = ack.offset


def _check_complete(findings, places, one):
    for event_id in one.taken:
        if (one.source, event_id) not in places:
            findings.add(INCOMPLETE, f"{one.source}/{event_id} was sent and is nowhere")
    if one.receipts == "each":
        _check_each_receipt(findings, one)
    elif one.receipts == "some":
        told = {ack.event_id for ack in one.acknowledgements}
        for event_id in one.taken:
            if event_id not in told:
                findings.add(RECEIPTS, f"{one.source}/{event_id} has no receipt")


def _check_each_receipt(findings, one):
    owed = {}
    for event_id in (*one.event_ids, *one.again):
        owed[event_id] = owed.get(event_id, 0) + 1
    for ack in one.acknowledgements:
        owed[ack.event_id] = owed.get(ack.event_id, 0) - 1
    for event_id, count in owed.items():
        if count:
            findings.add(RECEIPTS, f"{one.source}/{event_id} has {abs(count)} receipts too"
                                   f" {'few' if count > 0 else 'many'}")


def _check_stream(findings, rows, name, seen):
    promise = stream_promise(name)
    for number, (row, other) in enumerate(zip(rows, seen), 1):
        if row != other:
            findings.add(promise, f"number {number} is {_words(other)} at {other.recorded_at_us},"
                                  f" in the database {_words(row)} at {row.recorded_at_us}")
            break  # what comes behind it is shifted
    if len(rows) != len(seen):
        findings.add(promise, f"it has {len(seen)} events, the database {len(rows)}")
