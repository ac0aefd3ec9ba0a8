"""Prophet: one additive model a series, fitted by L-BFGS, sampled for paths."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from prophet import Prophet
from prophet.serialize import model_from_dict, model_to_dict

from ml.durable import require_temporary_room
from ml.forecasters.base import Series
from ml.forecasters.regressors import group_terms
from ml.forecasters.silence import without_deprecations
from ml.frequency import Frequency, periods_after
from ml.panel import Panel

MIN_OBSERVATIONS = 3
PRIOR_SCALE = 1.0  # of how much of a group of drivers applies to a series
KEPT_ROWS = 2  # prediction asks for a history, and reads nothing of it


@dataclass(frozen=True, slots=True)
class ProphetModel:
    """Settings of Prophet."""

    # most L-BFGS iterations a series; the budget that makes results repeatable
    iterations: int = 2000
    timeout: float = 60.0  # last resort for a fit that hangs [seconds]
    name: ClassVar[str] = "prophet"

    def fit_one(self, panel: Panel, start: dict[str, Any] | None) -> dict[str, Any]:
        """See :class:`ml.forecasters.per_series.SeriesModel`."""
        del start  # nothing is searched for
        terms = group_terms(panel, 0)
        (values,) = panel.values  # noqa: PD011 - a panel, no frame
        columns = {"ds": panel.periods.astype("datetime64[us]"), "y": values, **terms}
        history = pd.DataFrame(columns).dropna()
        if len(history) < MIN_OBSERVATIONS:
            raise ValueError(
                f"prophet needs {MIN_OBSERVATIONS} observations, there are {len(history)}"
            )
        model = Prophet(
            weekly_seasonality=panel.frequency in (Frequency.DAILY, Frequency.BUSINESS),
            daily_seasonality=False,
            yearly_seasonality="auto",
        )
        for group in terms:
            if np.ptp(history[group].to_numpy()) > 0:
                model.add_regressor(
                    group, prior_scale=PRIOR_SCALE, standardize=False,
                    mode="multiplicative" if panel.is_demand else "additive",
                )  # fmt: skip
        with without_deprecations():
            try:
                model.fit(history, iter=self.iterations, timeout=self.timeout)
            except TimeoutError:
                raise ValueError("timeout") from None
            except (OSError, RuntimeError):
                require_temporary_room()  # where Stan's files are; it does not say so
                raise
            model.history = kept_history(model).iloc[:KEPT_ROWS]
            model.history_dates = model.history["ds"]
            return json.loads(json.dumps(model_to_dict(model)))

    def sample_one(
        self, model: dict[str, Any], panel: Panel, shape: tuple[int, int], seed: int
    ) -> Series:
        """See :class:`ml.forecasters.per_series.SeriesModel`."""
        n_paths, horizon = shape
        days = periods_after(panel.cutoff, horizon, panel.frequency)
        terms = group_terms(panel, horizon)
        ahead = {group: values[len(panel.periods) :] for group, values in terms.items()}
        future = pd.DataFrame({"ds": days.astype("datetime64[us]"), **ahead})
        with without_deprecations(), numpy_seed(seed):
            prophet = model_from_dict(model)
            prophet.uncertainty_samples = n_paths
            drawn = prophet.predictive_samples(future)
        return np.asarray(drawn["yhat"], np.float64).T


def kept_history(model: Prophet) -> pd.DataFrame:
    """The frame that a fitted Prophet keeps."""
    if model.history is None:
        raise ValueError("prophet was not fitted")
    return model.history


@contextmanager
def numpy_seed(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, the only one that Prophet draws from, and put it back."""
    state = np.random.get_state()  # noqa: NPY002 - see above
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
