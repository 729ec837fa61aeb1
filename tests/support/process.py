"""A program that runs beside the test: its log, its end, and what a sanitizer said."""

import ctypes
import os
import re
import signal
import subprocess
from pathlib import Path

SANITIZER = re.compile(
    r"ERROR: (Address|Leak)Sanitizer|runtime error:|AddressSanitizer:DEADLYSIGNAL"
)


PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(how=signal.SIGTERM):
    """For preexec_fn: should the test run be killed, what it started ends too."""
    return lambda: _libc.prctl(PR_SET_PDEATHSIG, int(how))


def sanitizer_reports(text):
    return [line for line in text.splitlines() if SANITIZER.search(line)]


def clean_environment():
    """Ours without the settings of whoever runs the tests, and with sanitizers that speak up."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WAYBILL_")}
    environment["ASAN_OPTIONS"] = "detect_leaks=1:exitcode=99:abort_on_error=0"
    environment["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
    environment["LC_ALL"] = "C.UTF-8"
    environment["TZ"] = "Asia/Shanghai"
    return environment


def rss_kib(pid):
    """Resident memory of a process, now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} shows no resident memory")


class Program:
    """Started by start(), ended by stop() or kill(), and startable again. It appends to its log."""

    def __init__(self, argv, log, environment=None):
        self.argv = [str(word) for word in argv]
        self.log = Path(log)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.environment = environment or clean_environment()
        self.process = None

    def start(self):
        assert not self.running(), f"{self.argv[0]} runs already"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment, start_new_session=True, preexec_fn=die_with_parent())
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait(self, timeout=30):
        """Waits for it to end by itself: its exit status."""
        return self.process.wait(timeout)

    def stop(self, timeout=30):
        """Asks it to end, as systemd would; it has to do so in time and with status 0."""
        if self.process is None:
            return
        if self.running():
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.argv[0]} did not end within {timeout} s of SIGTERM")
        assert status == 0, f"{self.argv[0]} ended with status {status}; see {self.log}"

    def kill(self):
        """As the kernel or a power cut would: without a chance to do anything."""
        if self.running():
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def close(self):
        """At the end of a test: a clean end, and nothing that a sanitizer complained about. One
        that was killed, or whose end the test has waited for, is not judged by its status."""
        if self.running():
            self.stop()
        reports = sanitizer_reports(self.text())
        assert not reports, f"{self.argv[0]}: {reports[0]}; see {self.log}"

    def rss_kib(self):
        return rss_kib(self.pid)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))
