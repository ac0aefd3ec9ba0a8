"""Daily bars of Yahoo's chart service: raw closes, dividends and splits.

``adjclose`` is left alone: it changes back in time after every dividend, so that a new value put
after old ones makes a jump that never was. Closes and dividends do not change: who needs the
adjusted series makes it out of them.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipelines.sources.answers import expect_list, read_json, refusal, take_fields
from pipelines.sources.base import Adapter, Answer, Call, ParsedAnswer, SeriesRequest
from pipelines.sources.checks import Row, Screened, expect_rows, read_rows, screen, to_number

TOLD_EARLY = timedelta(hours=2)  # bars of a summer time may carry 22:00 of the day before
NAMED = ("User-Agent", "Mozilla/5.0 (compatible; previsor/0.1)")  # bare library names are refused


class YahooChart(Adapter):
    """Adapter of ``v8/finance/chart``; the code is the symbol, ``PETR4.SA``."""

    name = "yahoo"
    overlap = 10
    pause = 1.0

    def call(self, wanted: SeriesRequest) -> Call:
        """The bars of a symbol and its events."""
        window = f"period1={_epoch(wanted.first)}&period2={_epoch(wanted.last + timedelta(days=1))}"
        target = (
            f"/v8/finance/chart/{quote(wanted.code, safe='=')}?{window}"
            "&interval=1d&includePrePost=false&events=div,splits,capitalGains"
        )
        return self.ask_for(wanted, target, headers=(NAMED,))

    def parse(self, call: Call, answer: Answer) -> ParsedAnswer:
        """Read closes [currency], ``<series>/dividend`` [currency] and ``<series>/split`` [1].

        The bar of a session that is still open is left out, that of the day of the run is
        preliminary.
        """
        chart = _chart(call, read_json(call, answer))
        (meta,) = take_fields(call, chart, "meta")
        (name,) = take_fields(call, meta, "exchangeTimezoneName")
        try:
            zone = ZoneInfo(name)
        except (ZoneInfoNotFoundError, TypeError, ValueError):
            raise refusal(call, f"a time zone that is not known: {name}") from None

        def day(stamp: object) -> date:  # where the exchange is, of seconds since 1970
            return (datetime.fromtimestamp(to_number(stamp), zone) + TOLD_EARLY).date()

        bars, notes = read_rows(call, _closes(call, chart), day=day, preliminary_from=answer.day)
        expect_rows(call, bars, "no bars of {days} business days")
        running = _running_day(meta, day)
        over = [bar for bar in bars if bar[2] != running]
        if left := len(bars) - len(over):
            notes = (*notes, f"{left} of {len(bars)} bars are of the running session")
        events, left_out = _events(call, _object(chart.get("events")), day)
        return screen(call, answer, [*over, *events], (*notes, *left_out))


def _epoch(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())


def _object(value: object) -> Mapping[str, Any]:
    """A JSON object; anything else has no fields."""
    return value if isinstance(value, dict) else {}


def _chart(call: Call, found: Any) -> Mapping[str, Any]:
    """The one result of an answer, once it is of the symbol asked for."""
    roots = _object(found)
    result, error = take_fields(call, roots.get("chart", roots.get("finance")), "result", "error")
    if error:
        code, description = take_fields(call, error, "code", "description")
        raise refusal(call, f"the service says {code}: {description}")
    if len(expect_list(call, result, "'result'")) != 1 or not isinstance(result[0], dict):
        raise refusal(call, f"{len(result)} results, expected one")
    symbol, currency = take_fields(call, result[0].get("meta"), "symbol", "currency")
    if symbol != call.context["code"]:
        raise refusal(call, f"bars of another symbol: {symbol}")
    if symbol.endswith(".SA") and currency != "BRL":
        raise refusal(call, f"prices in {currency}, expected BRL")
    return result[0]


def _closes(call: Call, chart: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Time and close of each session."""
    (indicators,) = take_fields(call, chart, "indicators")
    (quotes,) = take_fields(call, indicators, "quote")
    first = next(iter(expect_list(call, quotes, "'quote'")), None)
    stamps = expect_list(call, chart.get("timestamp") or [], "'timestamp'")
    closes = expect_list(call, _object(first).get("close") or [], "'close'")
    if len(stamps) != len(closes):
        raise refusal(call, f"{len(closes)} closes for {len(stamps)} sessions")
    return zip(stamps, closes, strict=True)


def _running_day(meta: Mapping[str, Any], day: Callable[[Any], date]) -> date | None:
    """The day of a session that is not over: its last trade is earlier than its end."""
    regular = _object(_object(meta.get("currentTradingPeriod")).get("regular"))
    try:
        now, end = to_number(meta.get("regularMarketTime")), to_number(regular.get("end"))
        return day(now) if now < end else None
    except (ValueError, TypeError, OverflowError):
        return None  # nothing is said of a session


def _events(call: Call, events: Mapping[str, Any], day: Callable[[Any], date]) -> Screened:
    """Dividends and splits, on the first day without the right to them."""
    dividends, splits, gains = (
        _object(events.get(kind)).values() for kind in ("dividends", "splits", "capitalGains")
    )
    paid = [take_fields(call, one, "date", "amount") for one in dividends]
    names = ("date", "numerator", "denominator")
    parts = [take_fields(call, one, *names) for one in splits]
    ratios = [(stamp, _ratio(new, old)) for stamp, new, old in parts]
    rows: list[Row] = []
    notes: list[str] = []
    for kind, pairs in (("dividend", paid), ("split", ratios)):
        found, left_out = read_rows(call, pairs, day=day, series=f"{call.context['series']}/{kind}")
        rows += found
        notes += left_out
    if gains:
        notes.append(f"{len(gains)} capital gains are left out")
    return rows, tuple(notes)


def _ratio(numerator: object, denominator: object) -> object:
    """New shares for one old one; what is no ratio stays a text, and is counted as such."""
    try:
        return to_number(numerator) / to_number(denominator)
    except (ValueError, TypeError, ZeroDivisionError):
        return f"{numerator}:{denominator}"
