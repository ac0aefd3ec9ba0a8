"""Where trained models live: ``MODELS_DIR/nova_corrente/<dataset_id>/<panel>/<family>/``.

A family's folder belongs to the code and settings that made it; made by others, it is emptied.
What is in it is made in parts, each a folder of its own whose ``done.json`` names the checksum of
every file. A part without it, or with a file that is not as it says, is made again.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.durable import make_folder, read_sealed, remove_all, sha256_of, write_sealed
from ml.logs import logger
from ml.run.plan import PanelPlan, code_version, fingerprint

COMPANY = "nova_corrente"
MADE_BY = "made_by.json"
DONE = "done.json"


@dataclass(frozen=True, slots=True)
class ModelStore:
    """The models of one dataset.

    Attributes:
        models_dir: ``MODELS_DIR``.
        dataset_id: Content name of the panels.
    """

    models_dir: Path
    dataset_id: str

    @property
    def root(self) -> Path:
        """Folder of the dataset."""
        return self.models_dir / COMPANY / self.dataset_id

    def folder(self, panel: str, family: str, cutoff: object = "") -> Path:
        """Folder of one family, or of its models of one cutoff."""
        return self.root / panel / family / str(cutoff)

    def open(self, plan: PanelPlan, family: str, *settings: object) -> Path:
        """The folder of one family, rid of parts that are damaged or were never finished.

        It is emptied if other code or settings made what is in it.

        Args:
            plan: Of the panel.
            family: Name of the folder.
            settings: All beside code, drivers and seed that shapes what is made there.
        """
        folder, drivers = self.folder(plan.name, family), plan.drivers_key
        made_by = {
            "fingerprint": fingerprint(family, code_version(), plan.seed, drivers, *settings),
            "code": code_version(),
            "drivers": drivers,
        }
        if read_sealed(folder / MADE_BY) != made_by:
            if folder.exists():
                _say(f"{plan.name}: the saved {family} is of other code or settings; made again")
            remove_all(folder)
            write_sealed(folder / MADE_BY, made_by)
        discard_unfinished(folder)
        return folder

    def folders(self, plan: PanelPlan) -> dict[str, Path]:
        """Where the models of a panel are that a forecast is made with, by name."""
        return {one: self.folder(plan.name, one, plan.panel.cutoff) for one in plan.models}

    def is_current(self, plan: PanelPlan, family: str) -> bool:
        """Whether this code made a family's folder, with these drivers; damaged parts go."""
        folder = self.folder(plan.name, family)
        made_by = read_sealed(folder / MADE_BY) or {}
        discard_unfinished(folder)
        here = {"code": code_version(), "drivers": plan.drivers_key}
        return here.items() <= made_by.items()


def start_part(folder: Path) -> Path:
    """An empty folder for a part."""
    remove_all(folder)
    make_folder(folder)
    return folder


def finish_part(folder: Path, **facts: Any) -> None:
    """Vouch for every file of a part, each of which is on the disk already."""
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    write_sealed(folder / DONE, {**facts, "files": files})


def read_part(folder: Path) -> dict[str, Any] | None:
    """The facts of a finished part; ``None`` where it is missing, unfinished or damaged."""
    facts = read_sealed(folder / DONE)
    if facts is None:
        return None
    try:
        whole = all(sha256_of(folder / name) == own for name, own in facts["files"].items())
    except FileNotFoundError:
        return None
    return facts if whole else None


def discard_unfinished(folder: Path) -> None:
    """Remove the parts below a folder that are damaged or were not finished."""
    for path, _, names in os.walk(folder):
        part = Path(path)
        if part == folder or not names or read_part(part) is not None:
            continue
        if DONE in names:
            _say(f"'{part}' is damaged; it is made again")
        shutil.rmtree(part)


def _say(line: str) -> None:
    logger().warning("models", line=line)
    print(f"models: {line}", file=sys.stderr, flush=True)  # noqa: T201 - a remark, as progress is
