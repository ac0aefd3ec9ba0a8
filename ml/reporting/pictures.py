"""Pictures of a run, for people who would rather look than read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.panel import Panel

SHOWN = 6  # items drawn a panel
SEASONS = 4  # of history drawn before the forecast, times the horizon


def draw_leaderboard(lines: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Bars of the scaled CRPS by model, one picture a panel; least is best."""
    written = []
    for panel in sorted({line["panel"] for line in lines}):
        rows = [x for x in lines if x["panel"] == panel and x["demand_class"] == "all"]
        figure, axes = canvas(1, 1, width=7.5, height=0.35 * len(rows) + 1.4)
        names = [row["model"] for row in rows][::-1]
        values = [row["scaled_crps"] for row in rows][::-1]
        colours = ["#d95f02" if name == "ensemble" else "#7f9db9" for name in names]
        axes[0].barh(names, values, color=colours)
        axes[0].set_xlabel("scaled CRPS on the backtest (less is better)")
        axes[0].set_title(f"{panel}: models at {rows[0]['origins']} rolling origins")
        written.append(saved(figure, folder / f"leaderboard_{panel}.png"))
    return written


def draw_forecasts(
    panels: Mapping[str, Panel], forecasts: pa.Table, folder: Path, version: str
) -> list[Path]:
    """Fan charts of the items with the largest recent values of each panel, by its name."""
    written = []
    for panel_name, panel in panels.items():
        known = set(pc.unique(forecasts["item_id"]).to_pylist())
        recent = np.nan_to_num(panel.values[:, -panel.frequency.default_horizon * SEASONS :])
        order = np.argsort(-np.abs(recent).sum(axis=1), kind="stable")
        chosen = [int(row) for row in order if panel.items[row] in known][:SHOWN]
        if not chosen:
            continue
        figure, axes = canvas(-(-len(chosen) // 2), 2, width=11, height=2.6 * -(-len(chosen) // 2))
        for axis, row in zip(axes, chosen, strict=False):
            _fan(axis, panel, row, forecasts)
        for axis in axes[len(chosen) :]:
            axis.set_axis_off()
        figure.suptitle(f"version {version}: history, median, 80 % interval, q05 to q99")
        written.append(saved(figure, folder / f"forecasts_{panel_name}.png"))
    return written


def _fan(axis: Any, panel: Panel, row: int, forecasts: pa.Table) -> None:
    rows = forecasts.filter(pc.equal(forecasts["item_id"], panel.items[row]))
    ahead = rows["ds"].to_numpy()
    length = SEASONS * rows.num_rows
    axis.plot(panel.periods[-length:], panel.values[row, -length:], color="#333333", lw=0.9)
    axis.fill_between(ahead, rows["q05"], rows["q99"], color="#d95f02", alpha=0.15, lw=0)
    axis.fill_between(ahead, rows["q10"], rows["q90"], color="#d95f02", alpha=0.3, lw=0)
    axis.plot(ahead, rows["q50"], color="#d95f02", lw=1.2)
    axis.set_title(panel.items[row][:60], fontsize=9, parse_math=False)
    axis.tick_params(labelsize=7)


def canvas(rows: int, columns: int, *, width: float, height: float) -> tuple[Any, list[Any]]:
    """A figure of rows x columns plots [inches], drawn without a display."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.ravel())


def saved(figure: Any, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all."""
    staged = path.with_name(f".{path.name}")
    figure.savefig(staged, dpi=110, format="png")
    staged.replace(path)
    return path
