"""Pictures of a run, for people who would rather look than read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.drivers.study import DriverFinding
from ml.durable import staged
from ml.ensemble.mixture import ENSEMBLE
from ml.ensemble.mixture_score import PANEL
from ml.panel import Panel
from ml.reporting.leaderboard import ranked_by
from ml.simulation.levels import COMMON, FRESH, PERFECT, RULE, USAGE

SHOWN = 6  # items drawn a panel
SEASONS = 4  # of history drawn before the forecast, times the horizon
MOST_PARTS = 12  # families or classes drawn, the largest
DOTS = 110  # an inch
LOSSES = {
    "scaled_crps": "scaled CRPS",
    "cum_tail_pinball": "loss in the tail of cumulative demand",
}
SERVICE = {"unit_fill": "units served at once", "cycle_service": "cycles without shortage"}
STRONG, PALE, DARK = "#d95f02", "#7f9db9", "#333333"
CURVES = {  # of stock against service; single models are pale
    USAGE: (PALE, "--", "average usage x time"),
    FRESH: (DARK, ":", "mean + z sigma root P, anew at each review"),
    RULE: (DARK, "o-", "mean + z sigma root P, at the origins"),
    PERFECT: (DARK, "*", "perfect knowledge"),
    COMMON: (STRONG, "s--", "ensemble, one fill of all items"),
    ENSEMBLE: (STRONG, "o-", "ensemble, at the origins"),
}


def draw_leaderboard(
    lines: Sequence[Mapping[str, Any]], titles: Mapping[str, str], folder: Path
) -> list[Path]:
    """Bars of the loss that models are ranked by, one picture a panel; least is best."""
    written = []
    for panel in sorted({line["panel"] for line in lines}):
        rows = [x for x in lines if x["panel"] == panel and x["demand_class"] == "all"]
        figure, axes = _make_figure(1, 1, width=7.5, height=0.35 * len(rows) + 1.4)
        names = [row["model"] for row in rows][::-1]
        loss = ranked_by(rows[0])[0]
        values = [row[loss] or 0.0 for row in rows][::-1]
        colours = [STRONG if name == ENSEMBLE else PALE for name in names]
        axes[0].barh(names, values, color=colours)
        axes[0].set_xlabel(f"{LOSSES[loss]} on the backtest (less is better)")
        origins = f"models at {rows[0]['origins']} rolling origins"
        title = f"{titles.get(panel, panel)}: {origins}"
        written.append(_save(figure, title, folder / f"leaderboard_{panel}.png"))
    return written


def draw_forecasts(
    panels: Mapping[str, Panel],
    titles: Mapping[str, str],
    forecasts: pa.Table,
    folder: Path,
    version: str,
) -> list[Path]:
    """Fan charts of the items with the largest recent values of each panel, by its name."""
    written = []
    known = set(pc.unique(forecasts["item_id"]).to_pylist())
    for name, panel in panels.items():
        recent = np.nan_to_num(panel.values[:, -panel.frequency.default_horizon * SEASONS :])
        order = np.argsort(-np.abs(recent).sum(axis=1), kind="stable")
        chosen = [int(row) for row in order if panel.items[row] in known][:SHOWN]
        if not chosen:
            continue
        lines = -(-len(chosen) // 2)
        figure, axes = _make_figure(lines, 2, width=11, height=2.6 * lines)
        for axis, row in zip(axes, chosen, strict=False):
            _draw_fan(axis, panel, row, forecasts)
        for axis in axes[len(chosen) :]:
            axis.set_axis_off()
        title = f"{titles[name]}, version {version}: history, median, 80 % interval, q05 to q99"
        written.append(_save(figure, title, folder / f"forecasts_{name}.png"))
    return written


def _draw_fan(axis: Any, panel: Panel, row: int, forecasts: pa.Table) -> None:
    rows = forecasts.filter(pc.equal(forecasts["item_id"], panel.items[row]))
    ahead = rows["ds"].to_numpy()
    length = SEASONS * rows.num_rows
    axis.plot(panel.periods[-length:], panel.recorded[row, -length:], color=DARK, lw=0.9)
    axis.fill_between(ahead, rows["q05"], rows["q99"], color=STRONG, alpha=0.15, lw=0)
    axis.fill_between(ahead, rows["q10"], rows["q90"], color=STRONG, alpha=0.3, lw=0)
    axis.plot(ahead, rows["q50"], color=STRONG, lw=1.2)
    axis.set_title(panel.items[row][:60], fontsize=9, parse_math=False)
    axis.tick_params(labelsize=7)


def draw_totals(panel: Panel, title: str, totals: pa.Table, path: Path, version: str) -> list[Path]:
    """What all items will ask for together, and over the horizon each family, or each class.

    Nothing is drawn without totals.
    """
    rows = [row for row in totals.to_pylist() if row["measure"] == "quantity"]
    whole = [row for row in rows if row["grouping"] == "all"]
    if not whole:
        path.unlink(missing_ok=True)
        return []
    last = [row for row in rows if row["horizon_step"] == len(whole)]
    families = [row for row in last if row["grouping"] == "family"]
    parts = families or [row for row in last if row["grouping"] == "demand_class"]
    parts = sorted(parts, key=lambda row: row["cum_mean"])[-MOST_PARTS:]
    figure, axes = _make_figure(1, 2, width=11, height=max(3.2, 0.3 * len(parts) + 1.2))
    length = SEASONS * len(whole)
    history = np.nansum(panel.recorded, axis=0)
    axes[0].plot(panel.periods[-length:], history[-length:], color=DARK, lw=0.9)
    ahead = [row["ds"] for row in whole]
    for low, high, alpha in (("q05", "q99", 0.15), ("q10", "q90", 0.3)):
        edges = ([row[name] for row in whole] for name in (low, high))
        axes[0].fill_between(ahead, *edges, color=STRONG, alpha=alpha, lw=0)
    axes[0].plot(ahead, [row["q50"] for row in whole], color=STRONG, lw=1.2)
    axes[0].set_ylabel("units a period, all items")
    middle = np.array([row["cum_q50"] for row in parts])
    reach = [middle - [row["cum_q10"] for row in parts], [row["cum_q90"] for row in parts] - middle]
    names = [row["member"][:40].replace("$", r"\$") for row in parts]
    axes[1].barh(range(len(parts)), middle, xerr=reach, color=PALE, ecolor=DARK)
    axes[1].set_yticks(range(len(parts)), names)
    axes[1].set_xlabel(f"units over {len(whole)} periods: median, 80 % interval")
    for axis in axes:
        axis.tick_params(labelsize=7)
    return [_save(figure, f"{title}, version {version}: totals", path)]


def draw_service(simulation: pa.Table, title: str, path: Path) -> Path:
    """Value of stock against units served at once, and against cycles without shortage.

    Of all items, for every method that was simulated.
    """
    whole = [row for row in simulation.to_pylist() if row["demand_class"] == PANEL]
    methods = sorted({row["method"] for row in whole}, key=lambda name: name in CURVES)
    # A single model can take several times the stock of all that matters.
    top = max((row["stock_value"] or 0.0 for row in whole if row["method"] in CURVES), default=1.0)
    figure, axes = _make_figure(1, 2, width=11, height=4.4)
    for axis, (measure, meaning) in zip(axes, SERVICE.items(), strict=True):
        for method in methods:
            rows = [row for row in whole if row["method"] == method]
            colour, style, label = CURVES.get(method, (PALE, "-", None))
            places = [[row[name] for row in rows] for name in (measure, "stock_value")]
            axis.plot(*places, style, color=colour, label=label, lw=1.2, ms=4)
        axis.set_xlabel(meaning)
        axis.set_ylim(-0.03 * top, 1.1 * top)
        axis.tick_params(labelsize=7)
    unit = whole[0]["value_unit"].replace("$", r"\$")
    axes[0].set_ylabel(f"stock of all items at period ends [{unit}]")
    axes[0].legend(fontsize=8)
    return _save(figure, f"{title}: stock and service in the backtest", path)


def draw_drivers(
    title: str, gains: Sequence[DriverFinding], effects: Sequence[DriverFinding], path: Path
) -> Path:
    """Intervals of the gains of groups and of the effects of drivers, all items together."""
    rows = max(len(gains), len(effects), 2)
    figure, axes = _make_figure(1, 2, width=11, height=0.4 * rows + 1.6)
    _draw_intervals(axes[0], gains)
    axes[0].set_xlabel("change of the scaled pinball loss (below 0: it helps), 90 % interval")
    _draw_intervals(axes[1], effects)
    axes[1].set_xlabel("effect on the log of the rate, a standard deviation, 90 % interval")
    return _save(figure, f"{title}: outside drivers, all items together", path)


def _draw_intervals(axis: Any, rows: Sequence[DriverFinding]) -> None:
    """One line an interval; those that leave zero out stand out."""
    for place, one in enumerate(reversed(rows)):
        colour = STRONG if one.low > 0 or one.high < 0 else PALE
        axis.plot([one.low, one.high], [place, place], color=colour, lw=2)
        axis.plot([one.value], [place], "o", color=colour)
    axis.axvline(0.0, color=DARK, lw=0.7)
    axis.set_yticks(range(len(rows)), [one.feature or one.group for one in reversed(rows)])


def _make_figure(rows: int, columns: int, *, width: float, height: float) -> tuple[Any, list[Any]]:
    """A figure of rows x columns plots [inches], drawn without a display."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DOTS, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, list(axes.ravel())


def _save(figure: Any, title: str, path: Path) -> Path:
    """Write a figure as PNG under its title, which the file's metadata carry too."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.suptitle(title)
    canvas: Any = FigureCanvasAgg(figure)
    with staged(path) as beside:  # `savefig` would draw it twice
        canvas.print_png(beside, metadata={"Title": title})
    return path
