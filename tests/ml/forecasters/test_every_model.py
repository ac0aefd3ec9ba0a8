"""Rules that hold for every model; a new adapter is covered by adding its name."""

import re

import numpy as np
import pytest

from ml.forecasters.base import predict as predict_paths
from ml.forecasters.lstm_adapter import LstmForecaster
from ml.forecasters.references.sampling import Reference
from ml.forecasters.registry import forecaster, models_of
from ml.panel import Panel

HORIZON = 6
N_PATHS = 60
SEED = 5
SMOOTH_ONLY = {
    "shrunk_seasonal",
    "theta",
    "ets",
    "combined",
}  # refuse items of which most periods are zero


def build(name: str):
    if name == "lstm":  # two epochs: the rules are about form, not accuracy
        return LstmForecaster(horizon=HORIZON, epochs=2, units=8, seed=SEED)
    return forecaster(name, horizon=HORIZON, seed=SEED)


DEMAND = [pytest.param("demand", name, id=f"demand-{name}") for name in models_of("demand")]
PRICE = [pytest.param("price", name, id=f"price-{name}") for name in models_of("price")]


@pytest.fixture
def panel(kind, name, monthly, prices) -> Panel:
    if name in SMOOTH_ONLY:
        return monthly.rows([5, 6, 7])  # the busiest
    return monthly if kind == "demand" else prices


_FITTED = {}


@pytest.fixture
def fitted(kind, name, panel):
    """The model of this name, fitted once for all tests that only read it."""
    if (kind, name) not in _FITTED:
        _FITTED[kind, name] = build(name).fit(panel)
    return _FITTED[kind, name]


def predict(fitted, items):
    return predict_paths(fitted, items, HORIZON, seed=SEED, n_paths=N_PATHS)


def predicted(name: str, panel: Panel):
    return predict(build(name).fit(panel), panel.items)


@pytest.mark.parametrize(("kind", "name"), DEMAND + PRICE)
def test_every_item_gets_finite_paths_of_the_asked_shape(kind, name, panel, fitted):
    forecast = predict(fitted, panel.items)
    assert forecast.items == panel.items
    assert forecast.paths.shape == (len(panel.items), N_PATHS, HORIZON)
    assert forecast.failures == {}
    assert np.isfinite(forecast.paths).all()


@pytest.mark.parametrize(("kind", "name"), DEMAND)
def test_demand_paths_are_whole_and_never_negative(kind, name, panel, fitted):
    paths = predict(fitted, panel.items).paths
    assert (paths >= 0).all()
    assert (paths == np.round(paths)).all()


@pytest.mark.parametrize(("kind", "name"), DEMAND)
def test_demand_in_fractions_stays_in_fractions(kind, name, panel):
    litres = Panel("demand", panel.frequency, panel.items, panel.periods, panel.values * 0.25,
                   panel.units)  # fmt: skip
    paths = predicted(name, litres).paths
    assert (paths >= 0).all()
    if name != "zero":
        assert (paths != np.round(paths)).any()


@pytest.mark.parametrize(("kind", "name"), PRICE)
def test_prices_may_fall_below_zero(kind, name, panel, fitted):
    assert (predict(fitted, panel.items).paths[1] < 0).any()


@pytest.mark.parametrize(("kind", "name"), DEMAND + PRICE)
def test_same_input_and_seed_give_the_same_paths(kind, name, panel, fitted):
    first, second = predict(fitted, panel.items).paths, predicted(name, panel).paths
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(("kind", "name"), DEMAND + PRICE)
def test_an_item_is_forecast_alike_alone_and_in_company(kind, name, panel, fitted):
    together, alone = predict(fitted, panel.items), predict(fitted, panel.items[1:2])
    if name == "lstm":  # the width of a batch may change the last bit of a probability
        assert (alone.paths[0] == together.paths[1]).mean() > 0.99
    else:
        np.testing.assert_array_equal(alone.paths[0], together.paths[1])


@pytest.mark.parametrize(("kind", "name"), DEMAND + PRICE)
def test_an_item_is_drawn_for_its_own_steps_whatever_the_others_ask_for(kind, name, panel, fitted):
    items = panel.items[:2]
    steps = dict(zip(items, (HORIZON - 2, HORIZON), strict=True))
    both = predict_paths(fitted, items, HORIZON, seed=SEED, n_paths=N_PATHS, steps=steps)
    for item, own in steps.items():
        alone = predict_paths(fitted, (item,), own, seed=SEED, n_paths=N_PATHS)
        assert both.has(item)
        np.testing.assert_array_equal(both.of(item), alone.of(item))
    assert both.of(items[0]).shape == (N_PATHS, HORIZON - 2)


@pytest.mark.parametrize(("kind", "name"), DEMAND + PRICE)
def test_a_saved_model_forecasts_the_same_and_is_no_pickle(kind, name, panel, fitted, tmp_path):
    fitted.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} <= {".parquet", ".npz", ".npy", ".keras"}
    again = build(name).load(tmp_path, panel.rows([1]))  # some items of those that were fitted
    left, right = predict(fitted, panel.items[1:2]).paths, predict(again, panel.items[1:2]).paths
    np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(("kind", "name"), DEMAND + PRICE)
def test_what_comes_after_the_cutoff_changes_nothing(kind, name, panel):
    cutoff = panel.periods[-HORIZON - 1]
    spoiled = panel.values.copy()
    spoiled[:, -HORIZON:] = 999.0
    other = Panel(panel.kind, panel.frequency, panel.items, panel.periods, spoiled, panel.units)
    left, right = (predicted(name, one.until(cutoff)).paths for one in (panel, other))
    np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(
    "name", [n for n in models_of("demand") if n not in {"zero", "lstm", "trees"}]
)
def test_weekends_are_told_from_weekdays_where_a_model_knows_the_calendar(name, daily):
    knows = {"seasonal_naive", "bootstrap", "prophet", "arima", "hurdle", *SMOOTH_ONLY}
    forecast = predict_paths(build(name).fit(daily), daily.items, 14, seed=SEED, n_paths=200)
    ahead = (np.arange(len(daily.periods), len(daily.periods) + 14)) % 7
    busiest = forecast.paths[-1].mean(axis=0)
    ratio = busiest[ahead < 5].mean() / busiest[ahead >= 5].mean()
    assert (ratio > 1.5) == (name in knows)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(np.nan, "forecast not finite", id="missing"),
        pytest.param(np.inf, "forecast not finite", id="infinite"),
        pytest.param(1e9, r"forecast of 1e\+09 after values up to", id="absurd"),
    ],
)
def test_paths_that_are_no_forecast_are_a_failure_of_their_item(monthly, value, reason):
    wild = Reference("wild", lambda _, request: np.full(request.shape, value))
    forecast = predict(wild.fit(monthly), monthly.items[:2])
    assert np.isnan(forecast.paths).all()
    assert set(forecast.failures) == set(monthly.items[:2])
    assert all(re.match(reason, text) for text in forecast.failures.values())
