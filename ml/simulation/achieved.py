"""What the ensemble's levels achieved in the simulation, for items of a class at a target."""

from collections.abc import Mapping
from dataclasses import dataclass

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

    def at(self, demand_class: str | None, target: float) -> tuple[float | None, int]:
        """Service at a target, and the cycles that it is from; of the panel where these are few."""
        for name in (demand_class or PANEL, PANEL):
            if self.cycles.get(name, 0) >= LEAST_CYCLES:
                found = float(np.interp(target, self.targets, self.service[name]))
                return found, self.cycles[name]
        return None, 0


def read_achieved(simulation: pa.Table) -> AchievedService:
    """Out of the rows of a SIMULATION table; nothing out of an empty one."""
    own = simulation.filter(pc.equal(simulation["method"], ENSEMBLE)).sort_by("level")
    service: dict[str, list[float]] = {}
    cycles: dict[str, int] = {}
    for row in own.to_pylist():
        if row["cycle_service"] is not None:
            service.setdefault(row["demand_class"], []).append(row["cycle_service"])
            cycles[row["demand_class"]] = row["n_cycles"]
    return AchievedService(
        np.unique(own["level"].to_numpy()),
        {name: np.array(values) for name, values in service.items()},
        cycles,
    )
