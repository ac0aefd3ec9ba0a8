"""Sample paths that the forecast stage leaves for those after it: each item's, calibrated.

They lie beside the models of their dataset, ``<panel>/paths/<key>/``, in parts that vouch for their
files. The key stands for all that shapes paths, so other code, settings or weights find none; an
item's part says for how many steps of its protection interval they were made.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.drivers.study import Study
from ml.durable import read_sealed, remove_all, staged, write_sealed
from ml.ensemble.mixture import CombinedItem, FittedEnsemble
from ml.forecasters.base import Paths
from ml.panel_tables import Refusal
from ml.run.fitted_state import study_facts, study_of
from ml.run.model_store import ModelStore, read_parts
from ml.run.plan import PanelPlan, fingerprint
from ml.seeds import code_version

PATHS = "paths"
FILE = "paths.parquet"
STUDY = "study.json"
SMALL = (np.uint8, np.uint16)  # of counts, the first that holds them all
SAVED = pa.schema(
    {
        "item_id": pa.string(),
        "model": pa.string(),
        "reason": pa.string(),
        "dtype": pa.string(),
        "n_paths": pa.int32(),
        "paths": pa.binary(),  # (S, H), row by row; H is the item's own
    }
)


@dataclass(frozen=True, slots=True)
class SavedPaths:
    """What lies in the folder of a panel's paths."""

    folder: Path  # of all parts
    parts: Mapping[str, Path]  # of each wanted item that was forecast or refused, its part
    refusals: tuple[Refusal, ...]  # wanted items that no model could forecast, by these parts
    # what a report tells of the panel's drivers, which the paths have in already; without it
    # nothing else counts as there
    study: Study | None
    # of each of these items, what its forecast rests on, see `ml.run.standing.name_items`
    names: Mapping[str, str] = field(default_factory=dict)

    def hold(self, items: Iterable[str]) -> bool:
        """Whether all these items are there."""
        return all(item in self.parts for item in items)

    def select(self, items: Iterable[str]) -> "SavedPaths":
        """What there is of these items."""
        parts = {item: self.parts[item] for item in items if item in self.parts}
        refusals = tuple(one for one in self.refusals if one.item_id in parts)
        names = {item: self.names[item] for item in parts if item in self.names}
        return replace(self, parts=parts, refusals=refusals, names=names)

    def part_for(self, items: Sequence[str], steps: Sequence[int]) -> Path:
        """Where a chunk of items goes, with the steps of their protection intervals."""
        return self.folder / fingerprint(items, steps)


@dataclass(frozen=True, slots=True)
class ItemPathSet:
    """Paths of some items, as their forecast rows were made of."""

    items: tuple[str, ...]  # N ids
    paths: tuple[Paths, ...]  # N of (S, H), H as far as the item's interval or the horizon reaches
    models: tuple[str, ...]  # of each the model behind them
    reasons: tuple[str | None, ...]  # why not every wanted model took part; `None` when all did

    def until(self, steps: int) -> Paths:
        """The first steps of all of them, which all of them have, (N, S, steps)."""
        return np.stack([one[:, :steps] for one in self.paths])


def find_paths(plan: PanelPlan, store: ModelStore, ensemble: FittedEnsemble) -> SavedPaths:
    """The paths that are there for a plan; parts that are damaged are removed, with a line."""
    key = fingerprint(
        code_version(), plan.seed, plan.tuned, plan.horizon, plan.reach, asdict(ensemble),
        str(plan.fitted_at),
    )  # fmt: skip
    folder = store.folder(plan.name, PATHS, key)
    wanted = dict(zip(plan.panel.items, plan.protection, strict=True))
    wanted = {item: wanted[item] for item in plan.wanted}
    parts: dict[str, Path] = {}
    refusals: dict[str, Refusal] = {}
    names: dict[str, str] = {}
    study = _read_study(folder)
    for name, facts in sorted(read_parts(folder).items() if study else ()):
        own = {item for item, steps in facts["steps"].items() if wanted.get(item) == steps}
        parts |= dict.fromkeys(own, folder / name)
        names |= {item: facts["names"][item] for item in own}
        refusals |= {one["item_id"]: Refusal(**one) for one in facts["refusals"]
                     if one["item_id"] in own}  # fmt: skip
    in_order = tuple(refusals[item] for item in sorted(refusals))
    return SavedPaths(folder, parts, in_order, study, names)


def discard_other_paths(saved: SavedPaths, kept: Collection[Path]) -> None:
    """Remove the paths of a panel that are of other keys, or in other parts than these."""
    known = {saved.folder, *kept}
    for folder in (*saved.folder.parent.glob("*"), *saved.folder.glob("*")):
        if folder.is_dir() and folder not in known:
            remove_all(folder)


def save_paths(folder: Path, items: Sequence[str], combined: Sequence[CombinedItem]) -> None:
    """Write the paths of items that have some, counts as small whole numbers."""
    rows = [
        {"item_id": item, "model": one.model, "reason": one.reason, **_pack(one.paths)}
        for item, one in zip(items, combined, strict=True)
        if one.paths is not None
    ]
    with staged(folder / FILE, flush_name=False) as path:
        pq.write_table(
            pa.Table.from_pylist(rows, SAVED), path, compression="zstd", use_dictionary=False,
            write_statistics=["item_id"],
        )  # fmt: skip


def _pack(paths: Paths) -> dict[str, object]:
    """Paths (S, H) in the smallest type that gives every bit of them back."""
    packed: np.ndarray = paths
    for dtype in SMALL:
        if paths.min() >= 0 and paths.max() <= np.iinfo(dtype).max:
            small = paths.astype(dtype)
            if small.astype(np.float32).tobytes() == paths.tobytes():
                packed = small
                break
    return {"dtype": packed.dtype.name, "n_paths": len(paths), "paths": packed.tobytes()}


def read_paths(saved: SavedPaths, items: Iterable[str]) -> ItemPathSet:
    """Paths of those among some items that were forecast, in this order.

    Raises:
        KeyError: An item is not there.
    """
    wanted = {item: saved.parts[item] for item in items}
    found: dict[str, dict[str, Any]] = {}
    for part in dict.fromkeys(wanted.values()):
        chosen = pc.field("item_id").isin([item for item, own in wanted.items() if own == part])
        if (part / FILE).exists():  # not where all were refused
            table = pq.read_table(part / FILE, filters=chosen)
            found |= {row["item_id"]: row for row in table.to_pylist()}
    rows = [found[item] for item in wanted if item in found]
    return ItemPathSet(
        items=tuple(row["item_id"] for row in rows),
        paths=tuple(_unpack(row) for row in rows),
        models=tuple(row["model"] for row in rows),
        reasons=tuple(row["reason"] for row in rows),
    )


def _unpack(row: Mapping[str, Any]) -> Paths:
    flat = np.frombuffer(row["paths"], row["dtype"])
    return flat.reshape(row["n_paths"], -1).astype(np.float32)


def save_study(saved: SavedPaths, study: Study) -> None:
    """Write what was found of a panel's drivers beside its paths."""
    write_sealed(saved.folder / STUDY, study_facts(study))


def _read_study(folder: Path) -> Study | None:
    facts = read_sealed(folder / STUDY)
    return None if facts is None else study_of(facts)
