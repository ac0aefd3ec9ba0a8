"""Rows of the simulation and portfolio_curves contracts out of a study of stock."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from ml.contracts.simulation import (
    FIXED,
    MEASURES_OF_SERVICE,
    OF_RULE,
    PORTFOLIO_CURVES,
    SIMULATION,
)
from ml.ensemble.mixture import ENSEMBLE
from ml.ensemble.mixture_score import PANEL
from ml.frequency import as_datetime
from ml.panel import Bools, Floats, Panel
from ml.simulation.curves import (
    RATIOS,
    Resampling,
    draw_samples,
    intervals,
    mean_over_time,
    service_curve,
    stock_at,
    stock_curve,
)
from ml.simulation.engine import ServiceRecord
from ml.simulation.levels import RULE
from ml.simulation.study import MethodRun, StockStudy

Row = dict[str, object]


def tables_of(study: StockStudy | None, panel: Panel, seed: int) -> tuple[pa.Table, pa.Table]:
    """Rows of both contracts, sorted by their keys; none without a study."""
    if study is None:
        return SIMULATION.schema.empty_table(), PORTFOLIO_CURVES.schema.empty_table()
    samples = draw_samples(study.scene.names, study.scene.parts, seed)
    common = {
        "frequency": panel.frequency.value,
        "as_of": as_datetime(panel.cutoff),
        "value_unit": study.scene.unit,
    }
    found = []
    for contract, rows in (
        (SIMULATION, _simulation_rows(study, samples)),
        (PORTFOLIO_CURVES, _curve_rows(study, samples)),
    ):
        table = pa.Table.from_pylist([common | row for row in rows], contract.schema)
        found.append(table.sort_by([(key, "ascending") for key in contract.key]))
    return found[0], found[1]


def _simulation_rows(study: StockStudy, samples: Resampling) -> Iterator[Row]:
    """A row a method, class and level."""
    for method, run in study.runs.items():
        for name, rows in study.scene.groups():
            right = _calibrated_cells(study, name, rows) if method == ENSEMBLE else {}
            for level, cells in enumerate(_level_cells(study, run, samples, rows)):
                own = {key: _number(values[level]) for key, values in right.items()}
                yield {"method": method, "demand_class": name, **cells, **own}


def _level_cells(
    study: StockStudy, run: MethodRun, samples: Resampling, rows: Bools
) -> Iterator[Row]:
    """The cells of each level of a run over some items (N,)."""
    record, scene, samples = run.record.of(rows), study.scene, samples.of(rows)
    curves = {name: service_curve(record, name, samples) for name in RATIOS}
    curves["stock_value"] = stock_curve(record, scene.worth[rows], samples)
    ones = np.ones(int(rows.sum()))
    plain = {
        "stock_units": stock_curve(record, ones, samples)[0],
        "owed_units": mean_over_time(record.owed, record, ones, samples)[0],
    }
    if run.promised is not None:
        weights = record.cycles.T[:, :, None]
        sums = (run.promised[:, rows] * weights).sum(axis=(0, 1))
        plain["promised_service"] = np.minimum(sums / max(weights.sum(), 1.0), 1.0)
    counts = {
        "n_items": int(rows.sum()),
        "n_origins": scene.parts,
        "protection_periods": float(scene.mean_interval[rows].mean()),
        "n_periods": int(record.periods.sum()),
        "n_left_out": int(scene.left_out[rows].sum()),
        "n_cycles": int(record.cycles.sum()),
        "n_demand_cycles": int(record.busy.sum()),
        "n_lines": int(record.lines.sum()),
        "units_asked": float(record.asked.sum()),
    }
    ends = [_with_ends(name, draws) for name, draws in curves.items()]
    for level, wanted in enumerate(run.levels):
        cells: Row = {"level": float(wanted), **counts}
        cells |= {name: _number(values[level]) for name, values in plain.items()}
        for own in ends:
            cells |= own[level]
        yield cells


def _calibrated_cells(study: StockStudy, name: str, rows: Bools) -> dict[str, Floats]:
    """What is told of the calibration of a class, a value a level."""
    right = study.calibrated
    if right is None:
        return {}

    def newest(record: ServiceRecord) -> Floats:
        cycles = record.cycles[rows, -1].sum()
        return record.met[rows, -1].sum(axis=0) / (cycles or np.nan)

    return {
        "tau_calibrated": right.nominal.get(name, right.nominal[PANEL]),
        "newest_cycles": np.full(len(right.nominal[PANEL]), right.plain.cycles[rows, -1].sum()),
        "newest_service": newest(right.plain),
        "calibrated_service": newest(right.record),
    }


def _curve_rows(study: StockStudy, samples: Resampling) -> Iterator[Row]:
    """A row a method, measure and anchor."""
    worth, rule = study.scene.worth, study.runs[RULE]
    stocks = {name: stock_curve(run.record, worth, samples) for name, run in study.runs.items()}
    for measure in MEASURES_OF_SERVICE:
        of_rule = service_curve(rule.record, measure, samples)
        anchors: dict[str, Floats | float] = {f"service_{x * 100:.0f}": x for x in FIXED}
        for level in OF_RULE:
            place = np.flatnonzero(np.isclose(rule.levels, level))
            if len(place):
                anchors[f"rule_{level * 100:.0f}"] = of_rule[:, place[0]]
        theirs = [stock_at(of_rule, stocks[RULE], wanted) for wanted in anchors.values()]
        for method, run in study.runs.items():
            service = service_curve(run.record, measure, samples)
            own = [stock_at(service, stocks[method], wanted) for wanted in anchors.values()]
            ratios = [
                np.where(other > 0, mine / np.where(other > 0, other, 1.0), np.nan)
                for mine, other in zip(own, theirs, strict=True)
            ]
            values = _with_ends("stock_value", np.stack(own, axis=1))
            shares = _with_ends("ratio", np.stack(ratios, axis=1))
            for at, (anchor, wanted) in enumerate(anchors.items()):
                yield {
                    "method": method,
                    "measure": measure,
                    "anchor": anchor,
                    "n_items": len(study.scene.names),
                    "service": _number(np.ravel(wanted)[0]),
                    **values[at],
                    "rule_stock_value": _number(theirs[at][0]),
                    **shares[at],
                }


def _with_ends(name: str, draws: Floats) -> list[Row]:
    """Numbers with their intervals, from values and draws (1 + B, L)."""
    return [
        {name: _number(value), f"{name}_low": low, f"{name}_high": high}
        for value, (low, high) in zip(draws[0].tolist(), intervals(draws), strict=True)
    ]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
