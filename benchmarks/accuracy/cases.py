"""What is forecast and scored: series, cutoff, and what came true."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml.errors import DataError
from ml.panel import Floats, Panel
from ml.panel_tables import demand_panel
from ml.seeds import number
from pipelines.intake.read_tables import read_tables
from pipelines.intake.request import ReadingRequest
from pipelines.sample_data import ensure_sample

FILES = {"carparts": "carparts_monthly.parquet", "hospital": "hospital_monthly.parquet"}
SAMPLE = "sample"
LEAST_SEASONS = 2  # observed before the cutoff, where hardly any item is observed throughout


@dataclass(frozen=True, slots=True)
class Case:
    """One dataset at one cutoff.

    Attributes:
        dataset: Name.
        file: What our job is run on: all items of the panel, as Parquet.
        panel: All items and periods, what came true included.
        items: N items that are scored, sorted.
        origin: Start of the last period that is seen.
        horizon: H periods ahead.
    """

    dataset: str
    file: Path
    panel: Panel
    items: tuple[str, ...]
    origin: np.datetime64
    horizon: int

    @property
    def season(self) -> int:
        """Periods in a season."""
        return self.panel.frequency.season_length

    @property
    def seen(self) -> Floats:
        """Demand until the cutoff of the scored items, (N, T)."""
        return self.panel.until(self.origin).select(self.items).values

    @property
    def weights(self) -> Floats:
        """What a unit of each item counts, (N,).

        The sample's items are counted in metres, litres and pieces: there each counts by the root
        mean square of its demand. Elsewhere a unit is a unit, as in published figures.
        """
        if self.dataset != SAMPLE:
            return np.ones(len(self.items))
        size = np.sqrt(np.nanmean(np.square(self.seen), axis=1))
        return np.asarray(1 / np.where(size > 0, size, 1.0))

    @property
    def actual(self) -> Floats:
        """Demand of the H periods after it, (N, H), NaN = not observed."""
        start = int(np.searchsorted(self.panel.periods, self.origin, side="right"))
        return self.panel.select(self.items).values[:, start : start + self.horizon]


def dataset_files(data: Path | None, work: Path, *, needed: bool = True) -> dict[str, Path]:
    """Files by name of the dataset: those that the folder holds, else the embedded sample.

    Raises:
        DataError: A folder was named and holds none of them, though one is ``needed``.
    """
    if data is None:
        return {SAMPLE: ensure_sample(work / SAMPLE).demand}
    found = {name: data / file for name, file in FILES.items() if (data / file).exists()}
    if needed and not found:
        raise DataError(f"DATA: '{data}' holds none of {', '.join(FILES.values())}.")
    return found


def make_cases(
    dataset: str, file: Path, *, origins: int, items: int | None, work: Path
) -> list[Case]:
    """The cutoffs of one dataset, latest first, one horizon apart.

    Args:
        dataset: Name.
        file: The user's file.
        origins: How many cutoffs.
        items: Only so many items, those whose ids have the smallest hash; ``None`` = all.
        work: Folder for the file that our job is run on.

    Raises:
        DataError: The history is too short for so many cutoffs, or no item can be scored.
    """
    today = datetime.now(UTC).date()
    table = read_tables(ReadingRequest(files={"demand": file}, today=today)).tables["demand"]
    panel = demand_panel(table, as_of=None, today=today).panel
    if panel is None:
        raise DataError(f"{file}: no usable series.")
    horizon = panel.frequency.default_horizon
    first = len(panel.periods) - origins * horizon
    if first < LEAST_SEASONS * horizon:
        raise DataError(f"{file}: {len(panel.periods)} periods are too few for {origins} origins.")
    kept = scored_items(panel, first, horizon)
    if items is not None:
        kept = sampled(kept, items)
        panel = panel.select(kept)
    if not kept:
        raise DataError(f"{file}: no item is observed well enough to be scored.")
    path = write_series(panel, work / dataset)
    cutoffs = [panel.periods[len(panel.periods) - horizon * k - 1] for k in range(1, origins + 1)]
    return [Case(dataset, path, panel, kept, cutoff, horizon) for cutoff in cutoffs]


def sampled(items: Sequence[str], count: int) -> tuple[str, ...]:
    """So many items by the hash of their ids, whatever else is in the file."""
    return tuple(sorted(sorted(items, key=lambda item: number(0, "accuracy", item))[:count]))


def scored_items(panel: Panel, first: int, horizon: int) -> tuple[str, ...]:
    """Items observed throughout; where they are few, those that can be scored at all.

    Args:
        panel: All items and periods.
        first: Periods before the earliest cutoff.
        horizon: Periods ahead.
    """
    observed = panel.observed()
    whole = np.asarray(observed.all(axis=1))
    if whole.mean() < 0.5:
        season = panel.frequency.season_length
        seen = observed[:, :first].sum(axis=1) >= LEAST_SEASONS * season
        ahead = observed[:, first:].reshape(len(observed), -1, horizon)
        whole = np.asarray(seen & (ahead.mean(axis=2) >= 0.5).all(axis=1))
    return tuple(item for item, keep in zip(panel.items, whole, strict=True) if keep)


def write_series(panel: Panel, folder: Path) -> Path:
    """The panel as a file for our job, in a folder named by its content."""
    items, periods = len(panel.items), len(panel.periods)
    digest = hashlib.sha256(repr(panel.items).encode() + panel.values.tobytes()).hexdigest()[:12]
    path = folder / digest / "demand.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {
        "item_id": np.repeat(panel.items, periods),
        "ds": np.tile(panel.periods.astype("datetime64[us]"), items),
        "y": pa.array(panel.values.ravel(), from_pandas=True),
    }
    pq.write_table(pa.table(columns), path)
    return path
