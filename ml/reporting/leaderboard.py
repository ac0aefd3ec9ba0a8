"""The leaderboard: models by class over all origins, best first, as CSV for people."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

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
