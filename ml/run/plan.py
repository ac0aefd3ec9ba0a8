"""What a run is going to do with one panel, decided before anything is trained."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.drivers.study import (
    Study,
    StudyTask,
    average_gains,
    describe_choice,
    effects_at,
    fit_at,
    fit_chosen,
    trial_tasks,
)
from ml.drivers.trial import frame_at, try_origin
from ml.ensemble.mixture import ENSEMBLE_PATHS
from ml.errors import ConfigError, first_few
from ml.evaluation.origins import choose_cutoffs
from ml.forecasters.base import N_PATHS
from ml.forecasters.registry import models_of
from ml.frequency import Frequency, period_end, weekday
from ml.inventory.items import ItemPolicy, resolve_policies
from ml.inventory.lead_time_demand import protection_periods
from ml.inventory.lead_times import learn_lead_times
from ml.inventory.stock import choose_decision_day
from ml.inventory.terms import add_terms
from ml.panel import Drivers, Panel, draw_teachers, learnable_items, moving_items
from ml.processed import known_by
from ml.run.fitted_state import FittedState, StateSearch, find_state, home_of, read_drivers
from ml.run.model_sets import SetChoice
from ml.run.parallel import run_tasks
from ml.run.request import RunRequest
from ml.run.tuned import Tuned, read_tuned
from ml.seeds import code_version, number

if TYPE_CHECKING:  # which reads what was kept under names that are made here
    from ml.run.inputs import RunInputs

CHUNK_BYTES = 96e6  # sample paths of one chunk in one worker
LARGEST_CHUNK = 256


@dataclass(frozen=True, slots=True)
class PanelPlan:
    """One panel and everything about its run that shapes the result."""

    name: str  # of the panel in files and on the screen; weeks carry the day they start on
    panel: Panel  # the usable series until `as_of`, with the drivers as known then
    learnable: tuple[str, ...]  # items that pooled models and weights are learned from at `as_of`
    wanted: tuple[str, ...]  # items that are fitted one by one and written
    horizon: int  # published steps H
    reach: int  # steps predicted: at least H, and the longest protection interval
    # replenishment parameters of each item of a demand panel; none of prices
    policies: Mapping[str, ItemPolicy]
    # steps of the protection interval of each item of the panel, so that what an item gets
    # does not depend on which others are asked for
    protection: tuple[int, ...]
    # the wanted items in portions for one worker at a time
    forecast_chunks: tuple[tuple[str, ...], ...]
    # likewise those that are recommended for, by paths that are combined already
    order_chunks: tuple[tuple[str, ...], ...]
    backtest_items: tuple[str, ...]  # items that the backtest runs on
    backtest_chunks: tuple[tuple[str, ...], ...]  # they in portions
    origins: tuple[np.datetime64, ...]  # its cutoffs, latest first
    seed: int  # of the run
    study: Study  # what is known of the outside drivers
    # name of all that drivers contribute, at every cutoff; models are made with it
    drivers_key: str
    tuned: Tuned  # settings of families that have some of their own
    search: StateSearch  # what a state agrees with that this run makes, or goes on from
    # what an earlier run fitted and this one goes on from; `None` where it fits everything itself
    state: FittedState | None = None
    # what is in use where everything is fitted anew: what is fitted has to prove itself against it
    champion: FittedState | None = None
    chosen: SetChoice | None = None  # which of both is in use, once that is known

    def train_at(self, cutoff: np.datetime64, items: Sequence[str] | None = None) -> Panel:
        """The panel as it was at a cutoff, with the drivers as they were known then.

        Of some ``items`` alone, for the time and memory of these.
        """
        drivers = self.study.drivers.get(str(cutoff))
        if items is None:
            return replace(self.panel.until(cutoff), drivers=drivers)
        chosen = replace(self.panel, drivers=drivers).select(items)
        return replace(chosen.until(cutoff), drivers=chosen.drivers)

    @property
    def fitted_at(self) -> np.datetime64:
        """The last period that weights, networks and the study of drivers have seen."""
        return self.panel.cutoff if self.state is None else self.state.fitted_at

    @property
    def homes(self) -> dict[str, str]:
        """What the forecast of each wanted item rests on: this run's models, or earlier ones."""
        own = home_of(self.search.dataset_id, self.state)
        standing = {} if self.state is None else self.state.standing
        return {item: standing.get(item, own) for item in self.wanted}

    @property
    def models(self) -> tuple[str, ...]:
        """All component models."""
        return models_of(self.panel.kind)


def make_plans(
    inputs: "RunInputs",
    request: RunRequest,
    *,
    study: bool = True,
    states: Mapping[str, FittedState] | None = None,
) -> tuple[PanelPlan, ...]:
    """One plan for each panel that holds a wanted item.

    Without a ``study`` of the drivers, which takes longest, nothing can be forecast by it. With
    ``states`` there are plans of the panels that it names alone, and each goes on from its own.
    """
    dataset = inputs.dataset_id()
    chosen = set(request.items or ())
    _check_panels(inputs, request)
    plans = []
    for panel in inputs.panels:
        wanted = tuple(i for i in panel.items if request.items is None or i in chosen)
        name = panel_name(panel.kind, panel.frequency, panel.cutoff)
        if wanted and (states is None or name in states):
            own = None if states is None else states[name]
            plans.append(_plan(panel, wanted, inputs, request, dataset, own, study=study))
    return tuple(plans)


def _check_panels(inputs: "RunInputs", request: RunRequest) -> None:
    known = [panel_name(one.kind, one.frequency, one.cutoff) for one in inputs.panels]
    unknown = [name for name in request.refit_panels if name not in known]
    if unknown:
        raise ConfigError(
            f"--refit-panels: there is no panel {first_few(unknown)}. There are: "
            f"{', '.join(known)}."
        )


def decision_day(panel: Panel, inputs: "RunInputs", request: RunRequest) -> np.datetime64:
    """The day at whose end orders of a demand panel are decided."""
    wanted = request.decision_day
    cutoff = period_end(panel.cutoff, panel.frequency)
    day = None if wanted is None else np.datetime64(wanted, "D")
    return choose_decision_day(inputs.inventory, cutoff, day)


def _plan(
    panel: Panel,
    wanted: tuple[str, ...],
    inputs: "RunInputs",
    request: RunRequest,
    dataset: str,
    state: FittedState | None,
    *,
    study: bool,
) -> PanelPlan:
    """Decide horizon, policies, origins, drivers and the backtest's sample of one panel.

    Where there are more items than the backtest may run on, those with the smallest hash of
    their id are taken, whatever else is in the file.
    """
    name = panel_name(panel.kind, panel.frequency, panel.cutoff)
    policy, most = request.settings.policy, request.settings.backtest_items
    policies, protection = _protect(panel, inputs, request)
    horizon = request.horizon or panel.frequency.default_horizon
    reach = max((horizon, *protection))
    learnable, tuned = learnable_items(panel), read_tuned(request.settings.models_dir, name)
    search = _search(name, inputs, request, dataset, reach)
    champion = None
    if state is None:
        state, champion = _find_models(search, panel, request)
    if state is None:
        order = sorted(learnable, key=lambda item: number(policy.seed, "backtest", item))
        backtest_items = tuple(sorted(order[:most]))
        origins = choose_cutoffs(panel, horizon) if learnable else ()
    else:
        backtest_items, origins, reach = state.backtest_items, state.origins, state.reach
    found = Study((), (), {}, {}, ())
    if study and state is not None:
        state, found = _go_on(state, search, panel, inputs)
    elif study:
        moving = dict(zip(panel.items, moving_items(panel).tolist(), strict=True))
        studied = tuple(item for item in learnable if moving[item])  # nothing moves what never did
        found = _study_drivers(name, panel, studied, origins, reach, inputs, request.jobs)
    drawn = len(models_of(panel.kind)) * N_PATHS + ENSEMBLE_PATHS
    return PanelPlan(
        name=name,
        panel=replace(panel, drivers=found.drivers.get(str(panel.cutoff))),
        learnable=learnable,
        wanted=wanted,
        horizon=horizon,
        reach=reach,
        policies=policies,
        protection=protection,
        forecast_chunks=_in_chunks(wanted, reach, drawn),
        order_chunks=_in_chunks(wanted, reach, ENSEMBLE_PATHS),
        backtest_items=backtest_items,
        backtest_chunks=_in_chunks(backtest_items, horizon, drawn),
        origins=origins,
        seed=policy.seed,
        study=found,
        drivers_key=_drivers_key(found.drivers) if state is None else state.drivers_key,
        tuned=tuned,
        search=search,
        state=state,
        champion=champion,
    )


def _find_models(
    search: StateSearch, panel: Panel, request: RunRequest
) -> tuple[FittedState | None, FittedState | None]:
    """The models that a run goes on with, or those that newly trained ones have to beat."""
    state = find_state(search, panel) if request.goes_on(search.name) else None
    if state is not None or not request.train or request.settings.refit_days == 0:
        return state, None
    champion = find_state(search, panel, of_any_age=True)
    if request.items is not None and not request.refit:
        return champion, None  # a run of some items puts nothing in use for all
    return None, champion


def _protect(
    panel: Panel, inputs: "RunInputs", request: RunRequest
) -> tuple[Mapping[str, ItemPolicy], tuple[int, ...]]:
    """Parameters of each item of a demand panel, and steps of each one's protection interval."""
    if not panel.is_demand:
        return {}, (1,) * len(panel.items)
    policy = request.settings.policy
    stated = resolve_policies(panel.items, inputs.items, inputs.inventory, panel.frequency, policy)
    day = decision_day(panel, inputs, request)
    policies = add_terms(learn_lead_times(stated, inputs.receipts, day), panel, day)
    # What an interval has beyond it is continued, see ml.inventory.horizon.
    longest = max(1, int(policy.max_protection_days / panel.frequency.days))
    needed = [protection_periods(policies[item], panel.frequency) for item in panel.items]
    return policies, tuple(min(steps, longest) for steps in needed)


def _search(
    name: str, inputs: "RunInputs", request: RunRequest, dataset: str, reach: int
) -> StateSearch:
    """What the state of a panel has to agree with for this run to go on from it."""
    settings = request.settings
    tuned = read_tuned(settings.models_dir, name)
    made_by = fingerprint(
        code_version(), settings.seed, settings.backtest_items, request.horizon,
        inputs.region, inputs.drivers, tuned,
    )  # fmt: skip
    return StateSearch(
        settings.models_dir, dataset, name, made_by, reach, settings.refit_days,
        inputs.outside_id(), again=not request.train,
    )  # fmt: skip


def drivers_chosen(
    state: FittedState, panel: Panel, cutoffs: Sequence[np.datetime64], inputs: "RunInputs"
) -> dict[str, Drivers]:
    """What the drivers that a state chose contribute, by what was known at some cutoffs."""
    found = {}
    for cutoff in cutoffs if any(state.study.used.values()) else ():
        then = panel.until(cutoff)
        tables = known_by(inputs.outside, period_end(cutoff, panel.frequency))
        moving = dict(zip(then.items, moving_items(then).tolist(), strict=True))
        studied = tuple(item for item in learnable_items(then) if moving[item])
        task = StudyTask(panel, studied, cutoff, state.reach, tables, inputs.region, ())
        found[str(cutoff)] = fit_chosen(task, state.study.used)
    return found


def _go_on(
    state: FittedState, search: StateSearch, panel: Panel, inputs: "RunInputs"
) -> tuple[FittedState, Study]:
    """What was found of the drivers, and what they contribute by what is known now.

    What they contribute stands where forecasts do; where it is lost, none does.
    """
    if not any(state.study.used.values()):
        return state, state.study
    known = read_drivers(search.folder(state.dataset_id), panel) if state.standing else None
    if known is not None:
        return state, replace(state.study, drivers={str(panel.cutoff): known})
    found = replace(state.study, drivers=drivers_chosen(state, panel, (panel.cutoff,), inputs))
    return replace(state, standing={}), found


def _study_drivers(
    name: str,
    panel: Panel,
    learnable: tuple[str, ...],
    origins: tuple[np.datetime64, ...],
    reach: int,
    inputs: "RunInputs",
    jobs: int | None,
) -> Study:
    """Try the drivers on a panel's past, and fit those that help at each cutoff."""
    tables = known_by(inputs.outside, period_end(panel.cutoff, panel.frequency))
    obstacle = None
    if not inputs.drivers:
        obstacle = "no drivers, as asked"
    elif not tables and panel.frequency is Frequency.MONTHLY:  # it averages the calendar away
        obstacle = "no drivers are used: there are no outside tables"
    elif not learnable:
        obstacle = "no drivers are used: there is no item to learn from"
    if obstacle:
        return Study((), (), {}, {}, (f"{name}: {obstacle}",))
    # Tried on some of the many, and fitted to all of them below.
    tasks = trial_tasks(panel.select(draw_teachers(learnable)), tables, inputs.region)
    found = run_tasks(try_origin, tasks, jobs=jobs, label=f"trying drivers, {name}")
    in_order = attrgetter("origin", "demand_class", "group", "foreseen")
    trials = tuple(sorted((trial for part in found for trial in part), key=in_order))
    studies = [
        StudyTask(panel, learnable, cutoff, reach, tables, inputs.region, trials)
        for cutoff in dict.fromkeys((panel.cutoff, *origins))
    ]
    asked = [("", studies[0]), *((str(one.cutoff), one) for one in studies)]
    answers = dict(run_tasks(_study, asked, jobs=jobs, label=f"fitting drivers, {name}"))
    effects, fitted = answers.pop(""), answers.values()
    drivers = {day: one for day, one, _ in fitted if one is not None}
    used = next(groups for day, _, groups in fitted if day == str(panel.cutoff))
    tried = tuple(average_gains(trials))
    frame = frame_at(panel, tables, inputs.region, panel.cutoff, 1)
    offered = list(dict.fromkeys(one.group for one in frame.features if one.driver))
    sentences = (*describe_choice(name, used, tried, offered), *frame.statements)
    return Study(tried, tuple(effects), used, drivers, sentences)


def _study(asked: tuple[str, StudyTask]) -> tuple[str, Any]:
    """What is chosen and fitted at the cutoff of this name; without a name, all effects there."""
    name, task = asked
    return name, fit_at(task) if name else effects_at(task)


def _in_chunks(items: tuple[str, ...], steps: int, n_paths: int) -> tuple[tuple[str, ...], ...]:
    """``items`` in portions whose paths fit a worker's memory; results do not depend on it."""
    per_item = n_paths * steps * 4.0
    size = int(np.clip(CHUNK_BYTES / per_item, 2, LARGEST_CHUNK))
    size = max(1, min(size, -(-len(items) // 8)))
    return tuple(items[start : start + size] for start in range(0, len(items), size))


def panel_name(kind: str, frequency: Frequency, start: np.datetime64) -> str:
    """Name of a panel by its kind, its frequency and, of weeks, the day that a period starts on."""
    name = f"{kind}_{frequency.value.lower()}"
    if frequency is Frequency.WEEKLY:
        day = int(weekday(np.array([start]))[0])
        name += "_" + ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[day]
    return name


def _drivers_key(drivers: Mapping[str, Drivers]) -> str:
    if not drivers:
        return ""
    digest = hashlib.sha256()
    for day, known in sorted(drivers.items()):
        history = known.contribution[:, : known.last + 1]  # without what a horizon adds
        digest.update(f"{day}|{known.groups}|{known.features}|{known.lag}".encode())
        digest.update(np.ascontiguousarray(history).tobytes())
    return digest.hexdigest()[:12]


def fingerprint(*parts: object) -> str:
    """Twelve hexadecimal digits that stand for these plain values."""
    text = json.dumps(parts, sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
