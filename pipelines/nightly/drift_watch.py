"""A night's look for drift: of the series, of history as such, and of forecasts in life.

Forecasts in life are those of the newest version, which the night before made: it knows what came
true until then. The rows go to ``DATA_DIR/nights/drift.parquet``, what people are told to
``drift.json`` and, of forecasts in life, to ``in_life.json`` beside it, and what is known of
history now to ``history/next/``: the night puts it in the place of what was known when it has told
people of the difference.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.artifacts.reading import read_dataset
from ml.contracts.history import PAST_FORECASTS, SCORES
from ml.contracts.metrics import METRICS
from ml.contracts.outside import PRICES
from ml.drift.detect import find_drift, watch_outside, watch_panel
from ml.drift.history import hash_history, history_rows, read_state, write_state
from ml.drift.rows import join_rows, name_drift, tell_drift
from ml.drift.tracking import read_promises, track_models
from ml.durable import disk_errors, make_folder, staged, write_sealed
from ml.errors import DataError
from ml.panel import Panel
from ml.processed import outside_tables, reading, write_parquet
from ml.run.inputs import RunInputs, read_processed
from ml.run.keep_past import read_held
from ml.run.plan import panel_name
from ml.run.request import RunRequest
from ml.settings import Settings
from pipelines.nightly.found_drift import NEXT, SEEN
from pipelines.nightly.steps import DRIFT, IN_LIFE


@dataclass(frozen=True, slots=True)
class DriftFindings:
    """What is no longer what it was, or was promised, by panel or another subject."""

    tables: list[pa.Table] = field(default_factory=list)  # of the contract DRIFT
    told: dict[str, list[str]] = field(default_factory=dict)  # lines; none of a panel = all is well
    named: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # what they speak of
    coverage: dict[str, float] = field(default_factory=dict)  # of 80 % intervals, one period ahead

    def add(self, subject: str, table: pa.Table) -> None:
        """Add what was found of a subject."""
        self.tables.append(table)
        self.told[subject], self.named[subject] = tell_drift(table), name_drift(table)


def watch_drift(request: RunRequest) -> Iterator[str]:
    """Compare the last periods, history, and forecasts in life with what was before; lines of it.

    Raises:
        DataError: A table cannot be read, or breaks its contract.
        PublishError: The disk refuses, or the newest version is damaged.
    """
    config, inputs = request.settings, read_processed(request)
    panels = {panel_name(p.kind, p.frequency, p.cutoff): p for p in inputs.panels}
    found = DriftFindings()
    _compare_panels(panels, inputs, config, found)
    _compare_outside(request, found)
    life = look_at_life(request.results, panels, config.drift_rate)
    rows = join_rows([*found.tables, *life.tables])
    with disk_errors("looking for drift", "Correct that and run again."):
        _keep(config.data_dir, rows, found, life)
        for name, panel in panels.items():
            write_state(_file(config, NEXT, name), hash_history(panel))
    told = [*_some(found.told).values(), *_some(life.told).values()]
    yield from (line for own in told for line in own)
    yield (
        f"drift: {rows.num_rows} series looked at in {len(panels)} panels, {len(told)} things to "
        f"tell"
    )


def _compare_panels(
    panels: Mapping[str, Panel], inputs: RunInputs, config: Settings, found: DriftFindings
) -> None:
    """Look at each panel, and at its history: that is news although the series drift, and so on."""
    groups = families(inputs.items)
    for name, panel in panels.items():
        drifted = find_drift(
            watch_panel(panel, name),
            groups=groups if panel.is_demand else None,
            rate=config.drift_rate,
            false_share=config.drift_false_share,
            seed=config.seed,
        )
        found.add(name, drifted)
        before = read_state(_file(config, SEEN, name))
        found.add(f"{name}, history", history_rows(name, panel, before))


def _compare_outside(request: RunRequest, found: DriftFindings) -> None:
    config = request.settings
    rate, share = config.drift_rate / 2, config.drift_false_share
    for one in watch_outside(outside_series(config.data_dir), np.datetime64(request.today)):
        table = find_drift(one, rate=rate, false_share=share, seed=config.seed)
        found.add(one.panel, table)


def outside_series(data_dir: Path) -> dict[str, pa.Table]:
    """Tables of outside series; prices are a panel of their own."""
    with reading(data_dir):
        found = outside_tables(data_dir)
    return {name: table for name, table in found.items() if name != PRICES.name}


def _keep(data_dir: Path, rows: pa.Table, found: DriftFindings, life: DriftFindings) -> None:
    make_folder(data_dir / NEXT)
    with staged((data_dir / DRIFT).with_suffix(".parquet")) as path:
        write_parquet(rows, path)
    write_sealed(data_dir / DRIFT, {"told": _some(found.told), "named": _some(found.named)})
    told = {"told": _some(life.told), "named": _some(life.named), "coverage": life.coverage}
    write_sealed(data_dir / IN_LIFE, told)


def _file(config: Settings, folder: Path, panel: str) -> Path:
    return config.data_dir / folder / f"{panel}.parquet"


def _some(found: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {name: own for name, own in found.items() if own}


def families(items: pa.Table | None) -> dict[str, list[str]]:
    """Ids of items by their family, of a table of items."""
    found: dict[str, list[str]] = defaultdict(list)
    if items is not None:
        for row in items.select(["item_id", "family"]).to_pylist():
            if row["family"] is not None:
                found[row["family"]].append(row["item_id"])
    return dict(found)


def look_at_life(results: Path, panels: Mapping[str, Panel], rate: float) -> DriftFindings:
    """Hold what came true against the promises of the backtest.

    Args:
        results: Folder of the versions; without any, nothing is found.
        panels: By name.
        rate: Share of nights on which anything is told although all promises are kept.

    Raises:
        PublishError: The metrics of the newest version are damaged.
    """
    past, scores = (read_held(results, contract) for contract in (PAST_FORECASTS, SCORES))
    try:
        metrics = read_dataset(results, METRICS.name)
    except DataError:  # nothing was ever made here
        return DriftFindings()
    found = DriftFindings()
    for name, panel in panels.items():
        own = _rows_of(past, panel).filter(pc.is_in(pc.field("item_id"), pa.array(panel.items)))
        found.add(name, track_models(name, own, read_promises(metrics, name), rate=rate))
        share = _read_coverage(_rows_of(scores, panel))
        if share is not None:
            found.coverage[name] = share
    return found


def _rows_of(table: pa.Table, panel: Panel) -> pa.Table:
    same = pc.field("kind") == panel.kind
    return table.filter(same & (pc.field("frequency") == panel.frequency.value))


def _read_coverage(scores: pa.Table) -> float | None:
    """Of all items over all periods at the shortest lag, as it was known last."""
    whole = pc.field("span") == "period"
    for name in ("item_id", "demand_class", "ds"):
        whole &= pc.field(name).is_null()
    rows: Sequence[dict[str, object]] = scores.filter(whole).sort_by(
        [("lag", "ascending"), ("known_at", "descending")]
    ).to_pylist()  # fmt: skip
    share = rows[0]["coverage_80_interval"] if rows else None
    return share if isinstance(share, float) else None
