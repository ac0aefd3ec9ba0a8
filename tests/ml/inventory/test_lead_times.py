"""Lead times learned from receipts."""

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from ml.contracts.base import check
from ml.contracts.demand import RECEIPTS
from ml.frequency import Frequency
from ml.inventory.items import ItemPolicy
from ml.inventory.lead_time_demand import (
    draw_lead_times,
    lead_time_quantiles,
    protection_periods,
)
from ml.inventory.lead_times import ENOUGH, NEWEST, combine_moments, learn_lead_times

TODAY = np.datetime64("2024-06-30")
STATED = ItemPolicy("A", 30.0, 9.0, 7.0, 0.95, lead_time_source="given")
ASSUMED = ItemPolicy(
    "A", 30.0, 9.0, 7.0, 0.95, lead_time_source="default",
    flags=("lead_time_assumed", "lead_time_std_assumed"),
)  # fmt: skip


def receipts(*days, item="A", last=TODAY):
    """Receipts a day apart, the last on ``last``, that took these days, oldest first."""
    came = last - np.arange(len(days))[::-1].astype("timedelta64[D]")
    went = came - np.array(days, "timedelta64[D]")
    rows = {
        "item_id": [item] * len(days),
        "receipt_line": list(range(1, len(days) + 1)),
        "ordered_at": went.astype("datetime64[us]"),
        "received_at": came.astype("datetime64[us]"),
        "quantity": [1.0] * len(days),
        "supplier": [None] * len(days),
        "order_id": [None] * len(days),
    }
    return check(pa.table(rows, RECEIPTS.schema), RECEIPTS)


def learn(policy, table, known_by=TODAY):
    return learn_lead_times({policy.item_id: policy}, table, known_by)[policy.item_id]


def test_without_receipts_of_an_item_what_is_stated_stays():
    assert learn(STATED, None) == STATED
    assert learn(STATED, receipts(10, 12, item="B")) == STATED
    assert learn(STATED, receipts(10, 12), known_by=TODAY - 10) == STATED


def test_a_statement_counts_as_one_receipt_more():
    learned = learn(STATED, receipts(18, 24))
    # (18 + 24 + 30) / 3 = 24. Squares: 2 x 9 around their mean of 21, 2/3 x 81 = 54 between it and
    # the statement, (0.3 x 24)^2 = 51.84 stated: 123.84 / 2 x (1 + 1/3) = 82.56.
    assert learned.lead_time_days_mean == pytest.approx(24.0)
    assert learned.lead_time_days_std == pytest.approx(82.56**0.5)
    assert (learned.lead_time_source, learned.lead_time_n) == ("receipts", 2)


def test_receipts_take_the_place_of_what_was_assumed():
    assert learn(ASSUMED, receipts(20)).flags == ()
    assert learn(ASSUMED, receipts(90, 90, 90, 90, 90)).flags == ()


def test_receipts_that_contradict_what_is_stated_say_so():
    assert learn(STATED, receipts(46, 46, 46, 46)).flags == ()  # four are too few
    assert learn(STATED, receipts(44, 44, 44, 44, 44)).flags == ()  # by less than half
    assert learn(STATED, receipts(46, 46, 46, 46, 46)).flags == ("lead_time_disagrees",)


def test_only_the_newest_receipts_count_and_none_of_later_days():
    table = receipts(*([100] * 20), *([10] * NEWEST))
    assert learn(STATED, table).lead_time_days_mean == 10.0
    before = learn(STATED, table, known_by=TODAY - NEWEST)
    assert before.lead_time_n == 20
    assert before.lead_time_days_mean == pytest.approx((20 * 100 + 30) / 21)


def test_received_on_the_day_of_the_order_is_half_a_day():
    assert learn(STATED, receipts(0)).lead_time_days_mean == pytest.approx(15.25)


def test_many_receipts_give_their_own_distribution():
    air, sea = [5] * 30, [60] * 10
    policy = learn(STATED, receipts(*air, *sea))
    drawn = draw_lead_times(policy, 2_000, np.random.default_rng(0), longest=1e6)
    assert set(np.round(drawn, 6)) > {5.0, 60.0}
    assert np.mean(drawn == 5.0) == pytest.approx(0.73, abs=0.02)  # of 40 + 1 parts, 30
    assert protection_periods(policy, Frequency.DAILY) == 67


def test_the_sample_of_quantiles_runs_straight_between_the_receipts():
    policy = ItemPolicy("A", 20.0, 8.0, 1.0, 0.95, lead_time_sample=(10.0, 20.0, 40.0))
    levels = np.array([0.1, 0.25, 0.375, 0.5, 0.75, 0.99])
    assert lead_time_quantiles(policy, levels).tolist() == [10, 10, 15, 20, 40, 40]


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10, ENOUGH + 20])
@pytest.mark.parametrize("wrong", [False, True])
def test_the_95_percent_level_holds_about_95_percent_of_the_next_lead_times(n, wrong):
    """Simulated gamma lead times of 400 items, whose statements are right or wrong by a half."""
    rng = np.random.default_rng(n)
    held = []
    for _ in range(400):
        mean, share = 30 * np.exp(rng.normal(0, 0.5)), 0.3 * np.exp(rng.normal(0, 0.3))
        shape = share**-2
        days = np.maximum(np.rint(rng.gamma(shape, mean / shape, n)), 1).astype(int)
        stated = mean * (np.exp(rng.normal(0, 0.5)) if wrong else 1.0)
        policy = ItemPolicy("A", stated, 0.3 * stated, 7.0, 0.95)
        level = lead_time_quantiles(learn(policy, receipts(*days)), np.array([0.95]))[0]
        held.append(np.mean(rng.gamma(shape, mean / shape, 500) <= level))
    assert 0.925 < np.mean(held) < 0.98


def test_the_moments_of_five_receipts_alone_would_hold_too_little():
    """What the statement is for: the same simulation without it."""
    rng = np.random.default_rng(5)
    days = rng.gamma(11.0, 30 / 11, (2_000, 5))
    alone = [(one.mean(), one.std(ddof=1)) for one in days]
    beside = [combine_moments(one, 30.0, 9.0) for one in days]
    future = rng.gamma(11.0, 30 / 11, (2_000, 500))

    def held(moments):
        mean, std = np.transpose(moments)
        level = stats.gamma.ppf(0.95, (mean / std) ** 2, scale=std**2 / mean)
        return np.mean(future <= level[:, None])

    assert held(alone) < 0.91
    assert 0.925 < held(beside) < 0.975
