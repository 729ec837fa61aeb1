"""A network namespace with one link to the host, which can be made to lose every packet.

Needs root and `ip`. A proxy's end of a connection always answers on the level of TCP; here a peer
really falls silent, as behind a broken router.
"""

import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
import threading

CLONE_NEWNET = 0x40000000
NOBODY = "02:00:00:00:00:fe"  # a hardware address that nothing at the link has
_libc = ctypes.CDLL(None, use_errno=True)


def why_not():
    """What keeps this machine from making one, or None."""
    if os.getuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip"):
        return "there is no ip: install iproute2"
    with tempfile.TemporaryFile(mode="w+") as said:
        name = f"wbtry{os.getpid()}"
        if subprocess.call(["ip", "netns", "add", name], stderr=said):
            said.seek(0)
            return f"ip netns add: {said.read().strip()}"
        subprocess.call(["ip", "netns", "delete", name], stderr=said)
    return None


class Namespace:
    """The host's end of the link has the address host, the other end the address guest."""

    def __init__(self):
        number = os.getpid() % 16384  # of the networks that are set apart for measurements
        net = f"198.{18 + number // 8192}.{number // 64 % 128 * 2 + 1}.{number % 64 * 4}"
        base, last = net.rsplit(".", 1)
        self.host, self.guest = f"{base}.{int(last) + 1}", f"{base}.{int(last) + 2}"
        self.name = f"wb{os.getpid()}"
        self._link = f"{self.name}h"
        _ip("netns", "add", self.name)
        try:
            _ip("link", "add", self._link, "type", "veth", "peer", "name", "guest",
                "netns", self.name)
            _ip("address", "add", f"{self.host}/30", "dev", self._link)
            _ip("link", "set", self._link, "up")
            self._inside("address", "add", f"{self.guest}/30", "dev", "guest")
            self._inside("link", "set", "guest", "up")
            self._inside("link", "set", "lo", "up")
        except Exception:
            self.remove()
            raise

    def command(self):
        """The words before a command that runs it inside."""
        return ["nsenter", f"--net=/run/netns/{self.name}", "--"]

    def connector(self, port, host="127.0.0.1"):
        """Connects from inside, to a loopback port of the inside as a Proxy's target, or to the
        host."""
        def connect():
            made = []
            thread = threading.Thread(target=lambda: made.append(self._socket(port, host)))
            thread.start()
            thread.join()
            if isinstance(made[0], OSError):
                raise made[0]
            return made[0]
        return connect

    def _socket(self, port, host):
        """In a thread of its own, which ends with the namespace that it has entered."""
        try:
            with open(f"/run/netns/{self.name}") as place:
                if _libc.setns(place.fileno(), CLONE_NEWNET) != 0:
                    return OSError(ctypes.get_errno(), "setns")
            return socket.create_connection((host, port), timeout=1)
        except OSError as problem:
            return problem

    def silence(self):
        """Every packet is lost, in both directions, until mend(). The ends are not told."""
        _ip("neighbour", "replace", self.guest, "lladdr", NOBODY, "nud", "permanent",
            "dev", self._link)
        self._inside("neighbour", "replace", self.host, "lladdr", NOBODY, "nud", "permanent",
                     "dev", "guest")

    def mend(self):
        subprocess.run(["ip", "neighbour", "delete", self.guest, "dev", self._link],
                       stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "-n", self.name, "neighbour", "delete", self.host, "dev", "guest"],
                       stderr=subprocess.DEVNULL)

    def remove(self):
        subprocess.run(["ip", "link", "delete", self._link], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "netns", "delete", self.name], stderr=subprocess.DEVNULL)

    def _inside(self, *words):
        _ip("-n", self.name, *words)


def _ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")
