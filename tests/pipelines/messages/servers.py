"""A webhook and a mail server on loopback that do what a test tells them to."""

import socketserver
import threading
from contextlib import contextmanager

from tests.pipelines.sources.replay import Replay, Reply


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port():
    """A port of loopback that nobody listens on."""
    with socketserver.TCPServer(("127.0.0.1", 0), None) as server:
        return server.server_address[1]


def webhook(*answers):
    """A server that answers with statuses, `NO_ANSWER` among them, then with 200."""
    return Replay({"/": [*map(Reply, answers), Reply()]})


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks enough SMTP (RFC 5321) to take a message; ``refuse`` is an answer to recipients."""

    daemon_threads = True

    def __init__(self, refuse=None, *, lose_answer=False):
        super().__init__(("127.0.0.1", 0), _Mail)
        self.refuse, self.lose_answer, self.got = refuse, lose_answer, []

    @property
    def port(self):
        return self.server_address[1]


class _Mail(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self):
        self.say("220 loopback ready")
        while line := self.rfile.readline().decode().strip():
            word = line.upper().split(" ")[0].split(":")[0]
            if word == "QUIT":
                self.say("221 bye")
                return
            if word == "RCPT" and self.server.refuse:
                self.say(self.server.refuse)
            elif word == "DATA":
                self.say("354 go on")
                lines = []
                while (part := self.rfile.readline()) not in {b".\r\n", b""}:
                    lines.append(part)
                self.server.got.append(b"".join(lines))
                if self.server.lose_answer:
                    return
                self.say("250 taken")
            else:
                self.say("250 loopback" if word in {"EHLO", "HELO"} else "250 fine")
