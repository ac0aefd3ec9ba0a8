"""Every model on series that real files hold: finite and sane paths, or a reason."""

import re

import numpy as np
import pytest

from ml.forecasters.base import predict
from ml.forecasters.registry import POOLED, SAMPLERS, forecaster, models_of
from ml.frequency import Frequency
from ml.panel import Panel
from tests.conftest import monthly_panel

MONTHS, HORIZON, N_PATHS, SEED = 60, 12, 300, 3
MONTH = np.arange(MONTHS)
NAN = np.nan


def drawn(rate):
    return np.random.default_rng(11).poisson(rate, MONTHS).astype(float)


def only(places, values):
    series = np.full(MONTHS, NAN)
    series[places] = values
    return series


SERIES = {
    "all_zero": np.zeros(MONTHS),
    "constant": np.full(MONTHS, 4.0),
    "dying": np.where(MONTH < MONTHS // 2, drawn(6.0), 0.0),
    "fractions": np.random.default_rng(12).gamma(4.0, 0.2, MONTHS),
    "gaps": np.where(np.random.default_rng(13).random(MONTHS) < 0.3, NAN, drawn(8.0)),
    "level_shift": drawn(np.where(MONTH < MONTHS - 18, 4.0, 20.0)),
    "new": only(slice(-4, None), [5.0, 6.0, 4.0, 5.0]),
    "one_seen": only([40], [3.0]),
    "one_demand": np.where(MONTH == 10, 7.0, 0.0),
    "poisoned": np.where(MONTH == MONTHS - 1, 1e6, drawn(2.0)),
    "seasonal": np.round(20 + 15 * np.sin(2 * np.pi * (MONTH + 0.5) / 12)),
    "two_seen": only([40, 59], [3.0, 5.0]),
}
# Least and most that the mean over paths and steps may be.
SANE = {
    "all_zero": (0.0, 0.5),  # a network that knows other items may doubt, but not a unit a month
    "constant": (3.0, 5.0),  # counts around 4 may spread, their mean may not move by a unit
    "dying": (0.0, 2.0),  # a third of the 6 a month that were wanted until 30 months ago
    "fractions": (0.4, 1.6),  # half and double the mean of 4 * 0.2
    "gaps": (5.6, 12.0),  # 8, half as much again; with gaps read as zeros it were 0.7 * 8 = 5.6
    "level_shift": (6.0, 30.0),  # half as much again as the old level of 4, and as the new of 20
    "new": (2.5, 10.0),  # half and double the mean of 5
    "one_demand": (0.0, 0.7),  # 7 units in 50 months since: 0.14 a month, five times that
    "one_seen": (1.0, 9.0),  # a third of the one value seen, three times as much
    "poisoned": (0.0, 2e6),  # a walk starts at the typo and may go as far again, no further
    "seasonal": (10.0, 40.0),  # half and double the mean of 20
    "two_seen": (1.0, 15.0),  # a third of the smaller value seen, three times the larger
}
# Croston's mean changes with a demand only, so it never learns that there are none any more.
STUBBORN = {("sba", "dying"): (4.0, 8.0)}
SPARSE, FEW = "for smooth demand", "needs . observations"
REFUSED = {
    ("seasonal_naive", "new"): "12 periods apart",
    ("seasonal_naive", "two_seen"): "12 periods apart",
    ("seasonal_naive", "one_seen"): "12 periods apart",
    ("shrunk_seasonal", "all_zero"): SPARSE,
    ("shrunk_seasonal", "one_demand"): SPARSE,
    ("theta", "all_zero"): SPARSE,
    ("theta", "one_demand"): SPARSE,
    ("shrunk_seasonal", "one_seen"): FEW,
    ("theta", "one_seen"): FEW,
    ("prophet", "one_seen"): FEW,
    ("arima", "one_seen"): FEW,
    ("theta", "two_seen"): FEW,
    ("ets", "all_zero"): SPARSE,
    ("ets", "one_demand"): SPARSE,
    ("ets", "one_seen"): FEW,
    ("combined", "all_zero"): SPARSE,
    ("combined", "one_demand"): SPARSE,
    ("combined", "one_seen"): FEW,
    ("prophet", "two_seen"): FEW,
    ("arima", "new"): FEW,
    ("arima", "two_seen"): FEW,
}
SLOW = {"prophet", "lstm"}


def odd_panel(company: int) -> Panel:
    """The odd series among so many ordinary ones, which a pooled model learns from."""
    ordinary = monthly_panel(company, MONTHS)
    rows = {**dict(zip(ordinary.items, ordinary.values, strict=True)), **SERIES}
    items = tuple(sorted(rows))
    values = np.stack([rows[item] for item in items])
    return Panel("demand", Frequency.MONTHLY, items, ordinary.periods, values, ("u",) * len(items))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
        for name in models_of("demand")
    ],
)
def model(request):
    """A model's name, and its forecasts of all odd series."""
    name = request.param
    fitted = forecaster(name, horizon=HORIZON, seed=SEED).fit(
        odd_panel(41 if name in POOLED else 1)
    )
    return name, predict(fitted, tuple(SERIES), HORIZON, seed=SEED, n_paths=N_PATHS)


@pytest.mark.parametrize("case", SERIES)
def test_an_odd_series_gets_sane_paths_or_a_reason(model, case):
    name, forecast = model
    paths = forecast.paths[forecast.items.index(case)]
    if (name, case) in REFUSED:
        assert np.isnan(paths).all()
        assert re.search(REFUSED[name, case], forecast.failures[case])
        return
    assert case not in forecast.failures
    assert np.isfinite(paths).all()
    assert (paths >= 0).all()
    if case != "fractions":
        assert (paths == np.round(paths)).all()
    low, high = STUBBORN.get((name, case), SANE[case])
    assert (0.0 if name == "zero" else low) <= paths.mean() <= high


@pytest.mark.parametrize("case", SERIES)
@pytest.mark.parametrize("name", [*SAMPLERS["demand"], "arima"])
def test_an_odd_series_is_forecast_alike_alone_and_among_others(name, case):
    together, alone = (
        predict(forecaster(name).fit(panel), (case,), HORIZON, seed=SEED, n_paths=20)
        for panel in (odd_panel(1).select((case, "poisoned")), odd_panel(1).select((case,)))
    )
    np.testing.assert_array_equal(together.paths, alone.paths)
    assert together.failures == alone.failures
