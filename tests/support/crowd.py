"""Thousands of followers of a gateway in one thread, each on a connection of its own."""

import re
import select
import socket
import time

_EVENT = re.compile(rb"^id: (\d+)\n(?:event: (\w+)\ndata: [^\n]*\n)?\n", re.M)


class _One:
    """.cursor as an EventSource keeps it, .nodes: offsets of the events that came."""

    def __init__(self, case_no, code):
        self.case_no, self.code = case_no, code
        self.cursor, self.nodes = None, []
        self.socket, self.rest, self.begun, self.status = None, b"", False, None

    def request(self):
        cursor = f"Last-Event-ID: {self.cursor}\r\n" if self.cursor is not None else ""
        return (f"GET /c/{self.case_no}/{self.code}/events HTTP/1.1\r\nHost: a\r\n"
                f"{cursor}\r\n").encode()

    def take(self, data):
        self.rest += data
        if self.status is None and b"\r\n\r\n" in self.rest:
            head, self.rest = self.rest.split(b"\r\n\r\n", 1)
            self.status = int(head.split()[1])
        if self.status is None:
            return
        self.begun = self.begun or b"retry: " in self.rest
        end = self.rest.rfind(b"\n\n") + 2
        if end < 2:
            return
        for number, kind in _EVENT.findall(self.rest[:end]):
            self.cursor = int(number)
            if kind == b"node":
                self.nodes.append(int(number))
        self.rest = self.rest[end:]


class Crowd:
    """Of the cases with their codes. `come` lets all connect, or these, each with its cursor."""

    def __init__(self, port, cases):
        self.port = port
        self.all = [_One(case_no, code) for case_no, code in cases]
        self.poll = select.epoll()
        self.open = {}

    def come(self, these=None):
        for one in self.all if these is None else these:
            one.socket = socket.socket()
            one.socket.setblocking(False)
            one.socket.connect_ex(("127.0.0.1", self.port))
            one.rest, one.begun, one.status = b"", False, None
            self.open[one.socket.fileno()] = one
            self.poll.register(one.socket, select.EPOLLOUT)

    def _end(self, number):
        one = self.open.pop(number)
        self.poll.unregister(number)
        one.socket.close()

    def turn(self, seconds=0.1):
        """Reads what there is."""
        for number, events in self.poll.poll(seconds):
            one = self.open[number]
            try:
                if events & select.EPOLLOUT:
                    one.socket.sendall(one.request())
                    self.poll.modify(number, select.EPOLLIN)
                    continue
                data = one.socket.recv(65536)
            except OSError:
                data = b""
            if data:
                one.take(data)
            else:
                self._end(number)

    def until(self, condition, timeout=60):
        """Reads until the condition holds for every follower."""
        began = time.monotonic()
        waiting = [one for one in self.all if not condition(one)]
        while waiting:
            assert time.monotonic() - began < timeout, f"{len(waiting)} still wait"
            self.turn()
            waiting = [one for one in waiting if not condition(one)]

    def until_gone(self, timeout=60):
        began = time.monotonic()
        while self.open:
            assert time.monotonic() - began < timeout, f"{len(self.open)} are still connected"
            self.turn()

    def close(self):
        for number in list(self.open):
            self._end(number)
        self.poll.close()
