"""What changed in the recommendations since the last version: inputs are put in one at a time.

What a run recommended from is kept in the results folder, ``.recommended/<panel>/<version>/``. The
next run recommends again by the new forecast and all else as it was; then with the stock of today;
then with lead times and prices; then with everything, which is what it publishes. What each step
moves is its part, so that the parts add up. Economic lots and last buys go with the step that moved
them: the data, the day, or a price. Where the forecast is the same, nominal levels that are raised
otherwise than then belong to the parameters. Orders are compared as items have them by themselves:
what suppliers and budgets make of them together belongs to the parameters too. Nothing is lost
where nothing was kept: then there is nothing to compare with.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.artifacts.version import read_manifest
from ml.contracts.base import check
from ml.contracts.changes import CHANGES
from ml.contracts.forecasts import FORECASTS
from ml.durable import remove_all, sha256_of, staged
from ml.errors import PublishError
from ml.frequency import as_datetime, periods_after
from ml.inventory.item_case import ItemCase, OrderContext
from ml.inventory.item_order import size_again
from ml.inventory.items import WHOLE_COMPANY, DemandSummary, ItemPolicy
from ml.inventory.stock import Stock, read_stock
from ml.inventory.terms import renew_terms
from ml.run.model_store import finish_part, read_parts, start_part
from ml.run.rows import DIGITS, significant

KEPT = ".recommended"
SUPPLY = (
    "lead_time_days_mean", "lead_time_days_std", "lead_time_source", "lead_time_n",
    "lead_time_sample", "unit_cost", "currency",
)  # fmt: skip
"""Fields of a policy that are the supplier's: lead time and price."""
STEPS = ("forecast", "stock", "lead_time", "parameters")
_SHOWN = (
    "item_id", "order_qty", "order_qty_alone", "reorder_point", "order_by_date", "tau_nominal",
    "ltd_mean",
)  # fmt: skip
KEPT_TOGETHER = 1024  # rows of a kept table that are read at once
_ROUNDING = 1e-9  # of a level
_FACTS = ("version_id", "dataset_id", "made_by", "decided_on")


@dataclass(frozen=True, slots=True)
class Supply:
    """What recommendations are made from, beside the forecast, for some items."""

    policies: Mapping[str, ItemPolicy]  # parameters of each item
    stock: pa.Table | None  # in the INVENTORY contract
    open_orders: pa.Table | None  # in the OPEN_ORDERS contract


@dataclass(frozen=True, slots=True)
class Before:
    """What the last version recommended, and from what."""

    folder: Path  # of the kept tables
    version_id: str  # of the version
    forecast_changed: str  # how its forecast differs from the one of today, see FORECASTS_CHANGED
    decided_on: np.datetime64  # its day of decision
    forecasts: Path | None = None  # its rows of FORECASTS; `None` where they are gone


@dataclass(frozen=True, slots=True)
class ForecastIdentity:
    """What a forecast is made from."""

    dataset_id: str  # the data
    made_by: str  # code, settings and weights

    def compare(self, other: "ForecastIdentity") -> str:
        """How another forecast came to differ, a word of FORECASTS_CHANGED."""
        data, model = self.dataset_id != other.dataset_id, self.made_by != other.made_by
        return {(0, 0): "no", (1, 0): "data", (0, 1): "model", (1, 1): "data_and_model"}[
            data, model
        ]


def find_before(results: Path, panel: str, now: ForecastIdentity) -> Before | None:
    """What was kept last of a panel, ``None`` where nothing whole is there."""
    folder = results / KEPT / panel
    parts = read_parts(folder)
    if not parts:
        return None
    name = max(parts)
    facts = parts[name]
    then = ForecastIdentity(facts["dataset_id"], facts["made_by"])
    day = np.datetime64(facts["decided_on"], "D")
    version = facts["version_id"]
    return Before(folder / name, version, then.compare(now), day, _find_rows(results, version))


def _find_rows(results: Path, version: str) -> Path | None:
    """Where the forecasts of a version lie; ``None`` where they are gone or damaged."""
    with suppress(PublishError):
        (file,) = read_manifest(results, version).datasets[FORECASTS.name]
        path = results / file.path
        if path.is_file() and sha256_of(path) == file.sha256:
            return path
    return None


def keep_recommended(
    results: Path,
    panel: str,
    supply: Supply,
    context: OrderContext,
    rows: pa.Table,
    *,
    version_id: str,
    identity: ForecastIdentity,
) -> None:
    """Keep what a version recommended from, in place of what was kept before.

    ``rows`` are its RECOMMENDATIONS. Until they are whole on the disk, the old ones stay.
    """
    folder = results / KEPT / panel
    part = start_part(folder / version_id)
    tables = {
        "rows": rows.select(_SHOWN),
        "policies": pa.Table.from_pylist([_plain(one) for one in supply.policies.values()]),
        "stock": supply.stock,
        "open_orders": supply.open_orders,
    }
    for name, table in tables.items():
        if table is not None:
            with staged(part / f"{name}.parquet") as path:
                pq.write_table(table, path, compression="zstd", row_group_size=KEPT_TOGETHER)
    facts = (version_id, identity.dataset_id, identity.made_by, str(context.decision_day))
    finish_part(part, **dict(zip(_FACTS, facts, strict=True)))
    for other in folder.glob("*"):
        if other.name != version_id:
            remove_all(other)


def _plain(policy: ItemPolicy) -> dict[str, Any]:
    """The fields of a policy as a table takes them."""
    return {n: list(v) if isinstance(v, tuple) else v for n, v in asdict(policy).items()}


def trace_changes(
    paths: Sequence[npt.NDArray[np.generic]],
    histories: Sequence[DemandSummary],
    now: Supply,
    context: OrderContext,
    rows: pa.Table,
    before: Before,
    rates: Mapping[str, float],
) -> pa.Table:
    """Rows of CHANGES for the items of RECOMMENDATIONS ``rows``, which were made from all the rest.

    ``paths`` are N of (S, H), in the order of ``histories``; ``rates`` the yearly demand [units]
    that lots are of.
    """
    items = [one.item_id for one in histories]
    then, old = _read_kept(before, items, now)
    after = _by_item(rows)
    raised = list(histories)
    if before.forecast_changed == "no":  # what raises levels else is how all items are supplied
        raised = [_raise_as_then(one, then.policies[one.item_id], old) for one in histories]
    own = {item: _alone(now.policies[item]) for item in items}

    def stocks_of(supply: Supply, at: OrderContext) -> dict[str, Stock]:
        wanted = [supply.policies[item] for item in items]
        return read_stock(supply.stock, supply.open_orders, wanted, at.decision_day)

    today = stocks_of(replace(now, policies=own), context)

    def made(supply: Supply, at: OrderContext) -> dict[str, Mapping[str, Any]]:
        stocks, found = stocks_of(supply, at), dict[str, Mapping[str, Any]]()
        for item, demand, one, history in zip(items, paths, raised, histories, strict=True):
            case = ItemCase(at, supply.policies[item], one, stocks[item])
            is_same = one is history and case.policy == own[item]
            is_same = is_same and at.decision_day == context.decision_day
            if is_same and case.stock == today[item]:
                found[item] = after[item]
            else:
                found[item] = size_again(case, demand, after[item] if is_same else None)
        return found

    def renewed(policies: Mapping[str, ItemPolicy], at: OrderContext) -> dict[str, ItemPolicy]:
        return {item: renew_terms(policies[item], rates[item], at.decision_day) for item in items}

    worlds: list[Mapping[str, Mapping[str, Any]]] = [old, old]
    if before.forecast_changed != "no":
        earlier = replace(context, decided_on=before.decided_on)
        worlds[1] = made(replace(then, policies=renewed(then.policies, earlier)), earlier)
    supplied = {item: _with_supply(then.policies[item], now.policies[item]) for item in items}
    worlds += [
        made(replace(now, policies=renewed(one, context)), context)
        for one in (then.policies, supplied)
    ]
    worlds.append(after)
    shared = _compare_forecasts(paths, items, context, before)
    cells = [
        _change_of(item, [world.get(item) for world in worlds], before) | shared.get(item, {})
        for item in after
    ]
    return _table_of(cells, context)


def name_gone(before: Before, items: Collection[str], context: OrderContext) -> pa.Table:
    """Rows of CHANGES of the items that had quantities then and are not among those of today."""
    kept = _by_item(pq.read_table(before.folder / "rows.parquet"))
    cells = [
        _change_of(item, [row, dict.fromkeys(row)], before) | {"driver": "gone"}
        for item, row in kept.items()
        if item not in items and row["reorder_point"] is not None
    ]
    return _table_of(cells, context)


def _table_of(cells: Sequence[Mapping[str, Any]], context: OrderContext) -> pa.Table:
    run = {
        "as_of": as_datetime(context.as_of),
        "location_id": WHOLE_COMPANY,
        "run_id": context.run_id,
    }
    table = pa.Table.from_pylist([{**one, **run} for one in cells], CHANGES.schema)
    return check(table.sort_by([(key, "ascending") for key in CHANGES.key]), CHANGES)


def _compare_forecasts(
    paths: Sequence[npt.NDArray[np.generic]],
    items: Sequence[str],
    context: OrderContext,
    before: Before,
) -> dict[str, dict[str, Any]]:
    """Mean demand then and now of the periods that both versions forecast, as cells by item."""
    if before.forecasts is None:
        return {}
    names = ["item_id", "ds", "forecast"]
    then = pq.read_table(before.forecasts, columns=names, filters=_are(items)).to_pydict()
    old: dict[str, dict[Any, float]] = {}
    for item, day, mean in zip(then["item_id"], then["ds"], then["forecast"], strict=True):
        old.setdefault(item, {})[day] = mean
    horizon = context.horizon or min(one.shape[1] for one in paths)
    ahead = periods_after(context.as_of, horizon, context.frequency)
    days: list[Any] = ahead.astype("datetime64[us]").tolist()
    ahead_of_each = np.stack([one[:, :horizon] for one in paths])
    means = significant(ahead_of_each.mean(axis=1, dtype=np.float64), DIGITS)
    found = {}
    for item, own in zip(items, means.tolist(), strict=True):
        both = [(old[item][day], mean) for day, mean in zip(days, own, strict=True)
                if day in old.get(item, {})]  # fmt: skip
        found[item] = {
            "forecast_periods": len(both),
            "forecast_before": sum(one for one, _ in both),
            "forecast": sum(one for _, one in both),
        }
    return found


def _read_kept(
    before: Before, items: Sequence[str], now: Supply
) -> tuple[Supply, dict[str, dict[str, Any]]]:
    """What the items were recommended from then, and their rows; new items as they are now."""

    def read(name: str) -> pa.Table | None:
        path = before.folder / f"{name}.parquet"
        if not path.exists():
            return None
        return pq.read_table(path, filters=_are(items))

    kept = read("policies")
    policies = {item: _alone(now.policies[item]) for item in items}
    for row in kept.to_pylist() if kept is not None else ():
        policies[row["item_id"]] = _alone(_policy_of(row))
    rows = read("rows")
    old = {} if rows is None else _by_item(rows)
    return Supply(policies, read("stock"), read("open_orders")), old


def _are(items: Sequence[str]) -> pc.Expression:
    """A filter of items; their ends let a reader pass over groups of rows of others."""
    item = pc.field("item_id")
    return (item >= min(items)) & (item <= max(items)) & item.isin(list(items))


def _raise_as_then(
    history: DemandSummary, policy: ItemPolicy, old: Mapping[str, Mapping[str, Any]]
) -> DemandSummary:
    """The history with the nominal level raised as it was then, which the row of then tells."""
    level = old.get(history.item_id, {}).get("tau_nominal")
    if level is None or policy.service_metric != "csl" or policy.given_point is not None:
        return history
    more = max(level - policy.service_target, 0.0)
    is_same = abs(more - history.level_raise) < _ROUNDING
    return history if is_same else replace(history, level_raise=more)


def _policy_of(row: Mapping[str, Any]) -> ItemPolicy:
    fields: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in row.items()}
    return ItemPolicy(**fields)


def _by_item(rows: pa.Table) -> dict[str, dict[str, Any]]:
    return {row["item_id"]: row for row in rows.to_pylist()}


def _alone(policy: ItemPolicy) -> ItemPolicy:
    """The policy without what was sized together with other items."""
    return replace(policy, given_order=None, given_by="none")


def _with_supply(then: ItemPolicy, now: ItemPolicy) -> ItemPolicy:
    return replace(then, **{name: getattr(now, name) for name in SUPPLY})


def _change_of(
    item: str, worlds: Sequence[Mapping[str, Any] | None], before: Before
) -> dict[str, Any]:
    """Cells of one item: its rows in the worlds from that of the last version to that of today."""
    first, last = worlds[0], worlds[-1] or {}
    cells: dict[str, Any] = {
        "item_id": item,
        "before_version": before.version_id,
        "forecast_changed": before.forecast_changed,
        "order_qty": last.get("order_qty"),
        "reorder_point": last.get("reorder_point"),
        "order_by_date": last.get("order_by_date"),
        "ltd_mean": last.get("ltd_mean"),
        "order_changed": _compare_orders(first or {}, last),
    }
    if first is None:
        return cells | {"driver": "new"}
    cells["ltd_mean_before"] = first.get("ltd_mean")  # earlier code kept none
    for name, column in (("order", "order_qty"), ("level", "reorder_point")):
        cells[f"{column}_before"] = first[column]
        alone = [None if one is None else one.get(f"{column}_alone", one[column]) for one in worlds]
        known = [value for value in alone if value is not None]
        if len(known) == len(worlds):
            parts = dict(zip(STEPS, np.diff(known).tolist(), strict=True))
            parts["parameters"] += (last[column] - known[-1]) - (first[column] - known[0])
            cells |= {f"{name}_from_{step}": part for step, part in parts.items()}
    cells["order_by_before"] = first["order_by_date"]
    return cells | {"driver": _driver(cells)}


def _compare_orders(first: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    """A word of ORDERS_CHANGED."""
    then, now = first.get("order_qty") or 0.0, last.get("order_qty") or 0.0
    if not then or not now:
        return "new" if now else "vanished" if then else "none"
    return "same" if then == now else "more" if now > then else "less"


def _driver(cells: Mapping[str, Any]) -> str:
    """The step that moved the order most; the first of equals."""
    parts = {step: abs(cells.get(f"order_from_{step}") or 0.0) for step in STEPS}
    step = max(parts, key=lambda one: parts[one])
    return step if parts[step] > 0.0 else "none"
