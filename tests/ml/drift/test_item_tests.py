"""The tests of single items against scipy's distributions, enumeration and simulation."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from ml.drift.item_tests import (
    count_packs,
    fisher,
    negative_binomial_shape,
    split_total,
    try_changes,
    try_demand,
    try_level,
    try_silence,
)
from ml.drift.windows import LENGTHS, choose_windows

RNG = np.random.default_rng(5)


def two_sided(distribution, found):
    return min(1.0, 2 * min(distribution.cdf(found), distribution.sf(found - 1)))


def windows_of(periods, length=6):
    return choose_windows(periods, length, seed=0, name="here")


def demand_tests(values, length=12):
    """The tests of the last periods alone."""
    both = windows_of(values.shape[1], length)
    windows = replace(
        both, inside=both.inside[:, :1], outside=both.outside[:, :1], ends=both.ends[:1]
    )
    history = windows.outside[:, 0]
    shape = negative_binomial_shape(count_packs(values)[:, history], ~np.isnan(values[:, history]))
    return try_demand(values, windows, shape)


def test_fishers_test_is_that_of_the_hypergeometric_distribution():
    total = RNG.integers(5, 80, 300)
    marked, drawn = RNG.integers(0, total + 1), RNG.integers(0, total + 1)
    low, high = np.maximum(0, drawn + marked - total), np.minimum(drawn, marked)
    found = RNG.integers(low, high + 1)
    wanted = [two_sided(stats.hypergeom(t, m, d), f)
              for t, m, d, f in zip(total, marked, drawn, found, strict=True)]  # fmt: skip
    ours = fisher(*(one.astype(float) for one in (found, marked, drawn, total)))
    assert ours == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(("most", "error"), [(64, 1e-6), (2000, 0.03)])
def test_a_total_is_split_as_a_beta_binomial_splits_it(most, error):
    total = RNG.integers(1 if most == 64 else 65, most, 200).astype(float)
    inside, outside = RNG.uniform(2, 40, 200), RNG.uniform(20, 300, 200)
    found = np.round(total * inside / (inside + outside) * RNG.uniform(0.2, 2.5, 200))
    found = np.minimum(found, total)
    cells = zip(found, total, inside, outside, strict=True)
    wanted = np.array([two_sided(stats.betabinom(int(n), a, b), x) for x, n, a, b in cells])
    kept = wanted > 1e-6
    assert split_total(found, total, inside, outside)[kept] == pytest.approx(
        wanted[kept], abs=error
    )


def test_without_overdispersion_a_total_is_split_as_poisson_counts_are():
    found, total = np.array([3.0, 9.0, 0.0, 20.0]), np.array([12.0, 30.0, 25.0, 60.0])
    shape = np.full(4, 1e5)
    wanted = [two_sided(stats.binom(int(n), 6 / 48), x) for x, n in zip(found, total, strict=True)]
    assert split_total(found, total, 6 * shape, 42 * shape) == pytest.approx(wanted, rel=1e-3)


def test_a_silence_is_as_likely_as_that_share_of_all_orders_of_the_periods():
    # 3 periods with demand among 9, the last of them the fifth: of all C(9, 3) = 84 placements
    # those among the first five are C(5, 3) = 10.
    values = np.zeros((1, 9))
    values[0, [0, 2, 4]] = 1.0
    places = list(combinations(range(9), 3))
    share = sum(max(place) <= 4 for place in places) / len(places)
    windows = windows_of(60)
    long = np.full((1, 60), np.nan)
    long[:, -9:] = values
    p_values = try_silence(long > 0, ~np.isnan(long), windows)
    assert p_values[0, 0] == pytest.approx(share)
    assert share == pytest.approx(10 / 84)


def test_a_silence_of_an_earlier_window_is_counted_round_the_corner():
    # History of 54: demand in the first period only. Before its second period lies one without;
    # before its first one, 53.
    values = np.zeros((1, 60))
    values[0, 0] = 1.0
    windows = windows_of(60)
    p_values = try_silence(values > 0, ~np.isnan(values), windows)
    gaps = windows.ends[1:]  # periods since the first one
    assert p_values[0, 1:] == pytest.approx((54 - gaps) / 54)


def test_the_rank_sum_is_that_of_scipy_with_its_ties():
    values = RNG.poisson(4, (20, 60)).astype(float)
    values[3, 7] = np.nan
    windows = windows_of(60)
    ours = try_level(values, windows)[:, 0]
    history, recent = windows.outside[:, 0], windows.inside[:, 0]
    for row, own in enumerate(values):
        past = own[history]
        wanted = stats.mannwhitneyu(own[recent], past[~np.isnan(past)], method="asymptotic").pvalue
        assert ours[row] == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("rate", [0.05, 0.4, 3.0, 40.0])
def test_under_no_change_a_small_p_value_is_as_rare_as_it_says(rate):
    counts = RNG.negative_binomial(3, 3 / (3 + rate), (4000, 60)).astype(float)
    tests = demand_tests(counts)
    own = tests.combined()[:, 0]
    for level in (0.1, 0.01, 0.001):
        # Three standard errors above the level of a share of 4,000, and a tenth for the shape,
        # which is estimated.
        most = 1.1 * level + 3 * np.sqrt(level / 4000)
        assert (own <= level).mean() <= most


def test_each_item_is_tried_by_what_suits_it():
    values = np.stack([RNG.poisson(0.1, 60), RNG.poisson(20, 60), np.zeros(60)]).astype(float)
    tests = demand_tests(values)
    names = [set(np.array(tests.names)[tests.applied[:, row]]) for row in range(3)]
    assert names == [{"zero_share", "rate", "interval", "size"}, {"rate", "level"}, set()]
    assert tests.combined()[2] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("change", "test"),
    [
        (lambda v: v * (np.arange(120) < 90), "interval"),
        (lambda v: np.where(np.arange(120) >= 108, np.maximum(v, 1), v), "zero_share"),
        (lambda v: np.where(np.arange(120) >= 108, v * 30, v), "rate"),
    ],
    ids=["falls silent", "is asked for in every period", "is asked for in larger numbers"],
)
def test_the_test_named_is_the_one_that_shows_the_change(change, test):
    values = np.random.default_rng(2).poisson(0.5, (1, 120)).astype(float)
    tests = demand_tests(change(values))
    assert tests.names[tests.telling()[0]] == test
    assert tests.combined()[0, 0] < 0.02


def test_a_series_that_is_observed_no_more_is_seen():
    values = np.cumsum(RNG.normal(size=(2, 120)), axis=1)
    values[1, -10:] = np.nan
    tests = try_changes(values, windows_of(120, 10))
    p_values = tests.combined()[:, 0]
    assert p_values[0] > 0.01
    assert p_values[1] < 1e-9
    assert tests.names[tests.telling()[1]] == "observed"


def test_windows_never_hold_a_tested_period_and_leave_the_rest_to_compare_with():
    for periods, length in ((731, LENGTHS["D"]), (66, LENGTHS["MS"])):
        windows = windows_of(periods, length)
        assert (windows.inside.sum(axis=0) == length).all()
        assert not windows.inside[-length:, 1:].any()
        assert not windows.outside[-length:].any()
        assert not (windows.inside & windows.outside).any()
        assert windows.inside.shape[1] > 100
    assert windows_of(29, 6) is None  # fewer than four windows of history


def test_a_pack_of_six_is_one_event_and_single_units_stay_single():
    values = np.zeros((3, 30))
    values[0, [3, 9, 20]] = [6, 12, 6]  # rare: in the median size
    values[1] = np.resize([4, 8, 12], 30)  # smooth: in fours
    values[2] = np.resize([5, 7, 9], 30)
    packs = count_packs(values)
    assert packs[0].sum() == 4
    assert packs[1, :3].tolist() == [1, 2, 3]
    assert packs[2, :3].tolist() == [5, 7, 9]
