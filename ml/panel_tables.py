"""Panels out of the contract tables: the calendar, ``as_of``, and who cannot be forecast at all.

Rows after ``as_of``, or of a period that is still running, are gone before anything is decided
from the others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.demand import ABSURD
from ml.errors import DataError
from ml.frequency import Days, Frequency, period_range, weekday
from ml.long_table import LongTable, Mask, coded, days, dense, floats, period_ends
from ml.panel import Panel

Units = Mapping[str, str | None]
ANY_WEEKDAY = -1


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
class _Clock:
    """The last moment that a run may know of."""

    as_of: date | None
    today: date

    def seen(self, starts: Days, frequency: Frequency) -> Mask:
        """Which periods a run sees: until ``as_of``, else those that are over on ``today``."""
        if self.as_of is not None:
            return starts <= np.datetime64(self.as_of, "D")
        return period_ends(starts, frequency) < np.datetime64(self.today, "D")

    def known_by(self, frequency: Frequency) -> np.datetime64:
        """The day by whose end a value must have been published."""
        if self.as_of is None:
            return np.datetime64(self.today, "D")
        return period_ends(np.array([self.as_of], "datetime64[D]"), frequency)[0]


def demand_panel(table: pa.Table, *, as_of: date | None, today: date) -> Prepared:
    """The demand panel of a DEMAND table.

    Periods in which stock ran out are unknown demand, not small demand.

    Args:
        table: In the DEMAND contract.
        as_of: Names the last period by its start; ``None`` = the last one that is over.
        today: The day on which this run happens.

    Raises:
        DataError: Two frequencies among the usable series, or no period is over.
    """
    short = pc.fill_null(table["is_stockout"], fill_value=False).to_numpy(zero_copy_only=False)
    y = np.where(short, np.nan, floats(table["y"]))
    long = LongTable(*coded(table["item_id"]), days(table["ds"]), y)
    names, codes = coded(table["frequency"])
    clock = _Clock(as_of, today)
    seen = np.zeros(len(y), bool)
    for code, name in enumerate(names):
        own = codes == code
        seen[own] = clock.seen(long.ds[own], Frequency(name))
    known = _existing(long, seen, clock)
    long, seen, codes = _only(long, known), seen[known[long.item]], codes[known[long.item]]
    _require_complete("demand", long, seen, clock)
    usable, refusals = _split(long, seen, "demand")
    statements = _on_running("demand", long, seen, usable, clock)
    found = sorted({names[code] for code in np.unique(codes[seen & usable[long.item]])})
    if len(found) > 1:
        raise DataError(
            f"demand: {len(found)} frequencies in one table: {found}. Keep one frequency a table."
        )
    if not found:
        return Prepared(None, refusals, statements)
    kept = _only(long.where(seen), usable)
    panel = _panel(kept, "demand", Frequency(found[0]), dict.fromkeys(kept.items, "units"))
    return Prepared(panel, refusals, statements)


def price_panels(table: pa.Table, *, as_of: date | None, today: date) -> tuple[Prepared, ...]:
    """The price panels of a PRICES table, one a frequency (and weekday that weeks start on).

    Of each price the newest version is taken that was published by the end of ``as_of``.
    """
    order = [("series", "ascending"), ("ref_date", "ascending"), ("available_at", "ascending")]
    table = table.sort_by(order)
    long = LongTable(*coded(table["series"]), days(table["ref_date"]), floats(table["value"]))
    clock = _Clock(as_of, today)
    rhythms = _rhythms(long, clock)
    seen = _known_prices(long, days(table["available_at"]), rhythms, clock)
    units = _price_units(table.filter(pa.array(seen)))
    known = _existing(long, seen, clock)
    rhythms = [rhythm for rhythm, ok in zip(rhythms, known, strict=True) if ok]
    long, seen = _only(long, known), seen[known[long.item]]
    _require_complete("price", long, seen, clock)
    usable, refusals = _split(long, seen, "price")
    statements = _on_running("price", long, seen, usable, clock)
    prepared = []
    for rhythm in sorted(set(rhythms)):
        own = usable & np.array([other == rhythm for other in rhythms], bool)
        if own.any():
            kept = _only(long.where(seen), own)
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
) -> Mask:
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


def _existing(long: LongTable, seen: Mask, clock: _Clock) -> Mask:
    """Which items anybody had heard of at ``as_of``."""
    if clock.as_of is None:
        return np.ones(len(long.items), bool)
    return long.per_item(seen) > 0


def _split(long: LongTable, seen: Mask, kind: str) -> tuple[Mask, tuple[Refusal, ...]]:
    """Which series are usable, and a refusal for every other one."""
    rows = long.where(seen)
    counts = rows.per_item(rows.seen)
    absurd = rows.per_item(np.abs(np.nan_to_num(rows.y)) > ABSURD)
    refusals = []
    for place in np.flatnonzero((counts == 0) | (absurd > 0)):
        total = int(counts[place])
        reason = "no observed value"
        if absurd[place]:
            reason = f"{absurd[place]} of {total} values beyond {ABSURD:g}: a fault of the file"
        refusals.append(Refusal(long.items[place], kind, reason, total))
    return (counts > 0) & (absurd == 0), tuple(refusals)


def _only(long: LongTable, usable: Mask) -> LongTable:
    """The usable series alone."""
    place = np.cumsum(usable) - 1
    rows = long.where(usable[long.item])
    items = tuple(item for item, ok in zip(long.items, usable, strict=True) if ok)
    return LongTable(items, place[rows.item], rows.ds, rows.y)


def _panel(long: LongTable, kind: str, frequency: Frequency, units: Units) -> Panel:
    """From the first observation to the last row: a row without a value is a period, too."""
    first = long.ds[long.seen].min()
    periods = period_range(first, long.ds.max(), frequency)
    values = dense(long, periods)
    return Panel(kind, frequency, long.items, periods, values,
                 tuple(units.get(item) for item in long.items))  # fmt: skip


def _require_complete(kind: str, long: LongTable, seen: Mask, clock: _Clock) -> None:
    if clock.as_of is None and len(seen) and not seen.any():
        raise DataError(
            f"{kind}: none of {len(np.unique(long.ds))} periods is over on {clock.today}, the "
            f"first starts on {long.ds.min()}. Wait, or set --as-of."
        )


def _on_running(
    kind: str, long: LongTable, seen: Mask, usable: Mask, clock: _Clock
) -> tuple[str, ...]:
    """A sentence on periods of usable series that are not over yet."""
    own = usable[long.item]
    if clock.as_of is not None or not (own & seen).any():
        return ()
    later = np.unique(long.ds[own & ~seen & (long.ds > long.ds[own & seen].max())])
    if not len(later):
        return ()
    named = ", ".join(str(day) for day in later)
    return (f"{kind}: the period of {named} is still running on {clock.today}: left out",)


def _price_units(table: pa.Table) -> dict[str, str | None]:
    def largest() -> Iterator[tuple[str, str | None]]:
        grouped = table.select(["series", "unit", "currency"]).group_by("series")
        for row in grouped.aggregate([("unit", "max"), ("currency", "max")]).to_pylist():
            yield row["series"], row["unit_max"] or row["currency_max"]

    return dict(largest())
