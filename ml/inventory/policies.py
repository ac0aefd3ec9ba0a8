"""The parameters of each item's policy, resolved from stock file, item file and settings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ml.contracts.demand import INVENTORY, ITEMS
from ml.frequency import Frequency
from ml.settings import PolicySettings

_PARAMETERS = tuple(name for name in INVENTORY.names if name in ITEMS.names)
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ItemPolicy:
    """Resolved parameters of one item.

    Attributes:
        item_id: The item.
        lead_time_days_mean: Mean time from order to receipt [days], > 0.
        lead_time_days_std: Its standard deviation [days]; 0 = constant.
        review_period_days: Time between two reviews [days].
        service_target: Cycle service level, in (0, 1).
        target_source: ``item`` or ``default``.
        moq: Smallest order [units]; 0 = none.
        order_multiple: Orders are multiples of this [units]; 0 = none.
        max_order_qty: Largest order [units]; infinite = none.
        unit_cost: Cost of one unit [currency].
        currency: ISO 4217 code.
        criticality: A, B, C or insurance.
        status: active, phase_out, do_not_stock or obsolete.
        flags: Quality flags of what had to be assumed.
    """

    item_id: str
    lead_time_days_mean: float
    lead_time_days_std: float
    review_period_days: float
    service_target: float
    target_source: str = "default"
    moq: float = 0.0
    order_multiple: float = 0.0
    max_order_qty: float = float("inf")
    unit_cost: float | None = None
    currency: str | None = None
    criticality: str | None = None
    status: str = "active"
    flags: tuple[str, ...] = ()

    @property
    def protection_days(self) -> float:
        """Review period plus mean lead time [days]."""
        return self.review_period_days + self.lead_time_days_mean

    @property
    def is_stocked(self) -> bool:
        """Whether the item is ever ordered for stock."""
        return self.status not in {"do_not_stock", "obsolete"}

    @property
    def is_critical(self) -> bool:
        """Whether stock of the item is never to be given away without a person's look."""
        return self.criticality in {"A", "insurance"}


def resolve_policies(
    items: Sequence[str],
    items_table: pa.Table | None,
    inventory_table: pa.Table | None,
    frequency: Frequency,
    settings: PolicySettings,
) -> dict[str, ItemPolicy]:
    """Parameters of each item: the stock row's wins over the item row's, over the setting.

    Args:
        items: Ids to resolve.
        items_table: Table in the ``items`` contract.
        inventory_table: Table in the ``inventory`` contract.
        frequency: Of the panel; one of its periods is the review period where none is given.
        settings: Used where neither table gives a number. A lead time or review period of 0
            counts as not given, and so does a largest order of 0.

    Returns:
        One policy an item, in the order of ``items``.
    """
    stock_rows, item_rows = parameter_rows(inventory_table), parameter_rows(items_table)
    return {
        item: _resolve(item, stock_rows.get(item, {}), item_rows.get(item, {}), frequency, settings)
        for item in items
    }


def parameter_rows(table: pa.Table | None, columns: Iterable[str] = _PARAMETERS) -> dict[str, Row]:
    """Rows of a table by item, only these columns; a column that it lacks is left out."""
    if table is None:
        return {}
    known = [name for name in columns if name in table.column_names and name != "item_id"]
    return {row["item_id"]: row for row in table.select(["item_id", *known]).to_pylist()}


def _resolve(
    item: str, stock: Row, item_row: Row, frequency: Frequency, settings: PolicySettings
) -> ItemPolicy:
    rows, flags = (stock, item_row), list[str]()
    mean = _first(rows, "lead_time_days_mean", above=0.0)
    if mean is None:
        mean = settings.lead_time_days
        flags.append("lead_time_assumed")
    std = _first(rows, "lead_time_days_std")
    if std is None:
        std = settings.lead_time_cv * mean
        flags.append("lead_time_std_assumed")
    target, source = _target(rows, settings, flags)
    costed = next((row for row in rows if row.get("unit_cost") is not None), {})
    return ItemPolicy(
        item_id=item,
        lead_time_days_mean=mean,
        lead_time_days_std=std,
        review_period_days=_first(rows, "review_period_days", above=0.0) or frequency.days,
        service_target=target,
        target_source=source,
        moq=_first(rows, "moq") or 0.0,
        order_multiple=_first(rows, "order_multiple") or 0.0,
        max_order_qty=_first(rows, "max_order_qty", above=0.0) or float("inf"),
        unit_cost=costed.get("unit_cost"),
        currency=costed.get("currency"),  # of the same row: a cost never changes its currency
        criticality=_first(rows, "criticality"),
        status=_first(rows, "status") or "active",
        flags=tuple(flags),
    )


def _first(rows: tuple[Row, ...], name: str, above: float | None = None) -> Any:
    """The first value that is given; with ``above``, the first that is greater than it."""
    values = [row.get(name) for row in rows]
    usable = (v for v in values if v is not None and (above is None or v > above))
    return next(usable, None)


def _target(rows: tuple[Row, ...], settings: PolicySettings, flags: list[str]) -> tuple[float, str]:
    target = _first(rows, "service_target")
    if target is None:
        return settings.service_level, "default"
    if not 0.0 < target < 1.0:  # a target of 1 asks for infinite stock
        flags.append("service_target_invalid")
        return settings.service_level, "default"
    return target, "item"
