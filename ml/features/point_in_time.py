"""What was known of one outside table at a cutoff: the only door through which features see data.

A row counts if it was available by the end of the cutoff's day; of each day's versions the newest
counts, and one that is null withdraws the day. Regions are never joined: a feature is of one
region, or of the stated mean where the table lacks that region.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.frequency import Days
from ml.panel import Floats

MEAN = "mean"
ONE_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True)
class KnownSeries:
    """One series of one region as it was known."""

    days: Days  # (n,) days that the values are of, ascending
    values: Floats  # (n,) newest version of each
    since: Days  # (n,) days on which any version of them was first known


NOTHING = KnownSeries(np.empty(0, "datetime64[D]"), np.empty(0), np.empty(0, "datetime64[D]"))


@dataclass(frozen=True, slots=True)
class KnownTable:
    """What was known of one region at the cutoff."""

    days: Days  # (K,) from its first day to the cutoff, without gaps; empty if nothing was known
    series: Mapping[str, KnownSeries]  # what is known of each series
    region: str | None  # the region's name; `mean` where others stand in; `None` = national
    publishers: str | None  # who published it, joined by `+`; `None` = nobody
    statements: tuple[str, ...] = ()  # what stands in for what

    def of(self, name: str) -> KnownSeries:
        """A series; one that is not known is empty."""
        return self.series.get(name, NOTHING)

    def daily(self, name: str) -> Floats:
        """A series on every day, shape (K,), NaN where there is no value of that very day."""
        series = self.of(name)
        return self.on_days(series.days, series.values)

    def on_days(self, days: Days, values: Floats) -> Floats:
        """Values of some of the days on every day, shape (K,), NaN on the others."""
        placed = np.full(len(self.days), np.nan)
        if len(days):
            placed[(days - self.days[0]).astype(np.int64)] = values
        return placed


def known_at(
    table: pa.Table,
    cutoff: np.datetime64,
    *,
    name: str,
    region: str | None,
    least_share: float,
) -> KnownTable:
    """What was known of ``region`` (``None`` = national) at the end of the day ``cutoff``.

    The rows are :data:`ml.contracts.outside.AS_PUBLISHED`, ``name`` is their table's in statements.
    Where other regions stand in, a day's mean needs ``least_share`` of them.
    """
    end = pa.scalar((cutoff + ONE_DAY).astype("datetime64[us]"), pa.timestamp("us"))
    early = pc.and_(pc.less(table["available_at"], end), pc.less(table["ref_date"], end))
    rows = table.filter(early)
    if not rows.num_rows:
        statement = f"{name}: nothing was known by {cutoff}; its features are missing."
        return KnownTable(np.empty(0, "datetime64[D]"), {}, region, None, (statement,))
    # In an order that does not depend on that of the rows: means are sums.
    places = rows["region"]
    by_region = {
        one: rows.filter(pc.is_null(places) if one is None else pc.equal(places, one))
        for one in sorted(pc.unique(places).to_pylist(), key=lambda one: one or "")
    }
    if region in by_region:
        own = by_region[region]
        series = _series(own)
        return KnownTable(_days_until(series, cutoff), series, region, _publishers(own))
    parts = [_series(own) for own in by_region.values()]
    names = sorted({name for part in parts for name in part})
    series = {
        one: _average([part[one] for part in parts if one in part], least_share) for one in names
    }
    statement = (
        f"{name}: nothing of '{region or 'the nation'}' by {cutoff}; the mean of "
        f"{len(by_region)} regions stands in."
    )
    return KnownTable(_days_until(series, cutoff), series, MEAN, _publishers(rows), (statement,))


def _publishers(rows: pa.Table) -> str:
    return "+".join(sorted(pc.unique(rows["source"]).to_pylist()))


def _series(rows: pa.Table) -> dict[str, KnownSeries]:
    """Newest versions of each series of one region."""
    names = rows["series"].combine_chunks().dictionary_encode()
    codes = names.indices.to_numpy()
    days = rows["ref_date"].to_numpy().astype("datetime64[D]")
    available = rows["available_at"].to_numpy()
    values = rows["value"].to_numpy().astype(np.float64)
    order = np.lexsort((available, days, codes))
    codes, days, available, values = codes[order], days[order], available[order], values[order]
    new = np.ones(len(codes), np.bool_)
    new[1:] = (codes[1:] != codes[:-1]) | (days[1:] != days[:-1])
    starts = np.flatnonzero(new)
    newest = np.append(starts[1:], len(codes)) - 1
    known = KnownSeries(days[starts], values[newest], available[starts].astype("datetime64[D]"))
    return {
        name: _keep(known, (codes[starts] == code) & ~np.isnan(known.values))
        for code, name in enumerate(names.dictionary.to_pylist())
    }


def _keep(observed: KnownSeries, keep: npt.NDArray[np.bool_]) -> KnownSeries:
    return KnownSeries(observed.days[keep], observed.values[keep], observed.since[keep])


def _average(parts: Sequence[KnownSeries], least_share: float) -> KnownSeries:
    """The mean of one series; a day is known since the last region that is in it."""
    days, at = np.unique(np.concatenate([part.days for part in parts]), return_inverse=True)
    count = np.bincount(at, minlength=len(days))
    total = np.bincount(at, np.concatenate([part.values for part in parts]), len(days))
    since = np.full(len(days), np.datetime64("0001-01-01"))
    np.maximum.at(since, at, np.concatenate([part.since for part in parts]))
    enough = count >= least_share * len(parts)
    return _keep(KnownSeries(days, total / np.maximum(count, 1), since), enough)


def _days_until(series: Mapping[str, KnownSeries], cutoff: np.datetime64) -> Days:
    first = [observed.days[0] for observed in series.values() if len(observed.days)]
    return np.arange(min(first), cutoff + ONE_DAY) if first else np.empty(0, "datetime64[D]")
