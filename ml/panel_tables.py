"""Panels out of the contract tables: the calendar, ``as_of``, and who cannot be forecast at all."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.demand import ABSURD
from ml.errors import DataError
from ml.frequency import Days, Frequency, period_end, period_range, weekday
from ml.panel import Panel

Floats = npt.NDArray[np.float64]
LEAST_TO_LEARN = {"demand": 8, "price": 30}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item without a forecast."""

    item_id: str
    kind: str
    reason: str
    n_obs: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A panel ready for the models, and what was left out of it.

    Attributes:
        panel: The usable series.
        refusals: The others, with reasons.
        statements: Plain sentences about what was decided.
    """

    panel: Panel | None
    refusals: tuple[Refusal, ...]
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Long:
    """A long table as arrays: one observation a row, ``y`` NaN where not observed."""

    item: npt.NDArray[np.object_]
    ds: Days
    y: Floats


def demand_panel(table: pa.Table, *, as_of: date | None, today: date) -> Prepared:
    """The demand panel of a DEMAND table.

    Periods in which stock ran out are unknown demand, not small demand.

    Args:
        table: In the DEMAND contract.
        as_of: Names the last period by its start; ``None`` = the last one that is over.
        today: The day on which this run happens.

    Raises:
        DataError: Two frequencies among the usable series.
    """
    y = table["y"].to_numpy(zero_copy_only=False).astype(np.float64)
    if table["is_stockout"].null_count < table.num_rows:
        short = pc.fill_null(table["is_stockout"], fill_value=False)
        y = np.where(short.to_numpy(zero_copy_only=False), np.nan, y)
    long = _Long(_texts(table["item_id"]), _days(table["ds"]), y)
    frequencies = _texts(table["frequency"])
    long, kept = _until(long, as_of)
    usable, refusals = _split(long, "demand")
    found = sorted(set(frequencies[kept][usable].tolist()))
    if len(found) > 1:
        raise DataError(
            f"demand: {len(found)} frequencies in one table: {found}. Keep one frequency a table."
        )
    if not found:
        return Prepared(None, refusals, ())
    return _prepared(_rows(long, usable), refusals, "demand", Frequency(found[0]), as_of, today)


def price_panels(table: pa.Table, *, as_of: date | None, today: date) -> tuple[Prepared, ...]:
    """The price panels of a PRICES table, one a frequency.

    Of each price the newest version is taken that was available by the end of ``as_of``.
    """
    table = table.sort_by([("series", "ascending"), ("ref_date", "ascending"),
                           ("available_at", "ascending")])  # fmt: skip
    limit = np.datetime64(as_of or today, "D")
    known = _days(table["available_at"]) <= limit
    table = table.filter(pa.array(known))
    long = _Long(
        _texts(table["series"]),
        _days(table["ref_date"]),
        table["value"].to_numpy(zero_copy_only=False).astype(np.float64),
    )
    newest = np.ones(len(long.item), bool)
    newest[:-1] = (long.item[1:] != long.item[:-1]) | (long.ds[1:] != long.ds[:-1])
    long, _ = _until(_rows(long, newest), as_of)
    usable, refusals = _split(long, "price")
    good = _rows(long, usable)
    groups: dict[Frequency, list[str]] = {}
    for item in np.unique(good.item):
        groups.setdefault(infer_frequency(good.ds[good.item == item]), []).append(str(item))
    units = _price_units(table)
    prepared = [
        _prepared(
            _rows(good, np.isin(good.item, items)), (), "price", frequency, as_of, today, units
        )
        for frequency, items in sorted(groups.items())
    ]
    return (*prepared, Prepared(None, refusals, ())) if refusals else tuple(prepared)


def infer_frequency(days: Days) -> Frequency:
    """Frequency of one series of prices by its days alone."""
    if len(days) > 1 and np.all(days == days.astype("datetime64[M]").astype(days.dtype)):
        return Frequency.MONTHLY
    weekdays = np.unique(weekday(days))
    if len(days) > 2 and len(weekdays) == 1:
        return Frequency.WEEKLY
    return Frequency.DAILY if weekdays.max() > 4 else Frequency.BUSINESS


def learnable_items(panel: Panel) -> tuple[str, ...]:
    """Items that others may learn from: enough observations, and anything but zeros.

    Whatever else is in a file, pooled models and weights are made from these alone, so an odd
    series cannot change the forecast of another.
    """
    enough = panel.observed().sum(axis=1) >= LEAST_TO_LEARN[panel.kind]
    alive = np.nanmax(np.abs(panel.values), axis=1, initial=0.0) > 0
    return tuple(item for item, ok in zip(panel.items, enough & alive, strict=True) if ok)


def dataset_id(panels: Sequence[Panel]) -> str:
    """Name of what the models learn from, by its content."""
    digest = hashlib.sha256()
    for panel in panels:
        digest.update(f"{panel.kind}|{panel.frequency}|{panel.units}|{panel.items!r}".encode())
        digest.update(panel.periods.astype("datetime64[D]").astype("<i8").tobytes())
        digest.update(
            np.where(np.isnan(panel.values), -1e300, panel.values).astype("<f8").tobytes()
        )
    return f"d-{digest.hexdigest()[:12]}"


def _until(long: _Long, as_of: date | None) -> tuple[_Long, npt.NDArray[np.bool_]]:
    limit = np.datetime64(as_of, "D") if as_of else np.datetime64("9999-12-31", "D")
    kept = long.ds <= limit
    return _rows(long, kept), kept


def _rows(long: _Long, keep: npt.NDArray[np.bool_]) -> _Long:
    return _Long(long.item[keep], long.ds[keep], long.y[keep])


def _split(long: _Long, kind: str) -> tuple[npt.NDArray[np.bool_], tuple[Refusal, ...]]:
    """Rows of usable series, and a refusal for every other series."""
    items, codes = np.unique(long.item, return_inverse=True)
    seen = ~np.isnan(long.y)
    counts = np.bincount(codes, weights=seen, minlength=len(items)).astype(int)
    absurd = np.bincount(codes, weights=np.abs(long.y) > ABSURD, minlength=len(items)).astype(int)
    refusals = []
    for place in np.flatnonzero((counts == 0) | (absurd > 0)):
        reason = "no observed value"
        if absurd[place]:
            reason = (
                f"{absurd[place]} of {counts[place]} values beyond {ABSURD:g}: a fault of the file"
            )
        refusals.append(Refusal(str(items[place]), kind, reason, int(counts[place])))
    bad = (counts == 0) | (absurd > 0)
    return ~bad[codes], tuple(refusals)


def _prepared(
    long: _Long,
    refusals: tuple[Refusal, ...],
    kind: str,
    frequency: Frequency,
    as_of: date | None,
    today: date,
    units: dict[str, str | None] | None = None,
) -> Prepared:
    seen = _rows(long, ~np.isnan(long.y))
    statements = []
    last = seen.ds.max()
    if as_of is None and period_end(last, frequency) >= np.datetime64(today, "D"):
        over = np.array([period_end(day, frequency) < np.datetime64(today, "D")
                         for day in np.unique(seen.ds)])  # fmt: skip
        complete = np.unique(seen.ds)[over]
        if not len(complete):
            raise DataError(
                f"{kind}: no {frequency.word} period is over on {today}; wait or set --as-of."
            )
        statements.append(f"{kind}: the period of {last} is still running on {today}: left out")
        last = complete[-1]
    periods = period_range(seen.ds.min(), last, frequency)
    items = np.unique(long.item)
    values = _dense(seen, items, periods)
    lost = int(np.isnan(values).all(axis=1).sum())
    panel = Panel(kind, frequency, tuple(items.tolist()), periods, values,
                  tuple((units or {}).get(str(item), "units" if kind == "demand" else None)
                        for item in items))  # fmt: skip
    if lost:
        empty = np.isnan(values).all(axis=1)
        refusals = (*refusals, *(Refusal(str(item), kind, f"no observed value until {last}", 0)
                                 for item in items[empty]))  # fmt: skip
        panel = panel.rows(np.flatnonzero(~empty).tolist())
    return Prepared(panel, refusals, tuple(statements))


def _dense(seen: _Long, items: npt.NDArray[np.object_], periods: Days) -> Floats:
    rows = np.searchsorted(items, seen.item)
    columns = np.searchsorted(periods, seen.ds)
    inside = (columns < len(periods)) & (periods[np.minimum(columns, len(periods) - 1)] == seen.ds)
    values = np.full((len(items), len(periods)), np.nan)
    values[rows[inside], columns[inside]] = seen.y[inside]
    return values


def _price_units(table: pa.Table) -> dict[str, str | None]:
    first = table.select(["series", "unit", "currency"]).group_by("series").aggregate(
        [("unit", "max"), ("currency", "max")]
    )  # fmt: skip
    return {row["series"]: row["unit_max"] or row["currency_max"] for row in first.to_pylist()}


def _texts(column: pa.ChunkedArray) -> npt.NDArray[np.object_]:
    return np.asarray(column.to_pylist(), dtype=object)


def _days(column: pa.ChunkedArray) -> Days:
    return column.to_numpy(zero_copy_only=False).astype("datetime64[D]")
