"""Server-sent events as a client of the gateway reads them."""

import http.client
import json
import socket
import threading
import urllib.parse

from . import wait


class Stream:
    """An event stream, read in a thread: .events are (id, event, data), -1 for an event without an
    id; .cursor is the last id, which may come without an event; .farewell is the data of the last
    one, `end`, which says why; .comments, .retry, .ended."""

    def __init__(self, url, **headers):
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        target = parts.path + ("?" + parts.query if parts.query else "")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("GET", target, headers=named)
        self.answer = self.connection.getresponse()
        self.status, self.headers = self.answer.status, dict(self.answer.getheaders())
        self.events, self.comments, self.retry, self.ended = [], 0, None, False
        self.cursor, self.farewell = 0, None
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        fields = {}
        try:
            for line in self.answer:
                line = line.decode().rstrip("\n")
                if line.startswith(":"):
                    self.comments += 1
                elif line.startswith("retry: "):
                    self.retry = int(line[7:])
                elif line:
                    name, value = line.split(": ", 1)
                    fields[name] = value
                elif fields:
                    if "id" in fields:
                        self.cursor = int(fields["id"])
                    if fields.get("event") == "end":
                        self.farewell = json.loads(fields["data"])
                    elif "data" in fields:
                        self.events.append((int(fields.get("id", -1)), fields["event"],
                                            json.loads(fields["data"])))
                    fields = {}
        except (OSError, http.client.HTTPException, ValueError):
            pass
        self.ended = True

    def wait(self, count, timeout=20):
        wait.until(lambda: len(self.events) >= count or self.ended, timeout, f"{count} events")
        assert len(self.events) >= count, self.events
        return self.events

    def nodes(self):
        return [data for _, kind, data in self.events if kind == "node"]

    def wait_nodes(self, count, timeout=20):
        wait.until(lambda: len(self.nodes()) >= count or self.ended, timeout, f"{count} nodes")
        assert len(self.nodes()) >= count, self.events[-5:]
        return self.nodes()

    def ids(self):
        return [number for number, kind, _ in self.events if kind == "node"]

    def close(self):
        try:
            self.answer.fp.raw._sock.shutdown(socket.SHUT_RDWR)
        except (OSError, AttributeError):
            pass
        self.thread.join(10)
