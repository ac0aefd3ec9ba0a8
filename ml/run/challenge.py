"""Newly trained models against those in use: both at the same origins, as old as they would be.

The newly trained ones have their backtest. Those in use had one as well, as many periods earlier as
have passed since they were fitted. Carried on by as many, what it had learned at its origins is at
the new ones as old as what is in use is now, and has seen nothing of what came after: networks read
the newest window, filters run on, trees are fitted at the new origin and mixed as they were then,
drivers and weights are those that were chosen then. Of the other side it takes nothing but the
references, which are fitted to nothing. That says what it would cost to stay, and neither side has
seen an origin.

Whoever loses is kept: newly trained models beside those in use, in the folder of the dataset whose
name ends with ``-challenger``, those replaced where they are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from ml.durable import staged
from ml.ensemble.fitting import judge_elsewhere
from ml.ensemble.mixture import ENSEMBLE
from ml.evaluation.origins import BY_MODEL, BacktestPoints, summarise_paths
from ml.forecasters.base import Fitted, predict
from ml.forecasters.per_series import FittedSeries
from ml.forecasters.registry import LASTING, POOLED, TRAINED, forecaster
from ml.gate.promotion import LEAST_ORIGINS, PromotionVerdict, decide_promotion, score_models
from ml.locks import hold
from ml.panel import Drivers, Panel
from ml.run.backtest import fit_ensembles, read_backtests, read_ensemble, read_judged
from ml.run.fitted_state import explain_none
from ml.run.inputs import RunInputs
from ml.run.model_sets import BY_RULE, CHALLENGER, SetChoice, note_choice
from ml.run.model_store import ModelStore, finish_part, keep_state, read_part, say, start_part
from ml.run.parallel import run_tasks, timed
from ml.run.plan import PanelPlan, drivers_chosen, make_plans
from ml.run.request import RunRequest
from ml.run.train import (
    TrainStep,
    TrainTask,
    find_needed,
    school_of,
    train_families,
    train_origins,
    train_parts,
)

AGED = "in_use"  # folder of what those in use say at the new origins
Pairs = Mapping[np.datetime64, np.datetime64]
"""Origins of the newly trained models, and those that the ones in use had as much earlier."""


@dataclass(frozen=True, slots=True)
class AgedTask:
    """Some items at all origins, by what was learned a while before each."""

    panel: Panel  # the items, until `as_of`
    # where it was learned, and the origin, latest first
    days: tuple[tuple[np.datetime64, np.datetime64], ...]
    drivers: Mapping[str, Drivers]  # as they were known then, by day
    fresh: Path  # folder of what newly trained models said of these items at the origins
    pooled: Path  # pooled models of the origins, by family
    horizon: int  # steps H
    seed: int  # of the run
    folder: Path  # of the part that holds the points of each origin

    def at(self, day: np.datetime64) -> Panel:
        """The items as they were on a day."""
        return replace(self.panel.until(day), drivers=self.drivers.get(str(day)))


def choose_sets(
    plans: Sequence[PanelPlan], inputs: RunInputs, request: RunRequest, store: ModelStore
) -> tuple[PanelPlan, ...]:
    """Which models each panel is forecast with; trains those that have to prove themselves first.

    A plan that would fit everything anew although models are in use becomes one that goes on from
    these, unless what was newly trained is better. Each choice is kept and said.
    """
    tried = [plan for plan in plans if plan.champion is not None]
    states = {plan.name: plan.champion for plan in tried if plan.champion is not None}
    standing = {one.name: one for one in make_plans(inputs, request, states=states)}
    whole = [one for one in tried if store.adopt(standing[one.name], states[one.name])]
    rival = replace(store, dataset_id=store.dataset_id + CHALLENGER)
    verdicts: dict[str, PromotionVerdict | str] = {}
    if whole:
        with hold(rival.root):
            _train_whole(whole, rival, request)
            for plan in whole:
                verdicts[plan.name] = _compare(plan, rival, store, inputs, request.jobs)
    chosen = []
    for plan in plans:
        verdict = verdicts.get(plan.name, "what was in use is damaged.")
        if plan.state is not None:
            chosen.append(plan)
        elif plan.champion is None:
            chosen.append(take_unopposed(plan))
        elif isinstance(verdict, str):
            chosen.append(_take(plan, rival if plan in whole else None, store, verdict))
        elif verdict.promoted:
            chosen.append(_take(plan, rival, store, verdict.sentence, _figures(verdict)))
        else:
            chosen.append(_stay(plan, standing[plan.name], rival, verdict))
    return tuple(chosen)


def take_unopposed(plan: PanelPlan, reason: str = "") -> PanelPlan:
    """The same plan, with the choice for what it fits where nothing else could be in use."""
    reason = reason or explain_none(plan.search, plan.panel)
    if not reason or plan.search.days <= 0:  # the same data again, or nothing ever goes on
        return plan
    return _choose(plan, plan.search.dataset_id, None, reason)


def _train_whole(plans: Sequence[PanelPlan], rival: ModelStore, request: RunRequest) -> None:
    """Train whole sets, so that one that loses can be put in use by hand."""
    train_origins(plans, rival, request.jobs)
    fit_ensembles(plans, rival, request.jobs)
    needed = {
        plan.name: find_needed(
            plan, read_ensemble(rival.folder(plan.name, ENSEMBLE)), every=request.all_models
        )
        for plan in plans
    }
    train_families(plans, rival, TRAINED, request.jobs, needed)


def _compare(
    plan: PanelPlan, rival: ModelStore, store: ModelStore, inputs: RunInputs, jobs: int | None
) -> PromotionVerdict | str:
    """Whether what was newly trained may take over; a sentence where that cannot be told."""
    pairs = _pair_origins(plan)
    lasting = [family for family in POOLED if family in LASTING and family in plan.models]
    folders = [store.folder(plan.name, one, day) for one in lasting for day in pairs.values()]
    whole = all(read_part(folder) for folder in folders)
    if len(pairs) < LEAST_ORIGINS or not whole:
        return (
            f"those in use can be tried at {len(pairs) if whole else 0} origins of the new "
            f"ones, and it takes {LEAST_ORIGINS} to compare them."
        )
    folder = _age(plan, pairs, (rival, store), inputs, jobs)
    name, kind = plan.name, plan.panel.kind
    aged = read_backtests(folder)
    theirs = judge_elsewhere(read_backtests(store.folder(name, ENSEMBLE)), aged, kind)
    ours = [one for one in read_judged(rival.folder(name, ENSEMBLE)) if one.cutoff in pairs]
    recent = sorted(pairs)[-math.ceil(len(pairs) / 3)]
    return decide_promotion(score_models(ours, ENSEMBLE), score_models(theirs, ENSEMBLE), recent)


def _pair_origins(plan: PanelPlan) -> Pairs:
    """Origins, and as many periods before each as those in use are old, an origin of theirs."""
    if plan.champion is None:
        return {}
    place = {day: number for number, day in enumerate(plan.panel.periods)}
    age = place[plan.panel.cutoff] - place[plan.champion.fitted_at]
    before = {day: plan.panel.periods[place[day] - age] for day in plan.origins
              if place[day] >= age}  # fmt: skip
    return {day: then for day, then in before.items() if then in plan.champion.origins}


def _age(
    plan: PanelPlan, pairs: Pairs, stores: tuple[ModelStore, ModelStore],
    inputs: RunInputs, jobs: int | None,
) -> Path:  # fmt: skip
    """Let those in use speak at the new origins; the folder of what they said."""
    (rival, store), champion = stores, plan.champion
    if champion is None:
        raise ValueError("there is nothing to compare with")
    days = dict.fromkeys([*pairs, *pairs.values()])
    drivers = drivers_chosen(champion, plan.panel, [*days], inputs)
    own = replace(plan, study=replace(plan.study, drivers=drivers))
    folder, made = rival.open(
        plan, AGED, champion.name, [(str(now), str(then)) for now, then in pairs.items()]
    )
    looks = [
        TrainTask(
            family=family,
            steps=(TrainStep(school_of(own, now), folder / family / str(now)),),
            reach=champion.reach,
            seed=plan.seed,
            settings=plan.tuned.get(family, {}),
            start=store.folder(plan.name, family, then) if family in LASTING else None,
            learns=family not in LASTING,
        )
        for family in (one for one in POOLED if one in plan.models)
        for now, then in pairs.items()
        if f"{family}/{now}" not in made
    ]
    run_tasks(train_parts, looks, jobs=jobs, label="what is in use looks again")
    rows = {item: row for row, item in enumerate(plan.panel.items)}
    tasks = [
        AgedTask(
            panel=replace(plan.panel, drivers=None).select(items),
            days=tuple((then, now) for now, then in pairs.items()),
            drivers={day: one.rows([rows[item] for item in items]) for day, one in drivers.items()},
            fresh=rival.folder(plan.name, ENSEMBLE, f"{number:05d}"),
            pooled=folder,
            horizon=plan.horizon,
            seed=plan.seed,
            folder=folder / f"{number:05d}",
        )
        for number, items in enumerate(plan.backtest_chunks)
        if f"{number:05d}" not in made
    ]
    run_tasks(_age_chunk, tasks, jobs=jobs, label="what is in use at the new origins")
    return folder


def _age_chunk(task: AgedTask) -> None:
    """What is in use at all origins, the earliest first, as the backtest had gone."""
    starts: dict[str, Fitted] = {}
    start_part(task.folder)
    for then, now in ((task.at(before), task.at(day)) for before, day in reversed(task.days)):
        points = BacktestPoints.load(task.fresh / f"{now.cutoff}.npz")
        for model in (one for one in points.models if one in TRAINED):
            with timed(f"{model}, in use"):
                aged = _look_again(task, model, then, now, starts)
                said = predict(aged, now.items, task.horizon, seed=task.seed)
            points = _say_instead(points, model, summarise_paths(said.paths, points.cum_steps))
        with staged(task.folder / f"{now.cutoff}.npz") as path:
            points.save(path)
    finish_part(task.folder)


def _look_again(
    task: AgedTask, model: str, then: Panel, now: Panel, starts: dict[str, Fitted]
) -> Fitted:
    """A model of an earlier origin, as of a later one."""
    family = forecaster(model, horizon=task.horizon, seed=task.seed)
    if model in POOLED:
        return family.load(task.pooled / model / str(now.cutoff), now)
    fitted = family.fit(then, start=starts.get(model))
    starts.setdefault(model, fitted)
    return replace(cast(FittedSeries, fitted), panel=now)


def _say_instead(points: BacktestPoints, model: str, said: Sequence[Any]) -> BacktestPoints:
    """The same points, with what a model said replaced."""
    place, changed = points.models.index(model), {}
    for name, values in zip(("points", "means", "cum_points"), said, strict=True):
        changed[name] = getattr(points, name).copy()
        changed[name][place] = values
    return replace(points, **{name: changed[name] for name in BY_MODEL})


def _take(
    plan: PanelPlan,
    rival: ModelStore | None,
    store: ModelStore,
    reason: str,
    figures: Mapping[str, Any] | None = None,
) -> PanelPlan:
    """Put newly trained models in use: they become this dataset's own."""
    if rival is not None:
        for family in (*(one for one in TRAINED if one in plan.models), ENSEMBLE):
            store.link_family(rival, plan.name, family)
    champion = None if plan.champion is None else plan.champion.lineage[0]
    return _choose(plan, store.dataset_id, champion, reason, figures or {})


def _stay(
    plan: PanelPlan, standing: PanelPlan, rival: ModelStore, verdict: PromotionVerdict
) -> PanelPlan:
    """Go on with what is in use, and keep what was trained beside it."""
    keep_state(replace(plan, search=replace(plan.search, dataset_id=rival.dataset_id)))
    champion = "" if plan.champion is None else plan.champion.lineage[0]
    return _choose(
        standing, rival.dataset_id, champion, verdict.sentence, _figures(verdict), stays=True
    )


def _choose(
    plan: PanelPlan, challenger: str, champion: str | None, reason: str,
    figures: Mapping[str, Any] | None = None, *, stays: bool = False,
) -> PanelPlan:  # fmt: skip
    """Note a choice and say it; the plan that knows of it."""
    choice = SetChoice(
        plan.name, plan.search.made_by, challenger, champion,
        champion if stays and champion else challenger, BY_RULE, str(plan.panel.cutoff), reason,
        figures or {},
    )  # fmt: skip
    note_choice(plan.search.models_dir, choice)
    say(choice.text)
    return replace(plan, chosen=choice)


def _figures(verdict: PromotionVerdict) -> dict[str, Any]:
    """What the rule went by as plain values; what is not known is null."""
    facts = asdict(verdict)
    del facts["promoted"]
    return {name: _plain(value) for name, value in facts.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
