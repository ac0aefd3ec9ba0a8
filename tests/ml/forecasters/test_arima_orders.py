"""Orders are found in series that were simulated with them."""

from collections import Counter

import numpy as np
import pytest
from scipy import signal
from statsmodels.tsa.statespace.sarimax import SARIMAX

from ml.forecasters.arima_adapter import SPARSE_FORM, ArimaModel
from ml.forecasters.arima_search import estimate, rank_orders
from ml.forecasters.per_series import PerSeries
from ml.panel import Panel
from tests.conftest import monthly_panel

LENGTH, SERIES = 300, 12


def simulate(ar, ma, seed):
    """A series of phi(L) y = theta(L) e, its start thrown away."""
    errors = np.random.default_rng(seed).normal(0, 1, LENGTH + 100)
    return signal.lfilter([1.0, *ma], [1.0, *(-phi for phi in ar)], errors)[100:]


@pytest.mark.parametrize(
    ("ar", "ma", "order"),
    [
        ((), (), (0, 0, 0)),
        ((0.7,), (), (1, 0, 0)),
        ((), (0.6,), (0, 0, 1)),
        ((0.3, 0.3), (), (2, 0, 0)),
    ],
    ids=["noise", "AR(1)", "MA(1)", "AR(2)"],
)
def test_the_order_that_a_series_was_made_with_is_the_one_most_often_chosen(ar, ma, order):
    chosen = Counter(
        tuple(fit(500 + 5 * simulate(ar, ma, seed))["order"]) for seed in range(SERIES)
    )
    assert chosen.most_common(1)[0][0] == order


@pytest.mark.parametrize(
    ("ar", "ma", "form"),
    [
        ((0.7,), (), ((1, 0, 0), "c")),
        ((0.5, 0.3), (0.4,), ((2, 0, 1), "c")),
        ((), (-0.8,), ((0, 1, 1), None)),
        ((0.6,), (-0.5, 0.2), ((1, 1, 2), None)),
        ((), (), ((0, 0, 0), "c")),
    ],
    ids=str,
)
def test_quick_estimates_are_hardly_less_likely_than_the_most_likely_ones(ar, ma, form):
    (order, trend), values = form, simulate(ar, ma, 7) + 3.0
    if order[1]:
        values = np.cumsum(values - 3.0)
    values = values / values.std()
    model = SARIMAX(values, order=order, trend=trend)
    quick = estimate(values, order, constant=trend is not None)
    assert len(quick) == len(model.param_names)
    found = model.fit(quick, disp=False, maxiter=200)
    assert found.llf - model.loglike(quick) < 1.0  # that an AICc takes for half a parameter


def test_every_series_has_a_ranking_however_short():
    for length in range(2, 12):
        values = np.random.default_rng(length).normal(0, 1, length)
        assert all(0 <= p <= 2 and 0 <= q <= 2 for p, q in rank_orders(values, 2))


def fit(values) -> dict:
    (row,) = np.atleast_2d(values)
    panel = monthly_panel(1, len(row))
    panel = Panel(panel.kind, panel.frequency, panel.items, panel.periods, row[None], panel.units)
    return ArimaModel().fit_one(panel, None)


def test_a_random_walk_is_differenced_and_a_steady_level_is_not():
    rng = np.random.default_rng(3)
    walk = 500 + np.cumsum(rng.normal(0, 5, 120))
    assert fit(walk)["order"][1] == 1
    assert fit(walk)["trend"] is None
    assert fit(500 + rng.normal(0, 5, 120))["order"][1] == 0


def test_orders_of_mostly_empty_demand_are_not_searched_for():
    demand = np.random.default_rng(4).poisson(0.2, 60).astype(float)
    found = fit(demand)
    assert (tuple(found["order"]), found["trend"]) == SPARSE_FORM


def test_a_later_fit_takes_the_order_of_an_earlier_one():
    values = 50 + 5 * simulate((0.7,), (), 5)[:60]
    panel = monthly_panel(1, 60)
    panel = Panel(panel.kind, panel.frequency, panel.items, panel.periods, values[None],
                  panel.units)  # fmt: skip
    model = PerSeries(ArimaModel())
    start = ArimaModel().fit_one(panel, {"order": [0, 1, 2], "trend": None})
    assert start["order"] == [0, 1, 2]
    assert model.fit(panel).failures == {}
