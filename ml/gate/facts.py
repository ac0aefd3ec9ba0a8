"""What the gate knows of a version, and what a rule is asked of it and answers.

Facts are small numbers out of inputs and tables. They are written into the version, so that a later
one can be compared with it without its tables.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.artifacts.documents import Day
from ml.contracts.demand import (
    ALL_LOCATIONS,
    DEMAND,
    INVENTORY,
    ITEMS,
    OPEN_ORDERS,
    RECEIPTS,
    SUPPLIERS,
    in_parts,
)
from ml.contracts.forecasts import QUANTILES, quantile_name
from ml.contracts.outside import PRICES
from ml.contracts.price_outlook import EXPOSURE
from ml.frequency import Frequency, periods_after
from ml.processed import SYNTHETIC

SHOWN = 3  # offenders that are named
EXPLOSION = 3.0  # a mean forecast above so many times the largest value ever observed
_CUTS = [quantile_name(level) for level in QUANTILES]
READ = ("item_id", "ds", "frequency", "as_of", "kind", "forecast", "is_fallback", *_CUTS)
"""The columns of forecasts that facts are made from."""


@dataclass(frozen=True, slots=True)
class Offenders:
    """Items that break a rule."""

    count: int = 0  # how many
    first: tuple[str, ...] = ()  # the first of them


@dataclass(frozen=True, slots=True)
class PanelFacts:
    """The forecasts of one kind and frequency."""

    kind: str  # `demand` or `price`
    frequency: str  # D, B, W or MS
    as_of: Day  # start of the last period seen
    horizon: int  # most steps of an item
    rows: int  # forecast rows
    items: Mapping[str, float]  # mean forecast of a period, by item
    totals: Mapping[str, float]  # forecasts of all items added up, by day of the period's start
    incomplete: Offenders  # items that lack a step, or have one that is not due
    crossing: Offenders  # items whose quantiles cross
    negative: Offenders  # items of demand with a value below zero
    fallbacks: Offenders  # items that not every model could forecast
    # items beyond EXPLOSION times what was ever observed; `None` = history not known
    exploding: Offenders | None = None


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table that a run read."""

    ids: int  # different ids
    lacking: int | None = None  # ids of demand that it lacks; of items and stock only
    demanded: int | None = None  # ids of demand; of items and stock only
    last: Day | None = None  # newest day of a count; of stock only
    total: float | None = None  # units on hand; of stock only
    lines: int | None = None  # rows of the files, `None` = not known
    set_aside: int | None = None  # of these, rows with a quarantined cell


@dataclass(frozen=True, slots=True)
class Orders:
    """What is recommended to order."""

    items: int  # that were looked at
    count: int  # of them, those to order
    value: Mapping[str, float]  # by currency; only orders whose cost is known


@dataclass(frozen=True, slots=True)
class Facts:
    """All that rules look at; what is not known is not judged."""

    version_id: str  # of the version
    sources: Mapping[str, str] | None = None  # who the data of each kind is from
    panels: Mapping[str, PanelFacts] = field(default_factory=dict)  # by kind and frequency
    refusals: Mapping[str, int] = field(default_factory=dict)  # items without forecast, by kind
    tables: Mapping[str, TableFacts] | None = None  # what was read, by name
    bias: Mapping[str, float | None] = field(default_factory=dict)  # of the backtest, by kind
    coverage: Mapping[str, float | None] = field(default_factory=dict)  # of 80 % intervals, by kind
    orders: Orders | None = None  # `None` without recommendations

    @property
    def made_up(self) -> tuple[str, ...]:
        """Kinds whose data are synthetic."""
        return tuple(kind for kind, one in (self.sources or {}).items() if SYNTHETIC in one)


def observe(
    chunks: Iterable[pa.Table], scales: Mapping[str, float], into: dict[str, PanelFacts]
) -> Iterator[pa.Table]:
    """Hand on chunks of FORECASTS rows, each with all rows of its items, and note their facts.

    ``scales`` are the largest values observed, by item; ``into`` holds panels by name and is filled
    while the chunks are taken.
    """
    for chunk in chunks:
        for name, facts in describe_forecasts(chunk, scales).items():
            into[name] = _join(into[name], facts) if name in into else facts
        yield chunk


def describe_forecasts(
    rows: pa.Table, scales: Mapping[str, float] | None = None
) -> dict[str, PanelFacts]:
    """The facts of FORECASTS rows, by kind and frequency; without scales nothing explodes."""
    names = ["kind", "frequency", "as_of"]
    panels = {}
    for group in rows.group_by(names).aggregate([]).to_pylist():
        own = pc.field("kind") == group["kind"]
        for name in names[1:]:
            own &= pc.field(name) == group[name]
        frequency, day = Frequency(group["frequency"]), group["as_of"]
        name = f"{group['kind']}_{frequency.lower()}"
        if frequency is Frequency.WEEKLY:  # weeks that start on other days are another panel
            name += f"_{day:%a}".lower()
        panels[name] = _describe(rows.filter(own), group["kind"], frequency, scales)
    return dict(sorted(panels.items()))


def _describe(
    rows: pa.Table, kind: str, frequency: Frequency, scales: Mapping[str, float] | None
) -> PanelFacts:
    cuts = np.column_stack([rows[name].to_numpy() for name in _CUTS])
    flags = {
        "crossing": (np.diff(cuts, axis=1) < 0).any(axis=1),
        "negative": (cuts.min(axis=1) < 0) | (rows["forecast"].to_numpy() < 0),
    }
    for name, values in flags.items():
        rows = rows.append_column(name, pa.array(values))
    rows = rows.append_column("size", pc.abs(rows["forecast"]))
    items = rows.group_by("item_id").aggregate(
        [("ds", "count_distinct"), ("ds", "max"), ("forecast", "mean"), ("size", "max"),
         ("is_fallback", "any"), ("crossing", "any"), ("negative", "any")]
    ).sort_by("item_id")  # fmt: skip
    ids = items["item_id"].to_pylist()
    horizon = pc.max(items["ds_count_distinct"]).as_py()
    as_of = np.datetime64(pc.min(rows["as_of"]).as_py(), "D")
    due = periods_after(as_of, horizon, frequency)[-1].astype("datetime64[us]")
    whole = (items["ds_count_distinct"].to_numpy() == horizon) & (items["ds_max"].to_numpy() == due)
    totals = rows.group_by("ds").aggregate([("forecast", "sum")]).sort_by("ds")
    exploding = None
    if scales is not None:
        least = 1.0 if kind == "demand" else 0.0  # a history of zeros says nothing of its scale
        most = np.array([max(scales.get(item, np.inf), least) for item in ids]) * EXPLOSION
        exploding = _offenders(ids, items["size_max"].to_numpy() > most)
    return PanelFacts(
        kind=kind,
        frequency=frequency.value,
        as_of=str(as_of),
        horizon=horizon,
        rows=rows.num_rows,
        items={item: _short(mean) for item, mean in zip(
            ids, items["forecast_mean"].to_pylist(), strict=True)},
        totals={f"{day:%Y-%m-%d}": _short(total) for day, total in zip(
            totals["ds"].to_pylist(), totals["forecast_sum"].to_pylist(), strict=True)},
        incomplete=_offenders(ids, ~whole),
        crossing=_offenders(ids, items["crossing_any"].to_numpy(zero_copy_only=False)),
        negative=_offenders(ids, items["negative_any"].to_numpy(zero_copy_only=False)
                            & (kind == "demand")),
        fallbacks=_offenders(ids, items["is_fallback_any"].to_numpy(zero_copy_only=False)),
        exploding=exploding,
    )  # fmt: skip


def _offenders(ids: list[str], bad: np.ndarray) -> Offenders:
    where = np.flatnonzero(bad)
    return Offenders(len(where), tuple(ids[row] for row in where[:SHOWN]))


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _join(one: PanelFacts, other: PanelFacts) -> PanelFacts:
    """Two parts of a panel, of different items, as one."""
    totals = dict(one.totals)
    for day, total in other.totals.items():
        totals[day] = _short(totals.get(day, 0.0) + total)
    shorter = min(one, other, key=lambda part: part.horizon)
    incomplete = _add(one.incomplete, other.incomplete)
    if one.horizon != other.horizon:  # all items of the shorter part lack steps
        lacking = Offenders(len(shorter.items), tuple(shorter.items)[:SHOWN])
        incomplete = _add(incomplete, lacking)
    return replace(
        one,
        horizon=max(one.horizon, other.horizon),
        rows=one.rows + other.rows,
        items={**one.items, **other.items},
        totals=dict(sorted(totals.items())),
        incomplete=incomplete,
        crossing=_add(one.crossing, other.crossing),
        negative=_add(one.negative, other.negative),
        fallbacks=_add(one.fallbacks, other.fallbacks),
        exploding=one.exploding and other.exploding and _add(one.exploding, other.exploding),
    )


def _add(one: Offenders, other: Offenders) -> Offenders:
    return Offenders(one.count + other.count, (*one.first, *other.first)[:SHOWN])


def describe_orders(rows: pa.Table) -> Orders:
    """The facts of RECOMMENDATIONS rows; those of single locations count nothing twice."""
    rows = rows.filter(pc.equal(rows["location_id"], ALL_LOCATIONS))
    ordered = rows.filter(pc.fill_null(pc.greater(rows["order_qty"], 0), fill_value=False))
    values = ordered.filter(pc.is_valid(ordered["order_value"]))
    sums = values.group_by("currency").aggregate([("order_value", "sum")]).to_pylist()
    return Orders(
        items=rows.num_rows,
        count=ordered.num_rows,
        value={str(one["currency"]): _short(one["order_value_sum"]) for one in sums},
    )


def describe_tables(
    tables: Mapping[str, Any], lines: Mapping[str, tuple[int, int]]
) -> dict[str, TableFacts]:
    """The facts of the tables read by name, demand perhaps in parts; one that is not may be `None`.

    ``lines`` are rows of the files and how many of them were set aside, by table, where known.
    """
    demand = tables.get(DEMAND.name)
    wanted: Any = None if demand is None else in_parts(demand).ids
    found = {}
    ours = (DEMAND, PRICES, ITEMS, INVENTORY, OPEN_ORDERS, RECEIPTS, EXPOSURE, SUPPLIERS)
    for contract in ours:
        table = tables.get(contract.name)
        if table is None:
            continue
        ids = wanted if contract is DEMAND else pc.unique(table[contract.key[0]])
        facts = TableFacts(ids=len(ids))
        if wanted is not None and contract in (ITEMS, INVENTORY):
            lacking = len(wanted) - pc.sum(pc.is_in(wanted, value_set=ids)).as_py()
            facts = replace(facts, lacking=lacking, demanded=len(wanted))
        if contract is INVENTORY:
            last = pc.max(table["snapshot_at"]).as_py()
            facts = replace(facts, last=f"{last:%Y-%m-%d}" if last else None,
                            total=_short(pc.sum(table["on_hand"]).as_py() or 0.0))  # fmt: skip
        if contract.name in lines:
            facts = replace(facts, lines=lines[contract.name][0], set_aside=lines[contract.name][1])
        found[contract.name] = facts
    return found


def remark_ids(tables: Mapping[str, TableFacts]) -> Iterator[str]:
    """A remark on each table that lacks ids of demand."""
    for name, one in tables.items():
        if one.lacking:
            yield (
                f"{name}: {one.lacking} of {one.demanded} ids of demand are not among its "
                f"{one.ids}; 00123 and 123 are two ids."
            )


WORSE = 1.25  # what was published may be exceeded by this factor, where it is above the limit


@dataclass(frozen=True, slots=True)
class JudgedCase:
    """A version, and what it would follow."""

    now: Facts  # of the version
    before: Facts | None  # of the newest version there, `None` = there is none, or it is not known
    today: date  # day of the judgement
    allow_synthetic: bool = False  # whether made-up results may go out
    follows: bool = False  # whether there is a version before, known or not

    @property
    def base(self) -> Facts | None:
        """What to compare with: nothing, where only the version before is made up."""
        rehearsed = self.before is not None and self.before.made_up and not self.now.made_up
        return None if rehearsed else self.before

    def panels(self) -> Iterator[tuple[PanelFacts, PanelFacts]]:
        """Panels of both versions, the version's own first."""
        for name, before in (self.base.panels if self.base else {}).items():
            if name in self.now.panels:
                yield self.now.panels[name], before


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured."""

    value: float  # in the rule's unit
    text: str  # the same in words, with the first offenders
    limit: float | None = None  # instead of the rule's own


Measure = Callable[[JudgedCase, float], Iterator[Measurement]]


def items_of(facts: Facts | None) -> dict[str, set[str]]:
    """Items with a forecast, by kind."""
    found: dict[str, set[str]] = {}
    for panel in facts.panels.values() if facts else ():
        found.setdefault(panel.kind, set()).update(panel.items)
    return found


def factor(now: float, before: float, *, slack: float = 0.0) -> float:
    """How many times larger the larger of two amounts is; a large number where one is zero."""
    small, large = sorted((abs(now) + slack, abs(before) + slack))
    if (now < 0) != (before < 0):
        small = slack
    return 1.0 if large <= 0 else min(large / small, 1e6) if small > 0 else 1e6


def worst(findings: Iterator[Measurement]) -> Measurement | None:
    """The finding farthest beyond its limit, or the largest; ``None`` of none."""
    return max(findings, key=lambda one: (one.value - (one.limit or 0.0), one.value), default=None)
