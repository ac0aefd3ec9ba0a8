"""Splits of shares, after which a service tells all of its old closes in new shares.

Only the days around the last ones are asked for each night. Put beside what is stored, closes in
new shares would stand after closes in old ones: a jump that never was. So an answer that shows a
split is not read; the whole history is asked for instead, and its old closes become revisions.
"""

from collections.abc import Mapping
from datetime import date

import numpy as np
import pyarrow as pa

from pipelines.outside.domain_rows import DomainRows, rows_of
from pipelines.outside.vintages import CLOSE
from pipelines.sources.base import Call, SeriesRequest

STEADY = 0.002
"""Relative difference of factors that is rounding: half a cent of a share of five, twice."""
COMPARED = 3
"""Oldest days of an answer whose closes are compared with those stored, two at least."""


def find_split(
    known: DomainRows, call: Call, rows: pa.Table, *, start: date
) -> tuple[SeriesRequest, str] | None:
    """Whether an answer shows a split that the stored closes before it do not know.

    It does where it names one that is not stored, and where its oldest closes differ from the
    stored ones by one factor: services rescale before they name a split, or without naming it.

    Returns:
        What to ask for instead, all that is stored and all since ``start``, and one line
        for people; ``None`` also for series that cannot split, and where nothing older is stored.
    """
    stored, cause = _compared(known, call, rows)
    if not cause or date.fromisoformat(call.context["first"]) <= min(stored):
        return None
    about, first = call.context, min(start, *stored)
    last = date.fromisoformat(about["last"])
    reason = f"{cause}: asked again from {first} on, so that older closes are revised too"
    return SeriesRequest(about["series"], about["region"], about["code"], first, last), reason


def left_in_old_shares(known: DomainRows, call: Call, rows: pa.Table) -> tuple[str, ...]:
    """A line on closes stored before an answer, and before a split, that a whole history lacks."""
    stored, cause = _compared(known, call, rows)
    if not cause:
        return ()
    answered = _newest(rows_of(rows, (call.context["series"], call.context["region"])))
    left = [day for day in stored if day < min(answered, default=date.max)]
    if not left:
        return ()
    line = f"{len(left)} of {len(stored)} stored closes are older than all that was answered"
    return (f"{cause}: {line} (the last of {max(left)}) and stay as they were",)


def _compared(known: DomainRows, call: Call, rows: pa.Table) -> tuple[Mapping[date, float], str]:
    """The stored closes that an answer goes with, and what says that the share has split, in words.

    Without words nothing says so: the series cannot split, or nothing of it is stored.
    """
    series, region = call.context.get("series", ""), call.context.get("region")
    closes, splits = (series, region), (f"{series}/split", region)
    if splits[0] not in known.domain.series or closes not in known.tables:
        return {}, ""
    stored, known_splits = (_newest(known.tables.get(key)) for key in (closes, splits))
    for day, ratio in _newest(rows_of(rows, splits)).items():
        if stored and known_splits.get(day) != ratio:
            return stored, f"a split of {day:%Y-%m-%d}, {ratio:g} new shares for an old one"
    return stored, _rescaled(stored, _newest(rows_of(rows, closes)))


def _rescaled(stored: Mapping[date, float], answered: Mapping[date, float]) -> str:
    """Whether the oldest closes are the stored ones times one factor other than 1, in words."""
    days = sorted(stored.keys() & answered.keys())[:COMPARED]
    factors = np.array([answered[day] / stored[day] for day in days if stored[day]])
    if len(factors) < 2 or not (factors > 0).all():
        return ""
    factor = float(np.median(factors))
    if abs(factor - 1) <= CLOSE or np.ptp(factors) > STEADY * factor:
        return ""
    return f"closes since {days[0]:%Y-%m-%d} are {factor:g} times those stored"


def _newest(rows: pa.Table | None) -> dict[date, float]:
    """The value of each period as it is known last, in order; rows are ordered by key."""
    if rows is None:
        return {}
    days = [moment.date() for moment in rows["ref_date"].to_pylist()]
    return dict(zip(days, rows["value"].to_pylist(), strict=True))
