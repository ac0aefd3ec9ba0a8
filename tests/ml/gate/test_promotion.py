"""Champion and challenger on simulated scores whose truth is known, and on single cases."""

import os
from dataclasses import replace

import numpy as np
import pytest

from ml.gate.promotion import NOMINAL, ScoredModels, decide_promotion, score_models
from tests.ml.backtests import backtest

ROUNDS = 4000 if os.environ.get("DRILLS") == "full" else 150
CUTOFFS = tuple(np.datetime64("2024-01-01") + 30 * k for k in range(8))
SINCE = CUTOFFS[5]
CLASSES = ("smooth", "erratic", "intermittent", "lumpy")


def scored(losses, cutoffs=CUTOFFS, covered=NOMINAL):
    count = len(losses)
    return ScoredModels(
        items=tuple(f"P{row:04d}" for row in range(count)),
        classes=tuple(CLASSES[row % 4] for row in range(count)),
        cutoffs=tuple(cutoffs),
        losses=losses,
        covered=np.full(losses.shape, covered),
    )


def draw(rng, gain, items=120, origins=8):
    """Losses of two sets whose differences items share at an origin, and an item over origins.

    The challenger saves the share ``gain`` of the loss.
    """
    base = rng.gamma(2, 0.5, (items, 1)) * rng.gamma(8, 1 / 8, (items, origins))
    shared = rng.normal(0, 0.04, (1, origins)) + rng.normal(0, 0.06, (items, 1))
    own = rng.normal(0, 0.15, (items, origins))
    better = base * np.maximum(1 - gain + shared + own, 0.05)
    return scored(better), scored(base)


def share_promoted(gain, name):
    rng = np.random.default_rng(len(name))
    return np.mean(
        [decide_promotion(*draw(rng, gain), SINCE).promoted for _ in range(ROUNDS)]
    )  # fmt: skip


def test_an_equal_challenger_is_promoted_no_more_often_than_stated():
    assert share_promoted(0.0, "equal") <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / ROUNDS)


@pytest.mark.parametrize("gain", [-0.02, -0.05, -0.2])
def test_a_worse_challenger_is_promoted_less_often_still(gain):
    assert share_promoted(gain, "worse") <= 0.01


@pytest.mark.parametrize(("gain", "least"), [(0.05, 0.5), (0.10, 0.95)])
def test_a_better_challenger_is_promoted(gain, least):
    assert share_promoted(gain, "better") >= least


def even(factor, items=40, origins=8, **how):
    """Losses that are one set's times a factor, but for a little noise."""
    rng = np.random.default_rng(3)
    base = 1 + rng.random((items, origins))
    return scored(base * factor * (1 + rng.normal(0, 0.01, base.shape)), **how), scored(base)


def test_a_challenger_that_is_better_everywhere_takes_over_and_says_by_how_much():
    verdict = decide_promotion(*even(0.9), SINCE)
    assert verdict.promoted
    assert verdict.saved[0] == pytest.approx(0.1, abs=0.01)
    assert verdict.sentence.startswith("The new models take over: the new ones save 9.9 %")
    assert verdict.origins == 8


@pytest.mark.parametrize(
    ("columns", "told"), [(slice(5, 8), "recent"), (slice(0, 5), "older")], ids=["recent", "older"]
)
def test_better_in_all_but_worse_in_one_time_is_not_promoted(columns, told):
    factor = np.full(8, 0.6)
    factor[columns] = 1.02
    verdict = decide_promotion(*even(factor), SINCE)
    assert not verdict.promoted
    assert f"they are worse at the {told} origins" in verdict.reasons


def test_a_class_that_is_harmed_is_a_veto():
    factor = np.full((40, 1), 0.8)
    factor[3::4] = 1.06
    verdict = decide_promotion(*even(factor), SINCE)
    assert verdict.harmed == ("lumpy",)
    assert verdict.reasons == ("they harm lumpy",)


@pytest.mark.parametrize(("new", "old", "kept"), [
    (0.83, 0.80, True), (0.86, 0.80, False), (0.70, 0.78, False), (0.72, 0.60, True),
])  # fmt: skip
def test_coverage_is_near_the_nominal_one_or_nearer_than_it_was(new, old, kept):
    challenger, champion = even(0.9)
    verdict = decide_promotion(
        replace(challenger, covered=np.full((40, 8), new)),
        replace(champion, covered=np.full((40, 8), old)),
        SINCE,
    )
    assert verdict.promoted == kept


def test_what_the_champion_could_not_forecast_wins_nothing():
    challenger, champion = even(1.0)
    broken = champion.losses.copy()
    broken[:20] = np.nan  # and where it can, both are the same
    assert not decide_promotion(challenger, replace(champion, losses=broken), SINCE).promoted


def test_what_the_challenger_cannot_forecast_loses():
    challenger, champion = even(0.8)
    broken = challenger.losses.copy()
    broken[2, 3] = np.nan
    verdict = decide_promotion(replace(challenger, losses=broken), champion, SINCE)
    assert verdict.reasons == ("1 forecasts are missing that the models in use make",)


def test_without_an_item_or_enough_origins_in_common_nothing_changes():
    challenger, champion = even(0.5)
    other = replace(champion, items=tuple(f"Q{row}" for row in range(40)))
    assert not decide_promotion(challenger, other, SINCE).promoted
    verdict = decide_promotion(challenger, champion, CUTOFFS[0])
    assert not verdict.promoted
    assert verdict.sentence == (
        "The models in use stay: 8 recent and 0 older origins can be compared, and it takes 3 in "
        "all and one of each."
    )


def test_the_order_of_items_and_origins_changes_nothing():
    challenger, champion = even(0.9)
    turned = replace(
        challenger, items=challenger.items[::-1], classes=challenger.classes[::-1],
        cutoffs=CUTOFFS[::-1],
        losses=challenger.losses[::-1, ::-1], covered=challenger.covered[::-1, ::-1],
    )  # fmt: skip
    first, second = (decide_promotion(one, champion, SINCE) for one in (challenger, turned))
    assert first.saved == pytest.approx(second.saved)
    assert first.reasons == second.reasons


def test_scores_are_taken_from_what_the_models_said_at_each_origin():
    rng = np.random.default_rng(1)
    points = [
        replace(
            backtest(
                {"new": rng.poisson(5, (30, 200, 6)), "old": rng.poisson(9, (30, 200, 6))},
                rng.poisson(5, (30, 6)).astype(float),
            ),
            cutoff=cutoff,
        )
        for cutoff in CUTOFFS[:6]
    ]
    new, old = (score_models(points, name) for name in ("new", "old"))
    assert np.nanmean(new.covered) == pytest.approx(0.8, abs=0.03)
    assert decide_promotion(new, old, CUTOFFS[4]).promoted
    assert not decide_promotion(old, new, CUTOFFS[4]).promoted
