"""What a version says of periods to come, kept until they have come: rows of PAST_FORECASTS.

They are made of the saved paths, as the published rows were, and carry what is needed to judge them
later: the scale, the draw for a count that equals a quantile, the level of stock that was
recommended, and what the best reference said.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.forecasts import CUMULATIVE_QUANTILES, quantile_name
from ml.contracts.history import PAST_FORECASTS
from ml.ensemble.mixture_score import NEVER
from ml.evaluation.demand_class import weight_classes
from ml.evaluation.origins import path_quantiles, scales, typical_size
from ml.forecasters.registry import REFERENCES
from ml.frequency import periods_after
from ml.inventory.items import WHOLE_COMPANY
from ml.panel import Floats, Panel
from ml.run.plan import PanelPlan
from ml.run.rows import DIGITS, as_table, significant, stamp
from ml.run.saved_paths import ItemPathSet, SavedPaths, read_paths
from ml.seeds import generator, number

LAGS = {"D": (1, 7, 14, 30), "B": (1, 7, 14, 30), "W": (1, 3, 6), "MS": (1, 3, 6)}
MONTHS = 13  # of the past that a version holds
PERIODS = {"D": 396, "B": 283, "W": 57, "MS": 13}  # in so many months
MOST_ROWS = 500_000  # of a panel that a version holds, about
CHUNK = 64  # items whose paths are read at a time
QUANTILES = [quantile_name(level) for level in CUMULATIVE_QUANTILES]
Stock = Mapping[str, tuple[float, float | None]]
"""Of items the level of stock that was recommended, and the chance that it is to have."""


def followed_items(panel: Panel) -> tuple[str, ...]:
    """Items whose past is kept: all, or as many as a version can hold, by the hash of their id."""
    lags = LAGS[panel.frequency.value]
    an_item = PERIODS[panel.frequency.value] * (len(lags) + panel.is_demand) + sum(lags)
    most = max(1, MOST_ROWS // an_item)
    if len(panel.items) <= most:
        return panel.items
    return tuple(sorted(sorted(panel.items, key=lambda one: number(0, "followed", one))[:most]))


def count_followed(panels: Sequence[Panel]) -> dict[str, dict[str, list[int]]]:
    """How many items of each kind are followed, and of how many, where it is not all."""
    counts = {one.kind: [len(followed_items(one)), len(one.items)] for one in panels}
    return {"followed": {kind: count for kind, count in counts.items() if count[0] < count[1]}}


def say_rows(
    plan: PanelPlan,
    saved: SavedPaths,
    items: Sequence[str],
    stock: Stock,
    source: str,
) -> pa.Table:
    """Rows of PAST_FORECASTS without reference, ``version_id`` and ``known_at`` for some items.

    The items are wanted ones that were forecast or refused; ``source`` is whose the data are.
    """
    prior = typical_size(plan.panel)
    tables = [PAST_FORECASTS.schema.empty_table()]
    for start in range(0, len(items), CHUNK):
        known = read_paths(saved, items[start : start + CHUNK])
        if known.items:
            tables.append(_rows_of(plan, known, prior, stock, source))
    return pa.concat_tables(tables).sort_by([(key, "ascending") for key in PAST_FORECASTS.key])


def _rows_of(
    plan: PanelPlan, known: ItemPathSet, prior: float, stock: Stock, source: str
) -> pa.Table:
    """Rows of a few items: each lag of the published horizon, then the protection interval."""
    panel = plan.panel.select(known.items)
    lags = [lag for lag in LAGS[panel.frequency.value] if lag <= plan.horizon]
    steps = np.tile(np.array(lags, dtype=np.int64), (len(known.items), 1))
    values = known.until(plan.horizon)[:, :, np.array(lags, dtype=np.int64) - 1].astype(np.float64)
    if panel.is_demand:
        needed = dict(zip(plan.panel.items, plan.protection, strict=True))
        own = np.array([needed[item] for item in known.items])
        sums = [
            np.cumsum(paths[:, :count], axis=1, dtype=np.float64)[:, -1]
            for paths, count in zip(known.paths, own, strict=True)
        ]
        values = np.concatenate([values, np.stack(sums)[:, :, None]], axis=2)
        steps = np.concatenate([steps, own[:, None]], axis=1)
    days = periods_after(panel.cutoff, int(steps.max()), panel.frequency)
    each = steps.shape[1]
    is_sum = np.arange(each) >= len(lags)
    count = steps.size
    targets = [stock.get(item, (None, None)) for item in known.items]
    columns: dict[str, object] = {
        "item_id": np.repeat(np.asarray(known.items, dtype=object), each),
        "ds": days[steps.ravel() - 1].astype("datetime64[us]"),
        "span": np.tile(np.where(is_sum, "protection", "period").astype(object), len(steps)),
        "lag": steps.ravel(),
        "frequency": [panel.frequency.value] * count,
        "kind": [panel.kind] * count,
        "unit": np.repeat(np.asarray(panel.units, dtype=object), each),
        "as_of": np.repeat(stamp(panel.cutoff), count),
        "forecast": significant(values.mean(axis=1), DIGITS).ravel(),
        "scale": np.repeat(significant(scales(panel, prior)[0], DIGITS), each),
        "stock_level": [one if tail else None for one, _ in targets for tail in is_sum],
        "service_target": [one if tail else None for _, one in targets for tail in is_sum],
        "model_used": np.repeat(np.asarray(known.models, dtype=object), each),
        "demand_class": np.repeat(np.asarray(weight_classes(panel), dtype=object), each),
        "source": [source] * count,
    }
    columns |= _quantile_columns(values, known.items, str(panel.cutoff))
    blank = {field.name: pa.nulls(count, field.type) for field in PAST_FORECASTS.schema}
    return as_table(blank | columns, PAST_FORECASTS)


def _quantile_columns(values: Floats, items: Sequence[str], as_of: str) -> dict[str, object]:
    """Quantiles of draws (N, S, K), and whether an actual that equals one counts as below it.

    At a quantile q of level t a count has to, with the chance (t - P(y < q)) / P(y = q): then what
    is below it is t of all, as it would be of a continuous quantity. One number in (0, 1) decides
    for all levels of a forecast, so that they stay in their order.
    """
    cuts = path_quantiles(values, CUMULATIVE_QUANTILES)  # (N, K, L)
    uniforms = np.stack(
        [generator(0, "said", item, as_of).random(values.shape[2]) for item in items]
    )
    columns: dict[str, object] = {}
    for place, (level, name) in enumerate(zip(CUMULATIVE_QUANTILES, QUANTILES, strict=True)):
        cut = cuts[:, :, place]
        below = (values < cut[:, None, :]).mean(axis=1)
        at = (values == cut[:, None, :]).mean(axis=1)
        columns[name] = significant(cut, DIGITS).ravel()
        columns[f"tie_{name}"] = (below + uniforms * at < level).ravel()
    return columns


def read_stock(recommended: pa.Table) -> Stock:
    """Of each item the level recommended, and the chance it is to have, if it is to have one."""
    own = recommended.filter(pc.equal(recommended["location_id"], WHOLE_COMPANY))
    wanted = ("item_id", "order_up_to", "service_target", "service_metric")
    return {
        item: (level, target if metric == "csl" else None)
        for item, level, target, metric in zip(*(own[n].to_pylist() for n in wanted), strict=True)
        if level is not None
    }


def add_references(said: pa.Table, models: Path, metrics: pa.Table) -> pa.Table:
    """The rows with what the best reference of each one's class said, where it was run.

    ``models`` is a file of FORECAST_MODELS, ``metrics`` are rows of METRICS.
    """
    ranks = rank_references(metrics)
    named = sorted({model for own in ranks.values() for model in own})
    if not said.num_rows or not named:
        return said
    chosen = pc.field("item_id").isin(pc.unique(said["item_id"])) & pc.field("model").isin(named)
    chosen &= pc.field("horizon_step").isin(pc.unique(said["lag"]))
    sums = [f"cum_{name}" for name in QUANTILES]
    wanted = ["item_id", "model", "horizon_step", *QUANTILES, *sums]
    rows = pq.read_table(models, columns=wanted, filters=chosen).to_pylist()
    found = {(row["item_id"], row["model"], row["horizon_step"]): row for row in rows}
    run = {(row["item_id"], row["model"]) for row in rows}
    columns: dict[str, list[Any]] = {f"reference_{name}": [] for name in QUANTILES}
    columns["reference"] = []
    for row in said.select(["item_id", "kind", "demand_class", "span", "lag"]).to_pylist():
        item, kind = row["item_id"], row["kind"]
        order = ranks.get((kind, row["demand_class"]), ranks.get((kind, None), ()))
        best = next((model for model in order if (item, model) in run), None)
        own = found.get((item, best, row["lag"]))
        prefix = "cum_" if row["span"] == "protection" else ""
        columns["reference"].append(None if own is None else best)
        for name in QUANTILES:
            columns[f"reference_{name}"].append(None if own is None else own[f"{prefix}{name}"])
    for name, values in columns.items():
        field = PAST_FORECASTS.schema.field(name)
        place = PAST_FORECASTS.names.index(name)
        said = said.set_column(place, field, pa.array(values, field.type))
    return said


def rank_references(metrics: pa.Table) -> dict[tuple[str, str | None], tuple[str, ...]]:
    """References by kind and class (``None`` = all), the best of the backtest first.

    Best is what has the most of the score that weights are chosen by.
    """
    skills: dict[tuple[str, str | None], list[tuple[float, str]]] = {}
    for row in metrics.filter(pc.equal(metrics["metric"], "skill")).to_pylist():
        kind, model = row["kind"], row["model"]
        is_rival = model in REFERENCES[kind] and model not in NEVER
        if is_rival and row["item_id"] is None and row["value"] is not None:
            skills.setdefault((kind, row["demand_class"]), []).append((-row["value"], model))
    return {key: tuple(model for _, model in sorted(own)) for key, own in skills.items()}
