"""Panels out of the contract tables: the calendar, ``as_of``, and who cannot be forecast at all.

Rows after ``as_of``, or of a period that is still running, are gone before anything is decided
from the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.demand import ABSURD
from ml.errors import DataError, first_few
from ml.frequency import Days, Frequency, period_end, period_range, weekday
from ml.panel import OUTSIZED, Bools, Floats, Ints, Panel, outsized_items
from ml.stockouts import Shortages, complete_demand

Units = Mapping[str, str | None]
ANY_WEEKDAY = -1
LEAST_EXPOSURE = 0.5  # share of a period with stock, below which a zero says nothing


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item without a forecast."""

    item_id: str
    kind: str
    reason: str
    n_obs: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A panel ready for the models, and what was left out of it."""

    panel: Panel | None  # the usable series
    refusals: tuple[Refusal, ...]  # the others, with reasons
    statements: tuple[str, ...]  # plain sentences about what was decided


@dataclass(frozen=True, slots=True)
class LongTable:
    """Rows of several series as arrays, one an item and period."""

    items: tuple[str, ...]  # ids of all series, sorted
    item: Ints  # (rows,) position of each row's id in `items`
    ds: Days  # (rows,) start of the period
    y: Floats  # (rows,) value, NaN = not observed
    # (rows,) share of days and sites with stock, and units of `y` from the others; `None` of
    # prices
    exposure: Floats | None = None
    short: Floats | None = None

    def where(self, keep: Bools) -> "LongTable":
        """Only these rows; ``items`` stays."""
        exposure = None if self.exposure is None else self.exposure[keep]
        short = None if self.short is None else self.short[keep]
        return LongTable(self.items, self.item[keep], self.ds[keep], self.y[keep], exposure, short)

    def per_item(self, weights: Floats | Bools) -> Ints:
        """Sum of a number a row over the rows of each item."""
        return np.bincount(self.item, weights=weights, minlength=len(self.items)).astype(np.int64)

    def only(self, usable: Bools) -> "LongTable":
        """The usable series alone."""
        rows = self.where(usable[self.item])
        items = tuple(item for item, ok in zip(self.items, usable, strict=True) if ok)
        return replace(rows, items=items, item=(np.cumsum(usable) - 1)[rows.item])

    @property
    def seen(self) -> Bools:
        """Rows with an observation."""
        return ~np.isnan(self.y)


@dataclass(frozen=True, slots=True)
class _Clock:
    """The last moment that a run may know of."""

    as_of: date | None
    today: date

    def seen(self, starts: Days, frequency: Frequency) -> Bools:
        """Which periods a run sees: until ``as_of``, else those that are over on ``today``."""
        if self.as_of is not None:
            return starts <= np.datetime64(self.as_of, "D")
        return period_end(starts, frequency) < np.datetime64(self.today, "D")

    def known_by(self, frequency: Frequency) -> np.datetime64:
        """The day by whose end a value must have been published."""
        if self.as_of is None:
            return np.datetime64(self.today, "D")
        return period_end(np.datetime64(self.as_of, "D"), frequency)


def demand_panel(table: pa.Table, *, as_of: date | None, today: date) -> Prepared:
    """The demand panel of a DEMAND table.

    Where stock ran out, demand was at least what was served; where there was none to serve, it
    is not known. ``as_of`` names the last period by
    its start; ``None`` = the last one that is over ``today``.

    Raises:
        DataError: Two frequencies among the usable series, or no period is over.
    """
    y = _floats(table["y"])
    exposure, short = _exposure(table, y)
    silent = ((exposure < LEAST_EXPOSURE) & (y == 0)) | ((exposure < 1) & (y > ABSURD))
    y = np.where(silent, np.nan, y)
    long = LongTable(*_encode(table["item_id"]), _days(table["ds"]), y, exposure, short)
    names, codes = _encode(table["frequency"])
    clock = _Clock(as_of, today)
    seen = np.zeros(len(y), bool)
    for code, name in enumerate(names):
        own = codes == code
        seen[own] = clock.seen(long.ds[own], Frequency(name))
    usable, refusals, statements = _judge("demand", long, seen, clock)
    found = sorted({names[code] for code in np.unique(codes[seen & usable[long.item]])})
    if len(found) > 1:
        raise DataError(
            f"demand: {len(found)} frequencies in one table: {found}. Keep one frequency a table."
        )
    if not found:
        return Prepared(None, refusals, statements)
    kept = long.where(seen).only(usable)
    panel = _panel(kept, "demand", Frequency(found[0]), dict.fromkeys(kept.items, "units"))
    return Prepared(panel, refusals, (*statements, *_on_outsized(panel)))


def _on_outsized(panel: Panel) -> tuple[str, ...]:
    found = [panel.items[row] for row in np.flatnonzero(outsized_items(panel))]
    line = (
        f"demand: {len(found):,} of {len(panel.items):,} items have demands more than "
        f"{OUTSIZED:,.0f} times those of nearly all others: {first_few(found)}. They are forecast, "
        "and models learn nothing from them for others; correct them where their numbers are slips."
    )
    return (line,) if found else ()


def _exposure(table: pa.Table, y: Floats) -> tuple[Floats, Floats]:
    """Share of each period that had stock, and units served in the rest of it.

    A flag without a share is of the whole period.
    """
    flagged = pc.fill_null(table["is_stockout"], fill_value=False).to_numpy(zero_copy_only=False)
    share, short = _floats(table["stockout_share"]), _floats(table["stockout_y"])
    share = np.where(flagged, np.where(np.isnan(share), 1.0, share), 0.0)
    short = np.where(flagged, np.where(np.isnan(short), y, np.minimum(short, y)), 0.0)
    return 1 - share, np.nan_to_num(short)


def price_panels(table: pa.Table, *, as_of: date | None, today: date) -> tuple[Prepared, ...]:
    """The price panels of a PRICES table, one a frequency (and weekday that weeks start on).

    Of each price the newest version is taken that was published by the end of ``as_of``.
    """
    order = [("series", "ascending"), ("ref_date", "ascending"), ("available_at", "ascending")]
    table = table.sort_by(order)
    long = LongTable(*_encode(table["series"]), _days(table["ref_date"]), _floats(table["value"]))
    clock = _Clock(as_of, today)
    rhythms = _rhythms(long, clock)
    seen = _known_prices(long, _days(table["available_at"]), rhythms, clock)
    grouped = table.filter(pa.array(seen)).group_by("series")
    named = grouped.aggregate([("unit", "max"), ("currency", "max")]).to_pylist()
    units = {row["series"]: row["unit_max"] or row["currency_max"] for row in named}
    usable, refusals, statements = _judge("price", long, seen, clock)
    prepared = []
    for rhythm in sorted(set(rhythms)):
        own = usable & np.array([other == rhythm for other in rhythms], bool)
        if own.any():
            kept = long.where(seen).only(own)
            panel = _panel(kept, "price", Frequency(rhythm[0]), units)
            prepared.append(Prepared(panel, refusals, statements))
            refusals, statements = (), ()  # said once
    return tuple(prepared) if prepared or not refusals else (Prepared(None, refusals, statements),)


def infer_frequency(observed: Days) -> Frequency:
    """Frequency of one series of prices by its days alone."""
    if len(observed) > 1 and np.all(observed == observed.astype("datetime64[M]")):
        return Frequency.MONTHLY
    weekdays = np.unique(weekday(observed))
    if len(observed) > 2 and len(weekdays) == 1:
        return Frequency.WEEKLY
    if len(weekdays) and weekdays.max() > 4:
        return Frequency.DAILY
    return Frequency.BUSINESS


def _rhythms(long: LongTable, clock: _Clock) -> list[tuple[str, int]]:
    """Of each series its frequency, and for weeks the weekday, by what is over already."""
    limit = np.datetime64(clock.as_of, "D") if clock.as_of else np.datetime64(clock.today, "D") - 1
    counted = long.seen & (long.ds <= limit)
    rhythms = []
    for place in range(len(long.items)):
        own = np.unique(long.ds[counted & (long.item == place)])
        frequency = infer_frequency(own)
        anchor = int(weekday(own)[0]) if frequency is Frequency.WEEKLY else ANY_WEEKDAY
        rhythms.append((frequency.value, anchor))
    return rhythms


def _known_prices(
    long: LongTable, published: Days, rhythms: list[tuple[str, int]], clock: _Clock
) -> Bools:
    """The newest version of each price that was published in time, of periods that are over."""
    seen = np.zeros(len(long.ds), bool)
    for place, (name, _) in enumerate(rhythms):
        own = long.item == place
        frequency = Frequency(name)
        in_time = published[own] <= clock.known_by(frequency)
        seen[own] = clock.seen(long.ds[own], frequency) & in_time
    rows = np.flatnonzero(seen)
    same = (long.item[rows[1:]] == long.item[rows[:-1]]) & (long.ds[rows[1:]] == long.ds[rows[:-1]])
    seen[rows[:-1][same]] = False
    return seen


def _judge(
    kind: str, long: LongTable, seen: Bools, clock: _Clock
) -> tuple[Bools, tuple[Refusal, ...], tuple[str, ...]]:
    """Which series are usable, a refusal for every other one that anybody had heard of, statements.

    Raises:
        DataError: No period is over.
    """
    if clock.as_of is None and len(seen) and not seen.any():
        raise DataError(
            f"{kind}: none of {len(np.unique(long.ds))} periods is over on {clock.today}, the "
            f"first starts on {long.ds.min()}. Wait, or set --as-of."
        )
    rows = long.where(seen)
    counts = rows.per_item(rows.seen)
    absurd = rows.per_item(np.abs(np.nan_to_num(rows.y)) > ABSURD)
    usable = (counts > 0) & (absurd == 0)
    known = (rows.per_item(np.ones(len(rows.y))) > 0) | (clock.as_of is None)
    refusals = []
    for place in np.flatnonzero(known & ~usable):
        total = int(counts[place])
        reason = "no observed value"
        if absurd[place]:
            reason = f"{absurd[place]} of {total} values beyond {ABSURD:g}: a fault of the file"
        refusals.append(Refusal(long.items[place], kind, reason, total))
    own = usable[long.item]
    if clock.as_of is not None or not (own & seen).any():
        return usable, tuple(refusals), ()
    running = np.unique(long.ds[own & ~seen & (long.ds > long.ds[own & seen].max())])
    named = ", ".join(str(day) for day in running)
    left_out = f"{kind}: the period of {named} is still running on {clock.today}: left out"
    return usable, tuple(refusals), (left_out,) if len(running) else ()


def _panel(long: LongTable, kind: str, frequency: Frequency, units: Units) -> Panel:
    """From the first observation to the last row: a row without a value is a period, too."""
    first = long.ds[long.seen].min()
    periods = period_range(first, long.ds.max(), frequency)
    columns = np.searchsorted(periods, long.ds)
    inside = columns < len(periods)
    inside[inside] = periods[columns[inside]] == long.ds[inside]

    values, shortages = np.full((len(long.items), len(periods)), np.nan), None
    values[long.item[inside], columns[inside]] = long.y[inside]
    if long.exposure is not None and long.short is not None and (long.exposure < 1).any():
        cells = np.flatnonzero(inside & ((long.exposure < 1) | (long.short != 0)))
        cells = cells[np.lexsort((columns[cells], long.item[cells]))]
        row, period = (one[cells].astype(np.int32) for one in (long.item, columns))
        served, exposure, short = values[row, period], long.exposure[cells], long.short[cells]
        shortages = Shortages(row, period, served, exposure, short)
        values = complete_demand(values, shortages, long.items, periods, frequency.value)
    return Panel(kind, frequency, long.items, periods, values,
                 tuple(units.get(item) for item in long.items), shortages=shortages)  # fmt: skip


def _encode(column: pa.ChunkedArray) -> tuple[tuple[str, ...], Ints]:
    """Distinct texts, sorted, and the position of each row's text among them."""
    encoded = column.combine_chunks().dictionary_encode()
    texts = np.asarray(encoded.dictionary.to_pylist(), dtype=object)
    order = np.argsort(texts, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return tuple(texts[order].tolist()), place[encoded.indices.to_numpy()]


def _days(column: pa.ChunkedArray) -> Days:
    """A timestamp column as days."""
    return column.to_numpy(zero_copy_only=False).astype("datetime64[D]")


def _floats(column: pa.ChunkedArray) -> Floats:
    """A number column, null = NaN."""
    return column.to_numpy(zero_copy_only=False).astype(np.float64)
