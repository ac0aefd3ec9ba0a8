"""Totals of items, by class and family, in units and in money, for budgets and warehouses.

Items are added up path by path, each item's paths in an order of its own, so that what happens to
one says nothing of another; then all are moved by what they have in common
(:mod:`ml.ensemble.common_shocks`). The same paths make every total: classes add up to all.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ml.contracts.forecasts import TOTALS
from ml.durable import staged
from ml.ensemble.common_shocks import CommonShocks
from ml.ensemble.mixture import thin_paths
from ml.forecasters.base import Paths
from ml.frequency import periods_after
from ml.inventory.items import ItemPolicy
from ml.panel import Panel
from ml.run.rows import Columns, RowOrigin, as_table, distribution_columns, stamp
from ml.seeds import generator

TOTAL_PATHS = 1000  # kept of each item's
ADDED = "totals.npz"
PACKING = "zstd"
NO_UNIT, NO_CURRENCY = "units", "money"


class Group(NamedTuple):
    """What is added up, in the words of the TOTALS contract."""

    measure: str
    grouping: str
    member: str
    unit: str


@dataclass(frozen=True, slots=True)
class ItemLabels:
    """What decides which totals an item is in."""

    item_id: str
    demand_class: str
    family: str | None  # `None` = not told
    unit: str | None  # of its demand, `None` = not told
    unit_cost: float | None  # `None` = not told
    currency: str | None

    def groups(self) -> Iterator[tuple[Group, float]]:
        """The totals that the item is in, and what one unit of it counts there."""
        measures = [("quantity", self.unit or NO_UNIT, 1.0)]
        if self.unit_cost is not None:
            measures.append(("value", self.currency or NO_CURRENCY, self.unit_cost))
        for measure, unit, worth in measures:
            yield Group(measure, "all", "*", unit), worth
            yield Group(measure, "demand_class", self.demand_class, unit), worth
            if self.family is not None:
                yield Group(measure, "family", self.family, unit), worth


@dataclass(slots=True)
class Total:
    """A total that grows."""

    paths: Paths  # (TOTAL_PATHS, H) added up
    items: int  # how many


def label_items(
    panel: Panel,
    classes: Sequence[str],
    families: Mapping[str, str | None],
    policies: Mapping[str, ItemPolicy],
) -> list[ItemLabels]:
    """Labels of the items of a panel, in its order."""
    return [
        ItemLabels(item, name, families.get(item), unit, policies[item].unit_cost,
                   policies[item].currency)
        for item, name, unit in zip(panel.items, classes, panel.units, strict=True)
    ]  # fmt: skip


def add_up(paths: Paths, labels: Sequence[ItemLabels], seed: int) -> dict[Group, Total]:
    """Totals of N items with paths (N, S, H)."""
    totals: dict[Group, Total] = {}
    for own, label in zip(paths, labels, strict=True):
        thinned = thin_paths(own, TOTAL_PATHS)
        drawn = generator(seed, "totals", label.item_id).permutation(thinned)
        for group, worth in label.groups():
            total = totals.setdefault(group, Total(np.zeros_like(drawn), 0))
            total.paths += np.float32(worth) * drawn
            total.items += 1
    return totals


def save_totals(folder: Path, totals: Mapping[Group, Total]) -> None:
    """Write what one chunk of items adds up to.

    Most of it is zero, and groups of the same items are the same, so it is packed: bare, it would
    be the most of all that a chunk writes.
    """
    paths = np.stack([one.paths for one in totals.values()])
    with staged(folder / ADDED, flush_name=False) as path:
        np.savez(
            path, groups=np.array(list(totals)), items=[one.items for one in totals.values()],
            shape=paths.shape, packed=np.frombuffer(pa.compress(paths, PACKING), np.uint8),
            allow_pickle=False,
        )  # fmt: skip


def read_totals(folders: Iterable[Path]) -> dict[Group, Total]:
    """The sum of what chunks wrote; those without demand wrote nothing."""
    totals: dict[Group, Total] = {}
    for folder in folders:
        if not (folder / ADDED).exists():
            continue
        with np.load(folder / ADDED, allow_pickle=False) as stored:
            rows = zip(stored["groups"], stored["items"], _unpack(stored), strict=True)
            for words, items, paths in rows:
                group = Group(*(str(word) for word in words))
                total = totals.setdefault(group, Total(np.zeros_like(paths), 0))
                total.paths += paths
                total.items += int(items)
    return totals


def _unpack(stored: Mapping[str, np.ndarray]) -> Paths:
    """Paths (groups, TOTAL_PATHS, H) of one chunk, every bit as they were added up."""
    shape, size = stored["shape"], np.dtype(np.float32).itemsize
    flat = pa.decompress(stored["packed"], int(shape.prod()) * size, PACKING)
    return np.frombuffer(flat, np.float32).reshape(shape)


def total_rows(
    totals: Mapping[Group, Total], shocks: CommonShocks, panel: Panel, origin: RowOrigin, seed: int
) -> pa.Table:
    """Rows of the TOTALS contract, sorted by its key; none without any total."""
    if not totals:
        return TOTALS.schema.empty_table()
    groups = sorted(totals)
    paths = np.stack([totals[group].paths for group in groups])
    horizon, count = paths.shape[2], len(groups) * paths.shape[2]
    factors = shocks.draw(paths.shape[1], horizon, generator(seed, "totals"))
    paths = paths * factors.astype(np.float32)
    columns: Columns = distribution_columns(paths, cumulative=True)
    for place, name in enumerate(Group._fields):
        columns[name] = np.repeat([group[place] for group in groups], horizon)
    columns |= origin.columns(panel, count) | {
        "ds": np.tile(stamp(periods_after(panel.cutoff, horizon, panel.frequency)), len(groups)),
        "horizon_step": np.tile(np.arange(1, horizon + 1), len(groups)),
        "n_items": np.repeat([totals[group].items for group in groups], horizon),
        "shock_period": [shocks.period] * count,
        "shock_horizon": [shocks.horizon] * count,
    }
    return as_table(columns, TOTALS)
