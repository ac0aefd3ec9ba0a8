"""Every model and rule on one scene, and what its ensemble's levels achieved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.ensemble.mixture import ENSEMBLE
from ml.ensemble.mixture_score import PANEL
from ml.evaluation.origins import BacktestPoints
from ml.inventory.items import ItemPolicy
from ml.panel import Floats, Panel
from ml.simulation.engine import ServiceRecord, SimulatedItems, simulate
from ml.simulation.levels import (
    BEYOND,
    COMMON,
    FRESH,
    PERFECT,
    RULE,
    SAFETY,
    TARGETS,
    USAGE,
    common_levels,
    forecast_levels,
    interval_points,
    perfect_levels,
    promised_service,
    rule_levels,
    usage_levels,
)
from ml.simulation.scene import UNITS, Scene, set_scene


@dataclass(frozen=True, slots=True)
class MethodRun:
    """One method at L levels."""

    levels: Floats  # (L,) what it was asked for: service targets, or safety times over the interval
    record: ServiceRecord  # what came of it
    promised: Floats | None = None  # (G, N, L) P(D <= S) as the method saw it; `None` of rules


@dataclass(frozen=True, slots=True)
class CalibratedService:
    """Nominal targets, raised where older origins fell short, and judged on the newest."""

    nominal: Mapping[str, Floats]  # (L,) by class, under `*` of all
    plain: ServiceRecord  # at the targets themselves, as in the study
    record: ServiceRecord  # at the nominal ones of each item's class


@dataclass(frozen=True, slots=True)
class StockStudy:
    """What was simulated."""

    scene: Scene
    runs: Mapping[str, MethodRun]  # by method
    calibrated: CalibratedService | None  # `None` of one origin


def study_stock(
    backtests: Sequence[BacktestPoints],
    panel: Panel,
    policies: Mapping[str, ItemPolicy],
    seed: int,
    *,
    lost_sales: bool = False,
    targets: Sequence[float] = TARGETS,
) -> StockStudy | None:
    """Simulate the models of a backtest (latest origin first), the rules and perfect knowledge.

    ``None`` where there is nothing to simulate.
    """
    scene = set_scene(backtests, panel, policies, seed, lost_sales=lost_sales)
    if scene is None:
        return None
    wanted = np.asarray(targets)
    said = {model: _points_of(scene, backtests, model) for model in backtests[0].models}
    runs = {model: run_model(scene, points, wanted) for model, points in said.items()}
    if scene.unit != UNITS:
        levels = common_levels(scene, backtests, ENSEMBLE, policies, wanted)
        runs[COMMON] = _run_promised(scene, said[ENSEMBLE], levels, wanted)
    known = np.array([one.length for one in backtests[::-1]])
    every = scene.start + np.arange(len(scene.items.part))
    further, safety = np.union1d(wanted, BEYOND), np.array(SAFETY)
    runs |= {
        RULE: _run(scene, further, scene.hold(rule_levels(scene, panel, known, further))),
        FRESH: _run(scene, further, _by_period(rule_levels(scene, panel, every, further))),
        USAGE: _run(scene, safety, scene.hold(usage_levels(scene, panel, known, safety))),
        PERFECT: _run(scene, np.ones(1), perfect_levels(scene)),
    }
    return StockStudy(scene, runs, calibrate(scene, said[ENSEMBLE], wanted, runs[ENSEMBLE]))


def _points_of(scene: Scene, backtests: Sequence[BacktestPoints], model: str) -> list[Floats]:
    """Points (N, K) over the protection interval by one model, as said at each origin."""
    return [interval_points(scene, one, model) for one in backtests[::-1]]


def run_model(scene: Scene, points: Sequence[Floats], targets: Floats) -> MethodRun:
    """What was said at each origin, at service targets (L,), or at those of each item (N, L)."""
    return _run_promised(scene, points, forecast_levels(scene, points, targets), targets)


def _run_promised(
    scene: Scene, points: Sequence[Floats], levels: Floats, targets: Floats
) -> MethodRun:
    """Levels (G, N, L), with what was promised of them by the points of each origin."""
    return _run(scene, targets, scene.hold(levels), promised_service(points, levels))


def cycle_service(scene: Scene, record: ServiceRecord) -> tuple[dict[str, Floats], dict[str, int]]:
    """Share of cycles without shortage (L,), and cycles, by class and under ``*`` of all."""
    service, cycles = {}, {}
    for name, rows in scene.groups():
        cycles[name] = int(record.cycles[rows].sum())
        service[name] = record.met[rows].sum(axis=(0, 1)) / max(cycles[name], 1)
    return service, cycles


def calibrate(
    scene: Scene, points: Sequence[Floats], targets: Floats, run: MethodRun
) -> CalibratedService | None:
    """Find by class which nominal targets achieve the wanted ones, by what was known at the newest.

    That is what older origins led to until the newest one; ``None`` where no cycle had ended. A
    target is only ever raised, see :func:`raise_targets`: levels that were lowered to what older
    origins allowed missed .95 and .99 by 1.1 to 1.6 points at the newest one of both panels looked
    at (car parts and cars, 300 items), where those that were left were met.

    ``points`` are what the ensemble said at each origin.
    """
    newest = len(points) - 1
    cut = int(np.searchsorted(scene.items.part, newest))
    if not newest or not (scene.items.part[:cut] >= 0).any():
        return None
    held = scene.hold(forecast_levels(scene, points, targets))[:, :cut]
    before = simulate(_until(scene.items, cut), held, held + scene.lot[:, None, None])
    _, cycles = cycle_service(scene, before)
    if not cycles[PANEL]:
        return None
    nominal = {
        name: raise_targets(targets, before.of(rows))
        for name, rows in scene.groups()
        if name == PANEL or cycles[name] >= LEAST_CYCLES
    }
    by_item = np.stack([nominal.get(str(name), nominal[PANEL]) for name in scene.classes])
    put_right = run_model(scene, points, by_item)
    return CalibratedService(nominal, run.record, put_right.record)


def raise_targets(targets: Floats, record: ServiceRecord) -> Floats:
    """Nominal targets (L,) for targets (L,), raised where a record of some items achieved less.

    What achieved the target is drawn to the target itself by what the gap g may be noise, 1 - v/g^2
    of it is left (positive-part James and Stein 1961), v the variance of the achieved service with
    items as clusters.
    """
    cycles, met = record.cycles.sum(axis=1), record.met.sum(axis=1)
    achieved = met.sum(axis=0) / cycles.sum()
    noise = ((met - cycles[:, None] * achieved) ** 2).sum(axis=0) / cycles.sum() ** 2
    gap = np.maximum(targets - achieved, 0.0)
    left = np.maximum(1.0 - noise / np.maximum(gap, 1e-9) ** 2, 0.0)
    found = np.interp(targets, np.maximum.accumulate(achieved), targets)
    raised: Floats = targets + left * np.maximum(found - targets, 0.0)
    return np.maximum.accumulate(raised)


def _run(
    scene: Scene, levels: Floats, reorder: Floats, promised: Floats | None = None
) -> MethodRun:
    """A method whose reorder levels (N, T, L) are known; orders fill up by a lot more."""
    record = simulate(scene.items, reorder, reorder + scene.lot[:, None, None])
    return MethodRun(levels, record, promised)


def _by_period(levels: Floats) -> Floats:
    """Levels (T, N, L) of periods as the engine takes them, (N, T, L)."""
    return np.ascontiguousarray(np.swapaxes(levels, 0, 1))


def _until(items: SimulatedItems, end: int) -> SimulatedItems:
    """The same as if time had ended there."""
    kept = slice(end)
    return replace(
        items, demand=items.demand[:, kept], counted=items.counted[:, kept],
        lead=items.lead[:, kept], part=items.part[kept],
    )  # fmt: skip


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
