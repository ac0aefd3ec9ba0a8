"""A server on this machine that answers as it is told: well, late, cut short, or not at all.

    with Replay({"/dados/serie": Reply(body=b"[]")}) as server:
        fetch(server.base + "/dados/serie?formato=json")
        assert server.targets() == ["/dados/serie?formato=json"]

A route is a prefix of path and query, or a function of the request; the first that fits answers.
What it gives is a reply, a function of the request that makes one, or a list that is answered in
turn, its last element for ever.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR
from urllib.parse import parse_qsl, urlsplit

NO_ANSWER = 0
"""A status: the connection is closed without a byte."""
UNKNOWN = 418  # neither "no data" (404) nor tried again (5xx): a wrong address must not hide
_TICK = 0.005  # between two pieces of a dripping body [s]


@dataclass(frozen=True)
class Request:
    """What came: ``headers`` in lower case, ``at`` on the monotonic clock."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def path(self):
        return urlsplit(self.target).path

    @property
    def query(self):
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def form(self):
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(frozen=True)
class Reply:
    """What to answer.

    A request whose ``If-None-Match`` is the reply's ``ETag`` gets 304 instead. A reply with the
    header ``Transfer-Encoding: chunked`` is sent that way, else its length is declared.

    Attributes:
        status: ``NO_ANSWER`` = close the connection.
        body: Sent as it is.
        headers: Beside ``Content-Length``, which may be given too.
        delay: Before the first byte of the answer [s].
        drop_after: Bytes of the body after which the connection is closed; ``None`` = all.
        drip: Speed of the body [bytes/s]; ``None`` = at once.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop_after: int | None = None
    drip: float | None = None


Answering = Reply | Callable[[Request], Reply] | Sequence["Reply | Callable[[Request], Reply]"]
Route = str | Callable[[Request], bool]


class Replay:
    """The server; runs inside of ``with``.

    Attributes:
        base: Its address, without a slash at the end.
        log: Every request in the order of arrival.
        routes: May be changed while it runs.
    """

    def __init__(self, routes: Mapping[Route, Answering] | None = None) -> None:
        self.routes: dict[Route, Answering] = dict(routes or {})
        self.log: list[Request] = []
        self.closing = threading.Event()
        self._turns: dict[int, int] = {}
        self._lock = threading.Lock()

    def __enter__(self):
        self._server = _Server(self)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.base = f"http://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def targets(self) -> list[str]:
        """Path and query of every request, byte for byte."""
        return [request.target for request in self.log]

    def clear(self) -> None:
        """Forget the requests; the turns of lists go on."""
        self.log.clear()

    def answer(self, request: Request) -> Reply:
        """Log a request and choose its reply."""
        with self._lock:
            self.log.append(request)
            for route, answering in self.routes.items():
                fits = (
                    request.target.startswith(route) if isinstance(route, str) else route(request)
                )
                if fits:
                    chosen = self._in_turn(answering)
                    break
            else:
                text = f"replay: no route for {request.method} {request.target}"
                return Reply(UNKNOWN, text.encode(), {"Content-Type": "text/plain"})
        reply = chosen(request) if callable(chosen) else chosen
        known, etag = request.headers.get("if-none-match"), reply.headers.get("ETag")
        unchanged = known is not None and known == etag
        return Reply(304, headers={"ETag": etag}) if unchanged else reply

    def _in_turn(self, answering):
        if isinstance(answering, Reply) or callable(answering):
            return answering
        turn = self._turns.get(id(answering), 0)
        self._turns[id(answering)] = turn + 1
        return answering[min(turn, len(answering) - 1)]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, replay):
        self.replay = replay
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request, client_address):
        """A client that went away in the middle is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 10  # of a connection that nobody uses or closes

    def log_message(self, *args):
        pass

    def do_GET(self):
        at = time.monotonic()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body, at)
        reply = self.server.replay.answer(request)
        self.server.replay.closing.wait(reply.delay)
        if reply.status == NO_ANSWER:
            self._hang_up()
            return
        self._head(reply)
        self._body(reply)

    def do_POST(self):
        self.do_GET()

    def _head(self, reply):
        self.send_response(reply.status)
        headers = {name.lower(): name for name in reply.headers}
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self._chunked = "transfer-encoding" in headers
        if not {"content-length", "transfer-encoding"} & headers.keys() and reply.status != 304:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()

    def _body(self, reply):
        if reply.status in {204, 304}:
            return
        body = reply.body if reply.drop_after is None else reply.body[: reply.drop_after]
        size = max(int(reply.drip * _TICK), 1) if reply.drip else len(body) or 1
        for start in range(0, len(body), size):
            self._send(body[start : start + size])
            if reply.drip and self.server.replay.closing.wait(size / reply.drip):
                break
        if reply.drop_after is not None:
            self._hang_up()
        elif self._chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _send(self, piece):
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)

    def _hang_up(self):
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(SHUT_RDWR)
