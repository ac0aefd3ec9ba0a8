"""A night's look for drift: of the series, of history as such, and of forecasts in life.

The rows go to ``DATA_DIR/nights/drift.parquet``, what people are told to ``drift.json`` and, of
forecasts in life, to ``in_life.json`` beside it, and what is known of history now to
``history/next/``: the night puts it in the place of what was known when it has told people of the
difference.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ml.contracts.outside import PRICES
from ml.drift.detect import find_drift, watch_outside, watch_panel
from ml.drift.history import hash_history, history_rows, read_state, write_state
from ml.drift.rows import join_rows
from ml.durable import disk_errors, make_folder, staged, write_sealed
from ml.panel import Panel
from ml.processed import outside_tables, reading, write_parquet
from ml.run.inputs import RunInputs, read_processed
from ml.run.plan import panel_name
from ml.run.request import RunRequest
from ml.settings import Settings
from pipelines.nightly.found_drift import NEXT, SEEN
from pipelines.nightly.in_life import DriftFindings, look_at_life
from pipelines.nightly.steps import DRIFT, IN_LIFE


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
