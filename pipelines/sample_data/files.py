"""The sample on disk: written once, whole or not at all, as files that a user would bring."""

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ml.durable import discard_leftovers, disk_errors, make_folder, move_folder, sync_tree
from ml.errors import DataError
from ml.processed import SYNTHETIC

GENERATOR_VERSION = 4  # raise it with every change of what is generated: samples are rewritten
ITEMS, DAYS, FIRST = 72, 1096, "2023-11-01"
MARK = "sample.json"
README = """SYNTHETIC DATA. Nothing in this folder was ever measured, bought, sold or observed.

It was drawn at random by Previsor's sample generator from a model of the demand for spare parts of
telecom towers, so that the whole job can be tried without data of one's own. Demand, stock,
prices, weather, economy and 5G figures are all made up, and so are the faults in the files.
Put your own files next to this folder, never into it: it is rewritten as a whole.

demand.csv, items.csv, inventory.csv, prices.csv   as a user brings them, with faults
open_orders.csv                                    what is on order, as suppliers promised it
receipts.csv                                       what the orders of two years took
suppliers.csv                                      what those who deliver ask of an order
exposure.csv                                       fuel that will be paid at the price of oil
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
    open_orders: Path
    receipts: Path
    suppliers: Path
    exposure: Path
    outside: Path
    truth: Path


def sample_paths(folder: Path) -> SampleFiles:
    """Where the files of a sample in ``folder`` lie, written or not."""
    names = ("demand", "items", "inventory", "prices", "open_orders", "receipts", "suppliers")
    tables = {name: folder / f"{name}.csv" for name in (*names, "exposure")}
    return SampleFiles(**tables, outside=folder / "outside", truth=folder / "truth")


def ensure_sample(folder: Path, *, seed: int = 0, items: int = ITEMS) -> SampleFiles:
    """Write the sample into ``folder``, unless this very sample is there already.

    The sample has ``items`` items over 1,096 days up to 2026-10-31. It is written beside the
    folder, which is its own and made if missing, and renamed, so that no reader ever sees half.

    Raises:
        ValueError: Fewer than ten items.
        DataError: The folder holds something that is not a sample.
        MachineError: The disk refuses.
    """
    files = sample_paths(folder)
    mark = {
        "data": "SYNTHETIC",
        "source": SYNTHETIC,
        "generator_version": GENERATOR_VERSION,
        "seed": seed,
        "items": items,
        "days": DAYS,
        "first": FIRST,
        "files": sorted(path.name for path in asdict(files).values()),
    }
    if _is_current(folder, files, mark):
        return files
    _refuse_foreign(folder)
    with disk_errors(f"sample: writing '{folder}'", "Correct that and run again."):
        _make(folder, files, mark, seed, items)
    return files


def _make(folder: Path, files: SampleFiles, mark: dict[str, object], seed: int, items: int) -> None:
    # Pandas and the generator take a second to load, and the sample is there most of the time.
    from pipelines.sample_data.sample import generate
    from pipelines.sample_data.write_sample import write_sample

    make_folder(folder.parent)
    discard_leftovers(folder.parent, f".{folder.name}-*")
    stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        new = stage / "new"
        write_sample(generate(items, np.datetime64(FIRST), DAYS, seed), sample_paths(new))
        (new / "README.txt").write_text(README, encoding="utf-8")
        (new / MARK).write_text(json.dumps(mark, indent=2) + "\n", encoding="utf-8")
        sync_tree(new)
        if folder.exists():
            move_folder(folder, stage / "old")
        move_folder(new, folder)
    except OSError:
        if not _is_current(folder, files, mark):  # else another process was first
            raise
    finally:
        shutil.rmtree(stage, ignore_errors=True)


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
