"""Failing at a chosen request, before or after the store did it, and sending requests twice."""

import math
import threading

from urllib3.exceptions import ProtocolError

from pipelines.publish.s3_connection import HttpPool


class Died(BaseException):
    """The process ended here; nothing after it may reach the store."""


class Faults:
    """What goes wrong, and a count of the requests.

    Args:
        step: Number of the request at which the process dies, from 0; none without it.
        when: ``before`` or ``after`` the store did it.
        chance: Random numbers; half of the writes are done twice, and the first answer is lost.
        about: Called before each request with its name, to interfere.
    """

    def __init__(self, step=None, when="before", chance=None, about=None):
        self.step, self.when, self.chance, self.about = step, when, chance, about
        self.dead = False
        self.names = []
        self._lock = threading.Lock()

    def request(self, name, do, *, writes, lose):
        """Do a request, or die, or do it twice; ``lose`` says how a lost answer looks."""
        if self.dead:
            raise Died
        with self._lock:
            here = self.step is not None and len(self.names) == self.step
            self.names.append(name)
        if self.about:
            self.about(name)
        self.dead = here
        if here and self.when == "before":
            raise Died
        if writes and self.chance and self.chance.random() < 0.5:
            do()
            return lose(do)
        try:
            return do()
        finally:
            if here:
                raise Died


class FaultyStore:
    """A store whose primitives are the requests; a lost answer is one that nobody waited for."""

    def __init__(self, inner, faults):
        self._inner, self._faults = inner, faults
        self.name, self.single_writer = inner.name, inner.single_writer
        self.withdraws = inner.withdraws

    def _request(self, name, do, *, writes=False):
        return self._faults.request(name, do, writes=writes, lose=lambda do: do())

    def create(self, key, body):
        return self._request(f"create {key}", lambda: self._inner.create(key, body), writes=True)

    def put(self, key, body):
        self._request(f"put {key}", lambda: self._inner.put(key, body), writes=True)

    def get(self, key, *, limit):
        yield from self._request(f"get {key}", lambda: list(self._inner.get(key, limit=limit)))

    def head(self, key):
        return self._request(f"head {key}", lambda: self._inner.head(key))

    def listing(self, prefix, *, after=""):
        yield from self._request(
            f"list {prefix}", lambda: list(self._inner.listing(prefix, after=after))
        )

    def remove(self, key):
        self._request(f"remove {key}", lambda: self._inner.remove(key), writes=True)


class FaultyPool(HttpPool):
    """Connections to an S3 server that fail; a lost answer is a broken connection."""

    def __init__(self, faults, ca_file=None):
        super().__init__(ca_file)
        self._faults = faults

    def urlopen(self, method, url, redirect=True, **kw):
        def do():
            return super(FaultyPool, self).urlopen(method, url, redirect, **kw)

        def lose(_):
            raise ProtocolError("the answer was lost")

        path = url.partition("://")[2].partition("?")[0]
        return self._faults.request(
            f"{method} {path}", do, writes=method in ("PUT", "DELETE"), lose=lose
        )


class BreakingPool(HttpPool):
    """Connections whose first answers break off after a mebibyte; notes where each began."""

    def __init__(self, answers=math.inf):
        super().__init__()
        self.answers, self.starts = answers, []

    def urlopen(self, method, url, redirect=True, **kw):
        response = super().urlopen(method, url, redirect, **kw)
        self.starts.append(kw["headers"].get("Range"))
        stream = response.stream

        def broken(size):
            yield next(stream(size))
            raise ProtocolError("broken")

        if len(self.starts) <= self.answers:
            response.stream = broken
        return response
