"""What came true of forecasts since they were published: kept promises, and coverage for monitors.

Read of the newest version, which the night before made: it knows what came true until then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ml.artifacts.reading import read_dataset
from ml.contracts.history import PAST_FORECASTS, SCORES
from ml.contracts.metrics import METRICS
from ml.drift.rows import name_drift, tell_drift
from ml.drift.tracking import read_promises, track_models
from ml.errors import DataError
from ml.panel import Panel
from ml.run.keep_past import read_held


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
