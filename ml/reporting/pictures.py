"""Pictures of what the page of a version does not draw: drivers, and methods simulated."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ml.drivers.study import DriverFinding
from ml.durable import staged
from ml.ensemble.mixture import ENSEMBLE
from ml.ensemble.mixture_score import PANEL
from ml.simulation.levels import COMMON, FRESH, PERFECT, RULE, USAGE

DOTS = 110  # an inch
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


def draw_service(simulation: pa.Table, title: str, path: Path) -> Path:
    """Value of stock against units served at once, and against cycles without shortage.

    Of all items, for every method that was simulated.
    """
    whole = [row for row in simulation.to_pylist() if row["demand_class"] == PANEL]
    methods = sorted({row["method"] for row in whole}, key=lambda name: name in CURVES)
    # A single model can take several times the stock of all that matters.
    top = max((row["stock_value"] or 0.0 for row in whole if row["method"] in CURVES), default=1.0)
    figure, axes = _make_figure(4.4)
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
    figure, axes = _make_figure(0.4 * rows + 1.6)
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


def _make_figure(height: float) -> tuple[Any, Any]:
    """A figure of two plots side by side, of this height [inches], drawn without a display."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, height), dpi=DOTS, layout="constrained")
    return figure, figure.subplots(1, 2)


def _save(figure: Any, title: str, path: Path) -> Path:
    """Write a figure as PNG under its title, which the file's metadata carry too."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.suptitle(title)
    canvas: Any = FigureCanvasAgg(figure)
    with staged(path) as beside:  # `savefig` would draw it twice
        canvas.print_png(beside, metadata={"Title": title})
    return path
