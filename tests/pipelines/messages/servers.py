"""A webhook and a mail server on loopback that do what a test tells them to."""

import socketserver
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


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


class Webhook(ThreadingHTTPServer):
    """Answers with statuses out of ``answers``, then 200; ``None`` = it hangs up without one."""

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), _Hook)
        self.answers, self.got = list(answers), []

    @property
    def port(self):
        return self.server_address[1]


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.got.append((self.path, body))
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status is None:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.do_POST()

    def log_message(self, *_):
        pass


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
