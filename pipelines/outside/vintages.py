"""From what sources say to what was known when: rows are added, never changed or taken away.

What is new is dated as late as it can be justified: not before the day on which such a value is
normally out, and not before the day after the last request that would have shown it. So a later
run never changes what was known on the day of an earlier one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.outside import AS_PUBLISHED_KEY, DIVIDENDS, OUTSIDE
from ml.frequency import Days
from pipelines.outside.known_series import Series
from pipelines.outside.ledger import Window

TABLES = {one.name: one for one in (*OUTSIDE, DIVIDENDS)}
ORDER = [(name, "ascending") for name in AS_PUBLISHED_KEY]
SAME = 1e-6
"""Relative difference between two sources that is rounding: one writes 35.2, one 35.20000076."""
CLOSE = 0.005
"""Relative difference between two sources that needs no remark."""
Mask = npt.NDArray[np.bool_]
_DAY = np.timedelta64(1, "D")
LATE = 21
"""Days after a value came out, until which what is asked for is taken for the first release."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who says it, and on which day."""

    source: str  # name of the source
    preferred: tuple[str, ...]  # sources of the series, best first; all others come after them
    day: date  # day of the run
    # what earlier runs have asked for of the series without a failure
    windows: Sequence[Window] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """A table with what an answer added to it."""

    table: pa.Table  # one series and region in its contract; the one given where nothing was added
    new: int  # periods that had no value before
    revised: int  # periods that got another value, or the same one as final
    notes: tuple[str, ...]  # what was left out, and where sources disagree


def add_vintages(
    known: pa.Table | None, observations: pa.Table, series: Series, origin: Origin
) -> Update:
    """Add to the known rows of one series and region what an answer has beyond them.

    - A period without a value gets one, ``available_at`` = the later of its declared day and the
      day after the last request that covered it, but not after the day of the run.
    - The same value adds nothing, unless it was preliminary and is final now.
    - Another value is a revision: a row of the day of the run. A row of that day is replaced,
      since a day is as fine as the key is.
    - Only the source that a row is from, or a preferred one, can revise it; the others fill gaps.
    - What an answer lacks stays.

    The known rows are ordered by key; the observations are of the same series and region.

    Raises:
        ValueError: Rows were published after the day of the run: days must go forward.
    """
    before = TABLES[series.table].schema.empty_table() if known is None else known
    day = np.datetime64(origin.day, "D")
    observed = observations.filter(_days(observations["ref_date"]) <= day)
    later = observations.num_rows - observed.num_rows  # cannot have been observed
    note = f"{later} of {observations.num_rows} values are of days after {day}"
    notes = (note,) if later else ()
    if not observed.num_rows:
        return Update(before, 0, 0, notes)
    periods, available = _days(before["ref_date"]), _days(before["available_at"])
    if (available > day).any():
        raise ValueError(f"{series.name} has rows published after {day}")
    newest = np.flatnonzero(np.append(periods[1:] != periods[:-1], True)[: len(periods)])
    refs = _days(observed["ref_date"])
    found = np.isin(refs, periods)
    known_at = newest[np.searchsorted(periods[newest], refs[found])]
    revised = np.zeros(len(refs), bool)
    revised[found], remark = _revisions(observed.filter(found), before.take(known_at), origin)
    notes = (*notes, remark) if remark else notes
    is_added = ~found | revised
    if not is_added.any():
        return Update(before, 0, 0, notes)
    replaced = known_at[revised[found]]
    kept = np.ones(len(periods), bool)
    kept[replaced[available[replaced] == day]] = False
    out = _available(refs, revised, series, origin)[is_added]
    rows = _rows(observed.filter(is_added), out, series, origin)
    table = pa.concat_tables([before.filter(kept), rows]).sort_by(ORDER)
    return Update(table, int((~found).sum()), int(revised.sum()), notes)


def last_covering(windows: Iterable[Window], refs: Days, *, before: date) -> Days:
    """Of each day the newest request before a day that would have shown its value; NaT = none."""
    earlier = sorted(window for window in windows if window[1] < before)
    firsts, days = np.array(earlier, "datetime64[D]").reshape(-1, 2).T
    newest = np.append(np.maximum.accumulate(days), np.datetime64("NaT", "D"))
    return newest[np.searchsorted(firsts, refs, side="right") - 1]  # -1 = none = the NaT at the end


def _revisions(observed: pa.Table, known: pa.Table, origin: Origin) -> tuple[Mask, str]:
    """Which rows revise the known ones beside them, and a remark on sources that disagree."""
    values, before = observed["value"].to_numpy(), known["value"].to_numpy()
    sources = np.array(known["source"].to_pylist(), object)
    final = np.array(pc.and_not(known["preliminary"], observed["preliminary"]).to_pylist(), bool)
    rank = {name: place for place, name in enumerate(origin.preferred)}
    ranks = np.array([rank.get(name, len(rank)) for name in sources], int)
    is_own, is_better = sources == origin.source, rank.get(origin.source, len(rank)) < ranks
    gap = np.abs(values - before) / np.maximum(np.maximum(np.abs(values), np.abs(before)), 1e-12)
    differs = np.where(is_own, values != before, gap > SAME)
    apart = np.flatnonzero(~is_own & ~is_better & (gap > CLOSE))
    remark = ""
    if len(apart):
        last = int(apart[-1])
        remark = (
            f"{len(apart)} of {len(values)} values of {origin.source} differ by more than "
            f"{CLOSE:.1%} from those stored, last: {values[last]:g}, not {before[last]:g}, "
            f"on {observed['ref_date'][last].as_py():%Y-%m-%d}"
        )
    return (is_own | is_better) & (differs | final), remark


def _available(refs: Days, revised: Mask, series: Series, origin: Origin) -> Days:
    """When each value could first be known."""
    day = np.datetime64(origin.day, "D")
    after = last_covering(origin.windows, refs, before=origin.day) + _DAY
    first = np.minimum(day, np.fmax(series.declared_days(refs), after))  # fmax: NaT = no request
    return np.where(revised, day, np.maximum(refs, first))


def _rows(observed: pa.Table, available: Days, series: Series, origin: Origin) -> pa.Table:
    """Observations as rows of their table."""
    same = {"unit": series.unit, "source": origin.source, "currency": series.currency}
    late = np.datetime64(origin.day, "D") - available > LATE * _DAY
    columns = {
        **{name: observed[name] for name in observed.column_names},
        **{name: pa.array([text] * observed.num_rows, pa.string()) for name, text in same.items()},
        "available_at": pa.array(available.astype("datetime64[us]")),
        "estimated": pa.array(late & series.revised),
    }
    schema = TABLES[series.table].schema
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _days(column: pa.ChunkedArray) -> Days:
    return column.to_numpy().astype("datetime64[D]")
