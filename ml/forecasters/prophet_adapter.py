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
from ml.forecasters.base import Series, is_count
from ml.forecasters.regressors import group_terms
from ml.forecasters.silence import without_deprecations
from ml.forecasters.sparse_draws import SparseDemand, draw_sparse, measure_sparse
from ml.frequency import Frequency, periods_after
from ml.panel import Panel

MIN_OBSERVATIONS = 3
PRIOR_SCALE = 1.0  # of how much of a group of drivers applies to a series
SPARSE_LAW = "sparse_demand"
SEASON_YEARS = 2.9  # of history from which on there is a yearly season; 3 of 12 months
MOSTLY = 0.5  # share of periods with demand up to which a series is sparse
DEAD = 4.0  # mean intervals without demand after which a series may have died out
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
            try:
                model.fit(history, iter=self.iterations, timeout=self.timeout)
            except TimeoutError:
                raise ValueError("timeout") from None
            except (OSError, RuntimeError):
                require_temporary_room()  # where Stan's files are; it does not say so
                raise
            sparse = None
            if panel.is_demand:
                sparse = measure_sparse(history["y"].to_numpy(np.float64), _fitted_means(model))
            model.history = kept_history(model).iloc[:KEPT_ROWS]
            model.history_dates = model.history["ds"]
            return {**json.loads(json.dumps(model_to_dict(model))), SPARSE_LAW: sparse}

    def sample_one(
        self, model: dict[str, Any], panel: Panel, shape: tuple[int, int], seed: int
    ) -> Series:
        """See :class:`ml.forecasters.per_series.SeriesModel`."""
        n_paths, horizon = shape
        days = periods_after(panel.cutoff, horizon, panel.frequency)
        terms = group_terms(panel, horizon)
        ahead = {group: values[len(panel.periods) :] for group, values in terms.items()}
        future = pd.DataFrame({"ds": days.astype("datetime64[us]"), **ahead})
        sparse = model.pop(SPARSE_LAW, None)
        if sparse and _is_constant(model):  # Prophet takes 30 ms to be read and to say so
            law, rng = SparseDemand.load(sparse), np.random.default_rng(seed)
            level = np.full(shape, float(np.mean(model["params"]["m"])) * model["y_scale"])
            return draw_sparse(law, level, rng, counts=is_count(panel.values))
        with without_deprecations(), numpy_seed(seed):
            prophet = model_from_dict(model)
            prophet.uncertainty_samples = n_paths
            if sparse:  # the trend's own doubt is kept, the normal errors are not
                prophet.params["sigma_obs"] = np.zeros_like(prophet.params["sigma_obs"])
            drawn = prophet.predictive_samples(future)
        paths = np.asarray(drawn["yhat"], np.float64).T
        if not sparse:
            return paths
        law, rng = SparseDemand.load(sparse), np.random.default_rng(seed)
        return draw_sparse(law, paths, rng, counts=is_count(panel.values))


class KeptInputs(Prophet):
    """Prophet that keeps the matrix it is fitted on: to make it anew takes as long as the fit."""

    def preprocess(self, df: pd.DataFrame, **options: Any) -> Any:
        """See Prophet."""
        inputs = super().preprocess(df, **options)
        self.inputs = inputs
        return inputs


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


def _is_constant(model: dict[str, Any]) -> bool:
    """Whether a saved model has neither trend, season nor drivers."""
    plain = not model["seasonalities"][0] and not model["extra_regressors"][0]
    return plain and model["growth"] == "flat"


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


@contextmanager
def numpy_seed(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, the only one that Prophet draws from, and put it back."""
    state = np.random.get_state()  # noqa: NPY002 - see above
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
