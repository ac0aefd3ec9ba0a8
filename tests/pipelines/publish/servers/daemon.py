"""Processes that tests start on loopback, watch, kill and never leave behind."""

import atexit
import os
import secrets
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

LONGEST_WAIT = 60.0  # seconds, for whatever a server does while it starts
# Below the ports that systems hand to outgoing connections: a client that polls a server which
# is down could be given the server's own port, keep it and so stop the server from coming back.
PORTS = range(20_000, 32_000)
GUARD = 'read -r line || kill -9 "$1"'  # end of file: whoever held the pipe is gone


class ServerError(RuntimeError):
    """A server did not start, or ended by itself. The message ends with its last lines."""


class Daemon:
    """One process kept in the foreground: its output in a file, gone when its starter is gone.

    Args:
        command: Program and arguments; it must not put itself into the background.
        log: File that its output is added to.
        env: Variables on top of ``PATH`` and ``HOME`` (the log's folder); no others are passed,
            so that nobody's settings or proxies change what is tested.
    """

    def __init__(
        self, command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.command = [str(part) for part in command]
        self.log = log
        self.env = {"PATH": search_path(), "HOME": str(log.parent), **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it, or do nothing where it runs already."""
        if self.pid is not None:
            return
        self._forget()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.env,
                start_new_session=True,  # Ctrl-C ends the tests; they end their servers
            )
        # Atexit functions do not run where the tests are killed; a shell that waits does.
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, "sh", str(self._process.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        RUNNING[self] = os.getpid()

    def kill(self) -> None:
        """End it by SIGKILL, as a lost machine would, and return once it is gone."""
        if self._process is not None and self.pid is not None:
            self._process.kill()
        self._forget()

    def wait_until(self, ready: Callable[[], bool], what: str) -> None:
        """Return once ``ready()`` is true.

        Raises:
            ServerError: The process ended first, or :data:`LONGEST_WAIT` seconds have passed.
        """
        end = monotonic() + LONGEST_WAIT
        while not ready():
            if self._process is None or self._process.poll() is not None:
                raise ServerError(f"{what} ended while it started: {self._last_lines()}")
            if monotonic() > end:
                raise ServerError(f"{what} not ready after {LONGEST_WAIT:.0f} s: {self.log}")
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
        if self.pid is None:  # then it was somebody else who answered
            raise ServerError(f"{what} ended while it started: {self._last_lines()}")

    def _forget(self) -> None:
        if self._process is not None:
            self._process.wait()
        if self._guard is not None:
            self._guard.communicate(b"ended\n")
        self._process = self._guard = None
        RUNNING.pop(self, None)

    def _last_lines(self) -> str:
        return " | ".join(self.log.read_text(errors="replace").splitlines()[-5:])


RUNNING: dict[Daemon, int] = {}


@atexit.register
def stop_all() -> None:
    """Kill what this process started; a fork of it that ends leaves its parent's servers alone."""
    for daemon in [daemon for daemon, starter in RUNNING.items() if starter == os.getpid()]:
        daemon.kill()


def search_path() -> str:
    """``PATH`` with the folders of system programs, which not everybody's names."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on.

    Raises:
        ServerError: None was found.
    """
    for _ in range(200):
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ServerError(f"no free port of 127.0.0.1 in {PORTS.start} to {PORTS.stop - 1}")
