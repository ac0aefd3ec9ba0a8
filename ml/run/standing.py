"""Forecasts that stand: of items that rest on nothing new, taken over instead of made again.

Each item's forecast has a name for all that it rests on. Whatever of it changes, history, models,
drivers, settings, parameters that decide how far it reaches or what it is added up to, changes the
name, and nothing is found under it. The parts that the last runs left (:mod:`ml.run.saved_paths`)
name their items so, and hold the rows of their models beside the paths.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.contracts.forecasts import FORECAST_MODELS
from ml.durable import link_new
from ml.ensemble.mixture import CombinedItem
from ml.forecasters.registry import POOLED
from ml.panel import Drivers
from ml.run.fitted_state import digest_items
from ml.run.model_store import finish_part, link_part, read_part, read_parts, start_part
from ml.run.plan import PanelPlan, fingerprint
from ml.run.saved_paths import FILE, PATHS, SavedPaths, read_paths


@dataclass(frozen=True, slots=True)
class StandingItems:
    """Items of a chunk whose forecasts are there already."""

    names: Mapping[str, str]  # of all items of the chunk, what the forecast of each rests on
    parts: Mapping[str, Path]  # of those that are there, the part


def name_items(
    plan: PanelPlan, needed: Mapping[str, frozenset[str]], labels: Mapping[str, object], source: str
) -> dict[str, str]:
    """Names of all that the forecasts of the wanted items rest on, beside the key of their paths.

    Args:
        plan: What is forecast.
        needed: Items that each model is run for, by model.
        labels: Of items that are added up, what decides to what.
        source: Whose the data are.
    """
    panel, homes = plan.panel, plan.homes
    history = digest_items(panel, panel.cutoff)
    steps = dict(zip(panel.items, plan.protection, strict=True))
    drivers = _digest_drivers(panel.drivers)
    common = (str(panel.periods[0]), str(panel.cutoff), panel.frequency.value, source, drivers)
    return {
        item: fingerprint(
            item, common, history[item], homes[item], steps[item], labels.get(item),
            [model for model, own in needed.items() if item in own],
        )
        for item in plan.wanted
    }  # fmt: skip


def _digest_drivers(drivers: Drivers | None) -> str:
    """Name of what drivers contribute, whichever items there are."""
    digest = hashlib.sha256()
    for one in fields(Drivers) if drivers is not None else ():
        if one.name != "class_of":  # follows from the item's history
            value = getattr(drivers, one.name)
            digest.update(
                value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
            )
    return digest.hexdigest()[:16]


def find_standing(plan: PanelPlan, saved: SavedPaths, names: Mapping[str, str]) -> dict[str, Path]:
    """Of items whose forecasts are there, under the names of today, the parts that hold them.

    Looked for among what was made of these data, then of those that the run goes on from.
    """
    folders = [saved.folder]
    if plan.state is not None and plan.state.standing:
        folders.append(plan.search.folder(plan.state.dataset_id) / PATHS / saved.folder.name)
    found: dict[str, Path] = {}
    for folder in folders:
        for name, facts in sorted(read_parts(folder, is_ours=folder == saved.folder).items()):
            known = facts["names"]
            own = (item for item in known if names.get(item) == known[item])
            found = dict.fromkeys(own, folder / name) | found
    return found


def home_folders(plan: PanelPlan, folders: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    """Of items whose forecasts rest on another run's models, where each model is."""
    own, found = plan.search.dataset_id, dict[str, dict[str, Path]]()
    made: dict[str, dict[str, Path]] = {}
    for item, home in plan.homes.items():
        dataset = home.partition("/")[0]
        if dataset == own:
            continue
        if dataset not in made:
            place = plan.search.folder(dataset)
            pooled = {one: place / one / str(plan.panel.cutoff) for one in POOLED if one in folders}
            made[dataset] = {**folders, **pooled}
        found[item] = made[dataset]
    return found


def take_over(standing: StandingItems, items: Sequence[str], target: Path, rows: Path) -> bool:
    """Take over a chunk of which all stands, in one part and whole; whether that was so.

    Args:
        standing: What is there.
        items: Of the chunk.
        target: Where paths and rows of the chunk are kept.
        rows: Where its rows wait for the version.
    """
    parts = {standing.parts.get(item) for item in items}
    part = parts.pop()
    facts = None if parts or part is None else read_part(part)
    if part is None or facts is None or facts["refusals"] or set(facts["names"]) != set(items):
        return False
    files = [part / name for name in sorted(facts["files"])]
    if target != part:
        link_part(part, start_part(target))
    start_part(rows)
    for path in files:
        if path.name != FILE:
            link_new(path, rows / path.name)
    finish_part(rows)
    return True


def read_standing(standing: StandingItems) -> dict[str, CombinedItem]:
    """What the forecasts of standing items are made of; those that were refused are not."""
    if not standing.parts:
        return {}
    known = read_paths(SavedPaths(Path(), standing.parts, (), None), standing.parts)
    made = zip(known.items, known.paths, known.models, known.reasons, strict=True)
    return {item: CombinedItem(paths, model, why) for item, paths, model, why in made}


def read_model_rows(standing: StandingItems, items: Sequence[str]) -> list[pa.Table]:
    """Rows of FORECAST_MODELS of standing items."""
    tables = []
    for part in dict.fromkeys(standing.parts[item] for item in items):
        own = [item for item in items if standing.parts[item] == part]
        chosen = pc.field("item_id").isin(own)
        path = part / f"{FORECAST_MODELS.name}.parquet"
        tables.append(pq.read_table(path, schema=FORECAST_MODELS.schema, filters=chosen))
    return tables
