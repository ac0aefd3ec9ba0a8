"""The metrics table out of the backtest's points: one long row a number."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from ml.contracts.metrics import METRICS
from ml.ensemble.calibration import Spreads, parts_of
from ml.ensemble.fitted import FittedEnsemble
from ml.ensemble.least_score import PANEL
from ml.ensemble.tried import ENSEMBLE
from ml.evaluation.losses import Losses, losses
from ml.evaluation.points import BacktestPoints
from ml.panel import Floats
from ml.reporting.paired import differences

COVERED = {"coverage_80": 0.8, "coverage_90": 0.9, "coverage_95": 0.95}
Row = dict[str, object]


def metrics_table(
    backtests: Sequence[BacktestPoints],
    ensemble: FittedEnsemble,
    kind: str,
    panel: str,
) -> pa.Table:
    """Rows of the METRICS contract, sorted by key.

    Args:
        backtests: One for each origin, the ensemble among the models.
        ensemble: The final one.
        kind: ``demand`` or ``price``.
        panel: Name of the panel.
    """
    rows = [row for backtest in backtests for row in _origin_rows(backtest, kind)]
    rows += _item_rows(backtests, kind)
    rows += _paired_rows(backtests, kind)
    rows += _spread_rows(ensemble.spreads, backtests)
    rows += _weight_rows(ensemble.weights, kind, len(backtests[0].items) if backtests else 0)
    named = [{**row, "panel": panel} for row in rows]
    table = pa.Table.from_pylist(named, schema=METRICS.schema)
    return table.sort_by([(name, "ascending") for name in METRICS.key])


def panel_metrics(
    found: Losses, naive: Losses, backtest: BacktestPoints, rows: Floats
) -> dict[str, tuple[float, int]]:
    """Metrics of one model over some items, each with the number of actuals behind it.

    Args:
        found: Losses of the model.
        naive: Losses of the naive model.
        backtest: The origin.
        rows: (N,) bool, which items.
    """
    known = ~np.isnan(found.actual) & rows[:, None]
    count = int(known.sum())
    if not count:
        return {}
    scale = np.broadcast_to(backtest.scale[:, None], found.actual.shape)
    demand = float(np.abs(found.actual[known]).sum())
    error = _over_items(found.absolute, known, backtest.naive_mae)
    root = _over_items(found.squared, known, backtest.naive_rms**2)
    mine = float((found.crps / scale)[known].mean())
    both = known & ~np.isnan(naive.crps)
    theirs = float((naive.crps / scale)[both].mean()) if both.any() else np.nan
    values = {
        "mae": float(found.absolute[known].mean()),
        "rmse": float(np.sqrt(found.squared[known].mean())),
        "mase": error,
        "rmsse": float(np.sqrt(root)),
        "bias": float(found.signed[known].sum() / demand) if demand else np.nan,
        "wql": 2 * float(found.pinball[known].sum()) / demand if demand else np.nan,
        "scaled_pinball": float((found.pinball / scale)[known].mean()),
        "scaled_crps": mine,
        "fva_naive": 1 - mine / theirs if theirs else np.nan,
    }
    for name, level in COVERED.items():
        values[name] = float((found.transform[known] < level).mean())
    values["coverage_80_interval"] = float(_inside(found.transform[known]).mean())
    if (found.actual[known] > 0).all():
        values["mape"] = float((found.absolute[known] / found.actual[known]).mean())
        values["accuracy"] = 1 - values["mape"]
    return {name: (value, count) for name, value in values.items()} | _cumulative(
        found, backtest, rows
    )


def _cumulative(
    found: Losses, backtest: BacktestPoints, rows: Floats
) -> dict[str, tuple[float, int]]:
    if backtest.classes[0] == "price":
        return {}
    values = {}
    known = ~np.isnan(found.cum_actual) & rows
    demand = float(np.abs(found.cum_actual[known]).sum())
    if demand:
        loss = 2 * float(found.cum_pinball[known].sum()) / demand
        values["cum_wql"] = (loss, int(known.sum()))
    judged = ~np.isnan(found.cum_crps) & rows
    if judged.any():
        scaled = float((found.cum_crps / backtest.scale)[judged].mean())
        values["cum_scaled_crps"] = (scaled, int(judged.sum()))
    return values


def _over_items(loss: Floats, known: Floats, divisor: Floats) -> float:
    """Mean over items of an item's mean loss over its divisor; items without one are left out."""
    counts = known.sum(axis=1)
    means = np.where(known, loss, 0.0).sum(axis=1) / np.maximum(counts, 1)
    usable = (counts > 0) & (divisor > 0)
    return float((means[usable] / divisor[usable]).mean()) if usable.any() else np.nan


def _origin_rows(backtest: BacktestPoints, kind: str) -> Iterator[Row]:
    classes = np.asarray(backtest.classes)
    groups: dict[str | None, Floats] = {None: np.ones(len(classes), bool)}
    if kind == "demand":
        groups |= {str(name): classes == name for name in sorted(set(classes))}
    naive = losses(backtest, "naive")
    for model in backtest.models:
        found = losses(backtest, model)
        key = {
            "kind": kind,
            "model": model,
            "cutoff": backtest.cutoff.astype("datetime64[us]").astype(object),
        }
        for name, rows in groups.items():
            for metric, (value, count) in panel_metrics(found, naive, backtest, rows).items():
                yield {**key, "demand_class": name, **_number(metric, value, count)}
        yield from _step_rows(found, key)
        if model == ENSEMBLE:
            for name, rows in groups.items():
                yield from _coverage_rows(found, rows, {**key, "demand_class": name})


def _step_rows(found: Losses, key: Row) -> Iterator[Row]:
    known = ~np.isnan(found.actual)
    for step in range(known.shape[1]):
        here = known[:, step]
        demand = np.abs(found.actual[here, step]).sum()
        if demand:
            value = 2 * float(found.pinball[here, step].sum() / demand)
            yield {**key, "horizon_step": step + 1, **_number("wql", value, int(here.sum()))}


def _coverage_rows(found: Losses, rows: Floats, key: Row) -> Iterator[Row]:
    """Coverage of the 80 % interval in each part of the horizon, at the part's first step."""
    for steps in parts_of(found.actual.shape[1]):
        known = ~np.isnan(found.actual[:, steps]) & rows[:, None]
        if known.any():
            inside = _inside(found.transform[:, steps][known])
            number = _number("coverage_80_interval", float(inside.mean()), int(known.sum()))
            yield {**key, "horizon_step": steps.start + 1, **number}


def _inside(transform: Floats) -> Floats:
    """Whether actuals lie in the central 80 %."""
    return np.asarray((transform >= 0.1) & (transform < 0.9))


def _item_rows(backtests: Sequence[BacktestPoints], kind: str) -> list[Row]:
    rows: list[Row] = []
    if not backtests:
        return rows
    for model in backtests[0].models:
        found = [losses(backtest, model) for backtest in backtests]
        crps = np.concatenate(
            [
                one.crps / backtest.scale[:, None]
                for one, backtest in zip(found, backtests, strict=True)
            ],
            axis=1,
        )
        absolute = np.concatenate([one.absolute for one in found], axis=1)
        counts = (~np.isnan(crps)).sum(axis=1)
        for place in np.flatnonzero(counts):
            key = {"kind": kind, "item_id": backtests[0].items[place], "model": model}
            count = int(counts[place])
            rows.append({**key, **_number("scaled_crps", float(np.nanmean(crps[place])), count)})
            rows.append({**key, **_number("mae", float(np.nanmean(absolute[place])), count)})
    return rows


def _paired_rows(backtests: Sequence[BacktestPoints], kind: str) -> list[Row]:
    return [
        {"kind": kind, "demand_class": name, "model": model, **_number(metric, value, count)}
        for name, model, figures, count in differences(backtests, kind)
        for metric, value in figures.items()
    ]


def _spread_rows(spreads: Spreads, backtests: Sequence[BacktestPoints]) -> list[Row]:
    """Final spreads by class, each at the first step of its part of the horizon."""
    if not backtests:
        return []
    newest = backtests[0]
    parts = parts_of(newest.actual.shape[1])
    return [
        {"kind": "demand", "demand_class": None if name == PANEL else name, "model": ENSEMBLE,
         "horizon_step": steps.start + 1, **_number("spread", value, len(newest.items))}
        for name, values in spreads.items()
        for steps, value in zip(parts, values, strict=True) if steps.start < steps.stop
    ]  # fmt: skip


def _weight_rows(weights: Mapping[str, Mapping[str, float]], kind: str, count: int) -> list[Row]:
    return [
        {"kind": kind, "demand_class": None if name in ("*", "price") else name, "model": model,
         **_number("weight", value, count)}
        for name, shares in weights.items() if name != "price"
        for model, value in shares.items()
    ]  # fmt: skip


def _number(metric: str, value: float, count: int) -> Row:
    return {"metric": metric, "value": value if np.isfinite(value) else None, "n_obs": count}
