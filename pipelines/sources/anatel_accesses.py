"""ANATEL's mobile accesses by state, month and generation, out of one ZIP of half-years.

There is no ready-made series of the 5G roll-out: it is the sum over all rows of a state and month
whose generation is 5G. Months appear 45 to 60 days late and are restated.
"""

import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from pipelines.sources.anatel_file import FormatError, Group, accesses
from pipelines.sources.base import Answer, Call, Parsed, SourceError, Wanted
from pipelines.sources.checks import Row, not_after, plausible, refused, rows_table
from pipelines.sources.zip_members import opened_zip

SERIES = ("fiveg_accesses", "mobile_accesses")
TARGET = "/dadosabertos/paineis_de_dados/acessos/acessos_telefonia_movel.zip"
_MEMBER = re.compile(
    r"(?:^|/)Acessos_Telefonia_Movel_(?:(\d{4})_([12])S|(\d{4})(\d\d)-(\d{4})(\d\d))\.csv$",
    re.IGNORECASE,
)

Sums = dict[tuple[str, date], dict[str, int]]
"""Accesses by generation of each state and month."""


@dataclass(frozen=True, slots=True)
class AnatelAccesses:
    """The open data at ``base``; half a year is read again, since months are restated."""

    base: str
    name: ClassVar[str] = "anatel_accesses"
    overlap: ClassVar[int] = 190
    pause: ClassVar[float] = 1.0

    def calls(self, wanted: Sequence[Wanted]) -> tuple[Call, ...]:
        """One call for everything; its answer is read from the first half-year wanted on.

        Raises:
            SourceError: A series that it has not, or one without a state.
        """
        asked = [one for one in wanted if one.first <= one.last]
        foreign = sorted({one.series for one in asked if one.series not in SERIES})
        if foreign:
            raise SourceError(self.name, foreign, f"not served; it has {', '.join(SERIES)}")
        if nowhere := sorted({one.series for one in asked if one.region is None}):
            raise SourceError(self.name, nowhere, "asked for without a state")
        if not asked:
            return ()
        first = min(one.first for one in asked)
        # whole half-years, so that the context stays the same from one night to the next
        half = date(first.year, 1 if first.month <= 6 else 7, 1)
        series = tuple(name for name in SERIES if name in {one.series for one in asked})
        states = sorted({one.region for one in asked if one.region})
        context = {"first": half.isoformat(), "states": states, "series": list(series)}
        return (
            Call(
                source=self.name,
                base=self.base,
                target=TARGET,
                series=series,
                media="zip",
                context=context,
                conditional=True,
            ),
        )

    def parse(self, call: Call, answer: Answer) -> Parsed:
        """Sum the half-years asked for; the newest month is preliminary.

        Raises:
            SourceError: It is no ZIP or breaks off, it has no half-year that was asked for, a
                file's columns have changed, or 5G vanishes from one month to the next.
        """
        faults: Counter[str] = Counter()
        sums: Sums = {}
        with opened_zip(call, answer) as archive:
            for member, months in _members(call, archive):
                try:
                    groups = accesses(archive, member, call.context["states"], faults)
                except FormatError as error:
                    raise refused(call, f"{member}: {error}") from None
                _add(sums, groups, months, faults)
        rows = list(_rows(call, sums))
        if not rows:
            raise refused(call, f"no rows of {', '.join(call.context['states'])}")
        notes = [f"{count} {what}" for what, count in faults.items()]
        notes += _gaps(call, sums)
        past, later = not_after(rows, answer.day)
        kept, absurd = plausible(call, past)
        return Parsed(rows_table(kept), (*notes, *later, *absurd))


def _members(call: Call, archive: zipfile.ZipFile) -> Iterator[tuple[str, tuple[date, date]]]:
    """Files that reach the first month wanted, and their first and last months, in order."""
    first = date.fromisoformat(call.context["first"])
    names = archive.namelist()
    found = sorted((months, name) for name in names if (months := _months(name)))
    reaching = [(name, months) for months, name in found if months[1] >= first]
    if not reaching:
        held = ", ".join(name for _, name in found[-2:]) or ", ".join(names[:2]) or "nothing"
        raise refused(call, f"no file of half-years from {first} on among {len(names)}: {held}")
    yield from reaching


def _months(name: str) -> tuple[date, date] | None:
    found = _MEMBER.search(name)
    if not found:
        return None
    year, half, *span = found.groups()
    if half:
        start = 1 if half == "1" else 7
        return date(int(year), start, 1), date(int(year), start + 5, 1)
    try:
        return date(int(span[0]), int(span[1]), 1), date(int(span[2]), int(span[3]), 1)
    except ValueError:
        return None


def _add(
    sums: Sums, groups: Mapping[Group, int], months: tuple[date, date], faults: Counter[str]
) -> None:
    """Add a file's groups; a month that is not the file's would be counted twice."""
    for (year, month, state, generation), count in groups.items():
        try:
            of = date(int(year), int(month), 1)
        except ValueError:
            faults["groups have no readable month"] += 1
            continue
        if not months[0] <= of <= months[1]:
            faults["groups are of months of another file"] += 1
            continue
        generations = sums.setdefault((state, of), {})
        generations[generation] = generations.get(generation, 0) + count


def _rows(call: Call, sums: Sums) -> Iterator[Row]:
    newest = max((month for _, month in sums), default=None)
    before: dict[str, date] = {}
    for (state, month), generations in sorted(sums.items()):
        fiveg = generations.get("5G", 0)
        if state in before and not fiveg:
            cause = f"{state} has 5G accesses in {before[state]:%Y-%m} and none in {month:%Y-%m}"
            raise refused(call, f"{cause}; generations there: {', '.join(sorted(generations))}")
        if fiveg:
            before[state] = month
        values = {"fiveg_accesses": fiveg, "mobile_accesses": sum(generations.values())}
        for series in call.context["series"]:
            yield series, state, month, float(values[series]), month == newest


def _gaps(call: Call, sums: Sums) -> list[str]:
    """States that lack months which another has."""
    months = {month for _, month in sums}
    lacking = {
        state: len(months - {month for of, month in sums if of == state})
        for state in call.context["states"]
    }
    return [
        f"{state}: no rows in {count} of {len(months)} months"
        for state, count in lacking.items()
        if count
    ]
