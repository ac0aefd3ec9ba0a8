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
    for one in (*study.gains, *study.effects):
        metric = "driver_gain_foreseen" if one.foreseen else "driver_gain"
        model = f"drivers:{one.group}"
        if one.feature is not None:
            metric, model = "driver_effect", f"driver:{one.feature}"
        name = None if one.demand_class == ALL else one.demand_class
        for end, value in (("", one.value), ("_low", one.low), ("_high", one.high)):
            yield {"demand_class": name, "model": model, "metric": metric + end,
                   "value": value if np.isfinite(value) else None, "n_obs": one.count}  # fmt: skip
    for name, used in study.used.items():
        for group in dict.fromkeys(gain.group for gain in study.gains):
            key = {"demand_class": None if name == "price" else name, "model": f"drivers:{group}"}
            yield {**key, "metric": "driver_used", "value": float(group in used), "n_obs": 0}


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
                [one for one in study.gains if one.demand_class == ALL and not one.foreseen],
                [one for one in study.effects if one.demand_class == ALL],
                folder / f"drivers_{panel}.png",
            )
            for panel, study in studies.items()
            if study.gains
        ),
    ]  # fmt: skip


def _lines(study: Study) -> Iterator[Row]:
    """Gains of groups and effects of single drivers; of all items, any class may use a group."""
    for one in (*study.gains, *study.effects):
        what = "gain had they been foreseen" if one.foreseen else "gain as known"
        classes = study.used if one.demand_class == ALL else (one.demand_class,)
        digits = 7 if one.feature is None else 5
        yield {
            "demand_class": one.demand_class.replace(ALL, "all"),
            "drivers": one.feature or one.group,
            "what": "effect on the log rate" if one.feature else what,
            "value": round(one.value, digits),
            "low_90": round(one.low, digits),
            "high_90": round(one.high, digits),
            "used": any(one.group in study.used.get(name, ()) for name in classes),
        }
