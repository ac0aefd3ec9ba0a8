"""Prophet fitted to a series: paths of what is saved are drawn without it (`prophet_paths`)."""

import json
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from prophet import Prophet
from prophet.serialize import model_to_dict

from ml.forecasters.base import Series
from ml.forecasters.prophet_mode import PosteriorMode
from ml.forecasters.regressors import group_terms
from ml.forecasters.silence import without_deprecations
from ml.forecasters.sparse_draws import SPARSE_LAW, measure_sparse
from ml.frequency import Frequency
from ml.panel import Panel

MIN_OBSERVATIONS = 3
PRIOR_SCALE = 1.0  # of how much of a group of drivers applies to a series
SEASON_YEARS = 2.9  # of history from which on there is a yearly season; 3 of 12 months
MOSTLY = 0.5  # share of periods with demand up to which a series is sparse
DEAD = 4.0  # mean intervals without demand after which a series may have died out
KEPT_ROWS = 2  # prediction asks for a history, and reads nothing of it


def fit_series(panel: Panel) -> dict[str, Any]:
    """Prophet's model of the one series of a panel as plain JSON values, with its sparse law.

    Raises:
        ValueError: There is too little to fit.
    """
    terms = group_terms(panel, 0)
    (values,) = panel.values  # noqa: PD011 - a panel, no frame
    columns = {"ds": panel.periods.astype("datetime64[us]"), "y": values, **terms}
    history = pd.DataFrame(columns).dropna()
    if len(history) < MIN_OBSERVATIONS:
        raise ValueError(f"prophet needs {MIN_OBSERVATIONS} observations, there are {len(history)}")
    years = np.ptp(np.flatnonzero(~np.isnan(values))) * panel.frequency.days / 365
    busy, dead = _liveliness(history["y"]) if panel.is_demand else (1.0, False)
    model = KeptInputs(
        weekly_seasonality=panel.frequency in (Frequency.DAILY, Frequency.BUSINESS),
        daily_seasonality=False,
        # Twenty terms for the months of two years, or of a part that is hardly ever asked
        # for, are noise: on young car parts they made the forecast twice the demand.
        yearly_seasonality="auto" if busy > MOSTLY and years >= SEASON_YEARS else False,
        # Their trend is noise as well, and goes on for the whole horizon, unless they died out.
        growth="linear" if busy > MOSTLY or dead else "flat",
    )
    for group in terms:
        if np.ptp(history[group].to_numpy()) > 0:
            model.add_regressor(
                group, prior_scale=PRIOR_SCALE, standardize=False,
                mode="multiplicative" if panel.is_demand else "additive",
            )  # fmt: skip
    with without_deprecations():
        model.fit(history)
        sparse = None
        if panel.is_demand:
            sparse = measure_sparse(history["y"].to_numpy(np.float64), _fitted_means(model))
        model.history = kept_history(model).iloc[:KEPT_ROWS]
        model.history_dates = model.history["ds"]
        return {**json.loads(json.dumps(model_to_dict(model))), SPARSE_LAW: sparse}


class KeptInputs(Prophet):
    """Prophet without Stan, which keeps the matrix it is fitted on: that takes as long as a fit."""

    layouts: ClassVar[dict[Any, Any]] = {}
    """What belongs to which component, by what it follows from: a fifth of a fit to find out."""

    def preprocess(self, df: pd.DataFrame, **options: Any) -> Any:
        """See Prophet."""
        inputs = super().preprocess(df, **options)
        self.inputs = inputs
        return inputs

    def regressor_column_matrix(self, seasonal_features: pd.DataFrame, modes: Any) -> Any:
        """See Prophet."""
        regressors = [(name, one["mode"]) for name, one in self.extra_regressors.items()]
        key = repr((list(seasonal_features.columns), modes, regressors))
        if key not in self.layouts:
            self.layouts[key] = super().regressor_column_matrix(seasonal_features, modes)
        return deepcopy(self.layouts[key])

    def _load_stan_backend(self, stan_backend: str | None) -> None:
        del stan_backend
        self.stan_backend = PosteriorMode()  # type: ignore[assignment] # what is asked of it


def _fitted_means(model: KeptInputs) -> Series:
    """Means (n,) of the history: trend x (1 + multiplicative terms) + additive terms."""
    trend = np.asarray(model.predict_trend(kept_history(model)), np.float64)
    terms, parts = pd.DataFrame(model.train_component_cols), np.asarray(model.inputs.X, np.float64)
    (weights,) = model.params["beta"]
    times, plus = (
        parts @ (weights * terms[name].to_numpy())
        for name in ("multiplicative_terms", "additive_terms")
    )
    return np.asarray(trend * (1 + times) + plus * model.y_scale)


def _liveliness(demand: "pd.Series[float]") -> tuple[float, bool]:
    """Share of observed periods with demand, and whether there has been none for far too long."""
    wanted = np.flatnonzero(demand.to_numpy() > 0)
    if not len(wanted):
        return 0.0, False
    busy = len(wanted) / len(demand)
    return busy, (len(demand) - 1 - wanted[-1]) * busy > DEAD


def kept_history(model: Prophet) -> pd.DataFrame:
    """The frame that a fitted Prophet keeps."""
    if model.history is None:
        raise ValueError("prophet was not fitted")
    return model.history
