"""Alpha Vantage: the last hundred sessions of a quoted price, to top up and to cross-check."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from pydantic import SecretStr

from pipelines.sources.base import Answer, Call, Parsed, SourceError, Wanted
from pipelines.sources.checks import (
    context_of,
    fields,
    json_of,
    parsed,
    readings,
    refused,
    shown,
)

SERIES = "Time Series (Daily)"
REFUSALS = (
    ("per second", "too many requests at once"),  # first: it names the day's quota as well
    ("sparingly", "too many requests at once"),
    ("is a premium", "not part of the free service"),
    ("per day", "the quota of the day is used up, it starts again at midnight UTC"),
    ("per minute", "too many requests at once"),
    ("rate limit", "the quota is used up"),
)
"""What a refusal says, in the order in which it is looked for, and what it means."""


@dataclass(frozen=True, slots=True)
class AlphaVantage:
    """Adapter of ``TIME_SERIES_DAILY``; the code is the symbol as Yahoo writes it, ``PETR4.SA``.

    Attributes:
        base: Scheme and host.
        key: Of the user; empty = the service is not asked.
    """

    base: str
    key: SecretStr
    name: ClassVar[str] = "alpha_vantage"
    overlap: ClassVar[int] = 10
    pause: ClassVar[float] = 1.5  # one request a second

    def calls(self, wanted: Sequence[Wanted]) -> tuple[Call, ...]:
        """One request a symbol; more than a hundred sessions are not free.

        Raises:
            SourceError: There is no key.
        """
        if not self.key.get_secret_value():
            names = [one.series for one in wanted]
            raise SourceError(self.name, names, "no key; set ALPHAVANTAGE_API_KEY to ask it")
        return tuple(self._call(one) for one in wanted if one.first <= one.last)

    def _call(self, wanted: Wanted) -> Call:
        return Call(
            source=self.name,
            base=self.base,
            target=(
                f"/query?function=TIME_SERIES_DAILY&symbol={_symbol(wanted.code)}"
                "&outputsize=compact&datatype=json"
            ),
            series=(wanted.series,),
            media="json",
            context=context_of(wanted),
            secret=("apikey", self.key),
        )

    def parse(self, call: Call, answer: Answer) -> Parsed:
        """Read raw closes; the bar of the day of the run is preliminary.

        Raises:
            SourceError: It is one of the messages that all come with status 200, or no such
                series.
        """
        found = json_of(call, answer)
        _expect_series(call, found)
        about, bars = fields(call, found, "Meta Data", SERIES)
        _expect_symbol(call, about)
        if not isinstance(bars, dict) or not bars:
            raise refused(call, "a series without sessions")
        closes = [(day, *fields(call, bar, "4. close")) for day, bar in bars.items()]
        rows, notes = readings(call, closes, day=date.fromisoformat)
        marked = [(*row[:4], row[2] == answer.day) for row in rows]
        return parsed(call, answer, marked, (*notes, *_too_short(call, min(bars))))


def _symbol(code: str) -> str:
    """The same symbol here: São Paulo is ``.SAO``, not ``.SA``."""
    return f"{code}O" if code.endswith(".SA") else code


def _expect_series(call: Call, found: Any) -> None:
    if not isinstance(found, Mapping) or not found:
        raise refused(call, "an empty object")
    for key in ("Error Message", "Note", "Information"):
        if key in found:
            raise refused(call, f"{_meaning(str(found[key]))}: {shown(call, str(found[key]))}")


def _meaning(message: str) -> str:
    meanings = (meaning for words, meaning in REFUSALS if words in message.lower())
    return next(meanings, "the service refuses")


def _expect_symbol(call: Call, about: Any) -> None:
    (symbol,) = fields(call, about, "2. Symbol")
    if str(symbol).upper() != _symbol(call.context["code"]).upper():
        raise refused(call, f"sessions of another symbol: {shown(call, str(symbol))}")


def _too_short(call: Call, oldest: str) -> tuple[str, ...]:
    """What the free service cannot give."""
    first = call.context["first"]
    return (f"sessions begin on {oldest}, {first} was asked for",) if oldest > first else ()
