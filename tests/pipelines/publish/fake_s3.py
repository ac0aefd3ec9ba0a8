"""A small S3 server in this process: correct conditional writes, or none where it is told so."""

import base64
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

ACCESS, SECRET = "fake-access", "fake-secret"
PAGE = 100


class FakeS3(ThreadingHTTPServer):
    """Buckets in memory.

    Args:
        keeps_conditions: Whether ``If-None-Match: *`` is kept or ignored without a word.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *, keeps_conditions=True):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keeps_conditions = keeps_conditions
        self.buckets = {}
        self.lock = threading.Lock()
        self.answers = {}  # method or "*" -> (status, code) to answer instead of doing it
        self.requests = []
        self.access_key, self.secret_key = ACCESS, SECRET
        self.endpoint = f"127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def make_bucket(self, name):
        self.buckets[name] = {}

    def handle_error(self, request, client_address):
        """A client that died in the middle is what the drills are about."""

    def stop(self):
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def do_PUT(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not (objects := self._bucket()):
            return
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        if self.headers.get("Content-MD5", md5) != md5:
            self._fail(400, "BadDigest")
            return
        with self.server.lock:
            once = self.headers.get("If-None-Match") == "*" and self.server.keeps_conditions
            taken = once and self.key in objects.all
            if not taken:
                meta = {k: v for k, v in self.headers.items() if k.lower().startswith("x-amz-meta")}
                objects.all[self.key] = (body, meta)
        self._fail(412, "PreconditionFailed") if taken else self._answer(200, b"", ETag=_etag(body))

    def do_GET(self):
        if not (objects := self._bucket()):
            return
        if not self.key:
            self._list(objects.all)
            return
        body, meta = objects.all.get(self.key, (None, None))
        if body is None:
            self._fail(404, "NoSuchKey")
            return
        etag, start = _etag(body), self.headers.get("Range", "bytes=0-")
        first = int(start.removeprefix("bytes=").split("-")[0])
        status = 206 if "Range" in self.headers else 200
        self._answer(status, body[first:], ETag=etag, **meta)

    def do_HEAD(self):
        self.do_GET()

    def do_DELETE(self):
        if not (objects := self._bucket()):
            return
        with self.server.lock:
            objects.all.pop(self.key, None)
        self._answer(204, b"")

    def _bucket(self):
        """The bucket asked for, or ``None`` when the answer has been given."""
        url = urlsplit(self.path)
        name, _, key = unquote(url.path).lstrip("/").partition("/")
        self.key, self.query = key, {k: v[0] for k, v in parse_qs(url.query).items()}
        self.server.requests.append((self.command, key))
        told = self.server.answers.get(self.command) or self.server.answers.get("*")
        if told:
            self._fail(*told)
        elif f"Credential={self.server.access_key}/" not in self.headers.get("Authorization", ""):
            self._fail(
                403, "InvalidAccessKeyId" if "Authorization" in self.headers else "AccessDenied"
            )
        elif name not in self.server.buckets:
            self._fail(404, "NoSuchBucket")
        else:
            return _Objects(self.server.buckets[name])
        return None

    def _list(self, objects):
        prefix = self.query.get("prefix", "")
        after = self.query.get("continuation-token") or self.query.get("start-after", "")
        with self.server.lock:
            keys = sorted(k for k in objects if k.startswith(prefix) and k > after)
            page = [(k, len(objects[k][0])) for k in keys[:PAGE]]
        more = len(keys) > PAGE
        found = "".join(
            f"<Contents><Key>{escape(quote(k))}</Key><Size>{size}</Size><ETag>x</ETag>"
            f"<LastModified>2026-11-20T00:00:00.000Z</LastModified></Contents>"
            for k, size in page
        )
        token = f"<NextContinuationToken>{page[-1][0]}</NextContinuationToken>" if more else ""
        text = (
            f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
            f"<Prefix>{prefix}</Prefix><EncodingType>url</EncodingType><MaxKeys>1000</MaxKeys>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{found}</ListBucketResult>"
        )
        self._answer(200, text.encode(), **{"Content-Type": "application/xml"})

    def _fail(self, status, code):
        text = f"<Error><Code>{code}</Code><Message>told so</Message></Error>"
        body = b"" if self.command == "HEAD" else text.encode()
        self._answer(status, body, **{"Content-Type": "application/xml"})

    def _answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", "Fri, 20 Nov 2026 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Objects:
    """A bucket that is true also when it is empty."""

    def __init__(self, objects):
        self.all = objects


def _etag(body):
    return f'"{hashlib.md5(body).hexdigest()}"'
