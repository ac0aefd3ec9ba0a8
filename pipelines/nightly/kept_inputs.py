"""What versions were made of, kept as long as they are: ``DATA_DIR/nights/inputs/<sha256>.gz``.

Of a night on the user's files these, and the tables of outside data; else all processed tables. A
file that did not change from night to night is there once.
"""

import gzip
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from ml.artifacts.version import commits
from ml.durable import create_once, make_folder, sha256_of
from ml.processed import MADE_BY
from pipelines.nightly.ledger import FILE, night_ledger

FOLDER = Path("nights", "inputs")  # below DATA_DIR
LEVEL = 1  # of compression: text becomes a fifth, at the speed of a disk
USER = "raw/"  # what the names of the user's files begin with


def needed_inputs(inputs: Mapping[str, str]) -> dict[str, str]:
    """Those of a run's inputs that the others are made of."""
    if not any(name.startswith(USER) for name in inputs):
        return dict(inputs)
    return {name: sha256 for name, sha256 in inputs.items()
            if name.startswith(USER) or MADE_BY.get(Path(name).stem) != "demand_etl"}  # fmt: skip


def keep_inputs(data_dir: Path, inputs: Mapping[str, str]) -> None:
    """Keep files under the sha256 that they had when a run read them.

    One that was replaced meanwhile is left out: :mod:`pipelines.nightly.reproduce` misses it.
    """
    folder = data_dir / FOLDER
    make_folder(folder)
    for name, sha256 in needed_inputs(inputs).items():
        source, target = data_dir / name, folder / f"{sha256}.gz"
        if source.is_file() and not target.exists() and sha256_of(source) == sha256:
            beside = folder / f".{os.getpid()}-{target.name}"
            with source.open("rb") as file, beside.open("wb") as raw:
                with gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) as packed:
                    shutil.copyfileobj(file, packed)
                raw.flush()
                os.fsync(raw.fileno())
            create_once(beside, target)


def put_back(data_dir: Path, inputs: Mapping[str, str], into: Path) -> None:
    """Lay what was kept out below another folder, under the names that it had.

    Raises:
        FileNotFoundError: Something was not kept.
    """
    for name, sha256 in inputs.items():
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(data_dir / FOLDER / f"{sha256}.gz") as packed, target.open("wb") as file:
            shutil.copyfileobj(packed, file)


def datasets_of(fitted: str) -> list[str]:
    """Datasets that the models of a version go back to, from the ledger's column of that name."""
    panels = json.loads(fitted).values()
    return list(dict.fromkeys(name for one in panels for name in one.get("lineage", ())))


def unneeded_inputs(data_dir: Path, results: Path, before: datetime) -> Iterator[Path]:
    """Files kept before a moment, of no version of the results folder, nor of its models."""
    if not (data_dir / FOLDER).is_dir() or not (data_dir / FILE).exists():
        return
    there = {one.version_id for one in (commits(results) if results.is_dir() else ())
             if (results / one.manifest).exists()}  # fmt: skip
    with night_ledger(data_dir) as db:
        versions = db.execute("SELECT version_id, run, dataset_id, fitted FROM versions").fetchall()
        inputs = db.execute("SELECT run, sha256 FROM inputs").fetchall()
    present = [row for row in versions if row["version_id"] in there]
    fitted_on = {dataset for row in present for dataset in datasets_of(row["fitted"])}
    runs = {row["run"] for row in versions
            if row["version_id"] in there or row["dataset_id"] in fitted_on}  # fmt: skip
    needed = {row["sha256"] for row in inputs if row["run"] in runs}
    for path in sorted((data_dir / FOLDER).iterdir()):
        old = path.stat().st_mtime < before.timestamp()
        if old and path.name.removesuffix(".gz") not in needed:
            yield path
