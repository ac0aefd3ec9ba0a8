"""Daily bars of Yahoo's chart service: raw closes, dividends and splits.

``adjclose`` is left alone: it changes back in time after every dividend, so that a new value put
after old ones makes a jump that never was. Closes and dividends do not change: who needs the
adjusted series makes it out of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain
from typing import Any, ClassVar
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from pipelines.sources.base import Answer, Call, Parsed, Wanted
from pipelines.sources.checks import (
    Row,
    context_of,
    fields,
    json_of,
    list_of,
    number,
    parsed,
    readings,
    refused,
)

LONGEST_REST = 10  # business days without a session
TOLD_EARLY = timedelta(hours=2)  # bars of a summer time may carry 22:00 of the day before
NAMED = ("User-Agent", "Mozilla/5.0 (compatible; previsor/0.1)")  # bare library names are refused


@dataclass(frozen=True, slots=True)
class YahooChart:
    """Adapter of ``v8/finance/chart``; the code is the symbol, ``PETR4.SA``.

    Attributes:
        base: Scheme and host.
    """

    base: str
    name: ClassVar[str] = "yahoo"
    overlap: ClassVar[int] = 10
    pause: ClassVar[float] = 1.0

    def calls(self, wanted: Sequence[Wanted]) -> tuple[Call, ...]:
        """One request a symbol; none where there is nothing to ask for."""
        return tuple(self._call(one) for one in wanted if one.first <= one.last)

    def _call(self, wanted: Wanted) -> Call:
        window = f"period1={_epoch(wanted.first)}&period2={_epoch(wanted.last + timedelta(days=1))}"
        return Call(
            source=self.name,
            base=self.base,
            target=(
                f"/v8/finance/chart/{quote(wanted.code, safe='=')}?{window}"
                "&interval=1d&includePrePost=false&events=div,splits,capitalGains"
            ),
            series=(wanted.series,),
            media="json",
            context=context_of(wanted),
            headers=(NAMED,),
        )

    def parse(self, call: Call, answer: Answer) -> Parsed:
        """Read closes [currency], ``<series>/dividend`` [currency] and ``<series>/split`` [1].

        The bar of a session that is still open is left out, that of the day of the run is
        preliminary.

        Raises:
            SourceError: It is an error or a page, of another symbol, uneven, or has no bars
                where there must be some.
        """
        chart = _chart(call, json_of(call, answer))
        (meta,) = fields(call, chart, "meta")
        zone = _zone(call, meta)
        bars, notes = readings(
            call, _closes(call, chart), day=lambda stamp: _local_day(stamp, zone)
        )
        _expect_some(call, bars)
        closed, running = _without_running(bars, meta, zone)
        rows = [(*row[:4], row[2] == answer.day) for row in closed]
        events, said = _events(call, chart, zone)
        return parsed(call, answer, [*rows, *events], (*notes, *running, *said))


def _epoch(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())


def _chart(call: Call, found: Any) -> Mapping[str, Any]:
    """The one result of an answer."""
    roots = _object(found)
    result, error = fields(call, roots.get("chart", roots.get("finance")), "result", "error")
    if error:
        code, description = fields(call, error, "code", "description")
        raise refused(call, f"the service says {code}: {description}")
    if len(list_of(call, result, "'result'")) != 1 or not isinstance(result[0], dict):
        raise refused(call, f"{len(result)} results, expected one")
    _expect_symbol(call, result[0])
    return result[0]


def _expect_symbol(call: Call, chart: Mapping[str, Any]) -> None:
    symbol, currency = fields(call, chart.get("meta"), "symbol", "currency")
    code = call.context["code"]
    if symbol != code:
        raise refused(call, f"bars of another symbol: {symbol}")
    if code.endswith(".SA") and currency != "BRL":
        raise refused(call, f"prices in {currency}, expected BRL")


def _zone(call: Call, meta: Mapping[str, Any]) -> ZoneInfo:
    (name,) = fields(call, meta, "exchangeTimezoneName")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, TypeError, ValueError):
        raise refused(call, f"a time zone that is not known: {name}") from None


def _local_day(stamp: object, zone: ZoneInfo) -> date:
    """The day of a session that opens at ``stamp`` [s since 1970], where its exchange is."""
    return (datetime.fromtimestamp(number(stamp), zone) + TOLD_EARLY).date()


def _closes(call: Call, chart: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    stamps = chart.get("timestamp") or []
    (quotes,) = fields(call, fields(call, chart, "indicators")[0], "quote")
    closes = _object(next(iter(list_of(call, quotes, "'quote'")), None)).get("close") or []
    list_of(call, stamps, "'timestamp'")
    list_of(call, closes, "'close'")
    if len(stamps) != len(closes):
        raise refused(call, f"{len(closes)} closes for {len(stamps)} sessions")
    return zip(stamps, closes, strict=True)


def _expect_some(call: Call, bars: Sequence[Row]) -> None:
    days = int(np.busday_count(call.context["first"], call.context["last"])) + 1
    if not bars and days > LONGEST_REST:
        raise refused(call, f"no bars of {days} business days")


def _without_running(
    bars: Sequence[Row], meta: Mapping[str, Any], zone: ZoneInfo
) -> tuple[list[Row], tuple[str, ...]]:
    """The bars of sessions that are over: the last trade is no earlier than the session's end."""
    regular = _object(_object(meta.get("currentTradingPeriod")).get("regular"))
    try:
        now, end = number(meta.get("regularMarketTime")), number(regular.get("end"))
        today = _local_day(now, zone)
    except (ValueError, TypeError, OverflowError):
        return list(bars), ()  # nothing is said of a session
    if now >= end:
        return list(bars), ()
    over = [row for row in bars if row[2] != today]
    left = len(bars) - len(over)
    return over, ((f"{left} of {len(bars)} bars are of the running session",) if left else ())


def _events(
    call: Call, chart: Mapping[str, Any], zone: ZoneInfo
) -> tuple[list[Row], tuple[str, ...]]:
    """Dividends and splits, on the first day without the right to them."""
    events = _object(chart.get("events"))
    series = call.context["series"]
    paid = [fields(call, one, "date", "amount") for one in _each(events, "dividends")]
    cut = [fields(call, one, "date", "numerator", "denominator") for one in _each(events, "splits")]
    found = (
        readings(call, pairs, day=lambda stamp: _local_day(stamp, zone), series=f"{series}/{kind}")
        for kind, pairs in (("dividend", paid), ("split", [(d, _ratio(n, m)) for d, n, m in cut]))
    )
    rows, notes = zip(*found, strict=True)
    gains = len(list(_each(events, "capitalGains")))
    note = f"{gains} capital gains are left out"
    return list(chain(*rows)), (*chain(*notes), *((note,) if gains else ()))


def _each(events: Mapping[str, Any], kind: str) -> Iterator[Any]:
    return iter(_object(events.get(kind)).values())


def _object(value: object) -> Mapping[str, Any]:
    """A JSON object; anything else has no fields."""
    return value if isinstance(value, dict) else {}


def _ratio(numerator: object, denominator: object) -> object:
    """New shares for one old one; what is no ratio stays a text, and is counted as such."""
    try:
        return number(numerator) / number(denominator)
    except (ValueError, TypeError, ZeroDivisionError):
        return f"{numerator}:{denominator}"
