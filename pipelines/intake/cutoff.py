"""Rows after the day that a run is as of: left out before anything is decided from them."""

import numpy as np
import numpy.typing as npt

from ml.frequency import Days, Frequency, period_end, period_start
from pipelines.intake.request import ReadingRequest

Mask = npt.NDArray[np.bool_]


def seen_by(days: Days, options: ReadingRequest) -> Mask:
    """Which rows the run may see, (rows,).

    The period that starts on or before ``options.as_of`` counts as complete. Rows are dated by
    any day of their period where demand is summed to a coarser frequency, and by the last day
    of their month where all rows are.

    Args:
        days: (rows,) days; NaT rows are seen, for they are faulty in their own right.
        options: ``as_of`` and the frequency asked for.
    """
    if options.as_of is None:
        return np.ones(len(days), bool)
    limit: np.datetime64 = np.datetime64(options.as_of, "D")
    before = days[days <= limit]
    if options.forced is not None:
        start = period_start(np.array([limit]), options.forced)[0]
        limit = period_end(start, options.forced)
    elif len(before) and np.all(_is_month_end(before)):
        limit = period_end(period_start(np.array([limit]), Frequency.MONTHLY)[0], Frequency.MONTHLY)
    return ~(days > limit)


def _is_month_end(days: Days) -> Mask:
    months = days.astype("datetime64[M]")
    return (days + 1).astype("datetime64[M]") != months


def on_later_rows(name: str, seen: Mask, options: ReadingRequest) -> list[str]:
    """A sentence on the rows that were left out, if any were."""
    later = int((~seen).sum())
    if not later:
        return []
    return [f"{name}: {later:,} of {len(seen):,} rows are after {options.as_of} and were left out."]
