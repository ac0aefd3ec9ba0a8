"""What is known of an item before anything is computed: its policy, its demand, its stock."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from ml.contracts.demand import ALL_LOCATIONS, INVENTORY, ITEMS
from ml.frequency import Frequency
from ml.setting_groups import PolicySettings

WHOLE_COMPANY = ALL_LOCATIONS
_PARAMETERS = tuple(name for name in INVENTORY.names if name in ITEMS.names)
_COSTS = ("stockout_cost", "order_cost")  # that are weighed against unit_cost
Row = Mapping[str, Any]
LARGEST_VARIATION = 2.0
"""Standard deviation of the lead time over its mean: beyond it most lead times of a gamma
distribution are next to nothing, so that more doubt would lead to less stock."""


@dataclass(frozen=True, slots=True)
class ItemPolicy:
    """Resolved parameters of one item."""

    item_id: str  # the item
    lead_time_days_mean: float  # mean time from order to receipt [days], > 0
    lead_time_days_std: float  # its standard deviation [days]; 0 = constant
    review_period_days: float  # time between two reviews [days]
    service_target: float  # cycle service level, in (0, 1)
    target_source: str = "default"  # `item`, `default` or `portfolio`
    moq: float = 0.0  # smallest order [units]; 0 = none
    order_multiple: float = 0.0  # orders are multiples of this [units]; 0 = none
    max_order_qty: float = float("inf")  # largest order [units]; infinite = none
    unit_cost: float | None = None  # cost of one unit [currency]
    currency: str | None = None  # ISO 4217 code
    criticality: str | None = None  # A, B, C or insurance
    status: str = "active"  # active, phase_out, do_not_stock or obsolete
    min_stock: float = 0.0  # smallest reorder point [units]
    max_stock: float = float("inf")  # no order goes above it [units]
    stockout_cost: float | None = None  # cost of one unit short [currency]
    holding_rate: float = 0.2  # cost of holding a unit for a year over its unit cost
    service_metric: str = "csl"  # what `service_target` is a share of, see SERVICE_METRICS
    # reorder point that was chosen together with those of other items [units]; `None` = by the
    # service target
    given_point: float | None = None
    order_cost: float | None = None  # cost of placing one order [currency]
    economic_lot: float = (
        0.0  # cycle stock at which orders and holding cost least [units]; 0 = none
    )
    needed_until: datetime | None = None  # last day on which the item is needed
    # what the interval of a last buy has beyond review period and lead time [days], below 0 where
    # it is shorter
    extra_days: float = 0.0
    successor: str | None = None  # item that takes its place
    is_successor: bool = False  # whether it takes the place of another one
    not_ordered: str = ""  # why it is ordered no more, whatever its status; empty = it is
    lead_time_source: str = "given"  # `given`, `default` or `receipts`
    lead_time_n: int = 0  # receipts that the lead time is from
    # their lead times, ascending, where they are enough to be drawn from [days]
    lead_time_sample: tuple[float, ...] = ()
    flags: tuple[str, ...] = ()  # quality flags of what had to be assumed
    supplier: str | None = None  # who delivers it
    shelf_life_days: float | None = None  # from the receipt until a unit expires; `None` = for ever
    # order that was sized together with those of other items [units]; `None` = by the item alone
    given_order: float | None = None
    given_by: str = "none"  # what sized it, a word of CONSTRAINTS

    @property
    def protection_days(self) -> float:
        """Mean length of the interval that an order has to last for [days]."""
        return self.cycle_days + self.lead_time_days_mean

    @property
    def cycle_days(self) -> float:
        """Time until what is ordered at the next occasion can take over, less its lead time [days].

        The review period; of a last buy there is no next occasion.
        """
        return self.review_period_days + self.extra_days

    @property
    def is_stocked(self) -> bool:
        """Whether the item is ever ordered for stock."""
        return self.status not in {"do_not_stock", "obsolete"} and not self.not_ordered

    @property
    def is_replenished(self) -> bool:
        """Whether orders for stock follow each other; of a last buy there is one."""
        return self.is_stocked and self.status != "last_buy"

    @property
    def has_cycle_stock(self) -> bool:
        """Whether lots may leave more in stock than the interval asks for."""
        return self.status not in {"phase_out", "last_buy"}

    @property
    def is_fixed_lot(self) -> bool:
        """Whether each order is of economic lots: the stock is looked at every day."""
        return self.economic_lot > 0.0 and self.review_period_days <= 1.0 and self.has_cycle_stock

    @property
    def is_critical(self) -> bool:
        """Whether stock of the item is never to be given away without a person's look."""
        return self.criticality in {"A", "insurance"}


@dataclass(frozen=True, slots=True)
class DemandSummary:
    """The history of an item's demand, and the model behind its sample paths."""

    item_id: str  # the item
    demand_class: str | None = None  # smooth, erratic, intermittent, lumpy, no_demand, new, ..
    # mean interval between periods with demand [periods]; not finite = not known
    adi: float | None = None
    cv2: float | None = None  # squared coefficient of variation of the sizes
    n_obs: int = 0  # observed periods
    n_nonzero: int = 0  # observed periods with demand
    last_demand: np.datetime64 | None = None  # start of the last period with demand; `None` = none
    model_id: str | None = None  # model of the sample paths
    model_role: str = "champion"  # champion, fallback or naive
    # by how much the nominal level has to be above the service target, as older origins showed
    level_raise: float = 0.0
    backtest_csl: float | None = None  # service achieved in a backtest at the service target
    backtest_n: int = 0  # intervals that it is from
    # whether the item comes in whole units; `None` = whether its paths do
    whole_units: bool | None = None
    # demand of the last periods, not a number where not observed, the newest last [units]
    recent: tuple[float, ...] = ()
    # share of the item's demand that is taken to be that of one location; `None` = all of it
    location_share: float | None = None


def resolve_policies(
    items: Sequence[str],
    items_table: pa.Table | None,
    inventory_table: pa.Table | None,
    frequency: Frequency,
    settings: PolicySettings,
) -> dict[str, ItemPolicy]:
    """Parameters of each item: the stock row's wins over the item row's, over the setting.

    A lead time, review period, largest order or largest stock of 0 counts as not given, and so does
    a spread of the lead time above :data:`LARGEST_VARIATION` of its mean. Where no review period is
    given it is one period of the panel.
    """
    stock_rows, item_rows = rows_by_item(inventory_table), rows_by_item(items_table)
    policies = {
        item: _resolve(item, stock_rows.get(item, {}), item_rows.get(item, {}), frequency, settings)
        for item in items
    }
    successors = {one.successor for one in policies.values()} & policies.keys()
    return {item: replace(one, is_successor=item in successors) for item, one in policies.items()}


def rows_by_item(table: pa.Table | None, columns: Iterable[str] = _PARAMETERS) -> dict[str, Row]:
    """Rows of a table by item, only these columns; a column that it lacks is left out."""
    if table is None:
        return {}
    known = [name for name in columns if name in table.column_names and name != "item_id"]
    return {row["item_id"]: row for row in table.select(["item_id", *known]).to_pylist()}


def divide_rows(
    table: pa.Table | None, chunks: Sequence[Sequence[str]]
) -> Iterator[pa.Table | None]:
    """Rows of a table for one chunk of items after the other, in the table's order.

    A look at the whole table for each chunk would cost an item the more, the more of them there
    are.
    """
    if table is None:
        yield from (None for _ in chunks)
        return
    owners = {item: number for number, chunk in enumerate(chunks) for item in chunk}
    owner = np.array([owners.get(item, -1) for item in table["item_id"].to_pylist()], np.int64)
    order = np.argsort(owner, kind="stable")
    ends = np.searchsorted(owner[order], np.arange(len(chunks) + 1))
    table = table.combine_chunks()
    for first, end in pairwise(ends.tolist()):
        yield table.take(pa.array(order[first:end]))


def _resolve(
    item: str, stock: Row, item_row: Row, frequency: Frequency, settings: PolicySettings
) -> ItemPolicy:
    rows = (stock, item_row)
    given, std = _first(rows, "lead_time_days_mean", above=0.0), _first(rows, "lead_time_days_std")
    mean = settings.lead_time_days if given is None else given
    if std is not None and std > LARGEST_VARIATION * mean:
        std = None
    target = _first(rows, "service_target")
    costed = next((row for row in rows if row.get("unit_cost") is not None), {})
    alike = tuple(row for row in rows if not _is_foreign(row, costed))
    costs = {name: _first(alike, name) for name in _COSTS}
    least, most = _first(rows, "min_stock") or 0.0, _first(rows, "max_stock", above=0.0)
    faults = {
        "lead_time_assumed": given is None,
        "lead_time_std_assumed": std is None,
        # a target of 1 asks for infinite stock
        "service_target_invalid": target is not None and not 0.0 < target < 1.0,
        "stock_limits_conflict": most is not None and least > most,
        "cost_currency_conflict": any(
            _first(rows, name) not in {None, costs[name]} for name in _COSTS
        ),
    }
    own_target = target is not None and not faults["service_target_invalid"]
    successor = _first(rows, "successor_item_id")
    if successor == item:  # some files name the item in use, be it the item itself
        successor = None
    return ItemPolicy(
        item_id=item,
        lead_time_days_mean=mean,
        lead_time_days_std=settings.lead_time_cv * mean if std is None else std,
        lead_time_source="default" if faults["lead_time_assumed"] else "given",
        review_period_days=_first(rows, "review_period_days", above=0.0) or frequency.days,
        service_target=target if own_target else settings.service_level,
        target_source="item" if own_target else "default",
        moq=_first(rows, "moq") or 0.0,
        order_multiple=_first(rows, "order_multiple") or 0.0,
        max_order_qty=_first(rows, "max_order_qty", above=0.0) or float("inf"),
        unit_cost=costed.get("unit_cost"),
        currency=costed.get("currency"),  # of the same row: a cost never changes its currency
        criticality=_first(rows, "criticality"),
        status=_first(rows, "status") or "active",
        min_stock=least,
        max_stock=float("inf") if most is None or faults["stock_limits_conflict"] else most,
        stockout_cost=costs["stockout_cost"],
        holding_rate=settings.holding_rate,
        service_metric=_first(rows, "service_metric") or settings.service_metric,
        order_cost=costs["order_cost"],
        needed_until=_first(rows, "needed_until"),
        successor=successor,
        not_ordered=say_superseded(successor),
        flags=tuple(name for name, is_so in faults.items() if is_so),
        supplier=_first(rows, "supplier"),
        shelf_life_days=_first(rows, "shelf_life_days", above=0.0),
    )


def _is_foreign(row: Row, costed: Row) -> bool:
    """Whether amounts of a row are known to be in another currency than those of the other."""
    currencies = (row.get("currency"), costed.get("currency"))
    return None not in currencies and currencies[0] != currencies[1]


def say_superseded(successor: str | None) -> str:
    """Why an item with a successor is ordered no more; empty without one."""
    return f"Superseded by {successor}" if successor else ""


def _first(rows: tuple[Row, ...], name: str, above: float | None = None) -> Any:
    """The first value that is given; with ``above``, the first that is greater than it."""
    values = [row.get(name) for row in rows]
    usable = (v for v in values if v is not None and (above is None or v > above))
    return next(usable, None)
