"""What the periods of an item have in common is learned from how forecasts came true."""

import numpy as np
import pytest
from scipy.stats import norm

from ml.forecasters.bucket_distribution import Buckets, Distributions
from ml.forecasters.shared_level import SHARED_LEVEL, learn_shared
from ml.frequency import Frequency, period_range
from ml.panel import Panel

# Counts of 0 to 3, most of them 0; the bucket of a count is the count.
CHANCES = np.array([0.7, 0.15, 0.1, 0.05])
ITEMS, STEPS = 800, 6


def come_true(correlation: float, seed: int) -> np.ndarray:
    """Buckets (ITEMS, STEPS) of items whose periods share a normal factor, by definition."""
    rng = np.random.default_rng(seed)
    factor, own = rng.standard_normal((ITEMS, 1)), rng.standard_normal((ITEMS, STEPS))
    score = np.sqrt(correlation) * factor + np.sqrt(1 - correlation) * own
    return np.searchsorted(np.cumsum(CHANCES)[:-1], norm.cdf(score), side="right")


def learned(came: np.ndarray, frequency: Frequency = Frequency.MONTHLY) -> float:
    return learn_shared(np.broadcast_to(CHANCES, (*came.shape, 4)), came, frequency)


@pytest.mark.parametrize("planted", [0.0, 0.1, 0.3, 0.5])
def test_a_planted_correlation_is_found(planted):
    found = np.mean([learned(come_true(planted, seed)) for seed in range(3)])
    assert found == pytest.approx(planted, abs=0.06)


@pytest.mark.parametrize("frequency", SHARED_LEVEL)
def test_where_nothing_is_known_the_frequency_says_how_much_is_shared(frequency):
    assert learned(np.full((30, STEPS), -1), frequency) == SHARED_LEVEL[frequency]
    assert learned(np.empty((0, STEPS), int), frequency) == SHARED_LEVEL[frequency]


def test_a_few_items_hardly_move_what_is_taken_for_granted():
    few = learned(come_true(0.0, 1)[:4], Frequency.MONTHLY)
    many = learned(come_true(0.0, 1), Frequency.MONTHLY)
    assert many < few < SHARED_LEVEL[Frequency.MONTHLY]
    assert few > 0.08


def test_unknown_periods_say_nothing():
    came = come_true(0.3, 4)
    longer = np.concatenate([came, np.full((ITEMS, 3), -1)], axis=1)
    assert learned(longer) == pytest.approx(learned(came), abs=1e-9)


def test_sums_cover_as_promised_with_what_was_learned_and_not_without():
    # Half-year sums of items that share .4: their .95 quantile, drawn with what was learned from
    # other items, must be exceeded by one in twenty; drawn period by period it is by one in ten.
    found = learned(come_true(0.4, 1))
    sums = come_true(0.4, 2).sum(axis=1)
    exceeded = {rho: float((sums > quantile(rho)).mean()) for rho in (found, 0.0)}
    assert exceeded[found] == pytest.approx(0.05, abs=0.02)
    assert exceeded[0.0] > 0.08


def quantile(correlation: float) -> float:
    """The .95 quantile of drawn sums over all steps."""
    months = period_range(np.datetime64("2024-01-01"), np.datetime64("2024-06-01"),
                          Frequency.MONTHLY)  # fmt: skip
    panel = Panel("demand", Frequency.MONTHLY, ("a",), months, np.zeros((1, 6)), (None,))
    buckets = Buckets(np.arange(3.0), np.repeat(np.arange(4.0)[:, None], 64, axis=1))
    chances = np.broadcast_to(CHANCES, (1, STEPS, 4)).astype(np.float32)
    known = Distributions(buckets, chances, np.ones((1, STEPS)), np.array([correlation]))
    paths = known.paths(0, panel, (20_000, STEPS), np.random.default_rng(0))
    return float(np.quantile(paths.sum(axis=1), 0.95, method="inverted_cdf"))
