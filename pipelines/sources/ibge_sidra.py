"""Tables of IBGE (SIDRA): the IPCA as its publisher gives it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from pipelines.sources.base import Answer, Call, Parsed, Wanted
from pipelines.sources.checks import context_of, fields, json_of, list_of, parsed, readings, refused

MISSING = (None, "", "..", "...", "-", "X")
MONTH = re.compile(r"(\d{4})(\d{2})")


@dataclass(frozen=True, slots=True)
class IbgeSidra:
    """Adapter of ``values``; the code is table and variable, ``1737/63`` = IPCA, monthly change.

    Attributes:
        base: Scheme and host.
    """

    base: str
    name: ClassVar[str] = "ibge_sidra"
    overlap: ClassVar[int] = 62
    pause: ClassVar[float] = 0.5

    def calls(self, wanted: Sequence[Wanted]) -> tuple[Call, ...]:
        """One request a series, for all months: what was not asked for is left out here.

        Raises:
            ValueError: A code is not a table and a variable.
        """
        return tuple(self._call(one) for one in wanted if one.first <= one.last)

    def _call(self, wanted: Wanted) -> Call:
        table, variable = wanted.code.split("/")
        month = wanted.first.replace(day=1)  # a month is dated on its first day
        return Call(
            source=self.name,
            base=self.base,
            target=f"/values/t/{table}/n1/all/v/{variable}/p/all",
            series=(wanted.series,),
            media="json",
            context={**context_of(wanted), "first": f"{month}"},
        )

    def parse(self, call: Call, answer: Answer) -> Parsed:
        """Read the months below the header, which is the first record.

        Raises:
            SourceError: It is no such list, has no months, or is of another variable.
        """
        records = list_of(call, json_of(call, answer), "the answer")
        named = [fields(call, record, "V", "D2C", "D3C") for record in records]
        if len(named) < 2:
            raise refused(call, f"no months in {len(named)} records: is {_asked(call)} right?")
        _expect_variable(call, named)
        rows, notes = readings(call, ((m, v) for v, _, m in named[1:]), day=_day, missing=MISSING)
        return parsed(call, answer, rows, notes)


def _asked(call: Call) -> str:
    table, variable = call.context["code"].split("/")
    return f"variable {variable} of table {table}"


def _expect_variable(call: Call, named: Sequence[tuple[Any, ...]]) -> None:
    """The header names the columns; codes in the rows must be those that were asked for."""
    header, first = named[0], named[1]
    if MONTH.fullmatch(str(header[2])):
        raise refused(call, "changed format: the first record is not the header")
    variable = call.context["code"].split("/")[1]
    if others := {str(row[1]) for row in named[1:]} - {variable}:
        raise refused(call, f"not {_asked(call)} but variable {min(others)}, from {first[2]} on")


def _day(month: str) -> date:
    found = MONTH.fullmatch(month)
    if found is None:
        raise ValueError(f"'{month}' is no month")
    return date(int(found[1]), int(found[2]), 1)
