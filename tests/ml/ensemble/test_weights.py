"""Weights: the best mixture is found, and never on the wrong criterion."""

from dataclasses import replace

import numpy as np
import pytest

from ml.ensemble.fitting import fit_weights, weights_for
from ml.ensemble.mixture_score import PANEL
from ml.evaluation import scores
from ml.evaluation.origins import LEVELS, K
from tests.ml.backtests import backtest


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_the_true_distribution_gets_nearly_all_the_weight(rng):
    actual = rng.poisson(2.0, (300, 4)).astype(float)
    draws = {
        "empirical": rng.poisson(5.0, (300, 200, 4)).astype(float),
        "good": rng.poisson(2.0, (300, 200, 4)).astype(float),
        "zero": np.zeros((300, 200, 4)),
    }
    assert fit_weights([backtest(draws, actual)], "demand")[PANEL]["good"] > 0.9


def test_zero_is_not_chosen_for_intermittent_demand_though_it_wins_by_absolute_error(rng):
    actual = rng.binomial(1, 0.3, (400, 6)) * 4.0
    draws = {
        "empirical": rng.binomial(1, 0.3, (400, 200, 6)) * 4.0,
        "zero": np.zeros((400, 200, 6)),
    }
    one = backtest(draws, actual)
    medians = scores.quantile_of(one.points, 0.5)
    means = one.means
    assert np.abs(actual - medians[1]).mean() <= np.abs(actual - medians[0]).mean()
    assert np.abs(actual - medians[1]).mean() < np.abs(actual - means[0]).mean()
    assert fit_weights([one], "demand")[PANEL]["empirical"] > 0.9


def test_weights_are_those_that_a_search_over_mixtures_finds(rng):
    # Truth is a half-half mixture of two models: no single one is right.
    low, high = rng.poisson(1.0, (500, 3)), rng.poisson(8.0, (500, 3))
    actual = np.where(rng.random((500, 1)) < 0.5, low, high).astype(float)
    draws = {
        "empirical": rng.poisson(1.0, (500, 200, 3)).astype(float),
        "high": rng.poisson(8.0, (500, 200, 3)).astype(float),
    }
    one = backtest(draws, actual)
    found = fit_weights([one], "demand")[PANEL]["high"]

    def score(share):
        weights = np.array([1 - share, share])[:, None]
        periods = scores.crps(scores.mixture_points(one.points, np.repeat(weights, 500, 1)), actual)
        totals = scores.mixture_points(one.cum_points, np.repeat(weights, 500, 1))
        sums = scores.crps(totals, one.cum_actual) / np.sqrt(3)
        return periods.mean() + sums.mean()

    shares = np.linspace(0, 1, 41)
    best = shares[np.argmin([score(share) for share in shares])]
    assert found == pytest.approx(best, abs=0.06)


@pytest.mark.parametrize(
    ("own", "follows"), [pytest.param(3, False, id="few"), pytest.param(400, True, id="many")]
)
def test_a_class_goes_its_own_way_only_with_many_items(rng, own, follows):
    count = own + 200
    actual = rng.poisson(2.0, (count, 4)).astype(float)
    actual[:own] = rng.poisson(4.0, (own, 4))
    draws = {
        "empirical": rng.poisson(2.0, (count, 100, 4)).astype(float),
        "four": rng.poisson(4.0, (count, 100, 4)).astype(float),
    }
    classes = ["erratic"] * own + ["lumpy"] * 200
    weights = fit_weights([backtest(draws, actual, classes)], "demand")
    assert (weights["erratic"].get("four", 0.0) > 0.7) == follows
    if not follows:
        panel = weights[PANEL].get("four", 0.0)
        assert weights["erratic"].get("four", 0.0) == pytest.approx(panel, abs=0.1)


def test_a_hopeless_model_gets_no_weight_even_where_it_would_hedge(rng):
    actual = rng.poisson(3.0, (60, 3)).astype(float)
    actual[0] = 200.0  # one accident that only a wild model foresees
    draws = {
        "empirical": rng.poisson(3.0, (60, 100, 3)).astype(float),
        "wild": rng.uniform(0, 400, (60, 100, 3)),
    }
    assert fit_weights([backtest(draws, actual)], "demand")[PANEL] == {"empirical": 1.0}


def test_quiet_months_do_not_choose_the_zero_forecast(rng):
    # One part, asked for on 3 % of the days, and not at all in the months that were tried.
    actual = np.zeros((1, 30))
    draws = {
        "empirical": rng.binomial(1, 0.03, (1, 300, 30)) * 5.0,
        "tsb": rng.binomial(1, 0.01, (1, 300, 30)) * 5.0,
        "zero": np.zeros((1, 300, 30)),
    }
    weights = fit_weights([backtest(draws, actual)], "demand")[PANEL]
    assert "zero" not in weights
    assert sum(weights.values()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_rare_demand_of_one_item_never_breaks_the_fit(seed):
    draw = np.random.default_rng(seed)
    actual = draw.binomial(1, 0.02, (1, 30)) * 5.0
    draws = {name: draw.binomial(1, rate, (1, 200, 30)) * draw.geometric(0.2, (1, 200, 30)) * 1.0
             for name, rate in (("empirical", 0.03), ("tsb", 0.01), ("sba", 0.02))}  # fmt: skip
    weights = fit_weights([backtest(draws, actual)], "demand")[PANEL]
    assert all(weight > 0 for weight in weights.values())
    assert sum(weights.values()) == pytest.approx(1.0, abs=1e-5)


def test_a_failed_model_is_judged_as_the_fallback_that_replaces_it(rng):
    actual = rng.poisson(2.0, (100, 4)).astype(float)
    good = rng.poisson(2.0, (100, 100, 4)).astype(float)
    one = backtest({"empirical": good, "broken": good.copy()}, actual)
    one.points[1, :4] = np.nan
    one.cum_points[1, :4] = np.nan
    weights = fit_weights([one], "demand")[PANEL]
    assert sum(weights.values()) == pytest.approx(1.0, abs=1e-5)


def test_an_origin_with_half_of_the_history_counts_an_eighth(rng):
    # "young" is right at the early origin and "old" at the late one, each as much as the other.
    actual = rng.poisson(2.0, (200, 4)).astype(float)
    good = rng.poisson(2.0, (200, 100, 4)).astype(float)
    bad = good + 1.0
    worst = good + 3.0
    early = replace(backtest({"empirical": worst, "young": good, "old": bad}, actual), length=20)
    late = replace(backtest({"empirical": worst, "young": bad, "old": good}, actual), length=40)
    weights = fit_weights([late, early], "demand")[PANEL]
    even = fit_weights([late, replace(early, length=40)], "demand")[PANEL]
    assert weights["old"] > 0.75
    assert even["old"] == pytest.approx(even["young"], abs=0.02)


def test_a_mixture_that_does_not_beat_the_best_reference_gives_way_to_it(rng):
    # At each origin another of the two others is lucky: mixtures fitted on one lose on the other.
    actual = rng.poisson(4.0, (200, 4)).astype(float)
    true = rng.poisson(4.0, (200, 100, 4)).astype(float)
    lucky = actual[:, None, :] + rng.normal(0, 1.5, (200, 100, 4))
    wrong = true + 6.0
    early = backtest({"empirical": wrong, "tsb": true, "prophet": lucky, "arima": wrong}, actual)
    late = backtest({"empirical": wrong, "tsb": true, "prophet": wrong, "arima": lucky}, actual)
    assert fit_weights([late, early], "demand")[PANEL] == {"tsb": 1.0}


def test_a_mixture_that_beats_every_reference_at_other_origins_stays(rng):
    actual = rng.poisson(4.0, (200, 4)).astype(float)
    low = rng.poisson(3.0, (200, 100, 4)).astype(float)
    high = rng.poisson(5.2, (200, 100, 4)).astype(float)
    rows = [backtest({"empirical": low + 3, "tsb": low, "arima": high}, actual) for _ in range(2)]
    weights = fit_weights(rows, "demand")[PANEL]
    assert weights["tsb"] > 0.2
    assert weights["arima"] > 0.2


def test_a_model_that_fails_on_many_items_gets_no_weight(rng):
    # Filled with the fallback it would look as good as that, and fail again in the forecast.
    actual = rng.poisson(2.0, (100, 4)).astype(float)
    good = rng.poisson(2.0, (100, 100, 4)).astype(float)
    one = backtest({"empirical": good, "choosy": good.copy()}, actual)
    one.points[1, :10] = np.nan
    one.cum_points[1, :10] = np.nan
    assert fit_weights([one], "demand")[PANEL] == {"empirical": 1.0}


def test_without_a_backtest_the_stated_default_serves():
    assert fit_weights([], "price") == {PANEL: {"volatility": 1.0}}
    assert weights_for(fit_weights([], "demand"), "lumpy") == {"empirical": 0.5, "tsb": 0.5}


def test_an_unknown_class_is_served_by_the_panel():
    weights = {PANEL: {"a": 1.0}, "lumpy": {"b": 1.0}}
    assert weights_for(weights, "smooth") == {"a": 1.0}


def test_points_come_in_the_stated_number():
    assert len(LEVELS) == K == 100


def price_origins(rng, deviations):
    """Backtests of one price whose truth is N(100, 1), as are its "good" forecasts, latest first.

    ``volatility`` says N(100, deviation) at each origin.
    """
    found = []
    for number, deviation in enumerate(deviations):
        draws = {
            "volatility": rng.normal(100, deviation, (1, 400, 30)),
            "good": rng.normal(100, 1, (1, 400, 30)),
        }
        one = backtest(draws, rng.normal(100, 1, (1, 30)), ["price"])
        found.append(replace(one, cutoff=np.datetime64("2025-01-01") - 30 * number))
    return found


def test_prices_stay_with_the_last_close_unless_origins_prove_otherwise(rng):
    proven = fit_weights(price_origins(rng, [3.0] * 6), "price")
    assert proven[PANEL]["good"] > 0.1  # drawn to the other by PULL
    assert fit_weights(price_origins(rng, [1.0] * 6), "price")["price"] == {"volatility": 1.0}


def test_two_origins_prove_nothing_about_prices(rng):
    assert fit_weights(price_origins(rng, [3.0] * 2), "price")[PANEL] == {"volatility": 1.0}


def test_one_spell_of_luck_does_not_move_prices_from_the_last_close(rng):
    # Better by far at one origin, level at five: the mean is better, the t statistic is near 1.
    lucky = price_origins(rng, [8.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert fit_weights(lucky, "price")[PANEL] == {"volatility": 1.0}


def test_models_of_prices_that_say_the_same_prove_nothing(rng):
    same = [replace(one, points=np.repeat(one.points[1:], 2, axis=0))
            for one in price_origins(rng, [1.0] * 4)]  # fmt: skip
    assert fit_weights(same, "price")[PANEL] == {"volatility": 1.0}


def two_origins(rng, shift, count=200):
    """The truth is Poisson(4); ``good`` says so, the reference says it shifted."""
    found = []
    for _ in range(2):
        good = rng.poisson(4.0, (count, 200, 4)).astype(float)
        draws = {"empirical": good + shift, "good": good}
        actual = rng.poisson(4.0, (count, 4)).astype(float)
        found.append(backtest(draws, actual, ["smooth"] * (count - 5) + ["lumpy"] * 5))
    return found


def test_a_mixture_that_is_level_with_the_best_reference_gives_way_to_it(rng):
    assert fit_weights(two_origins(rng, 0.0), "demand")["smooth"] == {"empirical": 1.0}


def test_a_mixture_that_is_surely_better_than_the_best_reference_stays(rng):
    assert fit_weights(two_origins(rng, 2.0), "demand")["smooth"]["good"] > 0.5


@pytest.mark.parametrize(("shift", "stays"), [(0.0, False), (2.0, True)])
def test_a_class_of_five_items_goes_the_way_of_its_panel(rng, shift, stays):
    found = fit_weights(two_origins(rng, shift), "demand")
    assert ("good" in found["lumpy"]) == ("good" in found[PANEL]) == stays


def test_references_are_mixed_where_other_models_add_nothing(rng):
    # Half of the demand is Poisson(1), half Poisson(9): each reference knows one half, and the
    # other model says what the first reference says.
    found = []
    for _ in range(3):
        low = rng.poisson(1.0, (200, 200, 4)).astype(float)
        draws = {
            "empirical": low,
            "tsb": rng.poisson(9.0, (200, 200, 4)).astype(float),
            "lstm": low,
        }
        halves = np.where(rng.random((200, 4)) < 0.5, 1.0, 9.0)
        found.append(backtest(draws, rng.poisson(halves).astype(float), ["lumpy"] * 200))
    weights = fit_weights(found, "demand")["lumpy"]
    assert set(weights) == {"empirical", "tsb"}
    assert weights["tsb"] == pytest.approx(0.5, abs=0.1)


def test_the_best_reference_alone_stands_where_mixing_references_costs(rng):
    # Which of two references is better changes from origin to origin, by chance of two cutoffs
    # only: what one origin would mix, the other one punishes.
    found = []
    for level in (1.0, 9.0):
        draws = {
            "empirical": rng.poisson(5.0, (200, 200, 4)).astype(float),
            "tsb": rng.poisson(level, (200, 200, 4)).astype(float),
        }
        found.append(backtest(draws, rng.poisson(5.0, (200, 4)).astype(float), ["lumpy"] * 200))
    assert fit_weights(found, "demand")["lumpy"] == {"empirical": 1.0}
