"""How large a demand of the panel's items typically is, and how much that says of one of them."""

import numpy as np
import pytest

from ml.forecasters import typical_size
from ml.forecasters.base import predict
from ml.forecasters.lstm_adapter import LstmForecaster
from ml.forecasters.trees_adapter import TreesForecaster
from ml.forecasters.typical_size import TypicalSize, learn_typical, measure_typical
from ml.frequency import Frequency, periods_after
from ml.panel import Panel


@pytest.mark.parametrize(("between", "pull"), [(2.0, 0.09), (0.6, 1.0), (0.2, 9.0)])
def test_the_typical_size_pulls_by_how_much_the_sizes_of_items_are_alike(between, pull):
    # Log sizes with a variance of .36 within items: in units of the variance between them.
    rng = np.random.default_rng(2)
    middle = rng.normal(3, between, (2000, 1))
    values = np.exp(middle + 0.6 * rng.standard_normal((2000, 40)))
    values[rng.random(values.shape) > rng.choice([0.05, 0.3], (2000, 1))] = 0
    found = measure_typical(values).at(-1)
    assert found.pull == pytest.approx(pull, rel=0.3)
    # The log of a mean is above the mean of logs, by half their variance where there are many.
    assert 3 - 0.1 < found.log < 3 + 0.36 / 2 + 0.1


def test_items_that_are_all_alike_or_asked_for_once_have_a_typical_size_too():
    assert measure_typical(np.full((5, 30), 7.0)).pull[-1] == 20  # the most
    assert measure_typical(np.full((5, 30), 7.0)).log == pytest.approx(np.log(7))
    once = measure_typical(np.diag([1.0, 10, 100])).at(-1)  # mean log: that of 10
    assert once.log == pytest.approx(np.log(10))
    assert 0 < once.pull < 1  # sizes differ by more than a demand of variance 1 explains
    assert (measure_typical(np.full((2, 3), np.nan)).log == 0).all()


def test_what_follows_a_period_changes_nothing_of_it_and_groups_of_items_neither(monkeypatch):
    values = np.random.default_rng(1).gamma(0.1, 50, (30, 40)).round()
    values[3, 20:] = np.nan
    whole = measure_typical(values)
    monkeypatch.setattr(typical_size, "TOGETHER", 7)
    for period in (0, 5, 39):
        until = measure_typical(values[:, : period + 1]).at(-1)
        assert until.log == pytest.approx(whole.log[period])
        assert until.pull == pytest.approx(whole.pull[period])


def test_a_size_is_drawn_in_logarithms_by_as_many_demands_as_the_typical_one_is_worth():
    # Items of 10 and 1,000 three times each: typical is 100, worth (1 / (1 + 4)) / (2.303 ** 2
    # - .2 / 3) = .0382 demands. One demand of 5: 5 * 20 ** (.0382 / 1.0382) = 5.58.
    typical = measure_typical(np.repeat([[10.0], [1000.0]], 3, axis=1)).at(-1)
    drawn = typical.draw(np.array([1, 0]), np.array([5.0, np.nan]))
    np.testing.assert_allclose(drawn, [5.58, 100], rtol=1e-3)
    np.testing.assert_allclose(typical.share(np.array([0, 1])), [1, 0.0368], rtol=1e-2)


def test_small_counts_keep_their_number_and_large_items_are_counted_in_whole_units():
    counts = TypicalSize(np.zeros(1), np.ones(1), counts=True)
    sizes = np.array([0.5, 9.0, 19.9, 20.0, 57.0, 1234.0])
    np.testing.assert_array_equal(counts.find_units(sizes), [1, 1, 1, 2, 5, 123])
    demand = np.array([0.0, 1.0, 7.0, 8.0, 60.0, np.nan])
    np.testing.assert_array_equal(counts.divide(demand, np.full(6, 5.0)), [0, 1, 1, 2, 12, np.nan])


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(TreesForecaster(horizon=3), id="trees"),
        pytest.param(LstmForecaster(horizon=3), id="lstm", marks=pytest.mark.slow),
    ],
)
def test_an_item_asked_for_by_hundreds_among_small_counts_is_forecast_by_hundreds(model):
    # Told apart by their number alone, each of the five comes out as about 300 from a network.
    rates = np.append(np.full(150, 1.5), [50.0, 100.0, 200.0, 400.0, 800.0])
    values = np.random.default_rng(3).poisson(rates[:, None], (155, 36)).astype(float)
    items = tuple(f"I{row:03d}" for row in range(155))
    periods = periods_after(np.datetime64("2018-12-01"), 36, Frequency.MONTHLY)
    panel = Panel("demand", Frequency.MONTHLY, items, periods, values, (None,) * 155)
    assert learn_typical(panel).counts
    paths = predict(model.fit(panel), items, 3, seed=1, n_paths=500).paths
    mean = paths.mean(axis=(1, 2))
    np.testing.assert_allclose(mean[150:] / rates[150:], 1, atol=0.2)
    assert mean[:150].mean() == pytest.approx(1.5, rel=0.15)
