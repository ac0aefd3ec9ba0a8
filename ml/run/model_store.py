"""Where trained models live: ``MODELS_DIR/nova_corrente/<dataset_id>/<panel>/<family>/``.

A family's folder belongs to the code and settings that made it; made by others, it is emptied.
What is in it is made in parts, each a folder of its own whose ``done.json`` names the checksum of
every file. A part without it, or with a file that is not as it says, is made again.
"""

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml.durable import (
    link_new,
    make_folder,
    read_sealed,
    remove_all,
    sha256_of,
    sync_folder,
    write_sealed,
)
from ml.ensemble.mixture import ENSEMBLE
from ml.errors import ModelError, first_few
from ml.forecasters.registry import FAMILIES, LASTING, POOLED, TRAINED
from ml.logs import logger
from ml.run.fitted_state import FittedState, save_state
from ml.run.model_sets import COMPANY
from ml.run.plan import PanelPlan, fingerprint
from ml.seeds import code_version

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

    def before(self, panel: str, family: str, state: FittedState) -> Path:
        """Folder of a family's models that an earlier run fitted, of that run's last cutoff."""
        root = replace(self, dataset_id=state.dataset_id)
        return root.folder(panel, family, "" if family == ENSEMBLE else state.cutoff)

    def adopt(self, plan: PanelPlan, state: FittedState) -> bool:
        """Make the weights that a plan goes on with this dataset's own; whether they were whole.

        What networks and trees know of the backtest's origins comes with them, for newly trained
        ones to be compared with.
        """
        before = replace(self, dataset_id=state.dataset_id)
        made_by = self.link_family(before, plan.name, ENSEMBLE)
        origins = {str(day) for day in state.origins}
        for family in POOLED:
            if family in LASTING and family in plan.models:
                self.link_family(before, plan.name, family, origins)
        return (
            _is_whole(read_parts(self.folder(plan.name, ENSEMBLE)))
            and _about(plan, ENSEMBLE).items() <= made_by.items()
        )

    def link_family(
        self, other: "ModelStore", panel: str, family: str, only: Collection[str] | None = None
    ) -> dict[str, Any]:
        """Enter the parts of a family of another dataset here; by what it was made.

        What was made otherwise gives way.
        """
        source, target = other.folder(panel, family), self.folder(panel, family)
        made_by = read_sealed(source / MADE_BY)
        if made_by is not None and read_sealed(target / MADE_BY) != made_by:
            remove_all(target)
            write_sealed(target / MADE_BY, made_by)
        there, parts = read_parts(target), read_parts(source, is_ours=False)
        for name in parts.keys() - there.keys():
            if only is None or name in only:
                link_part(source / name, start_part(target / name))
        return made_by or {}

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
            if name == ENSEMBLE:
                whole = _is_whole(parts)
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


def _is_whole(parts: Parts) -> bool:
    """Whether an ensemble has what was fitted, and all chunks that it was fitted on."""
    return len(parts) > parts.get(FITTED, {"chunks": len(parts)})["chunks"]


def link_part(source: Path, target: Path) -> None:
    """Enter the files of a finished part in an empty folder, what vouches for them last."""
    names = sorted(path.name for path in source.iterdir())
    for name in (*(name for name in names if name != DONE), DONE):
        link_new(source / name, target / name)
        sync_folder(target)


def _about(plan: PanelPlan, family: str) -> dict[str, Any]:
    """What a family's models are made with; weights depend on how every family is tuned."""
    tuned = {
        name: dict(settings) for name, settings in plan.tuned.items() if family in (name, ENSEMBLE)
    }
    return {
        "code": code_version(),
        "drivers": plan.drivers_key,
        "tuned": tuned,
        "fitted_at": str(plan.fitted_at),
    }


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


def adopt_state(plan: PanelPlan, store: ModelStore) -> bool:
    """Take over what a plan goes on from, and say so; ``False`` = it is damaged."""
    if plan.state is None:
        return True
    count = len(plan.panel.items)
    new = count - len(plan.state.kept)
    say(
        f"{plan.name}: fitted as of {plan.fitted_at}, they go on to {plan.panel.cutoff}; {new} of "
        f"{count} items are new or rewritten, and are fitted now (--refit fits all)"
    )
    return store.adopt(plan, plan.state)


def keep_state(plan: PanelPlan) -> None:
    """Write down what a plan's models know, for runs on later data to go on from."""
    made, state = plan.search.dataset_id, plan.state
    lineage = (made,) if state is None else state.lineage
    if state is not None and len(state.kept) < len(plan.panel.items):
        lineage = (*lineage, made)
    fitted = FittedState(
        dataset_id=made,
        fitted_at=plan.fitted_at,
        cutoff=plan.panel.cutoff,
        lineage=lineage,
        origins=plan.origins,
        backtest_items=plan.backtest_items,
        reach=plan.reach,
        drivers_key=plan.drivers_key,
        study=plan.study,
        tried_at=plan.fitted_at,
    )
    save_state(plan.search, plan.panel, fitted, state)


def start_part(folder: Path) -> Path:
    """An empty folder for a part."""
    remove_all(folder)
    make_folder(folder)
    return folder


def finish_part(folder: Path, **facts: Any) -> None:
    """Vouch for every file of a part, whose content is on the disk already.

    Their names get there with the one that vouches, at the latest.
    """
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


def read_parts(folder: Path, *, is_ours: bool = True) -> Parts:
    """All parts below a folder; those that are damaged or were not finished are removed.

    They stay where another run may be writing them, whose folder it is.
    """
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
        if is_ours:
            remove_all(part)
    return parts


def say(line: str, about: str = "models") -> None:
    """A remark on stderr and in the log."""
    logger().warning(about, line=line)
    print(f"{about}: {line}", file=sys.stderr, flush=True)  # noqa: T201 - a remark, as progress is
