"""The interface of a source: what to ask for, and what an answer says.

An adapter is pure: :meth:`Adapter.calls` names requests, :meth:`Adapter.parse` reads one answer.
It opens no socket and knows no files, so what was fetched once can be read again at any time.
"""

import gzip
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO, Any, ClassVar, cast
from urllib.parse import quote, quote_plus, urlencode

import pyarrow as pa
from pydantic import SecretStr

from ml.errors import DataError

OBSERVATIONS = pa.schema(
    [
        pa.field("series", pa.string(), nullable=False),
        pa.field("region", pa.string()),  # null = national
        pa.field("ref_date", pa.timestamp("us"), nullable=False),  # start of the period
        pa.field("value", pa.float64(), nullable=False),
        pa.field("preliminary", pa.bool_(), nullable=False),
    ]
)
"""What an adapter gives: units, sources and days of publication are added by its caller."""


class SourceError(DataError):
    """An answer, or the lack of one, that leaves a series as it was.

    The message is one line: source, series, cause. It never holds a key or a token.
    """

    def __init__(self, source: str, series: Sequence[str], cause: str) -> None:
        """Name source, series and cause."""
        self.source, self.series, self.cause = source, tuple(series), cause
        named = ", ".join(self.series[:3]) + (" …" if len(self.series) > 3 else "")
        super().__init__(f"{source}: {named}: {' '.join(cause.split())}")


class NoAnswerError(SourceError):
    """No usable answer after all tries: refused, dropped, too slow, or told to stay away."""


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """One series of one region to ask a source for."""

    series: str  # our name of it, for example `ipca`
    region: str | None  # our name of the region; `None` = national
    code: str  # the source's own name: series code, symbol, variable, station
    first: date  # first day to ask for, overlap included
    last: date  # last day, usually the day of the run
    place: tuple[float, float] | None = None  # latitude and longitude where the source needs them


@dataclass(frozen=True, slots=True)
class Call:
    """One request, and all that is needed to read its answer at any later time."""

    source: str  # name of the adapter
    base: str  # scheme and host out of the settings, without a slash at the end
    target: str  # path and query exactly as sent, starting with a slash; holds no secret
    series: tuple[str, ...]  # names of what it is about, for messages
    media: str  # what a good answer is: `json`, `csv`, `zip` or `html`
    # plain JSON values that `Adapter.parse` needs beside the answer
    context: Mapping[str, Any] = field(default_factory=dict)
    # query parameter that is appended when sending and never written anywhere
    secret: tuple[str, SecretStr] | None = None
    form: tuple[tuple[str, str], ...] | None = None  # fields of a POST; `None` = GET
    headers: tuple[tuple[str, str], ...] = ()  # headers beyond the client's own
    no_data: tuple[int, ...] = ()  # statuses that may mean "nothing in this window", not a fault
    # regular expression that such an answer has to match to mean it, since a service that is
    # broken may answer with the same status; empty = the status is enough
    no_data_says: str = ""
    weight: float = 1.0  # how many requests it counts for against the host's limits
    conditional: bool = False  # ask with the ETag of what is stored; 304 = unchanged

    @property
    def url(self) -> str:
        """The public address without secrets."""
        return f"{self.base}{self.target}"

    @property
    def url_with_key(self) -> str:
        """The address to send a request to; never to be written anywhere."""
        if self.secret is None:
            return self.url
        name, value = self.secret
        key = urlencode({name: value.get_secret_value()}, quote_via=quote)
        return f"{self.url}{'&' if '?' in self.target else '?'}{key}"

    def redact(self, text: str) -> str:
        """A text without the key, be it spelled as it is, as in an address or as in JSON."""
        key = self.secret[1].get_secret_value() if self.secret else ""
        spellings = {key, quote(key), quote(key, safe=""), quote_plus(key), json.dumps(key)[1:-1]}
        for spelling in sorted(spellings - {""}, key=len, reverse=True):
            text = text.replace(spelling, "***")
        return text


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored answer."""

    body: Path  # file of the raw store; `.gz` where the store compressed what came
    day: date  # day of the run that fetched it (`TODAY`, else that of the clock in `TIMEZONE`)
    content_type: str = ""  # of the response, lower case, without parameters; empty = not said

    def open(self) -> IO[bytes]:
        """The bytes as they came, as a stream; compressed storage is undone on the way."""
        if self.body.suffix == ".gz":
            return cast("IO[bytes]", gzip.open(self.body, "rb"))
        return self.body.open("rb")

    def read(self) -> bytes:
        """All bytes as they came."""
        with self.open() as stream:
            return stream.read()


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """What an answer says."""

    rows: pa.Table  # OBSERVATIONS, at most one a series, region and day; may be empty
    # what was left out, counted: "3 of 40 values are null", "1 day after today"
    notes: tuple[str, ...] = ()
    # requests that this answer leads to (an export that is made first, then fetched)
    then: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Adapter:
    """One public API."""

    base: str  # scheme and host
    name: ClassVar[str]  # name in `data/raw/`, in the `source` column and in messages
    overlap: ClassVar[int]  # days before the last known one that are asked for again, for revisions
    pause: ClassVar[float]  # least time between two requests to it [s], for a weight of 1

    def calls(self, wanted: Sequence[SeriesRequest]) -> tuple[Call, ...]:
        """Requests for all of ``wanted``, windows cut as the API demands.

        One a series where nothing else is said; none where a window ends before it starts.

        Raises:
            SourceError: It cannot be asked: it has not that series, or a key, the place or the
                station of a city is missing.
            DataError: A city whose name ends in no state, so that its time zone is unknown.
        """
        return tuple(self.call(one) for one in wanted if one.first <= one.last)

    def call(self, wanted: SeriesRequest) -> Call:
        """The request for one series."""
        raise NotImplementedError

    def parse(self, call: Call, answer: Answer) -> ParsedAnswer:
        """Read one answer after checking that it is data at all.

        Raises:
            SourceError: It is an error message, a page, truncated, in another format or unit, of
                another series or place, empty where it cannot be (status 200 comes with an empty
                list for an unknown code as well), or holds implausible values only.
        """
        raise NotImplementedError

    def ask(
        self, target: str, series: Sequence[str], context: Mapping[str, Any], **more: Any
    ) -> Call:
        """A request, for JSON unless ``more`` says otherwise."""
        media = more.pop("media", "json")
        return Call(self.name, self.base, target, tuple(series), media, context, **more)

    def ask_for(self, wanted: SeriesRequest, target: str, **more: Any) -> Call:
        """A request for one series, with what every ``parse`` needs to know of it."""
        context = {
            "series": wanted.series,
            "region": wanted.region,
            "code": wanted.code,
            "first": wanted.first.isoformat(),
            "last": wanted.last.isoformat(),
        }
        return self.ask(target, [wanted.series], context, **more)

    def expect_served(
        self, wanted: Sequence[SeriesRequest], served: Collection[str], place: str
    ) -> None:
        """Check that all series are among those of the API, each of a place.

        Raises:
            SourceError: One is not, or has no region.
        """
        if foreign := sorted({one.series for one in wanted if one.series not in served}):
            raise SourceError(self.name, foreign, f"not served; it has {', '.join(served)}")
        if nowhere := sorted({one.series for one in wanted if one.region is None}):
            raise SourceError(self.name, nowhere, f"asked for without {place}")
