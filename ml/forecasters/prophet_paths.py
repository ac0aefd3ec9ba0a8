"""Prophet: one additive model a series, its most probable parameters, sampled for paths.

Paths are drawn from a saved model without the library, which takes over a second to import:
:mod:`ml.forecasters.prophet_adapter` fits with it.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from ml.forecasters.base import Series, is_count
from ml.forecasters.regressors import group_terms
from ml.forecasters.sparse_draws import SPARSE_LAW, SparseDemand, draw_sparse
from ml.frequency import Days, periods_after
from ml.panel import Floats, Panel

DAY = 24 * 60 * 60  # seconds
LEAST_CHANGE = 1e-8  # added to the mean change of the trend, as Prophet does


@dataclass(frozen=True, slots=True)
class ProphetModel:
    """Settings of Prophet, and what draws from a series that was fitted with them."""

    name: ClassVar[str] = "prophet"

    def fit_one(self, panel: Panel, start: dict[str, Any] | None) -> dict[str, Any]:
        """See :class:`ml.forecasters.per_series.SeriesModel`."""
        from ml.forecasters.prophet_adapter import fit_series

        del start  # nothing is searched for
        return fit_series(panel)

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


def sample_paths(
    model: Mapping[str, Any],
    days: Days,
    regressors: Mapping[str, Series],
    n_paths: int,
    *,
    errors: bool,
) -> Floats:
    """Paths (S, H) of what ``model_to_dict`` gave, as Prophet's ``predictive_samples`` draws them.

    Prophet first makes tables of everything, which takes ten times as long. ``days`` (H,) are those
    after the history, ``regressors`` (H,) the drivers there; with ``errors`` the noise of single
    periods is drawn, too.
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
        time = _time(_stamps(days), model["start"], model["t_scale"])
        trends = _draw_trends(model, time, n_paths)
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
    """Columns (H, 2 order) of a season: a sine and a cosine of each order."""
    day = np.frombuffer(stamps, "datetime64[us]").astype(np.int64) / 1e6 / DAY
    angles = 2 * np.pi * day[:, None] * (np.arange(1, order + 1) / period)
    return np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(len(day), -1)


@lru_cache(maxsize=256)
def _time(stamps: bytes, start: float, scale: float) -> Floats:
    """Time (H,) of a model whose history began at ``start`` and lasted ``scale``, in seconds.

    It is 0 to 1 along the history.
    """
    seconds = np.frombuffer(stamps, "datetime64[us]").astype(np.int64) / 1e6
    return (seconds - start) / scale


def _draw_trends(model: Mapping[str, Any], time: Floats, n_paths: int) -> Floats:
    """Trends (S, H) of a saved model that is not flat, at times (H,) after its history.

    The slope goes on to change as often, and by as much, as it did: changes are Laplace (Taylor &
    Letham 2018, *The American Statistician* 72, section 3.1.4), and half of one is seen in the
    period that it falls into.
    """
    slope, level, changes = (np.asarray(model["params"][name][0]) for name in ("k", "m", "delta"))
    at = np.asarray(model["changepoints_t"])
    made = (at <= time[:, None]) * changes
    expected = (made.sum(axis=1) + slope) * time + ((made * -at).sum(axis=1) + level)
    step = np.diff(time).mean() if len(time) > 1 else np.diff(_kept_times(model)).mean()
    shape = n_paths, len(time)
    happens = np.random.uniform(size=shape) < len(at) * step  # noqa: NPY002 - see numpy_seed
    size = np.mean(np.abs(changes)) + LEAST_CHANGE
    drawn = np.random.laplace(0, size, shape) * happens  # noqa: NPY002
    drawn[:, 1:] = (drawn[:, :-1] + drawn[:, 1:]) / 2
    drawn[:, 0] /= 2
    strayed = drawn.cumsum(axis=1).cumsum(axis=1) * step
    return np.asarray((expected + strayed) * model["y_scale"])


def _kept_times(model: Mapping[str, Any]) -> list[float]:
    """Times of the periods that a saved model keeps of its history, for the length of one."""
    return [row["t"] for row in json.loads(model["history"])["data"]]


def _is_constant(model: dict[str, Any]) -> bool:
    """Whether a saved model has neither trend, season nor drivers."""
    plain = not model["seasonalities"][0] and not model["extra_regressors"][0]
    return plain and model["growth"] == "flat"


@contextmanager
def numpy_seed(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, the only one that Prophet draws from, and put it back."""
    state = np.random.get_state()  # noqa: NPY002 - see above
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
