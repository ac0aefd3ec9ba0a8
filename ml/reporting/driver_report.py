"""What a run found out about outside drivers: a table as CSV, a picture, and lines to read."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from ml.drivers.study import Effect, Gain, Study
from ml.drivers.trial import ALL
from ml.durable import write_file
from ml.reporting.pictures import canvas, saved

COLUMNS = ("panel", "demand_class", "drivers", "what", "value", "low_90", "high_90", "used")
Line = dict[str, object]


def driver_lines(studies: Mapping[str, Study]) -> list[Line]:
    """Gains of groups and effects of single drivers, one line each; studies are by panel."""
    return [
        {"panel": panel, **line}
        for panel, study in studies.items()
        for line in (*_gains(study), *_effects(study))
    ]


def write_drivers(studies: Mapping[str, Study], folder: Path) -> list[Path]:
    """``drivers.csv`` and one picture for each panel with drivers; stale ones are removed."""
    for old in (folder / "drivers.csv", *folder.glob("drivers_*.png")):
        old.unlink(missing_ok=True)
    lines = driver_lines(studies)
    if not lines:
        return []
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    path = write_file(folder / "drivers.csv", stream.getvalue())
    return [path, *(_draw(name, study, folder) for name, study in studies.items() if study.gains)]


def _gains(study: Study) -> list[Line]:
    return [
        {
            "demand_class": gain.demand_class.replace(ALL, "all"),
            "drivers": gain.group,
            "what": "gain had they been foreseen" if gain.foreseen else "gain as known",
            "value": round(gain.change, 7),
            "low_90": round(gain.low, 7),
            "high_90": round(gain.high, 7),
            "used": _used(study, gain.demand_class, gain.group),
        }
        for gain in study.gains
    ]


def _effects(study: Study) -> list[Line]:
    return [
        {
            "demand_class": effect.demand_class.replace(ALL, "all"),
            "drivers": effect.feature,
            "what": "effect on the log rate",
            "value": round(effect.effect, 5),
            "low_90": round(effect.low, 5),
            "high_90": round(effect.high, 5),
            "used": _used(study, effect.demand_class, effect.group),
        }
        for effect in study.effects
    ]


def _used(study: Study, name: str, group: str) -> bool:
    """Whether a class takes a group; of all items together, whether any class does."""
    classes = study.used if name == ALL else (name,)
    return any(group in study.used.get(one, ()) for one in classes)


def _draw(name: str, study: Study, folder: Path) -> Path:
    """Intervals of the gains of groups and of the effects of drivers, all items together."""
    gains = [one for one in study.gains if one.demand_class == ALL and not one.foreseen]
    effects = [one for one in study.effects if one.demand_class == ALL]
    rows = max(len(gains), len(effects), 2)
    figure, axes = canvas(1, 2, width=11, height=0.4 * rows + 1.6)
    _intervals(axes[0], [(one.group, one.change, one) for one in gains])
    axes[0].set_xlabel("change of the scaled pinball loss (below 0: it helps), 90 % interval")
    _intervals(axes[1], [(one.feature, one.effect, one) for one in effects])
    axes[1].set_xlabel("effect on the log of the rate, a standard deviation, 90 % interval")
    figure.suptitle(f"{name}: outside drivers, all items together")
    return saved(figure, folder / f"drivers_{name}.png")


def _intervals(axis: object, rows: Sequence[tuple[str, float, Gain | Effect]]) -> None:
    import matplotlib.axes

    if not isinstance(axis, matplotlib.axes.Axes):
        raise TypeError(f"not a plot: {axis!r}")
    for place, (_, value, one) in enumerate(reversed(rows)):
        beyond = one.low > 0 or one.high < 0
        colour = "#d95f02" if beyond else "#7f9db9"
        axis.plot([one.low, one.high], [place, place], color=colour, lw=2)
        axis.plot([value], [place], "o", color=colour)
    axis.axvline(0.0, color="#333333", lw=0.7)
    axis.set_yticks(range(len(rows)), [name for name, _, _ in reversed(rows)])
