"""Splits of shares, after which a service tells all of its old closes in new shares.

Only the days around the last ones are asked for each night. Put beside what is stored, closes in
new shares would stand after closes in old ones: a jump that never was. So an answer that shows a
split is not read; the whole history is asked for instead, and its old closes become revisions.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from pipelines.outside.as_published import CLOSE, ORDER
from pipelines.outside.book import Book
from pipelines.outside.keys import Key, rows_of
from pipelines.sources.base import Call, Wanted

STEADY = 0.002
"""Relative difference of factors that is rounding: half a cent of a share of five, twice."""
COMPARED = 3
"""Oldest days of an answer whose closes are compared with those stored, two at least."""


@dataclass(frozen=True, slots=True)
class Torn:
    """An answer whose closes do not go with the older ones that are stored.

    Attributes:
        wanted: What to ask for instead: everything that is stored, and more.
        reason: One line for people.
    """

    wanted: Wanted
    reason: str


def torn(book: Book, call: Call, rows: pa.Table, *, start: date) -> Torn | None:
    """Whether an answer shows a split that the stored closes before it do not know.

    It does where it names one that is not stored, and where its oldest closes differ from the
    stored ones by one factor: services rescale before they name a split, or without naming it.

    Args:
        book: What is known.
        call: What was asked.
        rows: OBSERVATIONS of the answer.
        start: First day of the history.

    Returns:
        ``None`` also for series that cannot split, and where nothing older is stored.
    """
    stored, cause = _stored(book, call), _cause(book, call, rows)
    if stored is None or not cause:
        return None
    oldest = min(_newest(stored))
    if date.fromisoformat(call.context["first"]) <= oldest:
        return None
    about, first = call.context, min(start, oldest)
    last = date.fromisoformat(about["last"])
    reason = f"{cause}: asked again from {first} on, so that older closes are revised too"
    return Torn(Wanted(about["series"], about["region"], about["code"], first, last), reason)


def left_in_old_shares(book: Book, call: Call, rows: pa.Table) -> tuple[str, ...]:
    """A line on stored closes before a split that the whole history does not have.

    Args:
        book: What was known before the answer.
        call: What was asked: the whole history.
        rows: OBSERVATIONS of the answer.
    """
    stored, cause = _stored(book, call), _cause(book, call, rows)
    if stored is None or not cause:
        return ()
    known, told = _newest(stored), _newest(rows_of(rows, _key(call)))
    left = [day for day in known if day < min(told, default=date.max)]
    if not left:
        return ()
    line = f"{len(left)} of {len(known)} stored closes are older than all that was answered"
    return (f"{cause}: {line} (the last of {max(left)}) and stay as they were",)


def _key(call: Call) -> Key:
    return call.context["series"], call.context["region"]


def _stored(book: Book, call: Call) -> pa.Table | None:
    """The stored closes that an answer goes with; ``None`` where nothing can be torn."""
    if f"{call.context.get('series')}/split" not in book.domain.series:
        return None
    stored = book.tables.get(_key(call))
    return stored if stored is not None and stored.num_rows else None


def _cause(book: Book, call: Call, rows: pa.Table) -> str:
    """What says that the share has split, in words; empty = nothing does."""
    stored = _stored(book, call)
    if stored is None:
        return ""
    series, region = _key(call)
    splits = (f"{series}/split", region)
    named = _new_split(book.tables.get(splits), rows_of(rows, splits))
    return named or _rescaled(stored, rows_of(rows, (series, region)))


def _new_split(stored: pa.Table | None, found: pa.Table) -> str:
    """The first split that is not stored, in words; empty = there is none."""
    known = {} if stored is None else _newest(stored)
    for day, ratio in sorted(_newest(found).items()):
        if known.get(day) != ratio:
            return f"a split of {day:%Y-%m-%d}, {ratio:g} new shares for an old one"
    return ""


def _rescaled(stored: pa.Table, found: pa.Table) -> str:
    """Whether the oldest closes are the stored ones times one factor other than 1, in words."""
    known, told = _newest(stored), _newest(found)
    days = sorted(known.keys() & told.keys())[:COMPARED]
    factors = np.array([told[day] / known[day] for day in days if known[day]])
    if len(factors) < 2 or not (factors > 0).all():
        return ""
    factor = float(np.median(factors))
    if abs(factor - 1) <= CLOSE or np.ptp(factors) > STEADY * factor:
        return ""
    return f"closes since {days[0]:%Y-%m-%d} are {factor:g} times those stored"


def _newest(rows: pa.Table) -> dict[date, float]:
    """The value of each period as it is known last."""
    order = [one for one in ORDER if one[0] in rows.column_names]
    ordered = rows.sort_by(order)
    days = [moment.date() for moment in ordered["ref_date"].to_pylist()]
    return dict(zip(days, ordered["value"].to_pylist(), strict=True))
