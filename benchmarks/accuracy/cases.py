"""What is forecast and scored: series, cutoff, what came true, and what a model says of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.forecasts import CUMULATIVE_QUANTILES, QUANTILES
from ml.errors import DataError
from ml.panel import Bools, Floats, Panel
from ml.panel_tables import demand_panel
from ml.seeds import number
from pipelines.intake.read_tables import read_tables
from pipelines.intake.request import ReadingRequest
from pipelines.sample_data import sample_paths

SAMPLE = "sample"
SAMPLE_ITEMS = 600  # so many that what is planted is found or missed with certainty
LEAST_SEASONS = 2  # observed before the cutoff by items that are not observed throughout


@dataclass(frozen=True, slots=True)
class Dataset:
    """How one dataset is forecast and scored."""

    file: str | None  # its name in the folder; None = generated
    horizon: int  # H periods ahead
    spacing: int  # periods between cutoffs
    sums: tuple[int, int]  # periods of the two sums that are scored
    origins: int  # cutoffs, unless others are asked for
    # Which items are scored: True = those observed from the first cutoff on, however late they
    # start; False = those observed throughout, or where they are few those seen half the time.
    late_starts: bool = False


DATASETS = {
    "carparts": Dataset("carparts_monthly.parquet", 12, 12, (3, 6), 1),
    "hospital": Dataset("hospital_monthly.parquet", 12, 12, (3, 6), 2),
    "auto": Dataset("auto_monthly.parquet", 6, 6, (3, 6), 1),
    "tourism": Dataset("tourism_monthly.parquet", 24, 12, (3, 6), 2, late_starts=True),
    SAMPLE: Dataset(None, 30, 30, (14, 30), 2),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One dataset at one cutoff."""

    dataset: str  # name
    file: Path  # what our job is run on: the lines of the panel's items, as they were brought
    panel: Panel  # all items and periods, what came true included
    items: tuple[str, ...]  # N items that are scored, sorted
    origin: np.datetime64  # start of the last period that is seen
    horizon: int  # H periods ahead
    sums: tuple[int, int]  # periods of the first and second sum

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
    def ahead(self) -> slice:
        """Places of the H periods after it in the panel."""
        start = int(np.searchsorted(self.panel.periods, self.origin, side="right"))
        return slice(start, start + self.horizon)

    @property
    def actual(self) -> Floats:
        """Demand of these periods, (N, H), NaN = not observed, or stock ran out."""
        panel = self.panel.select(self.items)
        return np.where(certain(panel), panel.recorded, np.nan)[:, self.ahead]


def dataset_files(data: Path | None, work: Path, only: Sequence[str] = ()) -> dict[str, Path]:
    """Files by name of the dataset: those that the folder holds, or the sample.

    The sample is one of them where no folder is given, or ``only`` names it; it is not drawn yet.
    """
    found = {}
    for name, dataset in DATASETS.items():
        if data is not None and dataset.file and (data / dataset.file).exists():
            found[name] = data / dataset.file
    if data is None or SAMPLE in only:
        found[SAMPLE] = sample_paths(sample_folder(work)).demand
    return found


def sample_folder(work: Path) -> Path:
    """Where the synthetic sample of many items lies, once it is drawn."""
    return work / f"{SAMPLE}_{SAMPLE_ITEMS}"


def make_cases(
    dataset: str,
    file: Path,
    *,
    origins: int | None,
    items: int | None,
    work: Path,
    rules: Dataset | None = None,
) -> list[Case]:
    """The cutoffs of one dataset, latest first.

    They are as many as ``rules`` say, which are those of ``DATASETS`` unless others are given, and
    of so many ``items`` as are asked for, those whose ids have the smallest hash. The file that our
    job is run on is written into a folder of ``work``.

    Raises:
        DataError: The history is too short for so many cutoffs, or no item can be scored.
    """
    rules = rules or DATASETS[dataset]
    today = datetime.now(UTC).date()
    table = read_tables(ReadingRequest(files={"demand": file}, today=today)).tables["demand"]
    panel = demand_panel(table, as_of=None, today=today).panel
    if panel is None:
        raise DataError(f"{file}: no usable series.")
    count = origins or rules.origins
    last = len(panel.periods) - rules.horizon
    seen = [last - rules.spacing * k for k in range(count)]  # periods before each cutoff
    if seen[-1] < LEAST_SEASONS * rules.horizon:
        raise DataError(f"{file}: {len(panel.periods)} periods are too few for {count} origins.")
    kept = scored_items(panel, seen, rules)
    if items is not None:
        kept = sampled(kept, items)
        panel = panel.select(kept)
    if not kept:
        raise DataError(f"{file}: no item is observed well enough to be scored.")
    path = write_lines(file, panel.items if items is not None else None, work / dataset)
    return [
        Case(dataset, path, panel, kept, panel.periods[end - 1], rules.horizon, rules.sums)
        for end in seen
    ]


def sampled(items: Sequence[str], count: int) -> tuple[str, ...]:
    """So many items by the hash of their ids, whatever else is in the file."""
    return tuple(sorted(sorted(items, key=lambda item: number(0, "accuracy", item))[:count]))


def scored_items(panel: Panel, seen: Sequence[int], rules: Dataset) -> tuple[str, ...]:
    """Items that are observed well enough, see ``Dataset.late_starts``.

    ``seen`` are the periods before each cutoff, latest cutoff first.
    """
    observed = certain(panel)
    known = observed[:, : seen[-1]].sum(axis=1) >= LEAST_SEASONS * panel.frequency.season_length
    whole = np.asarray(observed.all(axis=1))
    if rules.late_starts:
        whole = np.asarray(known & observed[:, seen[-1] :].all(axis=1))
    elif whole.mean() < 0.5:
        ahead = [observed[:, end : end + rules.horizon].mean(axis=1) for end in seen]
        whole = np.asarray(known & (np.stack(ahead) >= 0.5).all(axis=0))
    return tuple(item for item, keep in zip(panel.items, whole, strict=True) if keep)


def certain(panel: Panel) -> Bools:
    """Where demand is known: it was observed, and stock did not run out, (N, T)."""
    return panel.observed() & (panel.exposure >= 1)


def write_lines(file: Path, items: Sequence[str] | None, folder: Path) -> Path:
    """A copy of a user's file, of these items alone, in a folder named by its content.

    Lines are copied as they are, flags of stock-outs among them: what demand was there is for
    our job to find out from what it may see.
    """
    content = file.read_bytes()
    digest = hashlib.sha256(repr(items).encode() + content).hexdigest()[:12]
    path = folder / digest / f"demand{file.suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if items is None:
        path.write_bytes(content)
    elif file.suffix == ".parquet":
        table = pq.read_table(file)
        wanted = pc.is_in(table["item_id"], value_set=pa.array(items, table["item_id"].type))
        pq.write_table(table.filter(wanted), path)
    else:
        lines = pl.read_csv(file, infer_schema=False)
        lines.filter(pl.col("item_id").is_in(items)).write_csv(path)
    return path


LEVELS = QUANTILES
SUM_LEVELS = CUMULATIVE_QUANTILES
TAIL = (0.8, 0.9, 0.95, 0.99)  # those of cumulative demand that stock depends on
SUMS = ("first sum", "second sum")  # of demand over the periods that the dataset names
OURS, REFERENCE, PEER = "ours", "reference", "peer"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one model says of N items."""

    model: str  # name
    kind: str  # `ours`, `reference` or `peer`
    quantiles: Floats  # (N, H, L) at `LEVELS`
    mean: Floats  # (N, H)
    # (N, 2, C) quantiles at `SUM_LEVELS` of the demand of the case's `sums`; `None` where a model
    # says nothing of it
    sums: Floats | None
    seconds: float | None = None  # what it took; `None` where nobody stopped the time
    # share of the items that the model itself forecast; another one stood in for the rest
    own: float = 1.0

    @property
    def complete(self) -> bool:
        """Whether every number is there."""
        known = np.isfinite(self.quantiles).all() and np.isfinite(self.mean).all()
        return bool(known and (self.sums is None or np.isfinite(self.sums).all()))
