"""What the ensemble's levels achieved in the simulation, for items of a class at a target."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.ensemble.mixture import ENSEMBLE
from ml.ensemble.mixture_score import PANEL
from ml.panel import Floats

LEAST_CYCLES = 60  # of a class; with fewer it is judged as its panel is


@dataclass(frozen=True, slots=True)
class AchievedService:
    """Cycle service of the ensemble's levels at L nominal targets, by class and of the panel."""

    targets: Floats  # (L,) ascending
    service: Mapping[str, Floats]  # (L,) by class, under `*` of all
    cycles: Mapping[str, int]  # counted cycles behind it
    # by class, where a target is raised for what older origins fell short: how much (L,), what came
    # of it at the newest one (L,), and the cycles behind that
    raised: Mapping[str, tuple[Floats, Floats, int]] = field(default_factory=dict)

    def at(self, demand_class: str | None, target: float) -> tuple[float | None, int]:
        """Service at a target, and the cycles that it is from; of the panel where these are few.

        Where the target is raised, that of the newest origin, which had no part in raising it.
        """
        name = self._judge(demand_class)
        if name is None:
            return None, 0
        if self.raise_at(demand_class, target) > 0.0:
            _, service, cycles = self.raised[name]
            return float(np.interp(target, self.targets, service)), cycles
        return float(np.interp(target, self.targets, self.service[name])), self.cycles[name]

    def raise_at(self, demand_class: str | None, target: float) -> float:
        """How much the nominal level is to be above a target, for what older origins fell short."""
        name = self._judge(demand_class)
        if name is None or name not in self.raised:
            return 0.0
        return float(np.interp(target, self.targets, self.raised[name][0]))

    def _judge(self, demand_class: str | None) -> str | None:
        """The class itself, or all items where it has few cycles; ``None`` where all have few."""
        names = (demand_class or PANEL, PANEL)
        return next((one for one in names if self.cycles.get(one, 0) >= LEAST_CYCLES), None)


def read_achieved(simulation: pa.Table) -> AchievedService:
    """Out of the rows of a SIMULATION table; nothing out of an empty one."""
    own = simulation.filter(pc.equal(simulation["method"], ENSEMBLE)).sort_by("level")
    classes: dict[str, list[dict[str, Any]]] = {}
    for row in own.to_pylist():
        if row["cycle_service"] is not None:
            classes.setdefault(row["demand_class"], []).append(row)
    return AchievedService(
        np.unique(own["level"].to_numpy()),
        {name: _column(rows, "cycle_service") for name, rows in classes.items()},
        {name: rows[0]["n_cycles"] for name, rows in classes.items()},
        {name: _raised(rows) for name, rows in classes.items() if rows[0]["newest_cycles"]},
    )


def _raised(rows: list[dict[str, Any]]) -> tuple[Floats, Floats, int]:
    more = _column(rows, "tau_calibrated") - _column(rows, "level")
    return more, _column(rows, "calibrated_service"), int(rows[0]["newest_cycles"])


def _column(rows: list[dict[str, Any]], name: str) -> Floats:
    return np.array([row[name] for row in rows], np.float64)
