"""The one way out: a polite HTTP client that cannot be held up.

One request at a time, apart from each other as each source asks, tried again where that may help,
within one deadline for the whole command. Whatever happens ends in an answer or in one line.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Self
from urllib.parse import urlsplit

import httpx
import tenacity

from ml.logs import logger
from pipelines.sources.base import Call, NoAnswerError, SourceError
from pipelines.sources.exchange import (
    FetchResult,
    PassingError,
    RefusedError,
    TryFailedError,
    Validators,
    exchange,
)

AGENT = "previsor/0.1 (offline batch forecasts; one request at a time)"
CONNECT_SECONDS, READ_SECONDS = 10.0, 30.0
TRIES = 4
"""Most requests for one call."""
FIRST_PAUSE = 2.0
"""Before the second try [s]; it doubles from try to try."""
JITTER = 0.5
"""Pauses are up to this part of the first longer: two machines shall not come back together."""
FAILED_CALLS = 3
"""Calls in a row, each after all its tries, after which a host is not asked again."""
MOST_EXCUSED = 1800.0
"""Longest time of one command that is excused [s]: a body without an end may be fast as well."""
_THIS_MACHINE = ("127.0.0.1", "[::1]", "localhost")


class Deadline:
    """Counts down seconds of a monotonic clock inside of :meth:`waiting`, less what is excused."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self.seconds = seconds
        self._clock, self._excusable = clock, MOST_EXCUSED
        self._used, self._since = 0.0, math.nan

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count what happens inside; not to be nested."""
        self._since = self._clock()
        try:
            yield
        finally:
            self._used, self._since = self.used(), math.nan

    def used(self) -> float:
        """Seconds counted so far."""
        return self._used + (0.0 if math.isnan(self._since) else self._clock() - self._since)

    def left(self) -> float:
        """Seconds left; negative after the limit."""
        return self.seconds - self.used()

    def is_over(self) -> bool:
        """Whether too little is left for any request: less than a hundredth."""
        return self.left() <= self.seconds / 100

    def share(self) -> float:
        """Seconds for a host that does not answer: half of what is left, so that others get some.

        It is never less than a tenth of the whole, or the last share would never come.
        """
        return min(max(self.left() / 2, self.seconds / 10), self.left())

    def excuse(self, seconds: float) -> None:
        """Take seconds that were counted off the count, as long as any may be excused."""
        excused = min(seconds, self._excusable)
        self._excusable -= excused
        self._used -= excused


@dataclass(slots=True)
class _Host:
    """One host as one source uses it: behind one mirror a single source may be broken."""

    name: str  # host and port
    failed: int = 0  # calls without an answer since its last answer
    wasted: float = 0.0  # time they took [s]
    share: float = math.inf  # most that they may take [s]
    # when it may be asked again, on the monotonic clock: its own wish
    rests_until: float = -math.inf
    given_up: str = ""  # why it is not asked again; empty = it is

    def answer(self) -> None:
        """It did, with data or with a refusal."""
        self.failed, self.wasted, self.share = 0, 0.0, math.inf

    def rest(self, seconds: float, now: float) -> None:
        """It wants to be left alone, which is its wish and not its fault."""
        if seconds:
            self.share += seconds
            self.rests_until = now + seconds

    def fail(self, cause: str, seconds: float) -> None:
        """A call got no answer in so many seconds."""
        self.failed += 1
        self.wasted += seconds
        if self.failed >= FAILED_CALLS:
            self.given_up = f"{self.failed} calls in a row failed, the last: {cause}"
        elif self.wasted >= self.share:
            self.given_up = f"no answer in {self.wasted:.3g} s: {cause}"


class Client:
    """Fetches answers; one a command, used as a context manager.

    Proxies and certificates of the environment (``HTTPS_PROXY``, ``NO_PROXY``, ``SSL_CERT_FILE``)
    are used, since many a company lets nothing else out; only this machine is asked directly.

    Args:
        time_limit: Longest that all calls together wait for servers [s]. Our own pauses between
            calls do not count, nor does the time in which a ZIP moves, up to MOST_EXCUSED.
        scratch: Folder for bodies; its owner clears it.
        clock: Monotonic [s].
    """

    def __init__(
        self,
        *,
        time_limit: float,
        scratch: Path,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._deadline = Deadline(time_limit, clock)
        self._scratch = scratch
        self._clock, self._sleep = clock, sleep
        self._hosts: dict[tuple[str, str], _Host] = {}
        self._starts: dict[str, tuple[float, float]] = {}  # last one at a host, and its cost
        first = min(FIRST_PAUSE, time_limit / 100)
        self._backoff = tenacity.wait_exponential(first) + tenacity.wait_random(0, JITTER * first)
        logging.getLogger("httpcore").setLevel(logging.WARNING)
        logging.getLogger("httpx").disabled = True  # it logs every address as sent, with its key
        self._certificates = httpx.create_ssl_context()
        self._http = self._connect(httpx.Cookies())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def fetch(self, call: Call, *, pause: float, known: Validators | None = None) -> FetchResult:
        """Get one answer.

        Two requests to a host start at least ``pause`` [s] times their weight apart; what is known
        of a stored answer is used if the call is conditional.

        Raises:
            NoAnswerError: No usable answer after all tries, or none is waited for any more.
            SourceError: The answer is a refusal that trying again does not change.
            PublishError: The answer cannot be written to the disk.
        """
        name = urlsplit(call.base).netloc.rpartition("@")[2]
        host = self._hosts.setdefault((call.source, name), _Host(name))
        cost = pause * call.weight
        self._refuse_the_hopeless(call, host)
        self._sleep_if(self._due(name, cost))
        with self._deadline.waiting():
            before = self._deadline.used()
            self._sleep_if(host.rests_until - self._clock())
            if math.isinf(host.share):
                host.share = self._deadline.share()
            try:
                fetched = self._insist(call, host, cost, known if call.conditional else None)
            except RefusedError as error:
                host.answer()
                raise SourceError(call.source, call.series, f"{name}: {error.cause}") from None
            except TryFailedError as error:
                host.fail(error.cause, self._deadline.used() - before)
                raise self._unreachable(call, host, error) from None
        host.answer()
        return fetched

    def _refuse_the_hopeless(self, call: Call, host: _Host) -> None:
        """Open no socket where no answer is to be waited for."""
        cause = ""
        if self._deadline.is_over():
            cause = self._used_up()
        elif host.given_up:
            cause = f"given up for the rest of this run: {host.given_up}"
        elif host.rests_until - self._clock() >= self._deadline.left():
            cause = "it asked to be left alone for longer than the time limit allows"
        if cause:
            self._log(call, "not_sent", reason=cause)
            raise NoAnswerError(call.source, call.series, f"{host.name}: {cause}")

    def _insist(
        self, call: Call, host: _Host, cost: float, known: Validators | None
    ) -> FetchResult:
        """Try until there is an answer, or no try is left, or no time."""
        start = self._deadline.used() - host.wasted

        def left() -> float:
            return min(self._deadline.left(), host.share - (self._deadline.used() - start))

        def pause(state: tenacity.RetryCallState) -> float:
            rest = host.rests_until - self._clock()
            return max(self._backoff(state), rest, self._due(host.name, cost))

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(PassingError),
            wait=pause,
            stop=lambda state: state.attempt_number >= TRIES or state.upcoming_sleep >= left(),
            sleep=self._sleep,
            reraise=True,
        )
        numbers = count(1)
        return retrying(lambda: self._try(call, host, cost, known, left, next(numbers)))

    def _try(
        self,
        call: Call,
        host: _Host,
        cost: float,
        known: Validators | None,
        left: Callable[[], float],
        number: int,
    ) -> FetchResult:
        """One request, and its line in the log."""
        started = self._clock()
        self._starts[host.name] = started, cost

        def log(outcome: str, **details: object) -> None:
            ms = round((self._clock() - started) * 1000)
            self._log(call, outcome, number=number, ms=ms, **details)

        try:
            fetched = self._exchange(call, known, left, number)
        except TryFailedError as error:
            error.tries = number
            host.rest(error.retry_after, self._clock())
            log("failed", status=error.status, reason=error.cause)
            raise
        log(fetched.outcome, status=fetched.status, bytes=fetched.bytes)
        return fetched

    def _exchange(
        self, call: Call, known: Validators | None, left: Callable[[], float], number: int
    ) -> FetchResult:
        """One exchange, in a thread that is waited for no longer than there is time left.

        Time limits of sockets bound single reads: a name server that does not answer, or headers
        that come byte by byte, pass by them. What is not done in time is left behind; its thread
        ends with its socket's own time limit and never holds up the end of the process.
        """
        http, excuse, done = self._http, self._deadline.excuse, Future[FetchResult]()

        def work() -> None:
            try:
                done.set_result(exchange(http, call, known, self._scratch, excuse))
            except BaseException as error:  # noqa: BLE001 - raised again by the one who waits
                done.set_exception(error)

        if left() > 0:
            # patience doubles from try to try: some servers take a minute to start an answer
            longest = max(left(), 0.001)
            read = min(READ_SECONDS * 2 ** (number - 1), longest)
            http.timeout = httpx.Timeout(read, connect=min(CONNECT_SECONDS, longest))
            context = copy_context()  # the log's run id
            Thread(target=context.run, args=(work,), name="http", daemon=True).start()
            while (seconds := left()) > 0:
                if wait([done], seconds).done:
                    return done.result()
            self._http = self._connect(http.cookies)  # leave the connection to what is stuck
            http.close()
        raise PassingError("no whole answer in time")

    def _unreachable(self, call: Call, host: _Host, error: TryFailedError) -> NoAnswerError:
        """The error that a call ends in that got no answer."""
        cause = f"{error.cause} ({error.tries} of {TRIES} tries)"
        asked, left = error.retry_after, self._deadline.left()
        if self._deadline.is_over():
            cause += f"; {self._used_up()}"
        elif asked >= left:
            host.given_up = f"it asks to come back in {asked:.0f} s, {left:.0f} s are left"
            cause += f"; {host.given_up}"
        if host.given_up:
            cause += "; not asked again in this run"
        return NoAnswerError(call.source, call.series, f"{host.name}: {cause}")

    def _used_up(self) -> str:
        return f"the time limit of {self._deadline.seconds:g} s is used up"

    def _due(self, name: str, cost: float) -> float:
        """Seconds until a request of this cost may start at a host, whichever source sends it.

        The dearer of two neighbours counts.
        """
        start, before = self._starts.get(name, (-math.inf, 0.0))
        return max(start + max(before, cost) - self._clock(), 0.0)

    def _sleep_if(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(seconds)

    def _connect(self, cookies: httpx.Cookies) -> httpx.Client:
        return httpx.Client(
            headers={"User-Agent": AGENT},
            cookies=cookies,
            verify=self._certificates,
            limits=httpx.Limits(max_connections=1),
            mounts={f"all://{host}": None for host in _THIS_MACHINE},
        )

    def _log(self, call: Call, outcome: str, **details: object) -> None:
        method, url = "GET" if call.form is None else "POST", call.redact(call.url)
        logger().info(
            "http_request", source=call.source, method=method, url=url, outcome=outcome, **details
        )
