"""What a window is divided by and told, against hand arithmetic and what must not matter."""

from dataclasses import replace

import numpy as np
import pytest

from ml.forecasters import lstm_windows as windows
from ml.forecasters.typical_size import learn_typical, measure_typical
from ml.forecasters.window_levels import measure_levels
from ml.frequency import Frequency, periods_after
from ml.panel import Panel

START = np.datetime64("2016-12-01")


def make_panel(values, frequency=Frequency.MONTHLY) -> Panel:
    values = np.asarray(values, np.float64)
    items = tuple(f"I{row:03d}" for row in range(len(values)))
    periods = periods_after(START, values.shape[1], frequency)
    return Panel("demand", frequency, items, periods, values, (None,) * len(items))


def levels_of(values, frequency=Frequency.MONTHLY):
    panel = make_panel(values, frequency)
    return measure_levels(panel, measure_typical(panel.values))


@pytest.mark.parametrize(
    "small", [pytest.param(True, id="counts"), pytest.param(False, id="sizes")]
)
@pytest.mark.parametrize("frequency", ["MS", "W", "D"])
def test_what_follows_an_origin_changes_nothing_of_its_window(frequency, small):
    rng = np.random.default_rng(3)
    mean = np.array([0.3, 2.0, 80.0])[:, None] * (1 if small else 100.5)
    values = rng.poisson(mean, (3, 150)) * (1.0 if small else 1.01)
    values[rng.random(values.shape) < 0.02] = np.nan
    origin, horizon = 100, 14
    later = values.copy()
    later[:, origin + 1 :] *= 10
    rows, origins = np.arange(3), np.full(3, origin)
    steps = np.tile(np.arange(1, horizon + 1), (3, 1))
    found = []
    for one in (values, later):
        panel = make_panel(one, Frequency(frequency))
        table = windows.scale_panel(panel, horizon, replace(learn_typical(panel), counts=small))
        assert table.levels.counts == small
        found.append([
            windows.inputs(table, rows, origins),
            windows.target_features(table, rows, origins, steps, horizon),
            windows.units(table, rows, origins, steps),
        ])  # fmt: skip
    for before, after in zip(*found, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_window_is_divided_by_its_own_level_and_not_by_the_history():
    # Ten for three years, forty for another: the last span knows forty only.
    level = levels_of([[10.0] * 36 + [40.0] * 12])
    assert level.unit[0, 35] == pytest.approx(10.0)
    assert level.unit[0, 47] == pytest.approx(
        40.0, rel=0.01
    )  # the jump looks a little like a season


def test_a_span_without_demand_is_drawn_to_what_the_item_had_and_that_to_the_panel():
    # Item 0 had one demand of 8, long ago; item 1 had 2 every month until today, item 2 none.
    values = np.zeros((3, 24))
    values[0, 0], values[1] = 8.0, 2.0
    level = levels_of(values)
    # Typical is 4, the geometric mean of the items' own. Within items nothing varies, which counts
    # as 1 / 24; between them logs vary by log(2) ** 2 - 1 / 24 * 25 / 48 = .4588: so it is worth
    # .0908 demands, and the 8 becomes 8 / 2 ** (.0908 / 1.0908).
    assert level.unit[0, 23] == pytest.approx(7.551, rel=1e-3)
    assert level.unit[1, 23] == pytest.approx(2.0)
    assert level.unit[2, 23] == pytest.approx(4.0)
    # How much of the units is the panel's is told: .0908 of 1.0908 demands, of 24.09, and all.
    told = level.standing[:, 23, -1]
    np.testing.assert_allclose(told, [0.0832, 0.00377, 1], rtol=1e-2)


def test_the_season_of_an_item_is_known_and_no_season_is_seen_in_noise():
    rng = np.random.default_rng(5)
    shape = 1 + 0.5 * np.sin(np.arange(96) * np.pi / 6)
    noise = np.exp(rng.normal(0, 0.2, (200, 96)))
    rows, origins = np.arange(200), np.full(200, 95)
    steps = np.tile(np.arange(1, 25), (200, 1))
    told = [levels_of(level).indices(rows, origins, steps) for level in (100 * shape * noise,
                                                                         100 * noise)]  # fmt: skip
    ahead = 1 + 0.5 * np.sin(np.arange(96, 120) * np.pi / 6)
    # Eight years' mean of a noise of .2: an error of .07, and a little more by the shrinkage.
    assert np.abs(told[0] - ahead).mean() < 0.08
    assert np.abs(told[1] - 1).mean() < 0.03


def test_growth_is_no_season():
    # 1.5 % a month; measured against the level around each month no part of the year stands out.
    grown = 100 * 1.015 ** np.arange(72)[None, :]
    found = levels_of(grown)
    told = found.indices(np.array([0]), np.array([71]), np.arange(1, 13)[None, :])
    np.testing.assert_allclose(told, 1.0, atol=0.01)


def test_the_year_before_the_target_is_told_with_whether_it_is_known():
    values = np.full((1, 30), 10.0)
    values[0, 11] = 40.0
    found = levels_of(values)
    logs, known = found.year_ago(np.array([0]), np.array([20]), np.array([[1, 3, 13]]))
    # A year before the origin the level is 10. Step 3 is a year after the peak; step 13 would
    # ask for a level two years before the origin, when there was no panel.
    assert known.tolist() == [[1.0, 1.0, 0.0]]
    np.testing.assert_allclose(logs, [[0.0, np.log((40 + 1) / (10 + 1)), 0.0]], atol=1e-9)


def test_a_season_of_when_demand_comes_does_not_stretch_its_sizes():
    # Ten pieces at a time: on one working day in three, on one day in fifty of a weekend.
    rng = np.random.default_rng(6)
    chance = np.where(np.arange(400) % 7 < 5, 0.33, 0.02)
    values = 10.0 * (rng.random((20, 400)) < chance)
    panel = make_panel(values, Frequency.DAILY)
    table = windows.scale_panel(panel, 14, measure_typical(panel.values))
    rows, origins = np.arange(20), np.full(20, 399)
    steps = np.tile(np.arange(1, 15), (20, 1))
    np.testing.assert_allclose(windows.units(table, rows, origins, steps), 10.0)
    told = table.levels.indices(rows, origins, steps).mean(axis=0)
    weekend = (399 + np.arange(1, 15)) % 7 >= 5
    assert told[weekend].max() < 0.4
    assert told[~weekend].min() > 0.8
