"""A TCP proxy on a loopback port that can lose, hold and slow down what passes through it."""

import contextlib
import select
import socket
import struct
import threading
import time
from collections import deque

from . import wait

CHUNK = 64 * 1024
HELD_BYTES_MAX = 256 * 1024  # of one direction; then its sender is not read from
RESET = struct.pack("ii", 1, 0)  # SO_LINGER that makes close() reset the connection


def connector(host, port):
    """Connects to one address, as a Proxy's target."""
    return lambda: socket.create_connection((host, port), timeout=1)


class Flow:
    """One direction of a connection: what was read and waits for its time to be written."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.held = deque()  # (due, bytes)
        self.bytes = 0
        self.ended = False   # no more comes from the source
        self.broken = None   # because of this error
        self.told = False    # and the sink knows

    def read(self, delay):
        try:
            data = self.source.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError as problem:
            self.ended, self.broken = True, problem
            return
        if data:
            self.held.append((time.monotonic() + delay, data))
            self.bytes += len(data)
        self.ended = not data

    def write(self):
        _, data = self.held[0]
        sent = self.sink.send(data)
        self.bytes -= sent
        if sent == len(data):
            self.held.popleft()
        else:
            self.held[0] = (0, data[sent:])

    def due(self, now):
        return bool(self.held) and self.held[0][0] <= now


class Proxy:
    """Passes connections on to what target() connects to. All methods may be called from any
    thread and return once they hold."""

    UP, DOWN = 0, 1  # from the client to the server, and back

    def __init__(self, target):
        self.port = wait.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.endpoint = f"tcp://{self.address}"
        self._target = target
        self._listener = None
        self._pairs = []  # of flows
        self._frozen = [False, False]
        self._delay = 0.0
        self._lock = threading.Lock()
        self._failure = None
        self._closing = False
        self._wake, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._listen()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def reset(self):
        """Resets the connections there are; new ones are taken."""
        with self._changed():
            self._reset_all()

    def cut(self):
        """Resets all connections and refuses new ones, until mend()."""
        with self._changed():
            self._reset_all()
            if self._listener:
                self._listener.close()
                self._listener = None

    def freeze(self, up=True, down=True):
        """Nothing passes any more and nobody is told, as behind a dead router, until mend(). What
        was on its way is held."""
        with self._changed():
            self._frozen = [up, down]

    def slow(self, seconds):
        """Everything takes so much longer in each direction, until mend()."""
        with self._changed():
            self._delay = seconds

    def mend(self):
        """As if nothing had been. What was held while frozen passes now."""
        with self._changed():
            self._frozen, self._delay = [False, False], 0.0
            if not self._listener:
                self._listen()

    def held(self, way):
        """What waits to go that way, of all connections."""
        with self._lock:
            return b"".join(data for pair in self._pairs for _, data in pair[way].held)

    def close(self):
        with self._changed():
            self._closing = True
        self._thread.join(10)
        assert self._failure is None, f"the proxy of port {self.port} ended: {self._failure}"

    def _changed(self):
        """Holds the lock, and makes the thread look again when it is given back."""
        @contextlib.contextmanager
        def held():
            with self._lock:
                yield
            self._wake.send(b".")
        return held()

    def _listen(self):
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(64)
        self._listener.setblocking(False)

    def _reset_all(self):
        for pair in self._pairs:
            self._drop(pair)
        self._pairs = []

    @staticmethod
    def _drop(pair):
        for flow in pair:
            with contextlib.suppress(OSError):
                flow.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            flow.source.close()

    def _run(self):
        try:
            while not self._closing:
                self._wait()
                with self._lock:
                    self._accept()
                    self._pairs = [pair for pair in self._pairs if self._serve(pair)]
        except Exception as problem:  # reported by close(), which the test calls
            self._failure = problem
        finally:
            self._reset_all()
            if self._listener:
                self._listener.close()

    def _wait(self):
        """Until something may be read, written, or is due."""
        poll, now, timeout = select.poll(), time.monotonic(), None
        interest = {self._woken.fileno(): select.POLLIN}
        with self._lock:
            if self._listener and not any(self._frozen):
                interest[self._listener.fileno()] = select.POLLIN
            for pair in self._pairs:
                for way, flow in enumerate(pair):
                    if not flow.ended and flow.bytes < HELD_BYTES_MAX:
                        self._want(interest, flow.source, select.POLLIN)
                    if self._frozen[way]:
                        continue
                    if flow.due(now):
                        self._want(interest, flow.sink, select.POLLOUT)
                    elif flow.held:
                        left = max(0.001, flow.held[0][0] - now)
                        timeout = left if timeout is None else min(timeout, left)
        for descriptor, events in interest.items():
            poll.register(descriptor, events)
        poll.poll(None if timeout is None else timeout * 1000)
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)

    @staticmethod
    def _want(interest, end, events):
        interest[end.fileno()] = interest.get(end.fileno(), 0) | events

    def _accept(self):
        if not self._listener or any(self._frozen):
            return
        try:
            client, _ = self._listener.accept()
        except BlockingIOError:
            return
        try:
            server = self._target()
        except OSError:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
            return
        for end in (client, server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pairs.append((Flow(client, server), Flow(server, client)))

    def _serve(self, pair):
        """False when the connection is over."""
        now = time.monotonic()
        try:
            for way, flow in enumerate(pair):
                if not flow.ended and flow.bytes < HELD_BYTES_MAX:
                    flow.read(self._delay)
                if not self._frozen[way]:
                    self._pass_on(flow, now)
        except OSError:
            self._drop(pair)
            return False
        if all(flow.told for flow in pair):
            for flow in pair:
                flow.source.close()
            return False
        return True

    def _pass_on(self, flow, now):
        if flow.broken:
            raise flow.broken
        with contextlib.suppress(BlockingIOError):
            while flow.due(time.monotonic() if not self._delay else now):
                flow.write()
        if flow.ended and not flow.held and not flow.told:
            flow.sink.shutdown(socket.SHUT_WR)
            flow.told = True
