"""Rules that hold for every model; a new adapter is covered by adding its name."""

import numpy as np
import pytest

from ml.forecasters.lstm_adapter import LstmForecaster
from ml.forecasters.registry import forecaster, models_of
from ml.frequency import Frequency
from ml.panel import Panel

HORIZON = 6
N_PATHS = 60
SEED = 5
SMOOTH_ONLY = {"shrunk_seasonal", "theta"}  # refuse items of which most periods are zero


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
    return fitted.predict(items, HORIZON, seed=SEED, n_paths=N_PATHS)


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
def test_fit_and_predict_leave_their_input_alone(kind, name, panel):
    before = panel.values.copy()
    predicted(name, panel)
    np.testing.assert_array_equal(panel.values, before)


@pytest.mark.parametrize(("kind", "name"), DEMAND + PRICE)
def test_an_item_is_forecast_alike_alone_and_in_company(kind, name, panel, fitted):
    together = fitted.predict(panel.items, HORIZON, seed=SEED, n_paths=N_PATHS)
    alone = fitted.predict(panel.items[1:2], HORIZON, seed=SEED, n_paths=N_PATHS)
    if name == "lstm":  # the width of a batch may change the last bit of a probability
        assert (alone.paths[0] == together.paths[1]).mean() > 0.99
    else:
        np.testing.assert_array_equal(alone.paths[0], together.paths[1])


@pytest.mark.parametrize(("kind", "name"), DEMAND + PRICE)
def test_a_saved_model_forecasts_the_same(kind, name, panel, fitted, tmp_path):
    fitted.save(tmp_path)
    again = build(name).load(tmp_path, panel)
    left, right = (
        one.predict(panel.items, HORIZON, seed=SEED, n_paths=N_PATHS).paths
        for one in (fitted, again)
    )
    np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(("kind", "name"), DEMAND + PRICE)
def test_no_model_is_saved_as_a_pickle(kind, name, fitted, tmp_path):
    fitted.save(tmp_path)
    suffixes = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert suffixes <= {".parquet", ".npz", ".keras"}


@pytest.mark.parametrize(("kind", "name"), DEMAND + PRICE)
def test_what_comes_after_the_cutoff_changes_nothing(kind, name, panel):
    cutoff = panel.periods[-HORIZON - 1]
    spoiled = panel.values.copy()
    spoiled[:, -HORIZON:] = 999.0
    other = Panel(panel.kind, panel.frequency, panel.items, panel.periods, spoiled, panel.units)
    left, right = (predicted(name, one.until(cutoff)).paths for one in (panel, other))
    np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("name", [name for name in models_of("demand") if name != "lstm"])
def test_an_item_of_one_observation_gets_paths_or_a_reason(name):
    values = np.full((1, 24), np.nan)
    values[0, 20] = 3.0
    months = np.arange("2023-01", "2025-01", dtype="datetime64[M]").astype("datetime64[D]")
    panel = Panel("demand", Frequency.MONTHLY, ("ONE",), months, values, ("units",))
    forecast = predicted(name, panel)
    if np.isfinite(forecast.paths).all():
        assert forecast.failures == {}
    else:
        assert forecast.failures["ONE"]
        assert np.isnan(forecast.paths).all()


@pytest.mark.parametrize("value", [0.0, 4.0], ids=["all-zero", "constant"])
@pytest.mark.parametrize("name", [name for name in models_of("demand") if name != "lstm"])
def test_a_series_of_one_value_is_forecast_as_that_value(name, value):
    months = np.arange("2023-01", "2026-01", dtype="datetime64[M]").astype("datetime64[D]")
    panel = Panel("demand", Frequency.MONTHLY, ("FLAT",), months, np.full((1, 36), value), ("u",))
    forecast = predicted(name, panel)
    if name in SMOOTH_ONLY and value == 0:
        assert "for smooth demand" in forecast.failures["FLAT"]
        return
    median = np.median(forecast.paths, axis=1)
    if name not in {"zero", "sba"}:  # SBA corrects its mean downwards by design
        np.testing.assert_allclose(median, value, atol=1)


@pytest.mark.parametrize("name", [n for n in models_of("demand") if n not in {"zero", "lstm"}])
def test_weekends_are_told_from_weekdays_where_a_model_knows_the_calendar(name, daily):
    knows = {"seasonal_naive", "bootstrap", "prophet", "arima", *SMOOTH_ONLY}
    forecast = build(name).fit(daily).predict(daily.items, 14, seed=SEED, n_paths=200)
    ahead = (np.arange(len(daily.periods), len(daily.periods) + 14)) % 7
    busiest = forecast.paths[-1].mean(axis=0)
    ratio = busiest[ahead < 5].mean() / busiest[ahead >= 5].mean()
    assert (ratio > 1.5) == (name in knows)
