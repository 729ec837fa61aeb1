"""XES documents: an own reading of them, to compare with, and one that a test makes up."""

import gzip
import random
import xml.etree.ElementTree as tree
from datetime import datetime, timedelta, timezone
from xml.sax.saxutils import quoteattr

STEPS = ("Intake", "Vereiste advies", "Toetsen <ontvankelijk>", "Besluit & brief", "现场勘验")
PEOPLE = ("Resource01", "Resource02", "王芳", "O'Neill", None)


def local(tag):
    """The tag without its namespace, which not every log has."""
    return tag.rsplit("}", 1)[-1]


def events(path):
    """For each event in the order of the file: the trace's attributes and its own."""
    opened = gzip.open if str(path).endswith(".gz") else open
    with opened(path, "rb") as file:
        for _, element in tree.iterparse(file):
            if local(element.tag) != "trace":
                continue
            of_trace = attributes(element)
            for child in element:
                if local(child.tag) == "event":
                    yield of_trace, attributes(child)
            element.clear()


def attributes(element):
    return {child.get("key"): child.get("value") for child in element
            if child.get("key") and local(child.tag) not in ("event", "trace")}


def instant(text):
    """Microseconds since 1970 and the zone's minutes, of an XES date."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    since = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return since // timedelta(microseconds=1), moment.utcoffset() // timedelta(minutes=1)


def make(path, cases=40, events_per_case=12, seed=1):
    """Writes a log like the real ones: several zones, equal instants, names that need escaping,
    handlers missing, an exact duplicate in every tenth case. Returns how many <event> it holds."""
    chance = random.Random(seed)
    begin = datetime(2024, 3, 1, 8, tzinfo=timezone.utc)
    written = 0
    opened = gzip.open if str(path).endswith(".gz") else open
    with opened(path, "wt", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="UTF-8" ?>\n<log xes.version="1.0">\n')
        for case in range(cases):
            file.write(f'<trace><string key="concept:name" value="case-{case}"/>\n')
            moment = begin + timedelta(hours=case)
            for number in range(events_per_case):
                if number % 4:
                    moment += timedelta(milliseconds=chance.randrange(1, 10**8))
                text = event(chance, case, number, moment)
                repeats = 2 if case % 10 == 0 and number == 3 else 1
                file.write(text * repeats)
                written += repeats
            file.write("</trace>\n")
        file.write("</log>\n")
    return written


def event(chance, case, number, moment):
    zone = timezone(timedelta(hours=chance.choice((0, 1, 8)), minutes=chance.choice((0, 30))))
    person = chance.choice(PEOPLE)
    lines = [f'<string key="concept:name" value={quoteattr(chance.choice(STEPS))}/>',
             f'<date key="time:timestamp" value="{stamp(moment, zone)}"/>',
             '<string key="lifecycle:transition" value="complete"/>',
             f'<string key="concept:instance" value="task-{case * 1000 + number}"/>']
    if person is not None:
        lines.append(f'<string key="org:resource" value={quoteattr(person)}/>')
    return "<event>" + "".join(lines) + "</event>\n"


def stamp(moment, zone):
    return moment.astimezone(zone).isoformat(timespec="milliseconds")
