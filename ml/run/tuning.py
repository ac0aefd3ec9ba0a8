"""Searching settings of pooled models on a panel's past.

Candidates are scored at older origins; the best one replaces the present settings only if it is
surely better at newer origins, whose periods none of the candidates was chosen on. The score is
the leaderboard's own. Candidates are drawn one after the other by Optuna's tree-structured Parzen
estimator (Bergstra et al. 2011, *Algorithms for hyper-parameter optimization*), seeded, so that a
search can be repeated.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.errors import ConfigError, DataError
from ml.evaluation.origins import LEAST_TRAIN, BacktestPoints, actual_values, typical_size
from ml.evaluation.scores import Losses, measure_losses
from ml.forecasters.base import predict
from ml.forecasters.registry import forecaster
from ml.forecasters.tunable import RANGES, Settings, settings_of
from ml.logs import logger
from ml.panel import Ints, Panel, learnable_items
from ml.reporting.comparison import Loss, compare, score_cells
from ml.run.backtest import summarise_origin
from ml.run.inputs import read_processed
from ml.run.parallel import run_tasks
from ml.run.plan import PanelPlan, make_plans
from ml.run.request import RunRequest
from ml.run.tuned import TuningResult, save_result
from ml.seeds import code_version, number

OLDER = 2  # origins that candidates are scored at
NEWER = (4, 3)  # that the best one is judged at; fewer cannot tell what all items share
JUDGES = 2  # seeds that both are trained with there, so that a lucky start does not win
Scored = tuple[BacktestPoints, Losses]


@dataclass(frozen=True, slots=True)
class Origins:
    """Where a panel's settings are tried, as numbers of periods seen, latest first."""

    older: tuple[int, ...]
    newer: tuple[int, ...]
    horizon: int  # steps ahead at each


@dataclass(frozen=True, slots=True)
class TrialGround:
    """Where candidates run: the items of a panel, one family, and how far it looks ahead."""

    name: str  # of the panel
    panel: Panel  # the items, until the run's cutoff
    cum_steps: Ints  # (N, 2) steps of which sums are scored
    family: str  # its name
    horizon: int  # steps H
    seed: int  # of the run
    jobs: int | None  # worker processes

    def losses(
        self, settings: Settings, ends: Sequence[int], label: str, *, seeds: int = 1
    ) -> Loss:
        """What a model so set loses on each item at each origin, (N, G), mean over seeds."""
        tasks = [TryTask(self, settings, end, self.seed + offset)
                 for offset in range(seeds) for end in ends]  # fmt: skip
        told = f"{self.name}, {self.family}: {label}"
        done = run_tasks(_try_origin, tasks, jobs=self.jobs, label=told)
        found = {(seed, end): scored for seed, end, scored in done}
        cells = [
            score_cells(*zip(*(found[self.seed + offset, end] for end in ends), strict=True))
            for offset in range(seeds)
        ]
        loss, count = (np.mean(parts, axis=0) for parts in zip(*cells, strict=True))
        return loss, count


@dataclass(frozen=True, slots=True)
class TryTask:
    """One model at one origin."""

    ground: TrialGround
    settings: Settings  # beside the defaults
    seen: int  # periods before the origin
    seed: int  # of training and paths


def tune(
    family: str, request: RunRequest, *, trials: int, items: int | None, say: Callable[[str], None]
) -> list[TuningResult]:
    """Tune one pooled family on every demand panel of the processed tables; results are saved.

    The present settings are among the trials. Drivers take no part: settings are those of the model
    itself. Items are those whose ids have the smallest hash; ``None`` = as many as the backtest
    takes. ``say`` is told how far it is.

    Raises:
        ConfigError: The family cannot be tuned, or Optuna is not installed.
        DataError: There is no data, or every history is too short.
    """
    if family not in RANGES:
        raise ConfigError(f"'{family}' cannot be tuned. Choose one of: {', '.join(RANGES)}.")
    inputs = read_processed(request)
    plans = [plan for plan in make_plans(inputs, request) if plan.panel.is_demand]
    results = []
    for plan in plans:
        result = tune_panel(plan, family, inputs.dataset_id(), request.jobs, trials, items)
        if result is None:
            say(f"{plan.name}: {len(plan.panel.periods)} periods are too few to tune on")
            continue
        say(f"saved: {save_result(result, request.settings.models_dir)}")
        results.append(result)
    if not results:
        raise DataError("tune: there is no demand whose history is long enough to tune on.")
    return results


def choose_origins(length: int, horizon: int) -> Origins | None:
    """Newer origins and older ones that are over before them; ``None`` = the history is too short.

    Origins lie as far apart as they look ahead, so no period is forecast twice. Where there is no
    room for that, they look half or a third as far.
    """
    for count in NEWER:
        for part in (1, 2, 3):
            steps = -(-horizon // part)
            ends = [length - steps * k for k in range(1, count + OLDER + 1)]
            if ends[-1] >= max(2 * steps, LEAST_TRAIN):
                return Origins(tuple(ends[count:]), tuple(ends[:count]), steps)
    return None


def is_better(candidate: Loss, present: Loss) -> tuple[bool, tuple[float, float, float]]:
    """Whether a candidate's losses are surely less, and the share that it saves with its interval.

    Losses are of items at origins, (N, G). The interval is over both, so neither a few items nor
    one good season accept a candidate.
    """
    value, low, high = compare(candidate, present, share=True)
    return bool(low > 0), (value, low, high)


def tune_panel(
    plan: PanelPlan, family: str, dataset: str, jobs: int | None, trials: int, items: int | None
) -> TuningResult | None:
    """Search on older origins, judge on newer ones; ``None`` where the history is too short."""
    origins = choose_origins(len(plan.panel.periods), plan.horizon)
    if origins is None:
        return None
    ground = _trial_ground(plan, family, origins.horizon, jobs, items)
    used = dict(plan.tuned.get(family, {}))
    present = settings_of(forecaster(family, settings=used), family)
    found: list[dict[str, Any]] = []

    def objective(settings: Settings) -> float:
        loss, count = ground.losses(settings, origins.older, f"trial {len(found)}")
        score = float(loss.sum() / count.sum()) if count.any() else float("inf")
        found.append({"settings": dict(settings), "score": score})
        logger().info("tuning_trial", panel=plan.name, family=family, **found[-1])
        return score

    candidate = search(objective, family, present, trials, number(plan.seed, "tune", bits=32))
    accepted, saved = False, None
    if candidate != present:
        both = [ground.losses(one, origins.newer, label, seeds=JUDGES)
                for one, label in ((candidate, "candidate"), (present, "present"))]  # fmt: skip
        accepted, saved = is_better(*both)
    days = plan.panel.periods
    return TuningResult(
        panel=plan.name, family=family, accepted=accepted,
        settings=candidate if accepted else used, present=present, candidate=candidate,
        saved=saved, trials=found,
        older=tuple(str(days[end - 1]) for end in origins.older),
        newer=tuple(str(days[end - 1]) for end in origins.newer),
        horizon=origins.horizon, items=len(ground.panel.items), seed=plan.seed,
        code=code_version(), dataset=dataset,
    )  # fmt: skip


def search(
    objective: Callable[[Settings], float],
    family: str,
    present: Mapping[str, float],
    trials: int,
    seed: int,
) -> dict[str, float]:
    """Settings with the least objective of so many that are tried; the present ones come first.

    Of equals the first one, so a tie changes nothing.

    Raises:
        ConfigError: Optuna is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise ConfigError(
            "tune needs Optuna: pip install -r requirements_tune.txt (make setup has it)."
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(dict(present), skip_if_exists=True)
    best, least = dict(present), float("inf")
    for _ in range(trials):
        trial = study.ask()
        settings = {
            name: trial.suggest_int(name, int(one.low), int(one.high), log=True)
            if one.whole
            else trial.suggest_float(name, one.low, one.high, log=True)
            for name, one in RANGES[family].items()
        }
        score = objective(settings)
        study.tell(trial, score)
        if score < least:
            best, least = settings, score
    return best


def _trial_ground(
    plan: PanelPlan, family: str, horizon: int, jobs: int | None, items: int | None
) -> TrialGround:
    chosen = plan.backtest_items
    if items is not None:
        order = sorted(plan.learnable, key=lambda item: number(plan.seed, "tune", item))
        chosen = tuple(sorted(order[:items]))
    own = dict(zip(plan.panel.items, plan.protection, strict=True))
    steps = np.asarray([[min(own[item], horizon), horizon] for item in chosen], np.int64)
    panel = plan.panel.select(chosen)
    return TrialGround(plan.name, panel, steps, family, horizon, plan.seed, jobs)


def _try_origin(task: TryTask) -> tuple[int, int, Scored]:
    """Train and score one model; seed and origin come back with it, for tasks end in any order."""
    ground = task.ground
    train = ground.panel.until(ground.panel.periods[task.seen - 1])
    learnable = learnable_items(train)
    model = forecaster(
        ground.family, horizon=ground.horizon, seed=task.seed, settings=task.settings
    )
    fitted = model.fit(train, learn_from=learnable)
    forecast = predict(fitted, train.items, ground.horizon, seed=task.seed)
    prior = typical_size(train.select(learnable))
    actual = actual_values(ground.panel, train, ground.horizon)
    points = summarise_origin(train, actual, {ground.family: forecast}, ground.cum_steps, prior)
    return task.seed, task.seen, (points, measure_losses(points, ground.family))
