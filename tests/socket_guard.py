"""No test talks to another machine: every attempt is refused, and remembered.

Python tells audit hooks of each address before it is used, whichever library uses it, and what a
hook raises stops it. Native code that opens sockets by itself (DuckDB reading from a store, Spark's
Java) is not seen; its tests give it addresses of this machine only.

This file is also copied beside a ``sitecustomize.py`` to guard the processes that tests start.
"""

import ipaddress
import os
import sys

ADDRESSES = ("socket.connect", "socket.sendto", "socket.sendmsg")
NAMES = ("socket.getaddrinfo", "socket.gethostbyname")
REPORT = "SOCKET_GUARD_REPORT"
"""Variable that names a file for a line an attempt; the first line says that the guard is on."""


class ForeignSocketError(BaseException):
    """Another machine was to be talked to; no ``except Exception`` takes it for a bad network."""


class SocketGuard:
    """An audit hook.

    Attributes:
        seen: What was refused.
    """

    def __init__(self, report=None):
        self.seen = []
        self._report = report
        self._note("on")

    def __call__(self, event, args):
        if event in ADDRESSES:
            self._check(event, _host_of(args[1]))
        elif event in NAMES:
            self._check(event, args[0])

    def _check(self, event, host):
        if not is_here(host):
            self.seen.append(f"{event} {host}")
            self._note(self.seen[-1])
            raise ForeignSocketError(self.seen[-1])

    def _note(self, line):
        if self._report:
            with open(self._report, "a", encoding="utf-8") as file:  # noqa: PTH123 - no imports
                file.write(f"{line}\n")


def _host_of(address):
    """The host of an address; ``None`` of a Unix socket, or of a connected one."""
    return address[0] if isinstance(address, tuple) and isinstance(address[0], str) else None


def is_here(host):
    """Whether a host is this machine, or no host at all."""
    if isinstance(host, bytes):
        host = host.decode()
    if host in {None, "", "localhost"}:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def install():
    """Guard this process for the rest of its life: hooks cannot be taken off."""
    guard = SocketGuard(os.environ.get(REPORT))
    sys.addaudithook(guard)
    return guard
