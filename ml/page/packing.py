"""All that the page holds of a version, as named blocks of text: of all items, or of parts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.artifacts.keys import date_of, metadata_name
from ml.gate.verdict import GATE
from ml.page.blocks import FAST, LEVEL, PackedColumn, pack_places, to_block, to_document
from ml.page.items import (
    BRIEF,
    CHANGED,
    FULL,
    OF_FORECAST,
    ItemList,
    pack_column,
    pack_items,
    plain_array,
    read_items,
)
from ml.page.series import (
    BRIEF_CURVES,
    BRIEF_POINTS,
    CURVES,
    OF_FACTORS,
    OF_SERVICE,
    ItemRows,
    PackedCut,
    PackedPanel,
    read_forecasts,
    read_history,
    read_rows,
    read_service,
)
from ml.page.version_tables import VersionTables
from ml.processed import SYNTHETIC

MANY = 10_000  # items above which the page holds what its tables need, and files beside it the rest
SUMMARY = "metadata/summary.json"  # of the first screen, also for the tier that serves
PART = 1_000  # items of one such file
THREADS = 4  # at most, that read tables and pack parts
OF_MODELS = {"horizon_step": None, "model": None, "weight": 4, "forecast": 3}
OF_PAST = dict.fromkeys(("ds", "span", "lag", "known_at", "as_of", "y", "is_stockout", "forecast",
                         "q10", "q50", "q90", "service_target", "stock_level"))  # fmt: skip
SHOWN_METRICS = (
    "scaled_crps", "cum_tail_pinball", "bias", "coverage_80_interval", "coverage_95",
    "cum_coverage_80", "cum_coverage_90", "cum_coverage_95", "cum_coverage_99", "fva_naive",
    "weight", "skill", "skill_low", "skill_high", "stock_skill", "stock_skill_low",
    "stock_skill_high",
)  # fmt: skip
SMALL = {
    "metrics": ("kind", "panel", "demand_class", "model", "cutoff", "metric", "value", "n_obs"),
    "portfolio_curves": ("method", "measure", "anchor", "service", "stock_value",
                         "stock_value_low", "stock_value_high", "value_unit", "rule_stock_value",
                         "ratio", "ratio_low", "ratio_high"),
    "simulation": ("method", "demand_class", "level", "n_items", "promised_service",
                   "cycle_service", "cycle_service_low", "cycle_service_high", "unit_fill",
                   "stock_value", "value_unit"),
    "totals": ("measure", "grouping", "member", "unit", "ds", "frequency", "as_of",
               "horizon_step", "n_items", "forecast", "q10", "q50", "q90"),
    "price_outlook": ("item_id", "ds", "horizon_step", "unit", "reference_price",
                      "expected_price", "p_above_reference", "price_at_risk_95",
                      "expected_shortfall_95", "decision_support"),
    "scores": ("kind", "frequency", "demand_class", "span", "lag", "ds", "known_at", "n_obs",
               "coverage_80", "coverage_90", "coverage_95", "coverage_80_interval", "bias",
               "service_achieved", "service_target", "value_added"),
    "transfers": ("item_id", "from_location", "to_location", "quantity", "spare_qty", "need_qty",
                  "currency", "purchase_avoided", "p_stockout_before", "p_stockout_after",
                  "needs_review"),
    "joint_orders": ("supplier", "currency", "min_order_value", "order_cost", "lines",
                     "order_value_alone", "order_value", "is_below_minimum", "items_added",
                     "first_added", "expected_use"),
}  # fmt: skip
"""The small tables, whole but for columns that the page does not show."""
PLACES = {
    "quantity": 3, "spare_qty": 3, "need_qty": 3, "purchase_avoided": 3, "p_stockout_before": 4,
    "p_stockout_after": 4, "order_value_alone": 3, "order_value": 3, "expected_use": 4,
}  # fmt: skip
"""Decimal places of columns of theirs that may have many rows; others keep all digits."""


@dataclass(frozen=True, slots=True)
class PackedVersion:
    """A version as the page holds it."""

    summary: Mapping[str, Any]  # what there is to say of all of it
    items: ItemList  # its items
    blocks: Mapping[str, str]  # inside the page, by name
    parts: Sequence[Mapping[str, str]]  # beside it, of PART items each; none of few items


def pack_version(tables: VersionTables, many: int = MANY) -> PackedVersion:
    """Read a version and pack it; above ``many`` items in parts beside what its tables need."""
    items = read_items(tables)
    with ThreadPoolExecutor(THREADS) as pool:  # neither Parquet nor gzip holds the lock for long
        contents = _read_contents(tables, items, pool)
        return _pack_contents(tables, contents, pool, many)


def _read_contents(tables: VersionTables, items: ItemList, pool: Executor) -> "_Contents":
    forecasts = pool.submit(read_forecasts, tables, items, (*BRIEF_CURVES, *CURVES))
    history = pool.submit(read_history, tables, items)
    service = pool.submit(read_service, tables, items)
    rows = {
        "models": read_rows(tables, items, "forecast_models", OF_MODELS),
        "past": read_rows(tables, items, "past_forecasts", OF_PAST),
    }
    return _Contents(items, forecasts.result(), history.result(), service.result(), rows)


def _pack_contents(
    tables: VersionTables, contents: "_Contents", pool: Executor, many: int
) -> PackedVersion:
    items = contents.items
    summary = summarise(tables, items) | {"data_end": contents.data_end()}
    starts = range(0, len(items.ids), PART) if len(items.ids) > many else ()
    parts = [slice(start, min(start + PART, len(items.ids))) for start in starts]
    beside = pool.map(contents.pack, parts)
    if parts:
        inside = contents.pack_brief(slice(0, len(items.ids)))
    else:
        inside = contents.pack(slice(0, len(items.ids)), level=LEVEL)
    small = {name: to_block(table.num_rows, _pack_table(table)) for name, table in _small(tables)}
    blocks = {"summary": to_document(summary), **inside, **small}
    return PackedVersion(summary, items, blocks, list(beside))


@dataclass(frozen=True, slots=True)
class _Contents:
    """All that is drawn of items."""

    items: ItemList  # the items themselves
    forecasts: Sequence[PackedPanel]
    history: Sequence[PackedPanel]
    service: PackedPanel
    rows: Mapping[str, ItemRows]  # tables of any number of rows an item

    def data_end(self) -> dict[str, str]:
        """Last day of the data of each panel: that before the first that is forecast."""
        ends: dict[str, str] = {}
        for panel in self.forecasts:
            kind, frequency = panel.about["kind"], panel.about["frequency"]
            last = np.datetime64(panel.days[0] - 1, "D")
            if frequency in {"D", "B"}:
                last = np.datetime64(self.items.columns["as_of"][int(panel.items[0])].as_py(), "D")
            ends[f"{kind} {frequency}"] = max(str(last), ends.get(f"{kind} {frequency}", ""))
        return ends

    def pack(self, part: slice, level: int = FAST) -> dict[str, str]:
        """Blocks of all that there is of some items, by name."""
        blocks = {"items": self._list(FULL, part, level)}
        for number, panel in enumerate(self.forecasts):
            names = (*BRIEF_CURVES, *CURVES)
            blocks[f"forecasts-{number}"] = _to_block(panel.cut(part, names), level)
        for number, panel in enumerate(self.history):
            cut = panel.cut(part, ("y", "is_stockout"))
            blocks[f"history-{number}"] = _to_block(cut, level)
        blocks["service"] = _to_block(self.service.cut(part, (OF_FACTORS, *OF_SERVICE)), level)
        for name, rows in self.rows.items():
            packed = rows.pack(part)
            total = int(packed["item"].about["width"])
            blocks[name] = to_block(total, packed, level=level)
        return blocks

    def pack_brief(self, part: slice) -> dict[str, str]:
        """Blocks of what tables and charts of many items need."""
        blocks = {"items": self._list(BRIEF, part, LEVEL)}
        for number, panel in enumerate(self.forecasts):
            cut = panel.shorten().cut(part, BRIEF_CURVES)
            blocks[f"forecasts-{number}"] = _to_block(cut, LEVEL)
        for number, panel in enumerate(self.history):
            cut = panel.cut(part, ("y", "is_stockout"), BRIEF_POINTS)
            blocks[f"history-{number}"] = _to_block(cut, LEVEL)
        own = self.service.at_own_time().cut(part, (OF_FACTORS, *OF_SERVICE))
        return {**blocks, "service": _to_block(own, LEVEL)}

    def _list(self, names: Iterable[str], part: slice, level: int) -> str:
        """The items' own columns; ids as a list."""
        changes = (f"changed_{name}" for name in CHANGED)
        packed = pack_items(self.items, (*OF_FORECAST, "refusal", *names, *changes), part)
        ids = list(self.items.ids[part])
        return to_block(len(ids), packed, level=level, ids=ids)


def _to_block(cut: PackedCut, level: int) -> str:
    columns = {"item": pack_places(cut.items), **cut.columns}
    return to_block(len(cut.items), columns, level=level, **cut.about)


def _small(tables: VersionTables) -> Iterator[tuple[str, pa.Table]]:
    """Small tables, without rows of single items where the page shows none."""
    for name, columns in SMALL.items():
        asked = (*columns, *(("item_id", "horizon_step") if name == "metrics" else ()))
        table = tables.read(name, (*asked, *(("item_id",) if name == "scores" else ())))
        if table.num_rows and name in {"metrics", "scores"}:
            table = table.filter(pc.is_null(table["item_id"]))
        if table.num_rows and name == "metrics":
            known = pc.is_in(table["metric"], pa.array(SHOWN_METRICS))
            table = table.filter(pc.and_(known, pc.is_null(table["horizon_step"])))
        yield name, table.select(list(columns))


def _pack_table(table: pa.Table) -> dict[str, PackedColumn]:
    return {
        name: pack_column(plain_array(table[name]), PLACES.get(name)) for name in table.column_names
    }


def summarise(tables: VersionTables, items: ItemList) -> dict[str, Any]:
    """What there is to say of a version in a few numbers, for the first screen."""
    run, gate = tables.run, tables.load(GATE)
    models = tables.load("metadata/model_versions.json") or {}
    sources = run.get("source") or {}
    described = next(
        (one for name in ("forecasts", "recommendations")
         if (one := tables.load(metadata_name(name, date_of(tables.version_id))))), {},
    )  # fmt: skip
    return {
        "version_id": tables.version_id,
        "as_of": tables.as_of,
        "generated_at": models.get("generated_at"),
        "partial": tables.partial,
        "sources": sources,
        "synthetic": SYNTHETIC in sources.values(),
        "items": len(items.ids),
        "orders": items.count("action", "order_now") + items.count("action", "expedite"),
        "fallbacks": items.count("is_fallback", True),
        "refusals": len(items.ids) - int(items.columns["refusal"].null_count),
        "panels": run.get("horizon") or {},
        "gate": _gate(gate),
        "quality_flags": described.get("quality_flags") or [],
        "code_version": models.get("code_version"),
        "model_version": models.get("model_version"),
        "dataset_id": models.get("dataset_id"),
        "seed": models.get("seed"),
        "weights": models.get("weights") or {},
        "backtest": models.get("backtest") or {},
        "files": list(tables.files),
    }


def _gate(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The verdict without the facts that it is from."""
    if document is None:
        return None
    return {name: document.get(name) for name in ("open", "against", "rules")}
