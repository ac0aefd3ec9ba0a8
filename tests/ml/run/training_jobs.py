"""What the power-cut tests of training let a process do: train and try all models of one panel."""

from pathlib import Path

import numpy as np

from ml.forecasters.registry import POOLED, TRAINED, forecaster, models_of
from ml.frequency import Frequency
from ml.panel import Panel
from ml.run.backtest import fit_ensembles
from ml.run.inputs import RunInputs
from ml.run.model_store import ModelStore
from ml.run.plan import PanelPlan, make_plans
from ml.run.request import RunRequest
from ml.run.train import train_families, train_origins
from ml.settings import Settings

LOADED = [forecaster(name) for name in models_of("demand")]  # before the process is forked


def plan_of(months: int, horizon: int = 3) -> PanelPlan:
    """Two parts of steady demand."""
    last = np.datetime64("2025-12")
    periods = np.arange(last - months + 1, last + 1).astype("datetime64[D]")
    values = np.stack([np.full(months, 4.0), np.full(months, 2.0)])  # constants are quickly fitted
    panel = Panel("demand", Frequency.MONTHLY, ("A", "B"), periods, values, ("u", "u"))
    inputs = RunInputs(panels=(panel,), source={})
    (plan,) = make_plans(inputs, RunRequest(command="train", horizon=horizon, settings=Settings()))
    return plan


def train_all(place: str, months: str = "14") -> None:
    """Train what is not trained yet; with 14 months the network has too few windows to learn."""
    plan, store = plan_of(int(months)), ModelStore(Path(place), "d-1")
    train_origins([plan], store, 1)
    fit_ensembles([plan], store, 1)
    train_families([plan], store, TRAINED, 1)
    store.require(plan, dict.fromkeys(TRAINED, plan.wanted))


def train_pooled(place: str, horizon: str = "3") -> None:
    """Train the networks alone, those of the origins too."""
    plan, store = plan_of(36, int(horizon)), ModelStore(Path(place), "d-1")
    train_origins([plan], store, 1)
    train_families([plan], store, POOLED, 1)
