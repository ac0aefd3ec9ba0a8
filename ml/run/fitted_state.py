"""What an earlier run fitted, for a later one to go on from.

A day more changes a long history by little. So what was learned of a panel, its drivers, weights,
networks and each item's own model, is kept, and looks at the periods that have come since: a filter
runs on with the parameters that it has, a network reads the newest window, trees learn anew and are
mixed as was measured. Every ``REFIT_DAYS`` of data it is held against newly trained models
(:mod:`ml.run.challenge`). Items whose history was rewritten, and new ones, are fitted on what they
have now. Values that come late are new data like any others: up to the last period in which an item
was observed its history has to be as it was, and where it had ended less than ``REFIT_DAYS`` before
the panel's end its models go on.

Where nothing has come but corrections of some items, at the same last period and with the same
outside rows, what was said of all others stands: contributions of drivers and what pooled models
predicted of them are those of the run before, so that their forecasts are.

Each dataset's folder says in ``<panel>/state.json`` what its models were fitted on, so a state
lives as long as the models of its dataset.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.drivers.study import DriverFinding, Study, select_recent
from ml.drivers.trial import class_names
from ml.durable import read_sealed, sha256_of, staged, write_sealed
from ml.panel import Drivers, Ints, Panel, in_portions
from ml.run.model_sets import COMPANY, last_tried, read_choices, sets_aside

STATE = "state.json"
DRIVERS = "drivers.npz"
_ARRAYS = ("contribution", "group_of", "ahead", "persistence", "lag")  # of `Drivers`
MOST_CHANGED = 0.1  # of the items; where more were rewritten or are new, all is fitted anew


@dataclass(frozen=True, slots=True)
class FittedState:
    """What the models of a panel know, and from when."""

    dataset_id: str  # of the folder that holds them
    fitted_at: np.datetime64  # last period that weights, networks and study had seen
    cutoff: np.datetime64  # last period of that dataset
    lineage: tuple[str, ...]  # datasets that anything was fitted on, the first one foremost
    origins: tuple[np.datetime64, ...]  # cutoffs of the backtest, latest first
    backtest_items: tuple[str, ...]  # items that the backtest ran on
    reach: int  # steps predicted
    drivers_key: str  # of what drivers contributed
    study: Study  # what is known of the drivers, without contributions
    # last period when they were fitted, or compared with newly trained ones and stayed
    tried_at: np.datetime64
    kept: frozenset[str] = frozenset()  # items whose models serve: their history is as it was
    # of those whose forecasts stand as well, the home of what they rest on, see `home_of`
    standing: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Twelve hexadecimal digits that stand for all that was fitted."""
        return hashlib.sha256(" ".join(self.lineage).encode()).hexdigest()[:12]


def home_of(dataset: str, state: FittedState | None) -> str:
    """What a run's forecasts rest on: its data, and what it went on from.

    The dataset comes first, whose folder holds the models.
    """
    return f"{dataset}/{'-' if state is None else state.name}"


@dataclass(frozen=True, slots=True)
class StateSearch:
    """What a state has to agree with."""

    models_dir: Path  # `MODELS_DIR`
    dataset_id: str  # of the run
    name: str  # of the panel
    made_by: str  # code and settings
    reach: int  # steps that are to be predicted
    days: float  # of data after which everything is fitted anew
    outside: str  # name of the outside rows that drivers are made of
    again: bool  # whether to look only for what this run's data rest on already

    def folder(self, dataset: str) -> Path:
        """Of the panel's models in a dataset."""
        return self.models_dir / COMPANY / dataset / self.name


def find_state(
    search: StateSearch, panel: Panel, *, of_any_age: bool = False
) -> FittedState | None:
    """The newest state that a run on a panel goes on from; ``None`` = everything is fitted anew.

    A run on data that a state was made of before takes the same one again. One ``of_any_age`` is
    what newly trained models are compared with.
    """
    aside = sets_aside(read_choices(search.models_dir), search.name, search.made_by)
    own = read_sealed(search.folder(search.dataset_id) / STATE)
    if own is not None and own["source"] is None and search.dataset_id not in aside:
        return None  # fitted on these very data
    found = sorted(
        (
            one
            for one in _agreeing(search, panel)
            if one.lineage[0] not in aside and (of_any_age or _is_young(one, search, panel))
        ),
        key=_rank,
    )
    before = [one for one in found if own is not None and one.dataset_id == own["source"]]
    for state in reversed(before if search.again else [*found, *before]):
        facts = read_sealed(search.folder(state.dataset_id) / STATE) or {"items": {}}
        same = _find_same(panel, facts["items"], dict.fromkeys(panel.items, state.cutoff))
        late = {item: np.datetime64(end) for item, end in facts.get("late", {}).items()}
        kept = same | _find_same(panel, facts["items"], late)
        if len(panel.items) - len(kept) > MOST_CHANGED * len(panel.items):
            continue
        stands = state.cutoff == panel.cutoff and facts["outside"] == search.outside
        return replace(
            state, kept=kept, standing=_find_homes(search, facts, same if stands else ())
        )
    return None


def _find_same(
    panel: Panel, before: Mapping[str, str], ends: Mapping[str, np.datetime64]
) -> frozenset[str]:
    """Items whose history until some period is named as it was before."""
    found: set[str] = set()
    for end in sorted(set(ends.values())):
        own = panel.select([item for item in ends if ends[item] == end])
        now = digest_items(own, end)
        found |= {item for item in now if before.get(item) == now[item]}
    return frozenset(found)


def _find_late(panel: Panel, days: float) -> dict[str, str]:
    """Last observed period of items that ended before the panel, by less than so many days."""
    lengths = _count_known(panel, len(panel.periods)).tolist()
    lasts = {item: panel.periods[n - 1] for item, n in zip(panel.items, lengths, strict=True) if n}
    ages = {item: (panel.cutoff - last) / np.timedelta64(1, "D") for item, last in lasts.items()}
    return {item: str(lasts[item]) for item, age in ages.items() if 0 < age < days}


def _count_known(panel: Panel, most: int) -> Ints:
    """Periods (N,) until the last of the first ``most`` ones of which an item has anything."""
    found = []
    for some in in_portions(panel):
        known = ~np.isnan(some.recorded[:, :most])
        known |= some.exposure[:, :most] < 1
        found.append((known * np.arange(1, most + 1)).max(axis=1, initial=0))
    return np.concatenate(found)


def _find_homes(
    search: StateSearch, facts: Mapping[str, Any], items: Collection[str]
) -> dict[str, str]:
    """Of items the home of what their forecasts rest on, where its models are still there."""
    homes = {item: facts["homes"].get(item, facts["home"]) for item in items}
    gone = {home for home in homes.values() if not search.folder(home.partition("/")[0]).exists()}
    return {item: home for item, home in homes.items() if home not in gone}


def _rank(state: FittedState) -> tuple[Any, ...]:
    """The later and the more often gone on from, the rather it serves; then by its name."""
    return state.cutoff, state.fitted_at, len(state.lineage), state.dataset_id


def save_state(
    search: StateSearch, panel: Panel, fitted: FittedState, source: FittedState | None
) -> None:
    """Write what the models of the run's dataset know, for runs on later data.

    ``source`` is the state that they rest on themselves.
    """
    facts = {
        "made_by": search.made_by,
        "source": None if source is None else source.dataset_id,
        "start": str(panel.periods[0]),
        "fitted_at": str(fitted.fitted_at),
        "cutoff": str(fitted.cutoff),
        "lineage": fitted.lineage,
        "origins": [str(day) for day in fitted.origins],
        "backtest_items": fitted.backtest_items,
        "reach": fitted.reach,
        "drivers_key": fitted.drivers_key,
        "study": study_facts(fitted.study),
        "items": digest_items(panel, panel.cutoff),
        "late": _find_late(panel, search.days),
        "outside": search.outside,
        "home": home_of(search.dataset_id, source),
        "homes": {} if source is None else dict(source.standing),
        "drivers": _save_drivers(search.folder(search.dataset_id), panel),
    }
    write_sealed(search.folder(search.dataset_id) / STATE, facts)


def explain_none(search: StateSearch, panel: Panel) -> str:
    """Why there is nothing that newly trained models of a panel could be compared with.

    Empty where they are in use already: a run on the same data.
    """
    states = {path.parent.parent.name: read_sealed(path) for path in _state_files(search)}
    before = [facts for facts in states.values() if facts is not None]
    own = states.get(search.dataset_id)
    if own is not None and own["source"] is None and own["made_by"] == search.made_by:
        aside = sets_aside(read_choices(search.models_dir), search.name, search.made_by)
        return "what was in use before is gone." if search.dataset_id in aside else ""
    if not before:
        return "no models of this panel stood before."
    alike = [facts for facts in before if facts["made_by"] == search.made_by]
    if not alike:
        return "the models before are of other code or settings."
    if all(facts["start"] != str(panel.periods[0]) for facts in alike):
        return "the models before saw a history that began on another day."
    if all(facts["reach"] < search.reach for facts in alike):
        return "the models before reach less far ahead."
    least = f"{1 - MOST_CHANGED:.0%} of the items as they are now"
    return f"no models are in use that know {least}."


def _save_drivers(folder: Path, panel: Panel) -> str | None:
    """Write what drivers contribute to a panel; its checksum, ``None`` of none."""
    if panel.drivers is None:
        return None
    arrays = {one.name: np.asarray(getattr(panel.drivers, one.name)) for one in fields(Drivers)}
    with staged(folder / DRIVERS) as path:
        np.savez(path, classes=_recent_classes(panel), **arrays, allow_pickle=False)
    return sha256_of(folder / DRIVERS)


def read_drivers(folder: Path, panel: Panel) -> Drivers | None:
    """What drivers contributed to a panel of the same end, for its items as they are now.

    ``None`` where that is missing or damaged, or where there was no item of some class.
    """
    facts, path = read_sealed(folder / STATE), folder / DRIVERS
    if facts is None or not path.exists() or sha256_of(path) != facts["drivers"]:
        return None
    with np.load(path, allow_pickle=False) as kept:
        places = dict(zip(kept["classes"].tolist(), kept["class_of"].tolist(), strict=True))
        classes = _recent_classes(panel).tolist()
        if not set(classes) <= places.keys():
            return None
        found: dict[str, Any] = {name: kept[name] for name in _ARRAYS}
        found |= {name: tuple(kept[name].tolist()) for name in ("groups", "features")}
        found |= {"last": int(kept["last"]), "changes": bool(kept["changes"])}
    return Drivers(**found, class_of=np.array([places[name] for name in classes], np.int64))


def _recent_classes(panel: Panel) -> npt.NDArray[np.str_]:
    return np.concatenate([class_names(select_recent(some)) for some in in_portions(panel)])


def forget_state(folder: Path) -> None:
    """Let no later run go on from the models of a panel in a folder."""
    (folder / STATE).unlink(missing_ok=True)


def digest_items(panel: Panel, until: np.datetime64) -> dict[str, str]:
    """Name of each item's history until a period, by its content up to its last observation."""
    most = int(np.searchsorted(panel.periods, until, side="right"))
    return {i: name for some in in_portions(panel) for i, name in _digest(some, most).items()}


def _digest(panel: Panel, most: int) -> dict[str, str]:
    values = np.nan_to_num(panel.recorded[:, :most], nan=-1e300) + 0.0  # no negative zero
    lengths = _count_known(panel, most).tolist()
    found = {}
    for row, (item, end) in enumerate(zip(panel.items, lengths, strict=True)):
        digest = hashlib.sha256(str(panel.units[row]).encode())
        digest.update(values[row, :end].astype("<f8").tobytes())
        own = panel.shortages and panel.shortages.pick([row]).between(0, end)
        if own is not None and (own.exposure < 1).any():
            for grid in (own.exposures((1, end)), own.shorts((1, end))):
                digest.update(grid.astype("<f8").tobytes())
        found[item] = digest.hexdigest()[:16]
    return found


def study_facts(study: Study) -> dict[str, Any]:
    """A study as plain values, without the contributions."""
    return asdict(replace(study, drivers={}))


def study_of(facts: Mapping[str, Any]) -> Study:
    """The study that :func:`study_facts` gave."""
    gains, effects = (
        tuple(DriverFinding(**one) for one in facts[name]) for name in ("gains", "effects")
    )
    used = {name: tuple(groups) for name, groups in facts["used"].items()}
    return Study(gains, effects, used, {}, tuple(facts["statements"]))


def _agreeing(search: StateSearch, panel: Panel) -> Iterator[FittedState]:
    """States of other datasets that were made alike, whatever their age and items."""
    choices = read_choices(search.models_dir)
    for path in _state_files(search):
        facts, dataset = read_sealed(path), path.parent.parent.name
        if facts is None or dataset == search.dataset_id or facts["made_by"] != search.made_by:
            continue
        state = _read_state(dataset, facts)
        tried = last_tried(choices, search.name, search.made_by, state.lineage[0])
        if tried is not None:
            state = replace(state, tried_at=max(state.fitted_at, np.datetime64(tried)))
        if (
            facts["start"] == str(panel.periods[0])
            and state.cutoff <= panel.cutoff
            and state.reach >= search.reach
        ):
            yield state


def _state_files(search: StateSearch) -> Iterator[Path]:
    """Those of the panel, of whatever dataset."""
    return search.models_dir.glob(f"{COMPANY}/*/{search.name}/{STATE}")


def _is_young(state: FittedState, search: StateSearch, panel: Panel) -> bool:
    """Whether models serve without a look at newly trained ones."""
    age = (panel.cutoff - state.tried_at) / np.timedelta64(1, "D")
    return bool(age < search.days or state.tried_at >= panel.cutoff)


def _read_state(dataset: str, facts: Mapping[str, Any]) -> FittedState:
    return FittedState(
        dataset_id=dataset,
        fitted_at=np.datetime64(facts["fitted_at"]),
        cutoff=np.datetime64(facts["cutoff"]),
        lineage=tuple(facts["lineage"]),
        origins=tuple(np.datetime64(day) for day in facts["origins"]),
        backtest_items=tuple(facts["backtest_items"]),
        reach=facts["reach"],
        drivers_key=facts["drivers_key"],
        study=study_of(facts["study"]),
        tried_at=np.datetime64(facts["fitted_at"]),
    )
