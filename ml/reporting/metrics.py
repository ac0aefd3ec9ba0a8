"""The metrics table out of the backtest's points and the study of drivers: a row a number.

And the leaderboard: models by class over all origins, best first, as CSV for people.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ml.contracts.metrics import METRICS
from ml.drivers.study import Study
from ml.drivers.trial import ALL
from ml.ensemble.calibration import split_horizon
from ml.ensemble.mixture import ENSEMBLE, FittedEnsemble
from ml.ensemble.mixture_score import PANEL
from ml.evaluation.origins import BacktestPoints
from ml.evaluation.scores import Losses, measure_losses
from ml.frequency import as_datetime
from ml.panel import Bools, Floats
from ml.reporting.comparison import Number, compare_with_best

COVERED = {"coverage_80": 0.8, "coverage_90": 0.9, "coverage_95": 0.95}
COVERED_SUMS = {"80": 0.8, "90": 0.9, "95": 0.95, "99": 0.99}
SUMMED = ("cum_coverage", "horizon_coverage")  # over the protection interval, and over H
Row = dict[str, object]


def metrics_table(
    backtests: Sequence[BacktestPoints], ensemble: FittedEnsemble, kind: str, panel: str
) -> pa.Table:
    """Rows of the METRICS contract, sorted by key; the ensemble is among the backtests' models."""
    rows = _ensemble_rows(ensemble, backtests)
    if backtests:
        losses = {
            model: [measure_losses(one, model) for one in backtests]
            for model in backtests[0].models
        }
        for place, backtest in enumerate(backtests):
            rows += _origin_rows(
                backtest, {model: found[place] for model, found in losses.items()}, kind
            )
        rows += _item_rows(backtests[0].items, losses)
        rows += _comparison_rows(backtests, losses, kind)
    table = _table_of(rows, kind, panel)
    return table.sort_by([(name, "ascending") for name in METRICS.key])


def driver_metrics(study: Study, kind: str, panel: str) -> pa.Table:
    """Gains, effects and choices of a study in the METRICS contract."""
    return _table_of(_driver_rows(study), kind, panel)


def _table_of(rows: Iterable[Row], kind: str, panel: str) -> pa.Table:
    whole = [{**row, "kind": kind, "panel": panel} for row in rows]
    return pa.Table.from_pylist(whole, schema=METRICS.schema)


def _groups(backtest: BacktestPoints, kind: str) -> dict[str | None, Bools]:
    """Which items each class holds, and under ``None`` all of them."""
    classes = np.asarray(backtest.classes)
    groups: dict[str | None, Bools] = {None: np.ones(len(classes), bool)}
    if kind == "demand":
        groups |= {str(name): classes == name for name in sorted(set(classes))}
    return groups


def _comparison_rows(
    backtests: Sequence[BacktestPoints], losses: Mapping[str, Sequence[Losses]], kind: str
) -> Iterator[Row]:
    """Models against the best reference, by class as at the newest origin."""
    for name, rows in _groups(backtests[0], kind).items():
        for model, found in compare_with_best(backtests, losses, kind, rows):
            for metric, number in found.items():
                yield {"demand_class": name, "model": model, **_cells(metric, *number)}


def _origin_rows(
    backtest: BacktestPoints, losses: Mapping[str, Losses], kind: str
) -> Iterator[Row]:
    """Metrics of all models at one origin, by class and by step.

    Coverage by part of the horizon stands at the part's first step.
    """
    cutoff = as_datetime(backtest.cutoff)
    groups = _groups(backtest, kind)
    for model, found in losses.items():
        key = {"model": model, "cutoff": cutoff}
        known = ~np.isnan(found.actual)
        for name, rows in groups.items():
            for metric, number in _measure(found, losses["naive"], backtest, rows).items():
                yield {**key, "demand_class": name, **_cells(metric, *number)}
            for steps in split_horizon(known.shape[1]) if model == ENSEMBLE else ():
                here = known[:, steps] & rows[:, None]
                if here.any():
                    inside = float(_is_inside(found.transform[:, steps][here]).mean())
                    cells = _cells("coverage_80_interval", inside, int(here.sum()))
                    yield {**key, "demand_class": name, "horizon_step": steps.start + 1, **cells}
        for step, here in enumerate(known.T):
            demand = np.abs(found.actual[here, step]).sum()
            if demand:
                value = 2 * float(found.pinball[here, step].sum() / demand)
                yield {**key, "horizon_step": step + 1, **_cells("wql", value, int(here.sum()))}


def _measure(
    found: Losses, naive: Losses, backtest: BacktestPoints, rows: Bools
) -> dict[str, Number]:
    """Metrics of one model over some items (N,), next to those of the naive model."""
    known = ~np.isnan(found.actual) & rows[:, None]
    count = int(known.sum())
    if not count:
        return {}
    scale = np.broadcast_to(backtest.scale[:, None], found.actual.shape)
    demand = float(np.abs(found.actual[known]).sum())
    mine = float(found.scaled_crps[known].mean())
    both = known & ~np.isnan(naive.scaled_crps)
    theirs = float(naive.scaled_crps[both].mean()) if both.any() else np.nan
    values = {
        "mae": float(found.absolute[known].mean()),
        "rmse": float(np.sqrt(found.squared[known].mean())),
        "mase": _mean_over_items(found.absolute, known, backtest.naive_mae),
        "rmsse": float(np.sqrt(_mean_over_items(found.squared, known, backtest.naive_rms**2))),
        "wape": float(found.absolute[known].sum() / demand) if demand else np.nan,
        "bias": float(found.signed[known].sum() / demand) if demand else np.nan,
        "wql": 2 * float(found.pinball[known].sum()) / demand if demand else np.nan,
        "scaled_pinball": float((found.pinball / scale)[known].mean()),
        "scaled_crps": mine,
        "fva_naive": 1 - mine / theirs if theirs else np.nan,
        **{name: float((found.transform[known] < q).mean()) for name, q in COVERED.items()},
        "coverage_80_interval": float(_is_inside(found.transform[known]).mean()),
    }
    if (found.actual[known] > 0).all():
        values["mape"] = float((found.absolute[known] / found.actual[known]).mean())
        values["accuracy"] = 1 - values["mape"]
    numbers = {name: (value, count) for name, value in values.items()}
    return numbers if backtest.classes[0] == "price" else numbers | _measure_sums(found, rows)


def _measure_sums(found: Losses, rows: Bools) -> dict[str, Number]:
    """Metrics of demand summed over steps."""
    values = {}
    known = ~np.isnan(found.cum_actual) & rows
    demand = float(np.abs(found.cum_actual[known]).sum())
    if demand:
        loss = 2 * float(found.cum_pinball[known].sum()) / demand
        values["cum_wql"] = (loss, int(known.sum()))
    known = ~np.isnan(found.cum_scaled_crps) & rows
    if known.any():
        scaled = float(found.cum_scaled_crps[known].mean())
        values["cum_scaled_crps"] = (scaled, int(known.sum()))
        values["cum_tail_pinball"] = (float(found.tail_pinball[known].mean()), int(known.sum()))
    for prefix, reached in zip(SUMMED, found.cum_transform[rows].T, strict=True):
        seen = reached[~np.isnan(reached)]
        for name, level in COVERED_SUMS.items() if len(seen) else ():
            values[f"{prefix}_{name}"] = (float((seen < level).mean()), len(seen))
    return values


def _mean_over_items(loss: Floats, known: Bools, divisor: Floats) -> float:
    """Mean over items of an item's mean loss over its divisor; items without one are left out."""
    counts = known.sum(axis=1)
    means = np.where(known, loss, 0.0).sum(axis=1) / np.maximum(counts, 1)
    usable = (counts > 0) & (divisor > 0)
    return float((means[usable] / divisor[usable]).mean()) if usable.any() else np.nan


def _is_inside(transform: Floats) -> Bools:
    """Whether actuals lie in the central 80 %."""
    return np.asarray((transform >= 0.1) & (transform < 0.9))


def _item_rows(items: Sequence[str], losses: Mapping[str, Sequence[Losses]]) -> Iterator[Row]:
    """Scores of single items over all origins; what people ask for, of the ensemble alone."""
    for model, found in losses.items():
        crps, absolute, signed, actual, reached = (
            np.concatenate([getattr(one, name) for one in found], axis=1)
            for name in ("scaled_crps", "absolute", "signed", "actual", "transform")
        )
        counts = (~np.isnan(crps)).sum(axis=1)
        for place in np.flatnonzero(counts).tolist():
            known = ~np.isnan(crps[place])
            values = {
                "scaled_crps": float(crps[place, known].mean()),
                "mae": float(absolute[place, known].mean()),
            }
            if model == ENSEMBLE:
                demand = float(np.abs(actual[place, known]).sum()) or np.nan
                values["wape"] = float(absolute[place, known].sum()) / demand
                values["bias"] = float(signed[place, known].sum()) / demand
                values["coverage_80_interval"] = float(_is_inside(reached[place, known]).mean())
            for metric, value in values.items():
                cells = _cells(metric, value, int(counts[place]))
                yield {"item_id": items[place], "model": model, **cells}


def _ensemble_rows(ensemble: FittedEnsemble, backtests: Sequence[BacktestPoints]) -> list[Row]:
    """Final weights by class, and spreads at the first step of their part of the horizon.

    Prices form one class, whose weights are those of the panel.
    """
    count = len(backtests[0].items) if backtests else 0
    rows: list[Row] = [
        {"demand_class": name, "model": model, **_cells("weight", value, count)}
        for name, shares in ensemble.weights.items() if name != "price"
        for model, value in shares.items()
    ]  # fmt: skip
    if backtests:
        parts = split_horizon(backtests[0].actual.shape[1])
        rows += [
            {"demand_class": name, "model": ENSEMBLE, "horizon_step": steps.start + 1,
             **_cells("spread", value, count)}
            for name, values in ensemble.spreads.items()
            for steps, value in zip(parts, values, strict=True) if steps.start < steps.stop
        ]  # fmt: skip
        rows += [
            {"demand_class": name, "model": ENSEMBLE, **_cells("cum_spread", value, count)}
            for name, value in ensemble.sum_spreads.items()
        ]
    return [{**row, "demand_class": None if row["demand_class"] == PANEL else row["demand_class"]}
            for row in rows]  # fmt: skip


def _driver_rows(study: Study) -> Iterator[Row]:
    for one in (*study.gains, *study.effects):
        metric = "driver_gain_foreseen" if one.foreseen else "driver_gain"
        model = f"drivers:{one.group}"
        if one.feature is not None:
            metric, model = "driver_effect", f"driver:{one.feature}"
        key = {"demand_class": None if one.demand_class == ALL else one.demand_class}
        for end, value in (("", one.value), ("_low", one.low), ("_high", one.high)):
            yield {**key, "model": model, **_cells(metric + end, value, one.count)}
    for name, used in study.used.items():
        key = {"demand_class": None if name == "price" else name}
        for group in dict.fromkeys(gain.group for gain in study.gains):
            cells = _cells("driver_used", float(group in used), 0)
            yield {**key, "model": f"drivers:{group}", **cells}


def _cells(metric: str, value: float, count: int) -> Row:
    return {"metric": metric, "value": value if np.isfinite(value) else None, "n_obs": count}


NAMES = ("kind", "panel", "demand_class", "model")
MEANS = (
    "scaled_crps", "cum_scaled_crps", "cum_tail_pinball", "wql", "cum_wql", "bias",
    "coverage_80_interval", "coverage_95", "cum_coverage_95", "fva_naive", "mase", "rmsse", "mae",
)  # fmt: skip
# Of all origins together: the share of what is published, and against the best reference, with
# 95 % intervals.
PAIRED = (
    "weight",
    "skill", "skill_low", "skill_high", "stock_skill", "stock_skill_low", "stock_skill_high",
    "vs_reference", "vs_reference_low", "vs_reference_high",
)  # fmt: skip
COLUMNS = (*NAMES, *MEANS, *PAIRED, "n_obs", "origins")
Pairs = list[tuple[float, int]]
"""Values of a metric at the origins, and the actuals behind them."""


def leaderboard(metrics: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """METRICS rows as means over the origins, by panel, class and model; the best first.

    Best is what loses least in the tail of cumulative demand, where stock is decided; of prices,
    the least CRPS.
    """
    found: dict[tuple[str, ...], dict[str, Pairs]] = {}
    for row in metrics:
        of_group = row["item_id"] is None and row["horizon_step"] is None
        judged = row["cutoff"] is not None or row["metric"] in PAIRED
        if of_group and judged and row["value"] is not None:
            key = (row["kind"], row.get("panel", ""), row["demand_class"] or "all", row["model"])
            pairs = found.setdefault(key, {}).setdefault(row["metric"], [])
            pairs.append((row["value"], row["n_obs"]))
    lines = []
    for group, own in found.items():
        line: dict[str, Any] = dict(zip(NAMES, group, strict=True))
        means = {name: weighted_mean(own.get(name, [])) for name in (*MEANS, *PAIRED)}
        line |= {name: None if mean is None else round(mean, 6) for name, mean in means.items()}
        scores = own.get("scaled_crps", [])
        lines.append({**line, "n_obs": sum(count for _, count in scores), "origins": len(scores)})
    return sorted(lines, key=lambda line: (line["panel"], line["demand_class"] != "all",
                                           line["demand_class"], _loss(line)))  # fmt: skip


def _loss(line: Mapping[str, Any]) -> float:
    """The loss that a line is ranked by; what has none comes last."""
    losses = (line["cum_tail_pinball"], line["scaled_crps"])
    return next((value for value in losses if value is not None), float("inf"))


def weighted_mean(pairs: Pairs) -> float | None:
    """Mean of values by the actuals behind them; ``None`` without any."""
    total = sum(count for _, count in pairs)
    return sum(value * count for value, count in pairs) / total if total else None


def to_csv(columns: Sequence[str], lines: Sequence[Mapping[str, Any]]) -> str:
    """Lines with these keys as CSV text."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()
