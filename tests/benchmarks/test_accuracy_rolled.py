"""What going on costs beside fitting anew, against simulations in which neither is better."""

import numpy as np
import pytest

from benchmarks.accuracy.rolled import compare_nights

NIGHTS, ITEMS, HORIZON, ROUNDS = 30, 40, 14, 300
NAMES = ("WQL", "80 % interval")


def drawn_nights(rng, shared):
    """Losses of two ways that are equally good, where ``shared`` of each day hits all items.

    A night's loss is the mean over the days ahead of it, so that neighbours share most of them.
    """
    size = rng.lognormal(0, 1, ITEMS)
    days = shared * rng.normal(size=NIGHTS + HORIZON - 1)
    seen = np.convolve(days, np.ones(HORIZON) / HORIZON, mode="valid")[:, None]
    anew = size * (1 + 0.1 * rng.normal(size=(NIGHTS, ITEMS)))
    mine = anew + size * (seen + 0.1 * rng.normal(size=(NIGHTS, ITEMS)))
    return mine, anew


def missed(shared):
    """Shares of rounds in which zero is outside of both intervals, by night and by run."""
    rng = np.random.default_rng(3)
    out = []
    for _ in range(ROUNDS):
        (mine, anew), whole = drawn_nights(rng, shared), np.ones((NIGHTS, ITEMS))
        pair = compare_nights({"WQL": (mine, whole)}, {"WQL": (anew, whole)})["WQL"]
        out.append([abs(one.value) > one.over_both for one in pair])
    return np.mean(out, axis=0)


def test_days_that_neighbouring_nights_share_deceive_the_interval_by_night_more_than_by_run():
    by_night, by_run = missed(shared=0.1)
    assert by_night > 0.3
    assert by_run < 0.072
    assert missed(shared=0.0).max() < 0.07


def test_a_tenth_more_lost_everywhere_is_a_tenth_and_certain():
    losses = np.random.default_rng(1).lognormal(size=(NIGHTS, ITEMS))
    count = np.full((NIGHTS, ITEMS), 14.0)
    anew = {"WQL": (losses, 3 * losses), "80 % interval": (0.8 * count, count)}
    mine = {"WQL": (1.1 * losses, 3 * losses), "80 % interval": (0.75 * count, count)}
    found = compare_nights(mine, anew)
    # A loss is told as a share of what it is compared with, what is covered as a difference.
    for name, value in (("WQL", 0.1), ("80 % interval", -0.05)):
        for one in found[name]:
            assert (one.value, one.over_both) == pytest.approx((value, 0.0), abs=1e-9)


def test_two_nights_are_two_runs():
    losses = np.ones((2, ITEMS)) + np.arange(2)[:, None]
    whole = np.ones((2, ITEMS))
    by_night, by_run = compare_nights({"WQL": (losses, whole)}, {"WQL": (whole, whole)})["WQL"]
    assert by_night == by_run
    assert by_run.value == pytest.approx(0.5)
