"""What is particular to the boosted trees."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from ml.forecasters import trees_adapter
from ml.forecasters.base import predict
from ml.forecasters.boosted_trees import read_trees
from ml.forecasters.bucket_distribution import Buckets
from ml.forecasters.trees_adapter import TreesForecaster, _count_past, mix_own
from ml.forecasters.trees_features import feature_rows, take_snapshot
from ml.forecasters.trees_seasons import measure_seasons
from ml.forecasters.trees_stages import Boosting, fit_stages
from ml.forecasters.typical_size import learn_typical, measure_typical
from ml.frequency import Frequency, periods_after
from ml.panel import Panel

MONTHS = 60
YEAR = 1 + 0.5 * np.sin(np.arange(12) / 12 * 2 * np.pi)  # mean 1


def monthly(values: np.ndarray) -> Panel:
    """A panel of demand whose items are named in order."""
    items = tuple(f"i{row:03d}" for row in range(len(values)))
    periods = periods_after(np.datetime64("2019-12-01"), values.shape[1], Frequency.MONTHLY)
    return Panel(
        "demand", Frequency.MONTHLY, items, periods, values.astype(float), ("u",) * len(items)
    )


def seasonal_panel(items: int, seed: int = 0) -> Panel:
    """Items of levels from 50 to 5,000 with the same season and a tenth of noise."""
    rng = np.random.default_rng(seed)
    level = np.geomspace(50, 5000, items)[:, None]
    season = YEAR[np.arange(MONTHS) % 12]
    return monthly(np.round(level * season * rng.lognormal(0, 0.1, (items, MONTHS))))


def sparse_panel(items: int, seed: int = 0) -> Panel:
    """Items asked for in one month of five, and as many that nobody ever asked for."""
    rng = np.random.default_rng(seed)
    values = rng.poisson(0.25, (2 * items, MONTHS))
    values[items:] = 0
    return monthly(values)


def uneven_panel(items: int) -> Panel:
    """Items with few demands, of sizes that are uneven between and within items."""
    rng = np.random.default_rng(7)
    chance, middle = rng.beta(1.2, 9, (items, 1)), rng.normal(1.3, 1.1, (items, 1))
    logs = middle + rng.uniform(0.2, 1.3, (items, 1)) * rng.standard_normal((items, MONTHS))
    asked = rng.random((items, MONTHS)) < chance
    return monthly(np.where(asked, np.maximum(np.round(np.exp(logs)), 1), 0))


def test_items_that_are_foreseen_a_few_at_a_time_are_foreseen_as_all_at_once(monkeypatch):
    panel = sparse_panel(10)
    whole = TreesForecaster(horizon=3).fit(panel).predicted
    monkeypatch.setattr(trees_adapter, "TOGETHER", 7)
    parts = TreesForecaster(horizon=3).fit(panel).predicted
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, rtol=1e-6)
    np.testing.assert_array_equal(parts.spreads, whole.spreads)


@pytest.mark.parametrize("make", [seasonal_panel, sparse_panel])
def test_what_comes_after_an_origin_changes_nothing_that_is_known_at_it(make):
    # Features of what is to come, and the unit that it is measured in, at an origin two years
    # before the end: with these two years multiplied by 50 not a bit of them may change.
    panel = make(12)
    later = panel.values.copy()
    later[:, 36:] *= 50
    rows, steps = np.repeat(np.arange(12), 6), np.tile(np.arange(1, 7), 12)
    known = []
    for one in (panel, replace(panel, values=later)):
        typical = replace(learn_typical(one), counts=make is sparse_panel)
        snapshot = take_snapshot(one, 35, typical)
        known.append((feature_rows(one, snapshot, rows, steps), snapshot.units(rows, steps)))
    for left, right in zip(*known, strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_unit_of_a_smooth_item_is_its_level_times_the_season():
    panel = seasonal_panel(40)
    snapshot = take_snapshot(panel, MONTHS - 1, measure_typical(panel.values))
    steps = np.arange(1, 13)
    units = np.stack([snapshot.units(np.full(12, row), steps) for row in range(40)])
    expected = np.geomspace(50, 5000, 40)[:, None] * YEAR
    assert np.median(np.abs(units / expected - 1)) < 0.06


def test_seasons_are_found_where_they_are_and_chance_is_not_taken_for_one():
    planted = measure_seasons(seasonal_panel(40).values, 12)
    np.testing.assert_allclose(planted.index.mean(axis=0), YEAR, atol=0.05)
    noise = np.random.default_rng(1).poisson(9.0, (40, MONTHS)).astype(float)
    chance = measure_seasons(noise, 12)
    # Raw indices of 5 years of Poisson(9) have a standard deviation of 1 / sqrt(45) = .15.
    assert np.sqrt(((chance.index - 1) ** 2).mean()) < 0.08


def test_one_item_with_its_own_season_keeps_it_among_others_without():
    values = np.random.default_rng(1).poisson(40.0, (30, MONTHS)).astype(float)
    values[7] *= YEAR[np.arange(MONTHS) % 12]
    found = measure_seasons(values, 12)
    np.testing.assert_allclose(found.index[7], YEAR, atol=0.15)
    assert np.abs(np.delete(found.index, 7, axis=0) - 1).mean() < 0.05


def test_the_trees_forecast_a_season_and_every_size_of_item():
    panel = seasonal_panel(15)
    forecast = predict(TreesForecaster(12).fit(panel), panel.items, 12, seed=0, n_paths=200)
    middle = np.median(forecast.paths, axis=1)
    expected = np.geomspace(50, 5000, 15)[:, None] * YEAR
    assert np.median(np.abs(middle / expected - 1)) < 0.08


def test_what_was_never_sold_is_forecast_far_below_what_was():
    panel = sparse_panel(60)
    forecast = predict(TreesForecaster(6).fit(panel), panel.items, 6, seed=0, n_paths=200)
    mean = forecast.paths.mean(axis=(1, 2))
    assert mean[:60].mean() == pytest.approx(0.25, abs=0.06)
    assert mean[60:].mean() < 0.03


def test_few_demands_of_uneven_size_are_not_forecast_larger_than_they_are():
    # What follows is large in an item's own unit where that was estimated too small, and small
    # where it is too large. Trees that do not know how much of it expected a sixth too much.
    panel = uneven_panel(400)
    found = TreesForecaster(horizon=3).fit(panel).predicted
    mean = (found.probabilities @ found.buckets.points.mean(axis=1)) * found.spreads
    assert mean.mean() == pytest.approx(panel.values.mean(), rel=0.1)


def test_what_others_are_counted_in_changes_the_unit_of_none():
    # Every other item of 400 counted in thousandths: of the rest those of one to four demands
    # keep their unit but for what they had in common with the others.
    panel = uneven_panel(400)
    mixed = panel.values.copy()
    mixed[::2] *= 1000
    few = np.isin((panel.values > 0).sum(axis=1), range(1, 5)) & (np.arange(400) % 2 == 1)
    units = [take_snapshot(one, 59, measure_typical(one.values)).unit[few]
             for one in (panel, monthly(mixed))]  # fmt: skip
    assert np.abs(np.log(units[1] / units[0])).mean() < 0.3
    assert np.abs(np.log(units[1] / units[0])).max() < 1.2


def test_three_small_demands_among_items_of_other_units_have_no_huge_tail():
    # Half of the items come in thousands; one that comes in pieces was asked for 5 three times.
    values = uneven_panel(120).values[:, :40].copy()
    values[::2] *= 1000
    values[1] = 0
    values[1, [8, 19, 33]] = 5
    found = predict(TreesForecaster(3).fit(monthly(values)), ["i001"], 3, seed=0, n_paths=4000)
    # Ten times as much as it was ever asked for, in each of the three months.
    assert np.quantile(found.paths[0].sum(axis=1), 0.999) < 3 * 10 * 5


def test_a_season_of_when_demand_comes_is_none_of_how_large_it_is():
    # A demand in ten days, a tenth as often on Saturdays and Sundays, is always one of 50.
    rng, days = np.random.default_rng(4), 420
    weekend = np.isin(np.arange(days) % 7, (5, 6))
    values = np.where(rng.random((40, days)) < np.where(weekend, 0.01, 0.1), 50.0, 0.0)
    periods = periods_after(np.datetime64("2019-12-31"), days, Frequency.DAILY)
    items = tuple(f"i{row:03d}" for row in range(40))
    panel = Panel("demand", Frequency.DAILY, items, periods, values, ("u",) * 40)
    found = TreesForecaster(horizon=7).fit(panel).predicted
    np.testing.assert_allclose(found.spreads, 50)
    assert found.buckets.points.max() * 50 == pytest.approx(50, rel=0.1)
    some = 1 - found.probabilities[:, :, 0] / found.probabilities.sum(axis=2)
    # When it comes is known all the same.
    weekdays = np.isin((days + np.arange(7)) % 7, (5, 6))
    assert some[:, weekdays].mean() < 0.6 * some[:, ~weekdays].mean()


def test_a_series_that_teaches_nothing_changes_no_other_forecast():
    panel = sparse_panel(30)
    wild = monthly(np.concatenate([panel.values, np.full((1, MONTHS), 9e5)]))
    left = predict(TreesForecaster(4).fit(panel), panel.items, 4, seed=0, n_paths=50)
    fitted = TreesForecaster(4).fit(wild, learn_from=panel.items)
    right = predict(fitted, panel.items, 4, seed=0, n_paths=50)
    np.testing.assert_array_equal(left.paths, right.paths)


def test_prices_and_panels_too_small_to_learn_from_are_refused_with_reasons(prices):
    assert set(TreesForecaster(6).fit(prices).failures.values()) == {"trees are for demand"}
    tiny = monthly(np.ones((2, 12)))
    assert set(TreesForecaster(6).fit(tiny).failures.values()) == {
        "trees need 100 rows to learn from"
    }


def test_an_own_past_is_mixed_in_by_its_share():
    # Three of the four months that are known without demand and one of 2: with a share of .4 the
    # trees' chances of .5, .3 and .2 become .6 * .5 + .4 * .75 = .6, .18 and .12 + .1 = .22.
    panel = monthly(np.array([[0.0, 2.0, np.nan, 0.0, 0.0], [np.nan] * 5]))
    buckets = Buckets(np.array([0.0, 1.0]), np.zeros((3, 64)))
    past = _count_past(buckets, take_snapshot(panel, 4, learn_typical(panel)), panel.frequency)
    odds = np.broadcast_to([0.5, 0.3, 0.2], (2, 1, 3))
    mixed = mix_own(odds, past, 0.4)
    np.testing.assert_allclose(mixed[0, 0], [0.6, 0.18, 0.22])
    np.testing.assert_allclose(mixed[1, 0], odds[1, 0])  # nothing seen: the trees alone


def test_both_stages_together_tell_how_likely_every_bucket_is():
    # One feature: rows with 0 have demand in one case of ten, of bucket 1; rows with 1 in eight of
    # ten, half in bucket 1 and half in bucket 3. Bucket 2 is never seen.
    rng = np.random.default_rng(0)
    feature = rng.integers(0, 2, 8000)
    some = rng.random(8000) < np.where(feature == 1, 0.8, 0.1)
    bucket = np.where(some, np.where((feature == 1) & (rng.random(8000) < 0.5), 3, 1), 0)
    stages = fit_stages(feature[:, None].astype(np.float32), bucket, 5, Boosting(), 0, plain=True)
    found = stages.predict(np.array([[0.0], [1.0]], np.float32))
    np.testing.assert_allclose(found[0], [0.9, 0.1, 0, 0, 0], atol=0.04)
    np.testing.assert_allclose(found[1], [0.2, 0.4, 0, 0.4, 0], atol=0.06)
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize(("bucket", "expected"), [(0, [1, 0, 0]), (2, [0, 0, 1])])
def test_a_panel_that_knows_one_bucket_only_is_sure_of_it(bucket, expected):
    rows = np.zeros((200, 1), np.float32)
    stages = fit_stages(rows, np.full(200, bucket), 3, Boosting(), 0, plain=False)
    np.testing.assert_array_equal(stages.predict(rows[:1])[0], expected)


@pytest.mark.parametrize(("classes", "leaves"), [(2, 8), (5, 8), (3, 20)])
def test_trees_say_what_scikit_learn_does(classes, leaves):
    rng = np.random.default_rng(3)
    rows = np.round(rng.normal(size=(600, 6)), 1).astype(np.float32)  # many on a limit
    truth = np.digitize(rows[:, 0] * rows[:, 1] + rng.normal(0, 0.3, 600), [-0.5, 0, 0.5, 1])
    learned = HistGradientBoostingClassifier(max_iter=12, max_leaf_nodes=leaves, random_state=0)
    learned.fit(rows, truth % classes)
    np.testing.assert_array_equal(read_trees(learned).chances(rows), learned.predict_proba(rows))


@pytest.mark.parametrize("make", [seasonal_panel, sparse_panel])
def test_what_was_measured_serves_for_trees_that_learn_a_few_months_later(make, tmp_path):
    panel, trees = make(15), TreesForecaster(horizon=6)
    then, teachers = panel.until(panel.periods[-4]), panel.items[:12]
    fitted = trees.fit(then, learn_from=teachers)
    assert trees.look_again(tmp_path, then, teachers) is None  # nothing was kept yet
    fitted.save(tmp_path)
    again = trees.look_again(tmp_path, then, teachers).predicted
    later = trees.look_again(tmp_path, panel, teachers).predicted
    anew = trees.fit(panel, learn_from=teachers).predicted
    np.testing.assert_array_equal(again.probabilities, fitted.predicted.probabilities)
    np.testing.assert_array_equal(later.shared, again.shared)
    assert not np.array_equal(later.shared, anew.shared)
    # The trees are those of today: all that differs is how much of the own past is mixed in.
    np.testing.assert_array_equal(later.buckets.points, anew.buckets.points)
    np.testing.assert_array_equal(later.spreads, anew.spreads)
    np.testing.assert_allclose(later.probabilities, anew.probabilities, atol=0.25)
