"""The client of docs/python.md, run as the document says."""

import os
import re
import shlex
import subprocess

from support import paths
from support.process import clean_environment

DOCUMENT = paths.ROOT / "docs" / "python.md"
SCRIPT = paths.ROOT / "docs" / "examples" / "follow.py"


def block(language):
    found = re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.S)
    assert len(found) == 1
    return found[0]


def run_as_documented(directory, broker):
    """The commands of the document, with our directory and endpoints in place of its own."""
    text = block("sh").replace("build/python", shlex.quote(str(directory)))
    text = text.replace("tcp://127.0.0.1:7411", broker.ingest)
    text = text.replace("tcp://127.0.0.1:7413", broker.streams)
    return subprocess.run(["bash", "-ec", text], cwd=paths.ROOT, capture_output=True, text=True,
                          timeout=60, env=clean_environment())


def test_the_document_shows_the_script():
    assert block("python") == SCRIPT.read_text()


def test_the_script_is_short():
    lines = [line for line in SCRIPT.read_text().splitlines() if line.strip()]
    assert len(lines) <= 60


def test_publishes_and_sees_its_event(broker, tmp_path, cli):
    cli("publish", "--source", "other", "-", input="".join(
        f'{{"event_id":"{n}","case_no":"A-{n}","stage":"RECEIVED","occurred_at":"2026-03-02"}}\n'
        for n in range(250)))  # more than the credit that it gives at first
    done = run_as_documented(tmp_path / "with a space", broker)
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert re.fullmatch(r"committed at offset 251; the applicant's code is \S+", first)
    assert [int(line.split()[0]) for line in rest] == list(range(1, 252))
    assert rest[-1] == "251 python PY-1 STAGE_RECEIVED 窗口收件"


def test_says_why_it_is_refused(broker, tmp_path, proto):
    os.makedirs(tmp_path / "modules")
    source = SCRIPT.read_text().replace('source="python"', 'source="Not A Name"')
    changed = tmp_path / "changed.py"
    changed.write_text(source)
    directory = os.path.dirname(os.path.dirname(os.path.dirname(proto.event.__file__)))
    done = subprocess.run(["/usr/bin/python3", str(changed), broker.ingest, broker.streams],
                          capture_output=True, text=True, timeout=60,
                          env={**clean_environment(), "PYTHONPATH": directory})
    assert done.returncode == 1
    assert "source's name" in done.stderr and "Not A Name" in done.stderr
