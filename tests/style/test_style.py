"""The rules of the house, as far as a program can see whether they are kept.

What clang-tidy measures (the length of functions) and clang-format (the width of lines) is not
measured again here, but for the scripts, which those do not read.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("proto", "common", "broker", "adapters", "subscribers")
STRANGERS = ("broker", "adapters", "subscribers")

# Unbounded, racy or silent about errors; beside each what to use.
BANNED = {
    "strcpy": "snprintf, or buffer_append", "strcat": "buffer_append", "strncpy": "snprintf",
    "strncat": "buffer_append", "sprintf": "snprintf", "vsprintf": "vsnprintf", "gets": "fgets",
    "atoi": "strtol with all of its checks", "atol": "strtol", "atoll": "strtoll",
    "atof": "strtod", "strtok": "strtok_r", "sscanf": "strtol and friends",
    "asctime": "timestamp.h", "ctime": "timestamp.h", "gmtime": "gmtime_r",
    "localtime": "localtime_r", "alloca": "an array with a bound", "system": "posix_spawn",
    "popen": "posix_spawn", "tmpnam": "mkstemp", "mktemp": "mkstemp", "rand": "randombytes",
    "srand": "randombytes", "random": "randombytes",
}


def tracked(*endings):
    """Files under version control, and those that are about to be."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"], cwd=ROOT, capture_output=True)
    if listed.returncode == 0:
        names = [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    else:
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")
                 if not re.match(r"(build[^/]*|var|\.git)/|.*node_modules/",
                                 str(path.relative_to(ROOT)))]
    return [ROOT / name for name in sorted(names)
            if name.endswith(endings) and (ROOT / name).is_file()]


def c_files():
    return tracked(".c", ".h")


def code_lines(path):
    """Lines without comments and the content of strings, numbered from 1."""
    text = path.read_text()
    plain = re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'',
                   lambda found: re.sub(r"[^\n]", " ", found.group()), text, flags=re.S)
    return list(enumerate(plain.splitlines(), 1))


def say(findings):
    findings = list(findings)
    assert not findings, "\n" + "\n".join(findings)


def name(path):
    return path.relative_to(ROOT)


def test_there_is_something_to_look_at():
    assert len(c_files()) > 10


def test_a_file_is_a_sitting():
    lines = {path: path.read_bytes().count(b"\n") for path in tracked(".c", ".h", ".py", ".js")}
    say(f"{name(path)} has {count} lines, 800 are the most" for path, count in lines.items()
        if count > 800)


def test_scripts_fit_the_width():
    files = [*tracked(".py", ".sh"), *(path for path in tracked("") if is_script(path))]
    say(f"{name(path)}:{number} is {len(line)} columns wide, 100 are the most"
        for path in sorted(set(files))
        for number, line in enumerate(path.read_text().splitlines(), 1) if len(line) > 100)


def is_script(path):
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def test_the_three_sides_meet_on_the_wire_only():
    """adapters/, broker/ and subscribers/ include nothing of one another; proto/ and common/
    nothing of theirs. The CLI and the demonstration use the client libraries as any user does:
    <waybill/...>."""
    findings = []
    for path in c_files():
        room = name(path).parts[0]
        if room not in ROOMS:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if not found:
                continue
            other = os.path.normpath(found.group(1))
            if other.startswith(".."):
                findings.append(f"{name(path)}:{number} includes {other}: name it from the root")
            target = other.split("/")[0]
            if target in STRANGERS and target != room:
                findings.append(f"{name(path)}:{number} includes {other}: that is another side's")
    say(findings)


def test_only_the_cli_administers():
    """<waybill/admin.h> works on the database: a gateway or an adapter has no business there."""
    say(f"{name(path)}:{number} includes <waybill/admin.h>"
        for path in c_files() for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.match(r"\s*#\s*include\s*<waybill/admin\.h>", line)
        and not str(name(path)).startswith(("subscribers/cli/", "broker/admin/", "tests/")))


@pytest.mark.parametrize("function", sorted(BANNED))
def test_banned(function):
    call = re.compile(rf"(?<![\w.>]){function}\s*\(")
    say(f"{name(path)}:{number} calls {function}: use {BANNED[function]}"
        for path in c_files() for number, line in code_lines(path) if call.search(line))


def test_headers_are_guarded_and_say_what_they_are():
    findings = []
    for path in tracked(".h"):
        text = path.read_text()
        if not text.startswith(("/*", "//")):
            findings.append(f"{name(path)} does not begin by saying what it is")
        if not re.search(r"#ifndef (\w+)\n#define \1\n", text):
            findings.append(f"{name(path)} has no include guard")
    say(findings)


def test_nothing_is_left_for_later():
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    files = tracked(".c", ".h", ".py", ".sh", ".js", ".sql", ".proto", ".md", ".css", ".html")
    files.remove(Path(__file__).resolve())
    say(f"{name(path)}:{number}: {line.strip()}" for path in files
        for number, line in enumerate(path.read_text().splitlines(), 1) if words.search(line))


def test_foreign_headers_stay_home():
    """PostgreSQL, ZeroMQ and the HTTP parser stay in the files whose business they are."""
    homes = {"libpq-fe.h": r"broker/(access|admin|journal|cases|fanout)/|tests/",
             "zmq.h": r"common/(curve|dealer|zsock)|(adapters|subscribers)/lib/|"
                      r"broker/(session|fanout|access)/|tests/",
             "http_parser.h": r"common/http"}
    say(f"{name(path)}:{number} includes {header}"
        for path in c_files() for number, line in enumerate(path.read_text().splitlines(), 1)
        for header, home in homes.items()
        if re.match(rf"\s*#\s*include\s*<{re.escape(header)}>", line)
        and not re.match(home, str(name(path))))


def documents():
    return [path for path in tracked(".md") if path.parts[len(ROOT.parts)] != "node_modules"]


def test_links_between_documents_lead_somewhere():
    findings = []
    for path in documents():
        text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:|#", target):
                continue
            if not (path.parent / target.split("#")[0]).exists():
                findings.append(f"{name(path)}: {target} leads nowhere")
    say(findings)


def test_programs_that_documents_name_exist():
    """A path like deploy/quickstart or tests/run in a document is one of ours, and executable."""
    findings = []
    for path in documents():
        for command in re.findall(r"(?<![\w/.-])((?:deploy|tests|\.ci)/[\w-]+)(?=[\s`])",
                                  path.read_text()):
            target = ROOT / command
            if not target.exists():
                findings.append(f"{name(path)}: {command} does not exist")
            elif target.is_file() and not os.access(target, os.X_OK):
                findings.append(f"{name(path)}: {command} cannot be executed")
    say(findings)


def test_scripts_parse():
    findings = []
    for path in tracked(""):
        first = path.read_bytes().split(b"\n", 1)[0]
        if path.suffix == ".sh" or (first.startswith(b"#!") and b"bash" in first):
            done = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True)
            if done.returncode:
                findings.append(done.stderr)
    say(findings)


def test_the_summary_of_pytest_is_read_right(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text('<testsuites><testsuite tests="7" failures="1" errors="1" skipped="2"/>'
                      "</testsuites>")
    done = subprocess.run([sys.executable, str(ROOT / "tests/support/junit.py"), str(report)],
                          capture_output=True, text=True, check=True)
    assert done.stdout == "3 2 2\n"
