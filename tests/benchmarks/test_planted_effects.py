"""The table of planted effects tells a forecast that shows them from one that does not."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.accuracy.cases import LEVELS, OURS, Case, Prediction
from benchmarks.accuracy.planted import planted_effects
from ml.frequency import Frequency, weekday
from ml.panel import Panel

FACTORS = np.array([1.0, 1.2, 1.0, 1.0, 1.0, 0.2, 0.0])
HOLIDAY = np.datetime64("2026-10-12")  # a Monday
ITEMS, SEEN, HORIZON = ("a", "b", "c"), 60, 30


@pytest.fixture
def expected():
    """Demand a day of three items, over the days seen and the thirty that follow."""
    days = np.arange(np.datetime64("2026-08-03"), np.datetime64("2026-11-01"))
    factor = np.where(days == HOLIDAY, 0.1, 1.0) * FACTORS[weekday(days)]
    return days, np.array([[1.0], [4.0], [40.0]]) * factor


@pytest.fixture
def case(expected, tmp_path):
    days, demand = expected
    panel = Panel("demand", Frequency.DAILY, ITEMS, days, demand, (None,) * 3)
    return Case("sample", tmp_path, panel, ITEMS, days[SEEN - 1], HORIZON, (14, 30))


@pytest.fixture
def truth(expected, tmp_path):
    days, demand = expected
    columns = {"item_id": np.repeat(ITEMS, len(days)), "ds": np.tile(days, 3).astype("M8[us]")}
    pd.DataFrame(columns | {"expected": demand.ravel()}).to_parquet(tmp_path / "daily.parquet")
    return tmp_path


def published(mean):
    quantiles = np.repeat(mean[..., None], len(LEVELS), axis=2)
    return [Prediction("ensemble", OURS, quantiles, mean, None)]


def test_a_forecast_of_the_truth_shows_every_planted_effect(case, truth):
    found = {one.day: one for one in planted_effects([case], published(case.actual), truth)}
    # Plain days are all but the holiday; the mean of their factors is what a day is held against.
    days = case.panel.periods[SEEN:]
    plain = FACTORS[weekday(days[days != HOLIDAY])].mean()
    assert found["Tuesday"].planted == pytest.approx(1.2 / plain)
    assert found["Saturday"].planted == pytest.approx(0.2 / plain)
    assert found["holiday"].planted == pytest.approx(0.1)
    for one in found.values():
        assert one.forecast.value == pytest.approx(one.planted)
        assert one.quantiles == pytest.approx((one.planted, one.planted))
        assert one.realised == pytest.approx(one.planted)


def test_a_flat_forecast_shows_none_of_them(case, truth):
    flat = np.ones((3, HORIZON)) * [[1.0], [2.0], [3.0]]
    for one in planted_effects([case], published(flat), truth):
        assert (one.forecast.value, *one.quantiles) == pytest.approx((1.0, 1.0, 1.0))


def test_a_quantile_that_is_zero_on_every_day_shows_no_ratio(case, truth):
    zero = published(np.zeros((3, HORIZON)))
    assert all(np.isnan(one.quantiles).all() for one in planted_effects([case], zero, truth))
