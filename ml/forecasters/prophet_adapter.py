"""Prophet: one additive model a series, its most probable parameters, sampled for paths."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from prophet import Prophet
from prophet.serialize import model_to_dict

from ml.forecasters.base import Series, is_count
from ml.forecasters.prophet_mode import PosteriorMode
from ml.forecasters.regressors import group_terms
from ml.forecasters.silence import without_deprecations
from ml.forecasters.sparse_draws import SparseDemand, draw_sparse, measure_sparse
from ml.frequency import Days, Frequency, periods_after
from ml.panel import Floats, Panel

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
            model.fit(history)
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
        sparse = model.pop(SPARSE_LAW, None)
        if sparse and _is_constant(model):
            law, rng = SparseDemand.load(sparse), np.random.default_rng(seed)
            level = np.full(shape, float(np.mean(model["params"]["m"])) * model["y_scale"])
            return draw_sparse(law, level, rng, counts=is_count(panel.values))
        with numpy_seed(seed):
            # Of sparse demand the trend's own doubt is kept, the normal errors are not.
            paths = sample_paths(model, days, ahead, n_paths, errors=not sparse)
        if not sparse:
            return paths
        law, rng = SparseDemand.load(sparse), np.random.default_rng(seed)
        return draw_sparse(law, paths, rng, counts=is_count(panel.values))


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


def sample_paths(
    model: Mapping[str, Any],
    days: Days,
    regressors: Mapping[str, Series],
    n_paths: int,
    *,
    errors: bool,
) -> Floats:
    """Paths (S, H) of a saved model, as Prophet's ``predictive_samples`` draws them.

    Prophet first makes tables of everything, which takes ten times as long.

    Args:
        model: What Prophet's ``model_to_dict`` gave.
        days: (H,) periods after the history.
        regressors: (H,) values of each driver there.
        n_paths: S.
        errors: Whether the noise of single periods is drawn, too.
    """
    terms = {"multiplicative": np.zeros(len(days)), "additive": np.zeros(len(days))}
    weights = np.asarray(model["params"]["beta"][0], np.float64)
    for mode, columns in _regressors_of(model, days, regressors):
        own, weights = weights[: columns.shape[1]], weights[columns.shape[1] :]
        terms[mode] += columns @ own
    scale = model["y_scale"]
    if model["growth"] == "flat":  # nothing is drawn
        trends = np.full((n_paths, len(days)), np.ravel(model["params"]["m"])[0] * scale)
    else:
        time = _time_of(model, days)
        trends = _trend_of(model).sample_predictive_trend_vectorized(time, n_paths, 0)
    paths = trends * (1 + terms["multiplicative"]) + terms["additive"] * scale
    if errors:
        (noise,) = model["params"]["sigma_obs"][0]
        paths += np.random.normal(0, noise, trends.shape) * scale  # noqa: NPY002 - see numpy_seed
    return np.asarray(paths)


def _regressors_of(
    model: Mapping[str, Any], days: Days, regressors: Mapping[str, Series]
) -> Iterator[tuple[str, Floats]]:
    """Mode and columns (H, n) of the seasons and drivers of a saved model, in its order."""
    names, seasons = model["seasonalities"]
    for part in (seasons[name] for name in names):
        yield part["mode"], _season(_stamps(days), part["period"], part["fourier_order"])
    names, drivers = model["extra_regressors"]
    for name in names:
        yield drivers[name]["mode"], regressors[name][:, None]


def _stamps(days: Days) -> bytes:
    """Periods as microseconds, to find again what was made of them."""
    return days.astype("datetime64[us]").tobytes()


@lru_cache(maxsize=256)  # by far most items have the seasons, and many the horizon, of others
def _season(stamps: bytes, period: float, order: int) -> Floats:
    """Columns (H, 2 order) of a season."""
    dates = pd.Series(np.frombuffer(stamps, "datetime64[us]"))
    return np.asarray(Prophet.fourier_series(dates, period, order))


def _trend_of(model: Mapping[str, Any]) -> Prophet:
    """A Prophet that knows the trend of a saved model and nothing else."""
    prophet = KeptInputs(growth=model["growth"])
    prophet.y_scale, prophet.changepoints_t = model["y_scale"], np.array(model["changepoints_t"])
    prophet.params = {name: np.array(model["params"][name]) for name in ("k", "m", "delta")}
    kept = json.loads(model["history"])["data"]
    prophet.history = pd.DataFrame({"t": [row["t"] for row in kept]})  # of the step, if H is 1
    return prophet


def _time_of(model: Mapping[str, Any], days: Days) -> pd.DataFrame:
    """Periods in the time of a saved model, which is 0 to 1 along its history."""
    return pd.DataFrame({"t": _time(_stamps(days), model["start"], model["t_scale"]), "floor": 0.0})


@lru_cache(maxsize=256)
def _time(stamps: bytes, start: float, scale: float) -> Floats:
    """Time (H,) of a model whose history began at ``start`` and lasted ``scale``, in seconds."""
    begin = pd.Timestamp.fromtimestamp(start, tz="UTC").tz_localize(None)
    dates = pd.Series(np.frombuffer(stamps, "datetime64[us]"))
    return np.asarray((dates - begin) / pd.Timedelta(seconds=scale))


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
