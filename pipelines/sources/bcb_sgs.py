"""Time series of the Banco Central do Brasil (SGS): Selic, IPCA, IGP-M, IBC-Br, the dollar."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

import numpy as np

from pipelines.sources.base import Answer, Call, Parsed, Wanted
from pipelines.sources.checks import context_of, fields, json_of, list_of, parsed, readings, refused

DOLLAR_SELL, DOLLAR_BUY = "1", "10813"  # easily mistaken: both are "the closing rate"
MONTHLY = frozenset({"189", "433", "4390", "24363", "24364"})
"""Series of months, which may be asked for in one go; every other code counts as daily."""
WINDOW = timedelta(days=5 * 365)  # the service refuses more than ten years of a daily series
SHARED = timedelta(days=10)  # the first days of a window are left out at times
LONGEST_REST = 10  # business days without a value of a daily series
LONGEST_LAG = 3  # calendar months that may all be unpublished; IBC-Br comes after 50 days
BEGINS = {
    "1": date(1984, 11, 28), "11": date(1986, 6, 4), "189": date(1989, 6, 1),
    "432": date(1999, 3, 5), "433": date(1980, 1, 1), "24363": date(2003, 1, 1),
}  # fmt: skip
"""First day of a series: windows before it are empty, however long they are."""
NOT_FOUND = r'"detail"\s*:\s*"Value\(s\) not found"'
"""What the service says of an empty window; on bad days good series get a bare 404 as well."""


@dataclass(frozen=True, slots=True)
class BcbSgs:
    """Adapter of ``bcdata.sgs``; the code is the number of the series.

    Attributes:
        base: Scheme and host.
    """

    base: str
    name: ClassVar[str] = "bcb_sgs"
    overlap: ClassVar[int] = 10
    pause: ClassVar[float] = 0.5  # under a burst it answers with a page

    def calls(self, wanted: Sequence[Wanted]) -> tuple[Call, ...]:
        """One request a series and window; windows share days, because the first go missing."""
        return tuple(
            self._call(one, first, last) for one in wanted for first, last in _windows(one)
        )

    def _call(self, wanted: Wanted, first: date, last: date) -> Call:
        window = f"dataInicial={first:%d/%m/%Y}&dataFinal={last:%d/%m/%Y}"
        return Call(
            source=self.name,
            base=self.base,
            target=f"/dados/serie/bcdata.sgs.{wanted.code}/dados?formato=json&{window}",
            series=(wanted.series,),
            media="json",
            context={**context_of(wanted), "first": f"{first}", "last": f"{last}"},
            no_data=(404,) if _may_be_empty(wanted.code, first, last) else (),
            no_data_says=NOT_FOUND,
        )

    def parse(self, call: Call, answer: Answer) -> Parsed:
        """Read the values of one window; dates after the day of the run are plans.

        Raises:
            SourceError: It is one of the two kinds of error, or no list of dates and values, or
                an empty one for a window that is too long to be empty.
        """
        found = json_of(call, answer)
        if isinstance(found, dict):
            return _told(call, answer, found)
        records = list_of(call, found, "the answer")
        if not records:
            _expect_may_be_empty(call)
        pairs = [fields(call, record, "data", "valor") for record in records]
        rows, notes = readings(call, pairs, day=_day)
        return parsed(call, answer, rows, notes)


def _windows(wanted: Wanted) -> Iterator[tuple[date, date]]:
    """First and last day of each request, none where there is nothing to ask for."""
    if wanted.code in MONTHLY:
        if wanted.first <= wanted.last:
            yield wanted.first.replace(day=1), wanted.last  # a month is dated on its first day
        return
    first = wanted.first
    while first <= wanted.last:
        last = min(first + WINDOW, wanted.last)
        yield first, last
        first = last + timedelta(days=1) if last == wanted.last else last - SHARED


def _may_be_empty(code: str, first: date, last: date) -> bool:
    """Whether a window without a value is no fault."""
    if last < BEGINS.get(code, date.min):
        return True
    if code in MONTHLY:
        return 12 * (last.year - first.year) + last.month - first.month < LONGEST_LAG
    return int(np.busday_count(first, last + timedelta(days=1))) <= LONGEST_REST


def _expect_may_be_empty(call: Call) -> None:
    first, last = call.context["first"], call.context["last"]
    if not _may_be_empty(call.context["code"], date.fromisoformat(first), date.fromisoformat(last)):
        raise refused(call, f"no values from {first} to {last}, which is too long to be empty")


def _day(text: str) -> date:
    return datetime.strptime(text, "%d/%m/%Y").date()  # noqa: DTZ007 - a day has no time zone


def _told(call: Call, answer: Answer, said: dict[str, Any]) -> Parsed:
    """The two ways in which the service explains itself; "not found" only means no new data."""
    detail = said.get("erro", said.get("error"))
    status = detail.get("statusCode") if isinstance(detail, dict) else None
    if status == 404:
        _expect_may_be_empty(call)
        return parsed(call, answer, (), ("no values in the window",))
    if isinstance(detail, dict):
        detail = detail.get("detail", detail)
    if detail is None:
        raise refused(call, f"changed format: an object with {', '.join(said) or 'nothing'}")
    raise refused(call, f"the service says {detail}" + (f" ({status})" if status else ""))
