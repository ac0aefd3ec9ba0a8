"""Time series of the Banco Central do Brasil (SGS): Selic, IPCA, IGP-M, IBC-Br, the dollar."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from pipelines.sources.answers import expect_list, read_json, refusal, take_fields
from pipelines.sources.base import Adapter, Answer, Call, ParsedAnswer, SeriesRequest
from pipelines.sources.checks import LONGEST_REST, read_rows, screen

MONTHLY = frozenset({"189", "433", "4390", "24363", "24364"})
"""Series of months, which may be asked for in one go; every other code counts as daily."""
WINDOW = timedelta(days=5 * 365)  # the service refuses more than ten years of a daily series
SHARED = timedelta(days=10)  # the first days of a window are left out at times
LONGEST_LAG = 3  # calendar months that may all be unpublished; IBC-Br comes after 50 days
BEGINS = {
    "1": date(1984, 11, 28), "11": date(1986, 6, 4), "189": date(1989, 6, 1),
    "432": date(1999, 3, 5), "433": date(1980, 1, 1), "24363": date(2003, 1, 1),
}  # fmt: skip
"""First day of a series: windows before it are empty, however long they are."""
NOT_FOUND = r'"detail"\s*:\s*"Value\(s\) not found"'
"""What the service says of an empty window; on bad days good series get a bare 404 as well."""


class BcbSgs(Adapter):
    """Adapter of ``bcdata.sgs``; the code is the number of the series."""

    name = "bcb_sgs"
    overlap = 10
    pause = 0.5  # under a burst it answers with a page

    def calls(self, wanted: Sequence[SeriesRequest]) -> tuple[Call, ...]:
        """One request a series and window; windows share days, because the first go missing."""
        return tuple(self.call(part) for one in wanted for part in _windows(one))

    def call(self, wanted: SeriesRequest) -> Call:
        """One window of a series."""
        window = f"dataInicial={wanted.first:%d/%m/%Y}&dataFinal={wanted.last:%d/%m/%Y}"
        return self.ask_for(
            wanted,
            f"/dados/serie/bcdata.sgs.{wanted.code}/dados?formato=json&{window}",
            no_data=(404,) if _may_be_empty(wanted.code, wanted.first, wanted.last) else (),
            no_data_says=NOT_FOUND,
        )

    def parse(self, call: Call, answer: Answer) -> ParsedAnswer:
        """Read the values of one window, or one of two kinds of error; later dates are plans."""
        found = read_json(call, answer)
        if isinstance(found, dict):
            return _read_error(call, answer, found)
        records = expect_list(call, found, "the answer")
        if not records:
            _expect_may_be_empty(call)
        pairs = [take_fields(call, record, "data", "valor") for record in records]
        rows, notes = read_rows(
            call,
            pairs,
            day=lambda text: datetime.strptime(text, "%d/%m/%Y").date(),  # noqa: DTZ007 - a day
        )
        return screen(call, answer, rows, notes)


def _windows(wanted: SeriesRequest) -> Iterator[SeriesRequest]:
    """What each request asks for, none where there is nothing to ask for."""
    first, end = wanted.first, wanted.last
    if wanted.code in MONTHLY:
        if first <= end:
            yield replace(wanted, first=first.replace(day=1))  # a month is dated on its first day
        return
    while first <= end:
        last = min(first + WINDOW, end)
        yield replace(wanted, first=first, last=last)
        first = last + timedelta(days=1) if last == end else last - SHARED


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
        raise refusal(call, f"no values from {first} to {last}, which is too long to be empty")


def _read_error(call: Call, answer: Answer, found: dict[str, Any]) -> ParsedAnswer:
    """The two ways in which the service explains itself; "not found" only means no new data."""
    detail = found.get("erro", found.get("error"))
    status = detail.get("statusCode") if isinstance(detail, dict) else None
    if status == 404:
        _expect_may_be_empty(call)
        return screen(call, answer, (), ("no values in the window",))
    if isinstance(detail, dict):
        detail = detail.get("detail", detail)
    if detail is None:
        raise refusal(call, f"changed format: an object with {', '.join(found) or 'nothing'}")
    raise refusal(call, f"the service says {detail}" + (f" ({status})" if status else ""))
