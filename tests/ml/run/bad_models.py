"""Pooled models that predict ten times too much, where a run finds them trained already."""

from dataclasses import replace

import numpy as np

from ml.durable import remove_all
from ml.ensemble.mixture import ENSEMBLE
from ml.forecasters.registry import POOLED
from ml.run.inputs import RunInputs
from ml.run.model_sets import CHALLENGER
from ml.run.model_store import ModelStore
from ml.run.plan import make_plans
from ml.run.request import RunRequest
from ml.run.train import train_families, train_origins

FACTOR = 10.0


def plant_bad_models(inputs: RunInputs, request: RunRequest, ending: str = CHALLENGER) -> None:
    """Train all pooled models of a run on ten times the demand, and lay them where it trains.

    They are whole, sealed, and of this code and these settings: nothing but what they say is
    wrong. ``ending`` is of the folder: empty for a run that has nothing to compare with.
    """
    made = ModelStore(request.settings.models_dir, inputs.dataset_id() + ending)
    plans = []
    for plan in make_plans(inputs, request):
        panel = replace(plan.panel, values=plan.panel.values * np.float64(FACTOR))
        plans.append(replace(plan, panel=panel))
    train_origins(plans, made, request.jobs)
    train_families(plans, made, POOLED, request.jobs)
    for plan in plans:  # what the backtest had begun of them: what came true is not in question
        remove_all(made.folder(plan.name, ENSEMBLE))
