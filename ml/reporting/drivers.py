"""What a run found out about outside drivers: metrics rows, a table as CSV, and pictures."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from ml.contracts.metrics import METRICS
from ml.drivers.study import Study
from ml.drivers.trial import ALL
from ml.durable import write_file
from ml.reporting.leaderboard import to_csv
from ml.reporting.pictures import draw_drivers

Row = dict[str, object]


def driver_metrics(study: Study | None, kind: str, panel: str) -> pa.Table:
    """Gains, effects and choices of a study in the METRICS contract; empty without one.

    Args:
        study: Of the panel's drivers.
        kind: ``demand`` or ``price``.
        panel: Name of the panel.
    """
    rows = _metrics_rows(study) if study is not None else ()
    whole = [{**row, "kind": kind, "panel": panel} for row in rows]
    return pa.Table.from_pylist(whole, schema=METRICS.schema)


def _metrics_rows(study: Study) -> Iterator[Row]:
    for gain in study.gains:
        metric = "driver_gain_foreseen" if gain.foreseen else "driver_gain"
        key = {"demand_class": _class(gain.demand_class), "model": f"drivers:{gain.group}"}
        for end, value in (("", gain.change), ("_low", gain.low), ("_high", gain.high)):
            yield {**key, "metric": metric + end, "value": value, "n_obs": gain.count}
    for effect in study.effects:
        key = {"demand_class": _class(effect.demand_class), "model": f"driver:{effect.feature}"}
        for end, value in (("", effect.effect), ("_low", effect.low), ("_high", effect.high)):
            known = value if np.isfinite(value) else None
            yield {**key, "metric": f"driver_effect{end}", "value": known, "n_obs": 0}
    for name, used in study.used.items():
        for group in dict.fromkeys(gain.group for gain in study.gains):
            key = {"demand_class": None if name == "price" else name, "model": f"drivers:{group}"}
            yield {**key, "metric": "driver_used", "value": float(group in used), "n_obs": 0}


def _class(name: str) -> str | None:
    return None if name == ALL else name


def write_drivers(
    studies: Mapping[str, Study], titles: Mapping[str, str], folder: Path
) -> list[Path]:
    """``drivers.csv`` and one picture for each panel with drivers; stale ones are removed.

    Args:
        studies: By panel.
        titles: Of the panels in pictures.
        folder: Where to write.
    """
    for old in (folder / "drivers.csv", *folder.glob("drivers_*.png")):
        old.unlink(missing_ok=True)
    lines = [{"panel": panel, **line} for panel, study in studies.items() for line in _lines(study)]
    if not lines:
        return []
    return [
        write_file(folder / "drivers.csv", to_csv(list(lines[0]), lines)),
        *(
            draw_drivers(
                titles[panel],
                [(one.group, one.change, one.low, one.high) for one in study.gains
                 if one.demand_class == ALL and not one.foreseen],
                [(one.feature, one.effect, one.low, one.high) for one in study.effects
                 if one.demand_class == ALL],
                folder / f"drivers_{panel}.png",
            )
            for panel, study in studies.items()
            if study.gains
        ),
    ]  # fmt: skip


def _lines(study: Study) -> Iterator[Row]:
    """Gains of groups and effects of single drivers."""
    for gain in study.gains:
        yield {
            "demand_class": gain.demand_class.replace(ALL, "all"),
            "drivers": gain.group,
            "what": "gain had they been foreseen" if gain.foreseen else "gain as known",
            "value": round(gain.change, 7),
            "low_90": round(gain.low, 7),
            "high_90": round(gain.high, 7),
            "used": _is_used(study, gain.demand_class, gain.group),
        }
    for effect in study.effects:
        yield {
            "demand_class": effect.demand_class.replace(ALL, "all"),
            "drivers": effect.feature,
            "what": "effect on the log rate",
            "value": round(effect.effect, 5),
            "low_90": round(effect.low, 5),
            "high_90": round(effect.high, 5),
            "used": _is_used(study, effect.demand_class, effect.group),
        }


def _is_used(study: Study, name: str, group: str) -> bool:
    """Whether a class takes a group; of all items together, whether any class does."""
    classes = study.used if name == ALL else (name,)
    return any(group in study.used.get(one, ()) for one in classes)
