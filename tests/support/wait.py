"""Waiting for a condition instead of for a time, and ports to listen on."""

import http.client
import random
import socket
import time
import urllib.parse

_given = set()


def until(condition, timeout=20.0, what="the condition", every=0.02):
    """Returns the condition's first true value; fails after timeout seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {timeout:g} s")
        time.sleep(every)


def free_port():
    """A port below the range that outgoing connections take theirs from, never given twice."""
    while True:
        port = random.randrange(20000, 32000)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


def listens(port):
    """Somebody accepts connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def http_get(url, headers=None, timeout=5.0):
    """Status, headers, body; an HTTP error is a result too."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        target = parts.path or "/"
        if parts.query:
            target += "?" + parts.query
        connection.request("GET", target, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def http_status(url):
    """The status alone, None when nobody answers."""
    try:
        return http_get(url)[0]
    except OSError:
        return None
    except http.client.HTTPException:
        return None
