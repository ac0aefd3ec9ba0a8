"""From what sources say to what was known when: rows are added, never changed or taken away.

What is new is dated as late as it can be justified: not before the day on which such a value is
normally out, and not before the day after the last look that would have shown it. So a later run
never changes what was known on the day of an earlier one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.outside import ANATEL_5G, AS_PUBLISHED_KEY, CLIMATE, DIVIDENDS, ECONOMIC, PRICES
from ml.frequency import Days
from pipelines.outside.catalogue import Series
from pipelines.outside.looks import Looks

TABLES = {one.name: one for one in (CLIMATE, ECONOMIC, ANATEL_5G, PRICES, DIVIDENDS)}
ORDER = [(name, "ascending") for name in AS_PUBLISHED_KEY]
SAME = 1e-6
"""Relative difference between two sources that is rounding: one writes 35.2, one 35.20000076."""
CLOSE = 0.005
"""Relative difference between two sources that needs no remark."""
_DAYS = 10_000_000  # more than any calendar has
Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Answered:
    """Who says it, and on which day.

    Attributes:
        source: Name of the source.
        preferred: Sources of the series, best first; all others come after them.
        day: Day of the run.
        looks: Earlier looks at the series.
    """

    source: str
    preferred: tuple[str, ...]
    day: date
    looks: Looks


@dataclass(frozen=True, slots=True)
class Published:
    """A table with what an answer added to it.

    Attributes:
        table: One series in its contract; the very table given where nothing was added.
        new: Periods that had no value before.
        revised: Periods that got another value, or the same one as final.
        notes: What was left out, and where sources disagree.
    """

    table: pa.Table
    new: int
    revised: int
    notes: tuple[str, ...]


def publish(
    known: pa.Table | None, observations: pa.Table, *, facts: Series, answered: Answered
) -> Published:
    """Add to the known rows of one series what an answer has beyond them.

    - A period without a value gets one, ``available_at`` = the later of its declared day and the
      day after the last look that covered it, but not after the day of the run.
    - The same value adds nothing, unless it was preliminary and is final now.
    - Another value is a revision: a row of the day of the run. A row of that day is replaced,
      since a day is as fine as the key is.
    - Only the source that a row is from, or a preferred one, can revise it; the others fill gaps.
    - What an answer lacks stays.

    Args:
        known: Rows of the series in its contract; ``None`` = none.
        observations: OBSERVATIONS of the same series.
        facts: Of the series.
        answered: Who says it, and when.

    Raises:
        ValueError: Rows were published after the day of the run: days must go forward.
    """
    contract = TABLES[facts.table]
    before = contract.schema.empty_table() if known is None else known
    day = np.datetime64(answered.day, "D")
    asked, notes = _up_to(observations, day)
    if not asked.num_rows:
        return Published(before, 0, 0, notes)
    names = _region_names(before, asked)
    newest = _Newest.of(before, names)
    if len(newest.available) and newest.available.max() > day:
        raise ValueError(f"{facts.name} has rows published after {day}")
    place, found = newest.places(_keys(asked, names))
    revised, differing = _revisions(asked, newest, place, found, answered)
    added = ~found | revised
    available = _available(_days(asked["ref_date"]), revised, facts, answered)
    rows = _rows(asked.filter(pa.array(added)), available[added], facts, answered.source)
    replaced = newest.rows[place[revised]][newest.available[place[revised]] == day]
    if differing:
        notes = (*notes, differing)
    if not rows.num_rows:
        return Published(before, 0, 0, notes)
    kept = np.ones(before.num_rows, bool)
    kept[replaced] = False
    table = pa.concat_tables([before.filter(pa.array(kept)), rows]).sort_by(ORDER)
    return Published(table, int((~found).sum()), int(revised.sum()), notes)


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest version of each region and period, ordered by key."""

    keys: Ints
    rows: Ints  # positions in the table
    available: Days
    values: npt.NDArray[np.float64]
    preliminary: Mask
    sources: npt.NDArray[np.object_]

    @classmethod
    def of(cls, table: pa.Table, names: Sequence[str | None]) -> "_Newest":
        keys, available = _keys(table, names), _days(table["available_at"])
        order = np.lexsort((available, keys))
        last = order[np.append(keys[order][1:] != keys[order][:-1], True)[: len(order)]]
        return cls(
            keys[last],
            last,
            available[last],
            table["value"].to_numpy()[last],
            np.array(table["preliminary"].to_pylist(), bool)[last],
            np.array(table["source"].to_pylist(), object)[last],
        )

    def places(self, keys: Ints) -> tuple[Ints, Mask]:
        """Where each key is, and whether it is there at all (else any place)."""
        if not len(self.keys):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), bool)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return place, self.keys[place] == keys


def _revisions(
    asked: pa.Table, newest: _Newest, place: Ints, found: Mask, answered: Answered
) -> tuple[Mask, str]:
    """Which rows revise a known one, and a remark on sources that disagree."""
    revised = np.zeros(len(found), bool)
    if not found.any():
        return revised, ""
    at = place[found]
    values, before = asked["value"].to_numpy()[found], newest.values[at]
    final = newest.preliminary[at] & ~np.array(asked["preliminary"].to_pylist(), bool)[found]
    rank = {name: i for i, name in enumerate(answered.preferred)}
    ranks = np.array([rank.get(name, len(rank)) for name in newest.sources[at]])
    own = rank.get(answered.source, len(rank))
    itself = newest.sources[at] == answered.source
    gap = np.abs(values - before) / np.maximum(np.maximum(np.abs(values), np.abs(before)), 1e-12)
    other = np.where(itself, values != before, gap > SAME)
    revised[found] = (itself | (own < ranks)) & (other | final)
    apart = ~itself & (own >= ranks) & (gap > CLOSE)
    return revised, _disagreement(asked.filter(pa.array(found)), before, apart, answered.source)


def _disagreement(
    asked: pa.Table, before: npt.NDArray[np.float64], apart: Mask, source: str
) -> str:
    if not apart.any():
        return ""
    first = int(np.flatnonzero(apart)[-1])
    day, value = asked["ref_date"][first].as_py(), asked["value"][first].as_py()
    return (
        f"{apart.sum()} of {len(apart)} values of {source} differ "
        f"by more than {CLOSE:.1%} from those stored, last: {value:g}, not {before[first]:g}, "
        f"on {day:%Y-%m-%d}"
    )


def _available(refs: Days, revised: Mask, facts: Series, answered: Answered) -> Days:
    """When each value could first be known."""
    day = np.datetime64(answered.day, "D")
    after_look = answered.looks.last_covering(refs) + np.timedelta64(1, "D")
    first = np.minimum(day, np.fmax(facts.declared_days(refs), after_look))  # fmax: NaT = no look
    return np.where(revised, day, np.maximum(refs, first))


def _rows(asked: pa.Table, available: Days, facts: Series, source: str) -> pa.Table:
    """Observations as rows of their table."""
    count = asked.num_rows
    columns = {
        **{name: asked[name] for name in asked.column_names},
        "available_at": pa.array(available.astype("datetime64[us]")),
        "unit": pa.array([facts.unit] * count, pa.string()),
        "source": pa.array([source] * count, pa.string()),
        "currency": pa.array([facts.currency] * count, pa.string()),
    }
    schema = TABLES[facts.table].schema
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _up_to(observations: pa.Table, day: np.datetime64) -> tuple[pa.Table, tuple[str, ...]]:
    """Observations up to the day of the run; what is later cannot have been observed."""
    past = observations.filter(
        pc.less_equal(observations["ref_date"], pa.scalar(day.astype("datetime64[us]")))
    )
    later = observations.num_rows - past.num_rows
    note = f"{later} of {observations.num_rows} values are of days after {day}"
    return past, (note,) if later else ()


def _region_names(*tables: pa.Table) -> list[str | None]:
    return list(
        dict.fromkeys(name for one in tables for name in one["region"].unique().to_pylist())
    )


def _keys(table: pa.Table, names: Sequence[str | None]) -> Ints:
    """One number a region and period, shape (N,)."""
    code = {name: i for i, name in enumerate(names)}
    regions = table["region"].combine_chunks().dictionary_encode("encode")
    codes = np.array([code[name] for name in regions.dictionary.to_pylist()], np.int64)
    of_row = codes[regions.indices.to_numpy(zero_copy_only=False)] if len(codes) else codes
    return of_row * _DAYS + _days(table["ref_date"]).astype(np.int64) + _DAYS // 2


def _days(column: pa.ChunkedArray) -> Days:
    return column.to_numpy().astype("datetime64[D]")
