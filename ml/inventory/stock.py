"""The stock of an item at its count, and whether it is good enough for quantities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from ml.inventory.policies import ItemPolicy, parameter_rows

WHOLE_COMPANY = "ALL"
SHORTEST_AGEING_DAYS = 7.0  # a daily review does not make Monday's stock unusable on Wednesday
_COLUMNS = ("location_id", "snapshot_at", "on_hand", "on_order", "backorders", "reserved")


@dataclass(frozen=True, slots=True)
class Stock:
    """Stock of one item [units].

    Attributes:
        location_id: Where; ``ALL`` = summed over locations.
        snapshot_at: When it was counted.
        on_hand: In stock; ``None`` = not known.
        on_order: Ordered, not yet received; ``None`` = not known.
        backorders: Owed to customers.
        reserved: Promised, still in stock.
        is_usable: Whether quantities may be computed from it.
        flags: Quality flags.
    """

    location_id: str = WHOLE_COMPANY
    snapshot_at: datetime | None = None
    on_hand: float | None = None
    on_order: float | None = None
    backorders: float = 0.0
    reserved: float = 0.0
    is_usable: bool = False
    flags: tuple[str, ...] = ("inventory_absent",)

    @property
    def available(self) -> float:
        """What can be handed out: on hand less what is owed or promised; below 0 = owing."""
        return (self.on_hand or 0.0) - self.backorders - self.reserved

    @property
    def arriving(self) -> float:
        """On order, 0 where not known."""
        return self.on_order or 0.0

    @property
    def position(self) -> float:
        """Inventory position: on hand + on order - backorders - reserved."""
        return self.available + self.arriving


def read_stock(
    table: pa.Table | None, policies: Sequence[ItemPolicy], decided_on: np.datetime64
) -> dict[str, Stock]:
    """Stock of each item, judged by its age.

    Args:
        table: Table in the ``inventory`` contract; ``None`` = there is none.
        policies: Of the wanted items; their review periods set the limits of age.
        decided_on: Last day that the forecast has seen.
    """
    rows = parameter_rows(table, _COLUMNS)
    return {policy.item_id: _judged(rows.get(policy.item_id), policy, decided_on)
            for policy in policies}  # fmt: skip


def _judged(row: Mapping[str, Any] | None, policy: ItemPolicy, decided_on: np.datetime64) -> Stock:
    if row is None:
        return Stock()
    on_hand, snapshot_at = row.get("on_hand"), row.get("snapshot_at")
    flags = []
    if on_hand is None:
        flags += ["inventory_absent", "on_hand_missing"]
    if snapshot_at is None:
        flags += ["inventory_absent", "snapshot_missing"]
    else:
        flags += _age_flags(snapshot_at, policy, decided_on)
    if row.get("on_order") is None:
        flags.append("on_order_assumed_zero")
    elif row["on_order"] > 0:
        flags.append("on_order_eta_assumed")
    return Stock(
        location_id=row.get("location_id") or WHOLE_COMPANY,
        snapshot_at=snapshot_at,
        on_hand=on_hand,
        on_order=row.get("on_order"),
        backorders=row.get("backorders") or 0.0,
        reserved=row.get("reserved") or 0.0,
        is_usable=not {"inventory_absent", "stale_inventory_error"} & set(flags),
        flags=tuple(flags),
    )


def _age_flags(snapshot_at: datetime, policy: ItemPolicy, decided_on: np.datetime64) -> list[str]:
    age = float((decided_on - np.datetime64(snapshot_at, "D")).astype(np.int64))
    limit = max(policy.review_period_days, SHORTEST_AGEING_DAYS)
    if age > 2 * limit:
        return ["stale_inventory_error"]
    if age > limit:
        return ["stale_inventory"]
    return ["snapshot_after_cutoff"] if age < -limit else []
