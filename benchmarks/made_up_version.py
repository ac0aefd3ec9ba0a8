"""The tables of a version of any size, made up: what the page and its size are tried on."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml.artifacts.staging import StagedVersion, write_document
from ml.contracts import PUBLISHED
from ml.contracts.beside_orders import LEAD_TIME_FACTORS, TARGETS
from ml.contracts.forecasts import CUMULATIVE_QUANTILES, QUANTILES, quantile_name
from ml.gate.rules import RULES
from ml.page.version_tables import VersionTables, tables_of_staged

VERSION = "20261120T021503Z-00000000"
PAST = 50  # items whose earlier forecasts are known
LAGS = (1, 4, 13)
PATHS = 2_000  # sample paths whose mean would be as noisy
AS_OF = np.datetime64("2026-11-16")
SCHEMAS = {one.name: one.schema for one in PUBLISHED}
CLASSES = ("smooth", "intermittent", "lumpy", "erratic")
WEEK, DAY = np.timedelta64(7, "D"), np.timedelta64(1, "D")
Columns = dict[str, Any]


def make_version(
    folder: Path,
    items: int,
    steps: int,
    *,
    seed: int = 0,
    named: Sequence[str] = (),
    partners: Sequence[str] = (),
) -> VersionTables:
    """Write a version of weekly demand, labelled as synthetic, and open it.

    Rates are log-normal, demand comes in bursts, quantiles are of sample paths; stock is drawn so
    that some items have to be ordered. Nothing in it was forecast by anything. The first items are
    the ``named`` ones, the others are numbered; ``partners`` are locations that move units to the
    next of them, and suppliers that order items together.
    """
    staged = StagedVersion(folder, VERSION)
    rng = np.random.default_rng(seed)
    ids = np.array(sorted([*named, *(f"PECA-{i:06d}" for i in range(items - len(named)))]), object)
    rates = np.exp(rng.normal(-1.0, 1.5, items))
    files = [
        _write(staged, "forecasts", _forecasts(ids, rates, steps, rng)),
        _write(staged, "history", _history(ids, rates, rng)),
        _write(staged, "recommendations", _recommendations(ids, rates, rng)),
        _write(staged, "service_curves", _service(ids, rates, rng)),
        _write(staged, "forecast_models", _models(ids, rates, rng)),
        _write(staged, "changes", _changes(ids, rng)),
        _write(staged, "refusals", _refusals()),
        _write(staged, "past_forecasts", _past(ids[:PAST], rates[:PAST], rng)),
        _write(staged, "scores", _scores()),
        _write(staged, "simulation", _simulation()),
    ]
    if partners:
        files += [
            _write(staged, "transfers", _transfers(ids, partners)),
            _write(staged, "joint_orders", _joint_orders(ids, partners)),
        ]
    for name, document in _documents(items, steps).items():
        write_document(staged, name, document)
    run = {"source": {"demand": "synthetic_sample"}, "horizon": {"demand_w": steps}}
    as_of = str(AS_OF)
    return tables_of_staged(staged, files, as_of=as_of, partial=False, run=run)


class _File:
    """What a version says of a table of it."""

    def __init__(self, dataset: str, rows: int, size: int) -> None:
        self.dataset, self.rows, self.bytes, self.content_sha256 = dataset, rows, size, "0" * 64


def _write(staged: StagedVersion, dataset: str, columns: Columns) -> _File:
    schema = SCHEMAS[dataset]
    arrays = {}
    rows = len(next(iter(columns.values())))
    for field in schema:
        value = columns.get(field.name)
        made = pa.nulls(rows, field.type) if value is None else pa.array(value, from_pandas=True)
        arrays[field.name] = made.cast(field.type)
    path = staged.data_path(dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(arrays), path, compression="zstd", row_group_size=122_880)
    return _File(dataset, rows, path.stat().st_size)


def _forecasts(ids: Any, rates: Any, steps: int, rng: np.random.Generator) -> Columns:
    """Forecasts whose means are as noisy as those of 2,000 paths, quantiles of whole units."""
    items, every = len(ids), len(ids) * steps
    season = 1 + 0.2 * np.sin(np.arange(steps) / 6) + rng.normal(0, 0.02, steps)
    mean = rates[:, None] * season
    variance = mean + mean**2 / 0.7
    total, spread = np.cumsum(mean, axis=1), np.cumsum(variance, axis=1)
    # Half the ensembles stretch what their models drew, so that half the quantiles are not whole.
    factor = np.where(rng.random(items) < 0.5, 1.0, 1.07)[:, None]
    drawn = mean + rng.normal(0, 1, mean.shape) * np.sqrt(variance / PATHS)
    found = {"forecast": np.maximum(0, drawn), "cum_mean": np.maximum(0, total)}
    found |= _quantiles(mean, variance, factor, "", QUANTILES)
    found |= _quantiles(total, spread, factor, "cum_", CUMULATIVE_QUANTILES)
    days = (AS_OF + WEEK * np.arange(1, steps + 1)).astype("datetime64[us]")
    as_of = np.repeat(AS_OF.astype("datetime64[us]"), every)
    return {
        "item_id": np.repeat(ids, steps), "ds": np.tile(days, items),
        "frequency": ["W"] * every, "kind": ["demand"] * every, "unit": ["units"] * every,
        "as_of": as_of, "horizon_step": np.tile(np.arange(1, steps + 1), items),
        **{name: values.reshape(-1) for name, values in found.items()},
        "model_used": ["ensemble"] * every,
        "is_fallback": np.repeat(rng.random(items) < 0.01, steps),
        "n_train": np.full(every, 104), "train_end": as_of,
    }  # fmt: skip


def _quantiles(mean: Any, variance: Any, factor: Any, prefix: str, levels: Any) -> Columns:
    """Quantiles of a gamma distribution after Wilson and Hilferty, in whole units, stretched."""
    shape = mean**2 / variance
    found = {}
    for level in levels:
        cube = 1 - 1 / (9 * shape) + NormalDist().inv_cdf(level) / (3 * np.sqrt(shape))
        whole = np.rint(mean * np.maximum(cube, 0) ** 3)
        found[f"{prefix}{quantile_name(level)}"] = np.where(
            factor == 1, whole, np.maximum(0, mean + factor * (whole - mean))
        )
    return found


def _history(ids: Any, rates: Any, rng: np.random.Generator) -> Columns:
    weeks = 104
    days = (AS_OF - WEEK * np.arange(weeks)[::-1]).astype("datetime64[us]")
    level = np.repeat(rates, weeks)
    every = len(level)
    values = rng.poisson(rng.gamma(0.7, level / 0.7)).astype(float)
    values[rng.random(every) < 0.01] = np.nan
    return {
        "item_id": np.repeat(ids, weeks), "ds": np.tile(days, len(ids)),
        "frequency": ["W"] * every, "kind": ["demand"] * every, "y": values,
        "is_stockout": rng.random(every) < 0.01,
    }  # fmt: skip


def _recommendations(ids: Any, rates: Any, rng: np.random.Generator) -> Columns:
    items = len(ids)
    mean = rates * 6
    point = np.ceil(mean + 2 * np.sqrt(2.5 * mean))
    position = rng.poisson(point * rng.choice([0.6, 1.2, 4.0], items, p=[0.15, 0.75, 0.1]))
    short, excess = position <= point, np.maximum(0, position - 3 * point - 5)
    cost = np.round(np.exp(rng.normal(4, 1.2, items)), 2)
    order = np.where(short, np.ceil((point * 1.5 - position) / 5) * 5, 0)
    risk = np.round(np.clip(1 - position / (mean + 1) / 2.2, 0.001, 0.99), 6)
    until = AS_OF + DAY * np.minimum(180, position / np.maximum(rates, 0.01) * 7).astype(int)
    score = np.argsort(np.argsort(-risk * np.where(short, 2, 1), kind="stable")) + 1
    action = np.where(short, "order_now", np.where(excess > 0, "review_excess", "hold"))
    reason = np.where(
        short, "ip_below_rop", np.where(excess > 0, "cover_above_limit", "stock_sufficient")
    )
    alert = np.select(
        [risk > 0.6, risk > 0.4, risk > 0.25], ["critical", "high", "medium"], "normal"
    )
    same = {"location_id": "ALL", "mode": "full", "currency": "BRL", "policy": "RS",
            "service_metric": "csl", "confidence": "high", "lead_time_source": "given",
            "quality_flags": "lead_time_std_assumed", "binding_constraint": "multiple"}  # fmt: skip
    return {
        "item_id": ids, **{name: [value] * items for name, value in same.items()},
        "action": action, "reason_code": reason, "order_qty": order, "order_value": order * cost,
        "net_requirement_qty": np.where(short, point * 1.5 - position, 0),
        "priority_rank": score, "on_hand": position.astype(float), "on_order": np.zeros(items),
        "inventory_position": position.astype(float), "reorder_point": point,
        "order_up_to": np.ceil(point * 1.5), "p_stockout_no_order": risk, "ltd_mean": mean,
        "p_stockout_with_order": risk / 8, "ltd_std": np.sqrt(2.5 * mean),
        "ltd_p95": point, "stockout_date_p50": until.astype("datetime64[us]"),
        "alert_level": alert, "excess_qty": excess.astype(float), "excess_value": excess * cost,
        "service_target": np.full(items, 0.95),
        "lead_time_days_mean": rng.choice([15.0, 30, 45], items),
        "protection_days": np.full(items, 42.0), "review_period_days": np.full(items, 7.0),
        "demand_class": rng.choice(CLASSES, items),
        "criticality": rng.choice(["A", "B", "C"], items),
        "inventory_snapshot_at": np.repeat(AS_OF.astype("datetime64[us]"), items),
        "n_obs": np.full(items, 104), "supplier": rng.choice(["Alfa", "Beta", "Gama"], items),
        "decision_day": np.repeat(AS_OF.astype("datetime64[us]") + 4 * DAY, items),
    }  # fmt: skip


def _service(ids: Any, rates: Any, rng: np.random.Generator) -> Columns:
    items, targets = len(ids), np.array(TARGETS)
    cost = np.round(np.exp(rng.normal(4, 1.2, items)), 2)[:, None, None]
    mean = (6 * rates)[:, None, None] * np.array(LEAD_TIME_FACTORS)[None, :, None]
    z = np.array([0, 0.52, 0.84, 1.04, 1.28, 1.64, 1.96, 2.33, 2.58])[None, None, :]
    point = np.ceil(mean + z * np.sqrt(2.5 * mean))
    stock = np.maximum(point - mean / 2, 0)
    fill = 1 - (1 - targets) * 0.4 / (1 + mean / 20)
    shape = point.shape
    every = point.size
    return {
        "item_id": np.repeat(ids, shape[1] * shape[2]), "location_id": ["ALL"] * every,
        "lead_time_factor": np.tile(np.repeat(LEAD_TIME_FACTORS, shape[2]), items),
        "service_target": np.tile(targets, items * shape[1]),
        "reorder_point": point.reshape(-1), "stock_value": (stock * cost).reshape(-1),
        "fill_rate": fill.reshape(-1), "currency": ["BRL"] * every,
        "p_stockout": np.broadcast_to(1 - targets, shape).reshape(-1),
    }  # fmt: skip


def _models(ids: Any, rates: Any, rng: np.random.Generator) -> Columns:
    names = ("bootstrap", "trees", "tsb")
    weights = np.round(rng.dirichlet(np.ones(3), len(ids)), 3)
    return {
        "item_id": np.repeat(ids, 3), "model": np.tile(names, len(ids)),
        "horizon_step": np.ones(3 * len(ids), int), "weight": weights.reshape(-1),
        "forecast": np.repeat(rates, 3),
    }  # fmt: skip


def _changes(ids: Any, rng: np.random.Generator) -> Columns:
    items = len(ids)
    driver = rng.choice(["none", "stock", "forecast"], items, p=[0.9, 0.07, 0.03])
    before = np.where(driver == "none", 0, rng.poisson(8, items)).astype(float)
    return {
        "item_id": ids, "location_id": ["ALL"] * items, "driver": driver,
        "before_version": ["20261119T021503Z-00000000"] * items,
        "forecast_changed": ["data"] * items, "order_qty_before": before,
        "order_from_stock": np.where(driver == "stock", -before, 0.0),
        "order_from_forecast": np.where(driver == "forecast", -before, 0.0),
    }  # fmt: skip


def _refusals() -> Columns:
    return {
        "item_id": ["VAZIA-1"], "kind": ["demand"], "reason": ["no observed value"], "n_obs": [0],
    }  # fmt: skip


def _past(ids: Any, rates: Any, rng: np.random.Generator) -> Columns:
    """What was said of some items so many weeks before, and what came true."""
    weeks = 12
    days = (AS_OF - WEEK * np.arange(weeks)[::-1]).astype("datetime64[us]")
    shape = (len(ids), weeks, len(LAGS))
    rate = np.broadcast_to(rates[:, None, None], shape).reshape(-1)
    every = rate.size
    lag = np.tile(LAGS, len(ids) * weeks)
    ds = np.broadcast_to(days[None, :, None], shape).reshape(-1)
    truth = np.broadcast_to(rng.poisson(rates[:, None], shape[:2])[:, :, None], shape)
    return {
        "item_id": np.repeat(ids, weeks * len(LAGS)), "ds": ds, "lag": lag,
        "span": ["period"] * every, "known_at": np.repeat(days[-1], every),
        "as_of": ds - lag * WEEK.astype("timedelta64[us]"), "kind": ["demand"] * every,
        "frequency": ["W"] * every, "y": truth.reshape(-1).astype(float), "forecast": rate,
        "q10": np.floor(rate * 0.3), "q50": np.rint(rate), "q90": np.ceil(rate * 2.2),
        "is_stockout": [False] * every,
    }  # fmt: skip


def _scores() -> Columns:
    days = [None, *(AS_OF - WEEK * np.arange(6)).astype("datetime64[us]").tolist()]
    rows = [(lag, ds) for lag in LAGS for ds in days]
    share = [round(0.78 + 0.005 * (place % 7), 3) for place in range(len(rows))]
    return {
        "kind": ["demand"] * len(rows), "frequency": ["W"] * len(rows),
        "span": ["period"] * len(rows), "lag": [lag for lag, _ in rows],
        "ds": [ds for _, ds in rows], "known_at": [AS_OF.astype("datetime64[us]")] * len(rows),
        "n_obs": [300 if ds is None else 50 for _, ds in rows], "coverage_80_interval": share,
        "coverage_80": share, "bias": [0.03] * len(rows), "value_added": [0.06] * len(rows),
    }  # fmt: skip


def _simulation() -> Columns:
    levels = [0.5, 0.8, 0.9, 0.95, 0.99]
    methods = {"ensemble": 1.0, "mean_sigma": 1.3}
    rows = [(method, level, factor) for method, factor in methods.items() for level in levels]
    stock = [round(10_000 * factor / (1.02 - level) ** 0.6) for _, level, factor in rows]
    service = [level + 0.004 for _, level, _ in rows]
    return {
        "method": [method for method, _, _ in rows], "demand_class": ["*"] * len(rows),
        "level": [level for _, level, _ in rows], "cycle_service": service,
        "promised_service": [level for _, level, _ in rows],
        "cycle_service_low": [one - 0.01 for one in service],
        "cycle_service_high": [min(1.0, one + 0.01) for one in service],
        "unit_fill": [1 - (1 - one) * 0.6 for one in service],
        "stock_value": stock, "value_unit": ["BRL"] * len(rows),
    }  # fmt: skip


def _transfers(ids: Any, partners: Sequence[str]) -> Columns:
    """The first item to the next location, 1, 2, 3, ... units; every second move is for review."""
    count = np.arange(1, len(partners) + 1)
    return {
        "item_id": [ids[0]] * len(count), "from_location": partners,
        "to_location": [*partners[1:], partners[0]], "quantity": count, "spare_qty": count + 4.5,
        "need_qty": count, "purchase_avoided": count * 12.5, "currency": ["BRL"] * len(count),
        "p_stockout_before": np.full(len(count), 0.625),
        "p_stockout_after": np.full(len(count), 0.125), "needs_review": count % 2 == 0,
    }  # fmt: skip


def _joint_orders(ids: Any, partners: Sequence[str]) -> Columns:
    """Orders of each supplier, filled up from 300 to a minimum of 500 with four of its items."""
    count = len(partners)
    same = {"currency": "BRL", "min_order_value": 500.0, "lines": 6, "order_value_alone": 300.0,
            "is_below_minimum": False, "items_added": 4, "first_added": ";".join(ids[:3]),
            "expected_use": 0.875}  # fmt: skip
    return {
        "supplier": partners, **{name: [value] * count for name, value in same.items()},
        "order_value": 500.0 + np.arange(count),
    }  # fmt: skip


def _documents(items: int, steps: int) -> Mapping[str, Mapping[str, Any]]:
    rules = [
        {"name": rule.name, "value": 0.0, "limit": rule.limit, "verdict": "passed", "text": ""}
        for rule in RULES
    ]
    made = datetime(2026, 11, 20, 2, 15, 3, tzinfo=UTC).isoformat()
    description = {
        "quality_flags": [f"Made up: {items} items, {steps} steps. Nothing was forecast."],
    }
    return {
        "metadata/gate.json": {"open": True, "against": None, "rules": rules},
        "metadata/model_versions.json": {"generated_at": made, "seed": 0, "weights": {}},
        "forecasts/forecasts_2026-11-20_metadata.json": description,
    }
