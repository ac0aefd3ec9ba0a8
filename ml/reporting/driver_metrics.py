"""The study of the drivers as rows of the metrics table."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from ml.contracts.metrics import METRICS
from ml.drivers.study import Effect, Gain, Study
from ml.drivers.trial import ALL

Row = dict[str, object]


def driver_metrics(study: Study | None, kind: str, panel: str) -> pa.Table:
    """Gains, effects and choices of a study in the METRICS contract; empty without one.

    Args:
        study: Of the panel's drivers.
        kind: ``demand`` or ``price``.
        panel: Name of the panel.
    """
    rows = list(_rows(study)) if study is not None else []
    named = [{**row, "kind": kind, "panel": panel} for row in rows]
    return pa.Table.from_pylist(named, schema=METRICS.schema)


def _rows(study: Study) -> Iterator[Row]:
    for gain in study.gains:
        yield from _gain_rows(gain)
    for effect in study.effects:
        yield from _effect_rows(effect)
    groups = dict.fromkeys(gain.group for gain in study.gains)
    for name, used in study.used.items():
        for group in groups:
            key = {"demand_class": None if name == "price" else name, "model": f"drivers:{group}"}
            yield {**key, "metric": "driver_used", "value": float(group in used), "n_obs": 0}


def _gain_rows(gain: Gain) -> Iterator[Row]:
    metric = "driver_gain_foreseen" if gain.foreseen else "driver_gain"
    key = {"demand_class": _class(gain.demand_class), "model": f"drivers:{gain.group}"}
    for end, value in (("", gain.change), ("_low", gain.low), ("_high", gain.high)):
        yield {**key, "metric": metric + end, "value": value, "n_obs": gain.count}


def _effect_rows(effect: Effect) -> Iterator[Row]:
    key = {"demand_class": _class(effect.demand_class), "model": f"driver:{effect.feature}"}
    for end, value in (("", effect.effect), ("_low", effect.low), ("_high", effect.high)):
        known = value if np.isfinite(value) else None
        yield {**key, "metric": f"driver_effect{end}", "value": known, "n_obs": 0}


def _class(name: str) -> str | None:
    return None if name == ALL else name
