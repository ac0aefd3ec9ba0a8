"""Weights: the best mixture is found, and never on the wrong criterion."""

from dataclasses import replace

import numpy as np
import pytest

from ml.ensemble.fitting import fit_ensemble, fit_weights, weights_for
from ml.ensemble.mixture import ENSEMBLE, FittedEnsemble
from ml.ensemble.mixture_score import PANEL, best_weights, measure_distances
from ml.evaluation import scores
from ml.evaluation.origins import SHARES, join_chunks, pick_items
from tests.ml.backtests import backtest


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def poisson(rng, rate, items, paths=None, steps=4):
    """Counts (items, steps), or draws (items, paths, steps)."""
    shape = (items, steps) if paths is None else (items, paths, steps)
    return rng.poisson(rate, shape).astype(float)


def of_panel(draws, actual):
    """What the default mixture and one origin lead to."""
    return fit_weights([backtest(draws, actual)], "demand")[PANEL]


def found_on(backtests, name=PANEL):
    """The mixture with the least score."""
    rows = measure_distances(backtests, "demand")
    return dict(
        zip(
            backtests[0].models,
            best_weights(rows, backtests[0].models, "demand")[name][0].tolist(),
            strict=True,
        )
    )


def test_the_true_distribution_gets_nearly_all_the_weight(rng):
    actual = poisson(rng, 2.0, 300)
    draws = {
        "empirical": poisson(rng, 5.0, 300, 200),
        "good": poisson(rng, 2.0, 300, 200),
        "zero": np.zeros((300, 200, 4)),
    }
    assert found_on([backtest(draws, actual)])["good"] > 0.9


def test_zero_is_not_chosen_for_intermittent_demand_though_it_wins_by_absolute_error(rng):
    actual = rng.binomial(1, 0.3, (400, 6)) * 4.0
    draws = {
        "empirical": rng.binomial(1, 0.3, (400, 200, 6)) * 4.0,
        "zero": np.zeros((400, 200, 6)),
    }
    one = backtest(draws, actual)
    medians = scores.quantile_of(one.points, 0.5)
    assert np.abs(actual - medians[1]).mean() <= np.abs(actual - medians[0]).mean()
    assert np.abs(actual - medians[1]).mean() < np.abs(actual - one.means[0]).mean()
    assert fit_weights([one], "demand")[PANEL]["empirical"] > 0.9


def test_weights_are_those_that_a_search_over_mixtures_finds(rng):
    # Truth is a half-half mixture of two models: no single one is right.
    low, high = rng.poisson(1.0, (500, 3)), rng.poisson(8.0, (500, 3))
    actual = np.where(rng.random((500, 1)) < 0.5, low, high).astype(float)
    draws = {"empirical": poisson(rng, 1.0, 500, 200, 3), "high": poisson(rng, 8.0, 500, 200, 3)}
    one = backtest(draws, actual)

    def score(share):
        weights = np.repeat([[1 - share], [share]], 500, 1)
        periods = scores.crps(scores.mixture_points(one.points, weights), actual, SHARES)
        totals = scores.mixture_points(one.cum_points, weights)
        cut = np.median(scores.quantile_of(one.cum_points, 0.9), axis=0)
        whole, tail = (
            scores.crps(np.maximum(totals, t[..., None]), np.maximum(one.cum_actual, t), SHARES)
            for t in (np.full(cut.shape, -np.inf), cut)
        )
        return periods.mean() + (whole / 2 + tail).mean() / np.sqrt(3)

    shares = np.linspace(0, 1, 41)
    best = shares[np.argmin([score(share) for share in shares])]
    assert found_on([one])["high"] == pytest.approx(best, abs=0.06)


@pytest.mark.parametrize(
    ("own", "follows"), [pytest.param(3, False, id="few"), pytest.param(400, True, id="many")]
)
def test_a_class_goes_its_own_way_only_with_many_items(rng, own, follows):
    count = own + 200
    actual = np.concatenate([poisson(rng, 4.0, own), poisson(rng, 2.0, 200)])
    draws = {"empirical": poisson(rng, 2.0, count, 100), "four": poisson(rng, 4.0, count, 100)}
    classes = ["erratic"] * own + ["lumpy"] * 200
    weights = fit_weights([backtest(draws, actual, classes)], "demand")
    share = weights["erratic"].get("four", 0.0)
    assert (share > 0.7) == follows
    assert follows or share == pytest.approx(weights[PANEL].get("four", 0.0), abs=0.1)


def test_a_hopeless_model_gets_no_weight_even_where_it_would_hedge(rng):
    actual = poisson(rng, 3.0, 60, steps=3)
    actual[0] = 200.0  # one accident that only a wild model foresees
    draws = {
        "empirical": poisson(rng, 3.0, 60, 100, 3),
        "wild": rng.uniform(0, 400, (60, 100, 3)),
    }
    assert of_panel(draws, actual) == {"empirical": 1.0}


def test_quiet_months_do_not_choose_the_zero_forecast(rng):
    # One part, asked for on 3 % of the days, and not at all in the months that were tried.
    draws = {
        "empirical": rng.binomial(1, 0.03, (1, 300, 30)) * 5.0,
        "tsb": rng.binomial(1, 0.01, (1, 300, 30)) * 5.0,
        "zero": np.zeros((1, 300, 30)),
    }
    weights = of_panel(draws, np.zeros((1, 30)))
    assert "zero" not in weights
    assert sum(weights.values()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_rare_demand_of_one_item_never_breaks_the_fit(seed):
    draw = np.random.default_rng(seed)
    actual = draw.binomial(1, 0.02, (1, 30)) * 5.0
    draws = {name: draw.binomial(1, rate, (1, 200, 30)) * draw.geometric(0.2, (1, 200, 30)) * 1.0
             for name, rate in (("empirical", 0.03), ("tsb", 0.01), ("sba", 0.02))}  # fmt: skip
    weights = of_panel(draws, actual)
    assert all(weight > 0 for weight in weights.values())
    assert sum(weights.values()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("failed", [4, 10])
def test_a_model_that_fails_is_judged_as_its_fallback_until_it_fails_too_often(rng, failed):
    # Filled with the fallback it would look as good as that, and fail again in the forecast.
    good = poisson(rng, 2.0, 100, 100)
    one = backtest({"empirical": good + 0.2, "choosy": good}, poisson(rng, 2.0, 100))
    one.points[1, :failed] = np.nan
    one.cum_points[1, :failed] = np.nan
    weights = fit_weights([one], "demand")[PANEL]
    assert sum(weights.values()) == pytest.approx(1.0, abs=1e-5)
    assert ("choosy" in weights) == (failed <= 0.05 * 100)


def test_an_origin_with_half_of_the_history_counts_an_eighth(rng):
    # "young" is right at the early origin and "old" at the late one, each as much as the other.
    actual, good = poisson(rng, 2.0, 200), poisson(rng, 2.0, 200, 100)
    early = backtest({"empirical": good + 3, "young": good, "old": good + 1}, actual)
    late = backtest({"empirical": good + 3, "young": good + 1, "old": good}, actual)
    late = replace(late, length=40)
    weights = found_on([late, replace(early, length=20)])
    even = found_on([late, replace(early, length=40)])
    assert weights["old"] > 0.75
    assert even["old"] == pytest.approx(even["young"], abs=0.02)


def test_luck_at_single_origins_leaves_the_default_mixture_where_it_is(rng):
    # At each origin another of the two others is lucky: mixtures fitted on one lose on the other.
    actual, true = poisson(rng, 4.0, 200), poisson(rng, 4.0, 200, 100)
    lucky = actual[:, None, :] + rng.normal(0, 1.5, (200, 100, 4))
    wrong = true + 2.0
    early = backtest({"empirical": wrong, "hurdle": true, "prophet": lucky, "arima": wrong}, actual)
    late = backtest({"empirical": wrong, "hurdle": true, "prophet": wrong, "arima": lucky}, actual)
    assert found_on([late])["arima"] > 0.8
    assert fit_weights([late, early], "demand")[PANEL].get("arima", 0.0) < 0.1


def test_a_mixture_that_beats_the_default_at_all_origins_is_taken(rng):
    actual, low = [poisson(rng, 4.0, 100) for _ in range(6)], poisson(rng, 2.5, 100, 100)
    draws = {"empirical": low, "tsb": low, "prophet": poisson(rng, 4.0, 100, 100)}
    found = [replace(backtest(draws, one), length=60 - 4 * k) for k, one in enumerate(actual)]
    assert fit_weights(found, "demand")[PANEL]["prophet"] > 0.5


def test_what_only_the_last_hundredth_of_a_forecast_says_moves_weights(rng):
    # One period in a hundred asks for 50 more, as one of two models says; else they are the same.
    plain = rng.normal(5, 1, (1, 500, 1))
    tailed = plain + 50 * (np.arange(500) % 100 == 0)[:, None]
    draws = {"empirical": plain.repeat(1500, 0), "tsb": tailed.repeat(1500, 0)}
    came = rng.normal(5, 1, (1500, 1))
    quiet, loud = backtest(draws, came), backtest(draws, came + 50 * (rng.random((1500, 1)) < 0.01))
    assert found_on([loud])["tsb"] > found_on([quiet])["tsb"] + 0.1


def test_weights_do_not_depend_on_the_order_of_items(rng):
    draws = {"empirical": poisson(rng, 3.0, 120, 100), "tsb": poisson(rng, 4.0, 120, 100)}
    found = [replace(backtest(draws, poisson(rng, 3.3, 120)), length=40 - 4 * k) for k in range(2)]
    order = rng.permutation(120)
    turned = [
        join_chunks([pick_items(one, slice(row, row + 1)) for row in order.tolist()])
        for one in found
    ]
    for name, weights in fit_weights(found, "demand").items():
        assert fit_weights(turned, "demand")[name] == pytest.approx(weights, abs=2e-6)


def test_without_a_backtest_the_stated_default_serves():
    assert fit_ensemble([], "price")[0] == FittedEnsemble({PANEL: {"volatility": 1.0}}, {})
    assert weights_for(fit_weights([], "demand"), "lumpy") == {"empirical": 0.5, "tsb": 0.5}


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


def test_prices_leave_the_last_close_where_origins_prove_it(rng):
    proven = fit_weights(price_origins(rng, [3.0] * 6), "price")
    assert proven[PANEL]["good"] > 0.1  # drawn to the other by PULL


@pytest.mark.parametrize(
    "deviations",
    [
        pytest.param([1.0] * 6, id="no better"),
        pytest.param([3.0] * 2, id="two origins prove nothing"),
        # Better by far at one origin, level at five: the mean is better, the t statistic near 1.
        pytest.param([8.0, 1.0, 1.0, 1.0, 1.0, 1.0], id="one spell of luck"),
    ],
)
def test_prices_stay_with_the_last_close_unless_origins_prove_otherwise(rng, deviations):
    weights = fit_weights(price_origins(rng, deviations), "price")
    assert weights["price"] == weights[PANEL] == {"volatility": 1.0}


def test_models_of_prices_that_say_the_same_prove_nothing(rng):
    same = [replace(one, points=np.repeat(one.points[1:], 2, axis=0))
            for one in price_origins(rng, [1.0] * 4)]  # fmt: skip
    assert fit_weights(same, "price")[PANEL] == {"volatility": 1.0}


def test_smooth_items_get_their_own_default_and_without_hopeless_models(rng):
    draws = {
        "empirical": poisson(rng, 9.0, 200, 100), "combined": poisson(rng, 5.0, 200, 100),
        "shrunk_seasonal": poisson(rng, 5.1, 200, 100), "arima": poisson(rng, 30.0, 200, 100),
        "hurdle": poisson(rng, 5.0, 200, 100),
    }  # fmt: skip
    classes = ["smooth"] * 100 + ["lumpy"] * 100
    rows = measure_distances([backtest(draws, poisson(rng, 5.0, 200), classes)], "demand")
    found = best_weights(rows, tuple(draws), "demand")
    assert found["smooth"][1].tolist() == [0.0, 0.5, 0.5, 0.0, 0.0]
    assert found["lumpy"][1].tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("deviations", "mixed"),
    [
        # Any two of three origins prove nothing; what is published rests on all of them.
        pytest.param([3.0, 3.1, 2.9], True, id="three origins prove it"),
        # One far ahead of the others makes the mean unsure; without it, they prove a mixture.
        pytest.param([30.0, 3.0, 3.0, 3.0, 3.0, 3.0], False, id="all together do not"),
    ],
)
def test_the_row_of_the_ensemble_of_prices_is_of_the_kind_that_is_published(rng, deviations, mixed):
    origins = price_origins(rng, deviations)
    assert (fit_weights(origins, "price")[PANEL] != {"volatility": 1.0}) == mixed
    for one, said in zip(origins, fit_ensemble(origins, "price")[1], strict=True):
        assert said.models == (ENSEMBLE,)
        row, plain = said.points[0], one.points[one.models.index("volatility")]
        assert np.array_equal(row, np.sort(plain, axis=-1)) != mixed
