"""Calibration: intervals end up as wide as what came true, and forecasts stay forecasts."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ml.ensemble.calibration import (
    FROM_ONE,
    FROM_PANEL,
    OF_ITEM,
    OF_ORIGIN,
    fit_spreads,
    measure_deviations,
    split_horizon,
    spread_by_step,
    spread_of_sums,
    stretch_backtest,
)
from ml.ensemble.fitting import fit_ensemble
from ml.ensemble.mixture import ENSEMBLE
from ml.ensemble.mixture_score import PANEL
from ml.ensemble.stretching import stretch_paths
from ml.evaluation.origins import LEVELS
from ml.evaluation.scores import quantile_of
from tests.ml.backtests import backtest

STEPS = 6
PATHS = 200
ONE = FROM_ONE**2 / (FROM_ONE**2 + OF_ORIGIN**2)  # what is believed of one origin of many items


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def normal_origin(rng, actual, classes=None, shared=0.0):
    """A backtest whose one model says N(20, 1) of each step, a share of it in common."""
    common = np.sqrt(shared) * rng.normal(0, 1, (len(actual), PATHS, 1))
    paths = 20 + common + np.sqrt(1 - shared) * rng.normal(0, 1, (len(actual), PATHS, STEPS))
    return backtest({"empirical": paths}, actual, classes or ["smooth"] * len(actual))


def spreads_of(one):
    return fit_spreads([measure_deviations(one, one.points[0], one.cum_points[0])])


# Actuals of N(20, 1.44): intervals should be 1.44 times as wide, and 1.44 ** ONE is believed.
@pytest.mark.parametrize(
    ("deviations", "logs"),
    [
        pytest.param([1.44] * 6, [1, 1, 1], id="a part of what an origin says is believed"),
        pytest.param([1.0] * 6, [0, 0, 0], id="what covers as it says is left alone"),
        pytest.param([1.44] * 2 + [1.0] * 2 + [1 / 1.44] * 2, [1, 0, -1], id="by part"),
    ],
)
def test_intervals_are_drawn_to_what_they_cover(rng, deviations, logs):
    found = spreads_of(normal_origin(rng, 20 + rng.normal(0, 1, (400, STEPS)) * deviations))
    assert found[0][PANEL] == pytest.approx(1.44 ** (ONE * np.array(logs)), abs=0.03)


def test_three_origins_that_agree_are_believed_more_than_one(rng):
    found = [normal_origin(rng, 20 + 1.44 * rng.normal(0, 1, (300, STEPS))) for _ in range(3)]
    parts = [measure_deviations(one, one.points[0], one.cum_points[0]) for one in found]
    three = FROM_ONE**2 / (FROM_ONE**2 + OF_ORIGIN**2 / 3)
    assert fit_spreads(parts)[0][PANEL] == pytest.approx([1.44**three] * 3, abs=0.03)


def test_a_class_of_few_items_is_drawn_to_its_panel(rng):
    actual = 20 + rng.normal(0, 1, (400, STEPS))
    actual[:30] += 1.0 * (actual[:30] - 20)
    found = spreads_of(normal_origin(rng, actual, ["lumpy"] * 30 + ["smooth"] * 370))[0]
    # Twice as wide; of what parts a class from its panel, 30 items are believed so far.
    own = FROM_PANEL**2 / (FROM_PANEL**2 + OF_ITEM**2 / 30)
    assert found["lumpy"] == pytest.approx([2 ** (ONE * own)] * 3, abs=0.05)
    assert found["smooth"] == pytest.approx([1.0] * 3, abs=0.03)


def test_sums_that_have_more_in_common_than_forecasts_say_are_stretched(rng):
    # Steps are N(20, 1) as said, a fifth of their variance shared: sums vary as 6 (1 + 5 / 5) = 12.
    shared = np.sqrt(0.2) * rng.normal(0, 1, (600, 1))
    spreads, sums = spreads_of(
        normal_origin(rng, 20 + shared + np.sqrt(0.8) * rng.normal(0, 1, (600, STEPS)))
    )
    assert spreads[PANEL] == pytest.approx([1.0] * 3, abs=0.03)
    assert sums[PANEL] == pytest.approx(np.sqrt(12 / 6) ** ONE, abs=0.03)


def test_sums_cover_what_they_say_once_calibrated(rng):
    """Months are right one by one, and their sums a fifth too narrow, at every origin."""
    shared = (1 / 0.8**2 - 1) / (STEPS - 1)  # with which the variance of sums is 1 / .8^2 as large

    def live():
        common = np.sqrt(shared) * rng.normal(0, 1, (500, 1))
        return 20 + common + np.sqrt(1 - shared) * rng.normal(0, 1, (500, STEPS))

    found = [normal_origin(rng, live()) for _ in range(8)]
    parts = [measure_deviations(one, one.points[0], one.cum_points[0]) for one in found]
    spreads, sums = fit_spreads(parts)
    paths = rng.normal(20, 1, (2000, STEPS)).astype(np.float32)
    made = stretch_paths(paths, spread_by_step(spreads, "smooth", STEPS, STEPS),
                         spread_of_sums(sums, "smooth"), STEPS, "a")  # fmt: skip
    came = np.concatenate([live() for _ in range(10)]).sum(axis=1)
    _, totals = stretch_backtest(found[0], found[0].points[0], found[0].cum_points[0],
                                 (spreads, sums))  # fmt: skip
    for level in (0.8, 0.9, 0.95, 0.99):
        before = (came < np.quantile(paths.sum(axis=1), level)).mean()
        after = (came < np.quantile(made.sum(axis=1), level)).mean()
        # Eight origins are believed to three quarters.
        assert level - after < 0.5 * (level - before)
        assert (came < quantile_of(totals, level).mean()).mean() == pytest.approx(after, abs=0.02)


def test_parts_that_have_not_come_true_say_nothing(rng):
    one = normal_origin(rng, 20 + 1.44 * rng.normal(0, 1, (400, STEPS)))
    found = measure_deviations(one, one.points[0], one.cum_points[0]).hide(2, one.cum_steps[:, 0])
    spreads, sums = fit_spreads([found])
    assert spreads[PANEL] == pytest.approx([1.44**ONE, 1.0, 1.0], abs=0.03)
    assert sums[PANEL] == 1.0


def test_an_origin_without_actuals_says_nothing(rng):
    assert spreads_of(normal_origin(rng, np.full((30, STEPS), np.nan)))[0][PANEL] == [1.0] * 3
    assert fit_spreads([]) == ({}, {})


def test_no_origin_moves_spreads_without_bounds(rng):
    wide, narrow = rng.normal(20, 50, (400, STEPS)), np.full((400, STEPS), 20.0)
    assert max(spreads_of(normal_origin(rng, wide))[0][PANEL]) <= 2.0**ONE
    assert min(spreads_of(normal_origin(rng, narrow))[0][PANEL]) >= 0.5**ONE - 1e-4


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
    calm, wild = origins(rng, (1.0, 1.44)), origins(np.random.default_rng(7), (3.0, 1.44))
    for latest, oldest in (fit_ensemble(calm, "demand")[1], fit_ensemble(wild, "demand")[1]):
        assert width(latest) / width(oldest) == pytest.approx(1.44**ONE, rel=0.05)
    spreads = [fit_ensemble(found, "demand")[0].spreads[PANEL][0] for found in (calm, wild)]
    assert 1.0 < spreads[0] < 1.44**ONE < spreads[1]


def test_prices_are_left_as_their_models_say(rng):
    found = origins(rng, (3.0, 3.0))
    found = [replace(one, classes=("price",) * len(one.items)) for one in found]
    assert fit_ensemble(found, "price")[0].spreads == {}
    assert {round(width(one) / 2.5631, 1) for one in fit_ensemble(found, "price")[1]} == {1.0}


def test_items_that_no_model_could_forecast_say_nothing_of_the_spread(rng):
    found = origins(rng, (1.0, 1.0))
    points = found[0].points.copy()
    points[:, :60] = np.nan  # launched since: every model failed on them
    assert fit_ensemble([replace(found[0], points=points), found[1]], "demand")[0].spreads[
        PANEL
    ] == (pytest.approx([1.0] * 3, abs=0.05))


def test_an_origin_is_judged_only_by_what_had_come_true_when_it_was_made(rng):
    # The newest origin lies half a horizon after the older one: three of its six steps were known.
    def judged(later):
        newest, oldest = origins(np.random.default_rng(7), (1.0, 1.0))
        actual = oldest.actual.copy()
        actual[:, 3:] = 20 + later * (actual[:, 3:] - 20)
        pair = [replace(newest, length=40), replace(oldest, length=37, actual=actual)]
        return width(fit_ensemble(pair, "demand")[1][0])

    # Weights do know what came true in both; with noise five times as large they move by little.
    assert judged(1.0) == pytest.approx(judged(5.0), rel=0.01)


@pytest.mark.parametrize("unit", [1.0, 0.25, 0.1, 0.3, 2.2])
def test_demand_in_any_unit_is_covered_as_it_says(rng, unit):
    one = normal_origin(rng, rng.poisson(0.7, (400, STEPS)) * unit)
    points = (stats.poisson.ppf(LEVELS, 0.7) * unit).astype(np.float32).astype(float)
    many = np.broadcast_to(points, (400, STEPS, len(LEVELS)))
    spreads, _ = fit_spreads([measure_deviations(one, many, one.cum_points[0])])
    assert spreads[PANEL] == pytest.approx([1.0] * 3, abs=0.04)
