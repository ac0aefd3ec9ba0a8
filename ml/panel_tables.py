"""Panels out of the contract tables: the calendar, ``as_of``, and who cannot be forecast at all.

Rows after ``as_of``, or of a period that is still running, are gone before anything is decided
from the others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.demand import ABSURD, DemandParts, in_parts
from ml.errors import DataError, first_few
from ml.frequency import Days, Frequency, period_end, period_range, weekday
from ml.mapped import keep, let_go, map_array
from ml.panel import OUTSIZED, Bools, Floats, Ints, Panel, outsized_items
from ml.stockouts import Shortages, put_demand

Units = Mapping[str, str | None]
ANY_WEEKDAY = -1
_FREQUENCIES = [frequency.value for frequency in Frequency]
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
        if usable.all():
            return self
        rows = self.where(usable[self.item])
        items = tuple(item for item, ok in zip(self.items, usable, strict=True) if ok)
        return replace(rows, items=items, item=(np.cumsum(usable) - 1)[rows.item])

    @property
    def seen(self) -> Bools:
        """Rows with an observation."""
        return ~np.isnan(self.y)


@dataclass(frozen=True, slots=True)
class _RowTally:
    """What the rows of each of N series come to."""

    items: tuple[str, ...]
    counts: Ints  # (N,) observations that are seen
    absurd: Ints  # (N,) those of them beyond ABSURD
    heard: Ints  # (N,) rows that are seen
    # (N,) first observation and last row that are seen; of none, days long after and before all
    first: Days
    last: Days
    days: set[Any]  # all days, seen or not
    unseen: list[tuple[Ints, Days]]  # series and day of rows that are not seen

    @classmethod
    def of(cls, items: tuple[str, ...]) -> "_RowTally":
        """Of no rows."""
        counts, limit = np.zeros((3, len(items)), np.int64), np.iinfo(np.int64).max
        first, last = (np.full(len(items), end).view("M8[D]") for end in (limit, -limit))
        return cls(items, counts[0], counts[1], counts[2], first, last, set(), [])

    def add(self, long: "LongTable", seen: Bools) -> None:
        """Count further rows."""
        self.days.update(np.unique(long.ds).tolist())
        hidden = ~seen
        if hidden.any():
            self.unseen.append((long.item[hidden], long.ds[hidden]))
        rows = long.where(seen)
        self.heard[:] += rows.per_item(np.ones(len(rows.y)))
        self.counts[:] += rows.per_item(rows.seen)
        self.absurd[:] += rows.per_item(np.abs(np.nan_to_num(rows.y)) > ABSURD)
        # as numbers, which NumPy compares ten times as fast
        first, last = (one.view(np.int64) for one in (self.first, self.last))
        days = rows.ds.astype(np.int64)
        np.minimum.at(first, rows.item[rows.seen], days[rows.seen])
        np.maximum.at(last, rows.item, days)


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


def demand_panel(table: pa.Table | DemandParts, *, as_of: date | None, today: date) -> Prepared:
    """The demand panel of a DEMAND table, which is read twice, some rows at a time.

    Where stock ran out, demand was at least what was served; where there was none to serve, it
    is not known. ``as_of`` names the last period by
    its start; ``None`` = the last one that is over ``today``.

    Raises:
        DataError: Two frequencies among the usable series, or no period is over.
    """
    table = in_parts(table)
    items = tuple(sorted(table.ids.to_pylist()))
    clock, tally = _Clock(as_of, today), _RowTally.of(items)
    kinds = np.zeros((len(items), len(_FREQUENCIES)), bool)
    for long, seen, kind in _long_parts(table, items, clock):
        tally.add(long, seen)
        kinds[long.item[seen], kind[seen]] = True
    usable, refusals, statements = _judge("demand", tally, clock)
    found = sorted(_FREQUENCIES[one] for one in np.flatnonzero(kinds[usable].any(axis=0)))
    if len(found) > 1:
        raise DataError(
            f"demand: {len(found)} frequencies in one table: {found}. Keep one frequency a table."
        )
    if not found:
        return Prepared(None, refusals, statements)
    panel = _dense_panel(_long_parts(table, items, clock), tally, usable, Frequency(found[0]))
    return Prepared(panel, refusals, (*statements, *_on_outsized(panel)))


def _on_outsized(panel: Panel) -> tuple[str, ...]:
    found = [panel.items[row] for row in np.flatnonzero(outsized_items(panel))]
    line = (
        f"demand: {len(found):,} of {len(panel.items):,} items have demands more than "
        f"{OUTSIZED:,.0f} times those of nearly all others: {first_few(found)}. They are forecast, "
        "and models learn nothing from them for others; correct them where their numbers are slips."
    )
    return (line,) if found else ()


def _long_parts(
    table: DemandParts, items: tuple[str, ...], clock: _Clock
) -> Iterator[tuple[LongTable, Bools, Ints]]:
    """The rows of a DEMAND table, which of them a run sees, and the place of their frequency."""
    place_of = {item: place for place, item in enumerate(items)}
    for part in table.parts():
        y = _floats(part["y"])
        exposure, short = _exposure(part, y)
        silent = ((exposure < LEAST_EXPOSURE) & (y == 0)) | ((exposure < 1) & (y > ABSURD))
        y = np.where(silent, np.nan, y)
        own, item = _encode(part["item_id"])
        item = np.array([place_of[name] for name in own], np.int64)[item]
        long = LongTable(items, item, _days(part["ds"]), y, exposure, short)
        names, codes = _encode(part["frequency"])
        seen = np.zeros(len(y), bool)
        for code, name in enumerate(names):
            of_it = codes == code
            seen[of_it] = clock.seen(long.ds[of_it], Frequency(name))
        yield long, seen, np.array([_FREQUENCIES.index(name) for name in names])[codes]


def _dense_panel(
    parts: Iterator[tuple[LongTable, Bools, Ints]],
    tally: _RowTally,
    usable: Bools,
    frequency: Frequency,
) -> Panel:
    """The panel of the usable items, put together part by part."""
    items = tuple(item for item, ok in zip(tally.items, usable, strict=True) if ok)
    periods = period_range(tally.first[usable].min(), tally.last[usable].max(), frequency)
    values = map_array((len(items), len(periods)), np.float64, np.nan)
    cells, is_short = [], False
    for long, seen, _ in parts:
        rows = long.where(seen).only(usable)
        inside, columns = _columns(rows.ds, periods)
        values[rows.item[inside], columns[inside]] = rows.y[inside]
        let_go(values)
        if rows.exposure is None or rows.short is None:
            continue
        is_short |= bool((rows.exposure < 1).any())
        own = np.flatnonzero(inside & ((rows.exposure < 1) | (rows.short != 0)))
        row, period = (one[own].astype(np.int32) for one in (rows.item, columns))
        cells.append((row, period, rows.y[own], rows.exposure[own], rows.short[own]))
    shortages = None
    if is_short:
        row, period, *rest = (np.concatenate(one) for one in zip(*cells, strict=True))
        order = np.lexsort((period, row))
        shortages = Shortages(*(keep(one[order]) for one in (row, period, *rest)))
        put_demand(values, shortages, items, periods, frequency.value)
    units = ("units",) * len(items)
    return Panel("demand", frequency, items, periods, values, units, shortages=shortages)


def _columns(days: Days, periods: Days) -> tuple[Bools, Ints]:
    """Which days are first days of periods, and the positions of these."""
    columns = np.searchsorted(periods, days)
    inside = columns < len(periods)
    inside[inside] = periods[columns[inside]] == days[inside]
    return inside, columns


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
    tally = _RowTally.of(long.items)
    tally.add(long, seen)
    usable, refusals, statements = _judge("price", tally, clock)
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
    kind: str, tally: _RowTally, clock: _Clock
) -> tuple[Bools, tuple[Refusal, ...], tuple[str, ...]]:
    """Which series are usable, a refusal for every other one that anybody had heard of, statements.

    Raises:
        DataError: No period is over.
    """
    if clock.as_of is None and tally.days and not tally.heard.any():
        raise DataError(
            f"{kind}: none of {len(tally.days)} periods is over on {clock.today}, the "
            f"first starts on {min(tally.days)}. Wait, or set --as-of."
        )
    usable = (tally.counts > 0) & (tally.absurd == 0)
    known = (tally.heard > 0) | (clock.as_of is None)
    refusals = []
    for place in np.flatnonzero(known & ~usable):
        total, absurd = int(tally.counts[place]), tally.absurd[place]
        reason = "no observed value"
        if absurd:
            reason = f"{absurd} of {total} values beyond {ABSURD:g}: a fault of the file"
        refusals.append(Refusal(tally.items[place], kind, reason, total))
    if clock.as_of is not None or not usable.any():
        return usable, tuple(refusals), ()
    last = tally.last[usable].max()
    hidden = [days[usable[items] & (days > last)] for items, days in tally.unseen]
    running = np.unique(np.concatenate([*hidden, np.zeros(0, "M8[D]")]))
    named = ", ".join(str(day) for day in running)
    left_out = f"{kind}: the period of {named} is still running on {clock.today}: left out"
    return usable, tuple(refusals), (left_out,) if len(running) else ()


def _panel(long: LongTable, kind: str, frequency: Frequency, units: Units) -> Panel:
    """From the first observation to the last row: a row without a value is a period, too."""
    periods = period_range(long.ds[long.seen].min(), long.ds.max(), frequency)
    inside, columns = _columns(long.ds, periods)
    values = np.full((len(long.items), len(periods)), np.nan)
    values[long.item[inside], columns[inside]] = long.y[inside]
    return Panel(kind, frequency, long.items, periods, values,
                 tuple(units.get(item) for item in long.items))  # fmt: skip


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
