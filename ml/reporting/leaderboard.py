"""The leaderboard: models by class over all origins, best first, as CSV and JSON for people."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

Key = tuple[str, str, str, str]
NAMES = ("kind", "panel", "demand_class", "model")
COLUMNS = (
    "scaled_crps", "cum_scaled_crps", "wql", "cum_wql", "bias", "coverage_80_interval",
    "coverage_95", "fva_naive", "mase", "rmsse", "mae",
)  # fmt: skip
# Of all origins together: the difference to the best reference, and its 95 % interval.
PAIRED = ("vs_reference", "vs_reference_low", "vs_reference_high")


def leaderboard(metrics: pa.Table) -> list[dict[str, Any]]:
    """Mean of each metric over the origins, by panel, class and model; least ``scaled_crps`` first.

    Args:
        metrics: In the METRICS contract.
    """
    wanted = [
        row
        for row in metrics.to_pylist()
        if row["item_id"] is None
        and row["horizon_step"] is None
        and (row["cutoff"] is not None or row["metric"] in PAIRED)
    ]
    sums: dict[Key, dict[str, list[tuple[float, int]]]] = {}
    for row in wanted:
        key = (row["kind"], row["panel"], row["demand_class"] or "all", row["model"])
        if row["value"] is not None:
            sums.setdefault(key, {}).setdefault(row["metric"], []).append(
                (row["value"], row["n_obs"])
            )
    lines = [_line(key, found) for key, found in sums.items()]
    return sorted(lines, key=lambda line: (line["panel"], line["demand_class"] != "all",
                                           line["demand_class"], line["scaled_crps"]))  # fmt: skip


def _line(key: Key, found: dict[str, list[tuple[float, int]]]) -> dict[str, Any]:
    line: dict[str, Any] = dict(zip(NAMES, key, strict=True))
    for name in COLUMNS:
        pairs = found.get(name, [])
        total = sum(count for _, count in pairs)
        mean = sum(value * count for value, count in pairs) / total if total else None
        line[name] = None if mean is None else round(mean, 6)
    for name in PAIRED:
        line[name] = round(found[name][0][0], 6) if name in found else None
    line["n_obs"] = sum(count for _, count in found.get("scaled_crps", []))
    line["origins"] = len(found.get("scaled_crps", []))
    return line


def as_csv(lines: Sequence[dict[str, Any]]) -> str:
    """The leaderboard as CSV text."""
    stream = io.StringIO()
    names = [*NAMES, *COLUMNS, *PAIRED, "n_obs", "origins"]
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


def as_json(lines: Sequence[dict[str, Any]], **about: str) -> str:
    """The leaderboard as JSON text, with plain facts about the run."""
    return json.dumps({**about, "leaderboard": list(lines)}, indent=2, ensure_ascii=False) + "\n"
