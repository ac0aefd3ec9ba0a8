"""The one way out: a polite HTTP client that cannot be held up.

One request at a time, apart from each other as each source asks, tried again where that may help,
within one time limit for the whole command. Whatever happens ends in an answer or in one line.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception

from ml.logs import logger
from pipelines.sources.base import Call, SourceError, UnreachableError
from pipelines.sources.client_hosts import Host, Hosts
from pipelines.sources.client_secrets import keep_requests_out_of_logs, redacted
from pipelines.sources.client_time import MOST_EXCUSED, Speed, TimeLimit, TimeUpError, within
from pipelines.sources.download import Fetched, Validators, exchange
from pipelines.sources.pacing import Pacing
from pipelines.sources.retries import TRIES, Backoff, TryFailedError, failure, is_passing

__all__ = ["Client", "Fetched", "Validators", "redacted"]

AGENT = "previsor/0.1 (offline batch forecasts; one request at a time)"
CONNECT_SECONDS, READ_SECONDS = 10.0, 30.0
LARGE = ("zip",)
"""Kinds of answers whose time in coming is excused while they move; all others are small."""
_THIS_MACHINE = ("127.0.0.1", "[::1]", "localhost")


class Client:
    """Fetches answers; one a command, used as a context manager.

    Proxies and certificates of the environment (``HTTPS_PROXY``, ``NO_PROXY``, ``SSL_CERT_FILE``)
    are used, since many a company lets nothing else out; only this machine is asked directly.

    Args:
        time_limit: Longest that all calls together wait for servers [s]. Our own pauses between
            calls do not count, nor does the time in which a ZIP moves, up to ``most_excused``.
        scratch: Folder for bodies; its owner clears it.
        most_excused: Longest time that is excused in all [s].
        clock: Monotonic [s].
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        *,
        time_limit: float,
        scratch: Path,
        most_excused: float = MOST_EXCUSED,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._time = TimeLimit(time_limit, clock, most_excused)
        self._scratch = scratch
        self._clock, self._sleep = clock, sleep
        self._hosts, self._pacing = Hosts(), Pacing(clock)
        self._backoff = Backoff(time_limit)
        keep_requests_out_of_logs()
        self._certificates = httpx.create_ssl_context()
        self._http = self._connections(httpx.Cookies())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def fetch(self, call: Call, *, pause: float, known: Validators | None = None) -> Fetched:
        """Get one answer.

        Args:
            call: What to ask for.
            pause: Least time between the starts of two requests to its host [s], per weight.
            known: Validators of what is stored; used if the call is conditional.

        Raises:
            UnreachableError: No usable answer after all tries, or none is waited for any more.
            SourceError: The answer is a refusal that trying again does not change.
            PublishError: The answer cannot be written to the disk.
        """
        host, cost = self._hosts.of(call), pause * call.weight
        self._refuse_the_hopeless(call, host)
        self._sleep_if(self._pacing.due(host.name, cost))
        with self._time.waiting():
            before = self._time.used()
            self._sleep_if(host.rests_until - self._clock())
            host.starts(self._time.share())
            try:
                fetched = self._insist(call, host, cost, known if call.conditional else None)
            except TryFailedError as error:
                raise self._final(call, host, error, self._time.used() - before) from None
        host.answered()
        return fetched

    def _refuse_the_hopeless(self, call: Call, host: Host) -> None:
        """Open no socket where no answer is to be waited for."""
        left = self._time.left()
        cause = ""
        if self._time.is_over():
            cause = f"the time limit of {self._time.seconds:g} s is used up"
        elif host.given_up:
            cause = f"given up for the rest of this run: {host.given_up}"
        elif host.rests_until - self._clock() >= left:
            cause = "it asked to be left alone for longer than the time limit allows"
        if cause:
            self._log(call, "not_sent", reason=cause)
            raise UnreachableError(call.source, call.series, f"{host.name}: {cause}")

    def _insist(self, call: Call, host: Host, cost: float, known: Validators | None) -> Fetched:
        start, wasted = self._time.used(), host.wasted

        def left() -> float:
            used = self._time.used() - start
            return min(self._time.left(), host.share - wasted - used)

        def wait(state: RetryCallState) -> float:
            return max(self._backoff(state), self._pacing.due(host.name, cost))

        def stop(state: RetryCallState) -> bool:
            error = failure(state)
            if error and error.retry_after:  # its wish, not its fault
                host.share += error.retry_after
                host.rests_until = self._clock() + error.retry_after
            return state.attempt_number >= TRIES or state.upcoming_sleep >= left()

        fetched: list[Fetched] = []
        for attempt in Retrying(
            retry=retry_if_exception(is_passing),
            wait=wait, stop=stop, sleep=self._sleep, reraise=True,
        ):  # fmt: skip
            with attempt:
                self._pacing.started(host.name, cost)
                number = attempt.retry_state.attempt_number
                fetched.append(self._try(call, known, left, number))
        return fetched[0]

    def _try(
        self, call: Call, known: Validators | None, left: Callable[[], float], number: int
    ) -> Fetched:
        started = self._clock()
        try:
            fetched = self._exchange(call, known, left, number)
        except TryFailedError as error:
            error.tries = number
            facts = {"status": error.status, "reason": error.cause}
            self._log(call, "failed", number=number, ms=self._ms(started), **facts)
            raise
        facts = {"status": fetched.status, "bytes": fetched.bytes}
        self._log(call, fetched.outcome, number=number, ms=self._ms(started), **facts)
        return fetched

    def _exchange(
        self, call: Call, known: Validators | None, left: Callable[[], float], number: int
    ) -> Fetched:
        excuse = self._time.excuse if call.media in LARGE else _never
        speed = Speed(self._clock, excuse)
        work = partial(exchange, self._http, call, known, self._scratch, speed)
        try:
            self._http.timeout = _timeout(left(), number)
            return within(left, work)
        except TimeUpError:
            self._hang_up()
            raise TryFailedError("no whole answer in time") from None

    def _final(self, call: Call, host: Host, error: TryFailedError, seconds: float) -> SourceError:
        """The error that a call ends in; remembers what it says of its host."""
        if not error.passing and error.refusal:
            host.answered()
            return SourceError(call.source, call.series, f"{host.name}: {error.cause}")
        cause = f"{error.cause} ({error.tries} of {TRIES} tries)"
        host.fails(error.cause, seconds)
        asked, left = error.retry_after or 0.0, self._time.left()
        if self._time.is_over():
            cause += f"; the time limit of {self._time.seconds:g} s is used up"
        elif asked >= left:
            host.given_up = f"it asks to come back in {asked:.0f} s, {left:.0f} s are left"
            cause += f"; {host.given_up}"
        if host.given_up:
            cause += "; not asked again in this run"
        return UnreachableError(call.source, call.series, f"{host.name}: {cause}")

    def _hang_up(self) -> None:
        """Leave the connections to whatever is stuck in them; cookies are kept."""
        stuck = self._http
        self._http = self._connections(stuck.cookies)
        stuck.close()

    def _connections(self, cookies: httpx.Cookies) -> httpx.Client:
        return httpx.Client(
            headers={"User-Agent": AGENT},
            cookies=cookies,
            verify=self._certificates,
            limits=httpx.Limits(max_connections=1),
            mounts={f"all://{host}": None for host in _THIS_MACHINE},
        )

    def _sleep_if(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(seconds)

    def _ms(self, started: float) -> int:
        return round((self._clock() - started) * 1000)

    def _log(self, call: Call, outcome: str, **facts: object) -> None:
        method = "GET" if call.form is None else "POST"
        url = redacted(call.url, call)
        logger().info(
            "http_request", source=call.source, method=method, url=url, outcome=outcome, **facts
        )


def _never(_seconds: float) -> None:
    """Excuse nothing."""


def _timeout(left: float, number: int) -> httpx.Timeout:
    """Patience with a server doubles from try to try: some take a minute to start an answer."""
    read = READ_SECONDS * 2 ** (number - 1)
    longest = max(left, 0.001)
    return httpx.Timeout(min(read, longest), connect=min(CONNECT_SECONDS, longest))
