"""Where trained models live: ``MODELS_DIR/nova_corrente/<dataset_id>/<panel>/<family>/``.

A family's folder belongs to the code and settings that made it; made by others, it is emptied.
What is in it is made in parts, each a folder of its own whose ``done.json`` names the checksum of
every file. A part without it, or with a file that is not as it says, is made again.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.durable import make_folder, read_sealed, remove_all, sha256_of, write_sealed
from ml.ensemble.mixture import ENSEMBLE
from ml.errors import ModelError, first_few
from ml.forecasters.registry import FAMILIES, POOLED, TRAINED
from ml.logs import logger
from ml.run.plan import PanelPlan, code_version, fingerprint

COMPANY = "nova_corrente"
MADE_BY = "made_by.json"
DONE = "done.json"
FITTED = "fitted"  # the part of the ensemble that holds weights and spreads
Parts = dict[str, dict[str, Any]]
"""Facts of each finished part of a family, by its folder below the family's."""


@dataclass(frozen=True, slots=True)
class ModelStore:
    """The models of one dataset."""

    models_dir: Path  # `MODELS_DIR`
    dataset_id: str  # content name of the panels

    @property
    def root(self) -> Path:
        """Folder of the dataset."""
        return self.models_dir / COMPANY / self.dataset_id

    def folder(self, panel: str, family: str, cutoff: object = "") -> Path:
        """Folder of one family, or of its models of one cutoff."""
        return self.root / panel / family / str(cutoff)

    def open(self, plan: PanelPlan, family: str, *settings: object) -> tuple[Path, Parts]:
        """The folder of a family and what is made there; emptied if it was made otherwise.

        ``settings`` are all beside code, drivers, tuning and seed that shapes what is made there.
        """
        folder, about = self.folder(plan.name, family), _about(plan, family)
        made_by = {"fingerprint": fingerprint(family, plan.seed, about, *settings), **about}
        parts = read_parts(folder)
        if read_sealed(folder / MADE_BY) != made_by:
            if folder.exists():
                say(f"{plan.name}: the saved {family} is of other code or settings; made again")
            remove_all(folder)
            write_sealed(folder / MADE_BY, made_by)
            parts = {}
        return folder, parts

    def require(self, plan: PanelPlan, needed: Mapping[str, Sequence[str]]) -> dict[str, Path]:
        """Check that this code trained all that forecasts need, on these items and all steps.

        Args:
            plan: What is to be forecast.
            needed: Items that each model is run for, by model.

        Returns:
            Where the models are that a forecast is made with, by name.

        Raises:
            ModelError: It did not; the message names the commands that train what is missing.
        """
        names = (*(name for name in TRAINED if needed.get(name)), ENSEMBLE)
        missing, lacks = [], []
        for name in names:
            folder = self.folder(plan.name, name)
            parts = read_parts(folder)
            if name == ENSEMBLE:  # what was fitted, and all chunks that it was fitted on
                whole = len(parts) > parts.get(FITTED, {"chunks": len(parts)})["chunks"]
            else:
                whole, lack = True, _find_lack(plan, name, parts, needed[name])
                lacks += [lack] if lack else []
            made_by = read_sealed(folder / MADE_BY) or {}
            if not whole or not _about(plan, name).items() <= made_by.items():
                missing.append(name)
        if missing:
            trainers = dict.fromkeys(_command(name) for name in missing)
            commands = " and ".join(f"python {name}" for name in trainers)
            raise ModelError(
                f"models: {len(missing)} of {len(names)} families of panel '{plan.name}' are not "
                f"trained on dataset {self.dataset_id} by this version of the code: "
                f"{', '.join(missing)}. Run {commands} first."
            )
        if lacks:
            raise ModelError(lacks[0])
        return {one: self.folder(plan.name, one, plan.panel.cutoff) for one in plan.models}


def _about(plan: PanelPlan, family: str) -> dict[str, Any]:
    """What a family's models are made with; weights depend on how every family is tuned."""
    tuned = {
        name: dict(settings) for name, settings in plan.tuned.items() if family in (name, ENSEMBLE)
    }
    return {"code": code_version(), "drivers": plan.drivers_key, "tuned": tuned}


def _find_lack(plan: PanelPlan, family: str, parts: Parts, needed: Sequence[str]) -> str | None:
    """What the models of a family's last cutoff lack of the items and steps that are needed."""
    last = [facts for name, facts in parts.items() if name.startswith(str(plan.panel.cutoff))]
    known = {item for facts in last for item in facts["items"]}
    unknown = [item for item in needed if item not in known]
    if unknown:
        return (
            f"models: {len(unknown)} of {len(needed)} items of panel '{plan.name}' were never "
            f"fitted by {family}: {first_few(unknown)}. Run python {_command(family)} first."
        )
    reach = min(facts["reach"] for facts in last)
    if family in POOLED and reach < plan.reach:
        return (
            f"models: the {family} of panel '{plan.name}' was trained for {reach} steps, this run "
            f"needs {plan.reach}. Run python {_command(family)} with the same --horizon first."
        )
    return None


def _command(family: str) -> str:
    """What trains a family; one without a command of its own is trained with the ensemble."""
    return f"ml/train_{family if family in FAMILIES else ENSEMBLE}.py"


def start_part(folder: Path) -> Path:
    """An empty folder for a part."""
    remove_all(folder)
    make_folder(folder)
    return folder


def finish_part(folder: Path, **facts: Any) -> None:
    """Vouch for every file of a part, each of which is on the disk already."""
    files = {path.name: sha256_of(path) for path in sorted(folder.glob("*"))}
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


def read_parts(folder: Path) -> Parts:
    """All parts below a folder; those that are damaged or were not finished are removed."""
    parts = {}
    for path, _, names in os.walk(folder):
        part = Path(path)
        if part == folder or not names:
            continue
        facts = read_part(part)
        if facts is not None:
            parts[part.relative_to(folder).as_posix()] = facts
            continue
        if DONE in names:
            say(f"'{part}' is damaged; it is made again")
        remove_all(part)
    return parts


def say(line: str, about: str = "models") -> None:
    """A remark on stderr and in the log."""
    logger().warning(about, line=line)
    print(f"{about}: {line}", file=sys.stderr, flush=True)  # noqa: T201 - a remark, as progress is
