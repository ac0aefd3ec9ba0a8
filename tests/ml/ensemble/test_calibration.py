"""Calibration: intervals end up as wide as what came true, and forecasts stay forecasts."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ml.ensemble.calibration import (
    fit_spreads,
    measure_deviations,
    split_horizon,
    spread_by_step,
    stretch_paths,
    stretch_points,
)
from ml.ensemble.fitting import add_ensemble, fit_ensemble
from ml.ensemble.mixture import ENSEMBLE
from ml.ensemble.mixture_score import PANEL
from ml.evaluation.origins import LEVELS
from ml.evaluation.scores import quantile_of
from tests.ml.backtests import backtest

ITEMS = [f"i{k}" for k in range(400)]
STEPS = 6
NORMAL = stats.norm.ppf(LEVELS)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def spreads_of(actual, points, classes=None, before=None):
    found = measure_deviations(np.broadcast_to(points, (*actual.shape, len(LEVELS))), actual,
                      ITEMS[: len(actual)])  # fmt: skip
    return fit_spreads(found, classes or ["smooth"] * len(actual), before or {})


# Points of N(0, 1) for actuals of N(0, 1.44): intervals should be 1.44 times as wide, and the
# square root of that is taken.
@pytest.mark.parametrize(
    ("deviations", "spreads"),
    [
        pytest.param([1.44] * 6, [1.2] * 3, id="half of what an origin says is believed"),
        pytest.param([1.0] * 6, [1.0] * 3, id="what covers as it says is left alone"),
        pytest.param([1.44] * 2 + [1.0] * 2 + [1 / 1.44] * 2, [1.2, 1.0, 1 / 1.2], id="by part"),
    ],
)
def test_intervals_are_drawn_to_what_they_cover(rng, deviations, spreads):
    actual = rng.normal(0, 1, (400, STEPS)) * deviations
    assert spreads_of(actual, NORMAL)[PANEL] == pytest.approx(spreads, abs=0.04)


def test_a_class_of_few_items_is_drawn_to_its_panel(rng):
    actual = rng.normal(0, 1, (400, STEPS))
    actual[:10] *= 2.25
    classes = ["lumpy"] * 10 + ["smooth"] * 390
    found = spreads_of(actual, NORMAL, classes)
    # 10 items against a prior of 60: a seventh of the way from 1.0 to 1.5.
    assert found["lumpy"] == pytest.approx([1.5 ** (1 / 7)] * 3, abs=0.04)
    assert found["smooth"] == pytest.approx([1.0] * 3, abs=0.03)


def test_parts_that_an_origin_does_not_reach_keep_what_older_ones_said(rng):
    actual = rng.normal(0, 1, (400, STEPS))
    actual[:, 2:] = np.nan
    found = spreads_of(actual, NORMAL, before={PANEL: [1.3, 1.2, 1.1]})
    assert found[PANEL] == pytest.approx([1.0, 1.2, 1.1], abs=0.03)


def test_an_origin_without_actuals_says_nothing():
    actual = np.full((5, STEPS), np.nan)
    assert spreads_of(actual, NORMAL)[PANEL] == [1.0, 1.0, 1.0]


def test_no_origin_moves_spreads_without_bounds(rng):
    assert max(spreads_of(rng.normal(0, 50, (400, STEPS)), NORMAL)[PANEL]) <= 2.0**0.5
    assert min(spreads_of(np.zeros((400, STEPS)) + 1e-6, NORMAL)[PANEL]) >= 0.5**0.5 - 1e-4


def test_stretched_normal_paths_have_the_stretched_deviation(rng):
    paths = rng.normal(10, 1, (4000, 3)).astype(np.float32)
    made = stretch_paths(paths, np.array([1.0, 1.2, 0.8]), "a")
    inner = np.quantile(made, 0.9, axis=0) - np.quantile(made, 0.1, axis=0)
    assert np.median(made, axis=0) == pytest.approx([10, 10, 10], abs=0.05)
    assert inner / (2 * stats.norm.ppf(0.9)) == pytest.approx([1.0, 1.2, 0.8], abs=0.04)
    assert (made[:, 0] == paths[:, 0]).all()


def test_stretching_keeps_the_order_of_paths_and_what_they_share(rng):
    shared = rng.normal(0, 1, (2000, 1))
    paths = (shared + rng.normal(0, 1, (2000, 2))).astype(np.float32)
    made = stretch_paths(paths, np.array([1.3, 0.7]), "a")
    for step in range(2):
        assert (np.diff(made[np.argsort(paths[:, step]), step]) >= 0).all()
    after = stats.spearmanr(made[:, 0], made[:, 1]).statistic
    assert after == pytest.approx(stats.spearmanr(paths[:, 0], paths[:, 1]).statistic, abs=0.02)


def test_stretched_counts_are_counts_that_were_drawn(rng):
    paths = rng.poisson(0.4, (2000, 4)).astype(np.float32)
    for spread in (0.7, 1.4):
        made = stretch_paths(paths, np.full(4, spread), "a")
        assert set(np.unique(made)) <= set(np.unique(paths))
        assert (made.var() > paths.var()) == (spread > 1)
        assert (made == stretch_paths(paths, np.full(4, spread), "a")).all()


def test_points_are_stretched_like_paths(rng):
    paths = np.sort(rng.gamma(2, 3, (5000, 1)), axis=0).astype(np.float32)
    kept = np.quantile(paths[:, 0], LEVELS, method="inverted_cdf")
    points = stretch_points(kept[None, None, :], np.array([[1.25]]))
    made = np.quantile(stretch_paths(paths, np.array([1.25]), "a")[:, 0], LEVELS)
    # Away from the ends they differ by how far points lie apart.
    assert points[0, 0, 5:-12] == pytest.approx(made[5:-12], rel=0.06)


def test_steps_beyond_the_horizon_are_stretched_like_its_far_ones():
    found = spread_by_step({PANEL: [1.0, 1.0, 1.0], "lumpy": [1.1, 1.2, 1.3]}, "lumpy", 7, 9)
    # 7 steps in three parts: round(7/3) = 2, round(14/3) = 5.
    assert found.tolist() == [1.1, 1.1, 1.2, 1.2, 1.2, 1.3, 1.3, 1.3, 1.3]
    assert [range(7)[part] for part in split_horizon(7)] == [range(2), range(2, 5), range(5, 7)]
    assert spread_by_step({}, "lumpy", 7, 9).tolist() == [1.0] * 9


def origins(rng, sizes):
    """Backtests whose models say N(20, 1) though actuals have these deviations, latest first."""
    found = []
    for number, size in enumerate(sizes):
        draws = {
            name: rng.normal(20, 1, (200, 100, STEPS))
            for name in ("empirical", "tsb", "naive", "volatility")
        }
        one = backtest(draws, rng.normal(20, size, (200, STEPS)), ["smooth"] * 200)
        cutoff = np.datetime64("2025-01-01") - 180 * number
        found.append(replace(one, cutoff=cutoff, length=40 - 6 * number))
    return found


def width(one):
    points = one.points[one.models.index(ENSEMBLE)]
    return float((quantile_of(points, 0.9) - quantile_of(points, 0.1)).mean())


def test_an_origin_is_judged_by_what_older_ones_said_and_not_by_itself(rng):
    calm, wild = origins(rng, (1.0, 1.0, 1.44)), origins(np.random.default_rng(7), (3.0, 1.0, 1.44))
    for latest, middle, oldest in (add_ensemble(calm, "demand"), add_ensemble(wild, "demand")):
        assert width(oldest) == pytest.approx(2 * 1.2816, rel=0.05)
        assert width(middle) == pytest.approx(1.2 * 2 * 1.2816, rel=0.05)
        assert width(latest) == pytest.approx(2 * 1.2816, rel=0.05)
    assert fit_ensemble(calm, "demand").spreads[PANEL] == pytest.approx([1.0] * 3, abs=0.04)
    assert fit_ensemble(wild, "demand").spreads[PANEL] == pytest.approx([2.0**0.5] * 3, abs=0.03)


def test_prices_are_left_as_their_models_say(rng):
    found = origins(rng, (3.0, 3.0))
    found = [replace(one, classes=("price",) * len(one.items)) for one in found]
    assert fit_ensemble(found, "price").spreads == {}
    assert {round(width(one) / 2.5631, 1) for one in add_ensemble(found, "price")} == {1.0}


def test_items_that_no_model_could_forecast_say_nothing_of_the_spread(rng):
    found = origins(rng, (1.0, 1.0))
    points = found[0].points.copy()
    points[:, :60] = np.nan  # launched since: every model failed on them
    assert fit_ensemble([replace(found[0], points=points), found[1]], "demand").spreads[PANEL] == (
        pytest.approx([1.0] * 3, abs=0.05)
    )


def test_an_origin_is_judged_only_by_what_had_come_true_when_it_was_made(rng):
    # The newest origin lies half a horizon after the older one: three of its six steps were known.
    def judged(later):
        newest, oldest = origins(np.random.default_rng(7), (1.0, 1.0))
        actual = oldest.actual.copy()
        actual[:, 3:] = 20 + later * (actual[:, 3:] - 20)
        pair = [replace(newest, length=40), replace(oldest, length=37, actual=actual)]
        return width(add_ensemble(pair, "demand")[0]), fit_ensemble(pair, "demand").spreads[PANEL]

    # Weights do know what came true in both; with noise five times as large they move by little.
    assert judged(1.0)[0] == pytest.approx(judged(5.0)[0], rel=0.01)
    assert judged(1.0)[1] == pytest.approx(judged(5.0)[1], rel=0.01)


@pytest.mark.parametrize("unit", [1.0, 0.25, 0.1, 0.3, 2.2])
def test_demand_in_any_unit_is_covered_as_it_says(rng, unit):
    actual = rng.poisson(0.7, (400, STEPS)) * unit
    points = (stats.poisson.ppf(LEVELS, 0.7) * unit).astype(np.float32).astype(float)
    assert spreads_of(actual, points)[PANEL] == pytest.approx([1.0] * 3, abs=0.04)


def test_stretching_rare_demand_leaves_no_mean_below_zero(rng):
    def rare(size):
        draws = np.zeros((200, 2000, STEPS))
        draws[:, :12] = size
        return draws

    found = origins(rng, (1.0, 1.0, 1.0))
    few = [backtest({"empirical": rare(10.0), "tsb": rare(10.0)}, np.zeros((200, STEPS)))
           for _ in found]  # fmt: skip
    few = [replace(one, length=40 - 6 * k) for k, one in enumerate(few)]
    for one in add_ensemble(few, "demand"):
        assert (one.means[one.models.index(ENSEMBLE)] >= 0).all()
