"""A TCP proxy before an S3 server that does to each request what bad lines do."""

import socket
import struct
import threading
import time
from contextlib import suppress

from urllib3.util import parse_url

PIECE = 16_384
HARMS = ("throttle", "cut", "cut for good", "lose", "lose for good", "late", "late for good")


class BadLine:
    """Passes requests on, each on a connection of its own.

    Harms: ``throttle`` sends in small pieces; ``cut`` breaks off in the middle of the request;
    ``lose`` lets the server do it and breaks off before the answer; ``late`` breaks off at once,
    and the request arrives all the same, after the next answer. ``… for good`` does so, and until
    :meth:`mend` nobody gets through; what is late arrives by :meth:`deliver`.

    Args:
        behind: ``host:port`` of the server.
        rate: Bytes a second that it lets through in each direction, as many as come without it.
        step: Number of the request that is harmed, from 0; none without it.
        harm: How.
        harmed: Method and a part of the path, of which the first request is harmed instead.
    """

    def __init__(self, behind, *, rate=None, step=None, harm=None, harmed=None):
        url = parse_url(behind)
        self._behind, self.rate = (url.host, url.port), rate
        self.step, self.harm, self._harmed = step, harm, harmed
        self.names, self.broken, self.held = [], False, []
        self._lock = threading.Lock()
        self._listener = socket.socket()
        # Small, so that the sender feels the rate; inherited by what is accepted.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * PIECE)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.endpoint = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def mend(self):
        """Let everything through from here on."""
        self.step, self.broken = None, False

    def deliver(self):
        """Let the server have what is late, and drop its answers."""
        requests, self.held = self.held, []
        self._send(requests)

    def _send(self, requests):
        for request in requests:
            with self._upstream() as server:
                server.sendall(request)
                while server.recv(PIECE):
                    pass

    def _upstream(self):
        return socket.create_connection(self._behind, timeout=60)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            try:
                while self._pass_on(client):
                    pass
            except OSError:  # one of the two went away: so does this connection
                _reset(client)

    def _pass_on(self, client):
        """Serve one request; whether the client may send another one."""
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := client.recv(PIECE)):
                return False
            head += data
        head, _, begun = head.partition(b"\r\n\r\n")
        with self._lock:
            name = head.split(b" HTTP/")[0].decode().partition("?")[0]
            harmed = len(self.names) == self.step
            if self._harmed and name.startswith(self._harmed[0]) and self._harmed[1] in name:
                harmed, self._harmed = True, None
            if self.broken:
                _reset(client)
                return False
            self.names.append(name)
            self.broken = harmed and self.harm.endswith("for good")
            late, self.held = self.held, []
        harm = self.harm.removesuffix(" for good") if harmed else None
        length = _length(head)
        head += b"\r\nConnection: close\r\n\r\n"
        if harm in (None, "throttle"):
            rate = 200_000 if harm else self.rate
            with self._upstream() as server:
                _copy(_pieces(client, head + begun, length - len(begun)), server, rate)
                answer = list(_answer(server)) if late else _answer(server)
                self._send(late)  # while the client still waits, so that it is no race
                _copy(answer, client, rate)
            return True
        request = b"".join(_pieces(client, head + begun, length - len(begun)))
        if harm == "late":
            self.held.append(request)
        else:
            with self._upstream() as server:
                server.sendall(request[: len(request) // 2] if harm == "cut" else request)
                if harm == "lose":
                    list(_answer(server))
        _reset(client)
        return False


def _length(head):
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _pieces(sender, begun, more):
    yield begun
    while more > 0:
        if not (data := sender.recv(PIECE)):
            raise ConnectionError
        more -= len(data)
        yield data


def _answer(server):
    while data := server.recv(PIECE):
        yield data


def _copy(pieces, receiver, rate):
    for data in pieces:
        receiver.sendall(data)
        if rate:
            time.sleep(len(data) / rate)


def _reset(sender):
    """End a connection as a broken line does, not politely."""
    with suppress(OSError):  # it may be gone
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sender.close()
