"""The sample on disk: written once, whole or not at all, as files that a user would bring."""

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml.contracts.base import check
from ml.contracts.outside import OUTSIDE
from ml.errors import DataError
from pipelines.sample_data.sample import Sample, generate
from pipelines.sample_data.truth_files import write_truth

GENERATOR_VERSION = 1  # raise it with every change of what is generated: samples are rewritten
ITEMS, DAYS, FIRST = 72, 1096, "2023-11-01"
SOURCE = "synthetic_sample"
MARK = "sample.json"
README = """SYNTHETIC DATA. Nothing in this folder was ever measured, bought, sold or observed.

It was drawn at random by Previsor's sample generator from a model of the demand for spare parts of
telecom towers, so that the whole job can be tried without data of one's own. Demand, stock,
prices, weather, economy and 5G figures are all made up, and so are the faults in the files.
Put your own files next to this folder, never into it: it is rewritten as a whole.

demand.csv, items.csv, inventory.csv, prices.csv   as a user brings them, with faults
outside/*.parquet                                  outside series as published, with lags
truth/                                             what was planted, to check results against
sample.json                                        version and seed of the generator
"""


@dataclass(frozen=True, slots=True)
class SampleFiles:
    """Where the files of a sample lie; ``outside`` and ``truth`` are folders."""

    demand: Path
    items: Path
    inventory: Path
    prices: Path
    outside: Path
    truth: Path


def ensure_sample(folder: Path, *, seed: int = 0) -> SampleFiles:
    """Write the default sample into ``folder``, unless this very sample is there already.

    The sample has 72 items over 1,096 days up to 2026-10-31. It is written beside the folder and
    renamed, so that no reader ever sees half of it.

    Args:
        folder: Its own folder; made if missing.
        seed: Of all draws.

    Raises:
        DataError: The folder holds something that is not a sample.
    """
    files = sample_paths(folder)
    mark = {**_identity(seed), "files": sorted(_names(files))}
    if _is_current(folder, files, mark):
        return files
    _refuse_foreign(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        new = stage / "new"
        write_sample(generate(ITEMS, np.datetime64(FIRST), DAYS, seed), sample_paths(new))
        (new / "README.txt").write_text(README, encoding="utf-8")
        (new / MARK).write_text(json.dumps(mark, indent=2) + "\n", encoding="utf-8")
        if folder.exists():
            folder.replace(stage / "old")
        new.replace(folder)
    except OSError:
        if not _is_current(folder, files, mark):  # else another process was first
            raise
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return files


def write_sample(sample: Sample, files: SampleFiles) -> None:
    """Write the files of a sample; the same sample gives the same bytes."""
    for path in (files.outside, files.truth):
        path.mkdir(parents=True)
    for path, frame in (
        (files.demand, sample.observed.assign(quantity=_plain_numbers(sample.observed))),
        (files.items, sample.items),
        (files.inventory, sample.inventory),
        (files.prices, sample.prices),
    ):
        frame.to_csv(path, index=False, lineterminator="\n")
    for contract in OUTSIDE[:3]:
        frame = sample.outside[contract.name]
        table = check(pa.Table.from_pandas(frame, preserve_index=False), contract)
        pq.write_table(table, files.outside / f"{contract.name}.parquet", compression="zstd")
    write_truth(sample, files.truth)


def _plain_numbers(observed: pd.DataFrame) -> pd.Series:
    """Whole units without a decimal point, as an ERP exports them; empty where not known."""
    return observed["quantity"].astype("Int64")


def sample_paths(folder: Path) -> SampleFiles:
    """Where the files of a sample in ``folder`` lie, written or not."""
    return SampleFiles(
        demand=folder / "demand.csv",
        items=folder / "items.csv",
        inventory=folder / "inventory.csv",
        prices=folder / "prices.csv",
        outside=folder / "outside",
        truth=folder / "truth",
    )


def _names(files: SampleFiles) -> list[str]:
    return [path.name for path in asdict(files).values()]


def _identity(seed: int) -> dict[str, object]:
    return {
        "data": "SYNTHETIC",
        "source": SOURCE,
        "generator_version": GENERATOR_VERSION,
        "seed": seed,
        "items": ITEMS,
        "days": DAYS,
        "first": FIRST,
    }


def _is_current(folder: Path, files: SampleFiles, mark: dict[str, object]) -> bool:
    try:
        written = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return written == mark and all(path.exists() for path in asdict(files).values())


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise DataError(f"sample: '{folder}' is a file. Name a folder of its own for the sample.")
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise DataError(
            f"sample: folder '{folder}' holds files that are not a sample and would be lost. "
            "Name an empty folder or move them away."
        )
