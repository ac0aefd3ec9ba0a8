"""What expires is not ordered: levels below what is used in time."""

import numpy as np
import pytest
from scipy import stats

from ml.inventory.ordering import largest_before_expiry
from tests.ml.inventory.builders import make_row, make_stock

WEEKLY = np.random.default_rng(5).poisson(4.0, (4000, 30))


def row_of(shelf_life, demand=WEEKLY, *, on_hand=0.0, **policy):
    return make_row(demand, stock=make_stock(on_hand=on_hand), shelf_life_days=shelf_life, **policy)


@pytest.mark.parametrize(
    ("demand", "most"),
    [
        # 10 are used: of S, S - 10 expire, at most a tenth of them where S <= 11.1.
        ([10.0] * 4, 11.0),
        # Of one unit half is lost, on average.
        ([0.0, 5.0], 0.0),
        # Of 20, 8 are used in one case of ten: 1.2 expire, 6 %. Of 21 it is (13 + 9) / 10 = 2.2.
        ([8.0, *[20.0] * 9], 20.0),
        ([0.0], 0.0),
    ],
)
def test_a_tenth_of_what_is_held_may_be_expected_to_expire(demand, most):
    assert largest_before_expiry(np.array(demand), whole_units=True) == most


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_is_the_largest_of_all_levels_that_keep_it(seed):
    rng = np.random.default_rng(seed)
    demand = np.sort(rng.negative_binomial(2, 0.1, 50)).astype(float)
    kept = [s for s in range(200) if np.maximum(s - demand, 0.0).mean() <= 0.1 * s + 1e-9]
    assert largest_before_expiry(demand, whole_units=True) == max(kept)
    exact = largest_before_expiry(demand, whole_units=False)
    assert np.maximum(exact - demand, 0.0).mean() == pytest.approx(0.1 * exact)


def test_units_are_used_until_shelf_life_ends_after_the_receipt():
    """Poisson demand of two weeks of lead time and three on the shelf has the mean 20."""
    row = row_of(21.0, review_period_days=28.0)
    units = np.arange(60)
    chance = stats.poisson.pmf(units, 20.0)
    expired = [(np.maximum(s - units, 0) * chance).sum() / s for s in units[1:]]
    assert row["shelf_life_qty"] == 1 + np.flatnonzero(np.array(expired) <= 0.1)[-1]
    assert row["order_up_to"] == row["reorder_point"] == row["shelf_life_qty"] == row["order_qty"]
    assert row["binding_constraint"] == "shelf_life"
    assert "shelf_life_below_need" in row["quality_flags"]


def test_a_shelf_life_that_is_long_enough_changes_no_number():
    echoed = ("shelf_life_days", "shelf_life_qty")
    plain, long, endless = row_of(None), row_of(365.0), row_of(9000.0)
    assert long["shelf_life_qty"] > long["order_up_to"]
    assert endless["shelf_life_qty"] is None
    for row in (plain, long, endless):
        assert {k: v for k, v in row.items() if k not in echoed} == {
            k: v for k, v in plain.items() if k not in echoed
        }


def test_lots_are_rounded_down_below_what_would_expire():
    free = row_of(None, order_multiple=15.0)
    # The bound lies between the reorder point and the level that the lot fills up to.
    bound = row_of(28.0, order_multiple=15.0)
    assert free["reorder_point"] < bound["shelf_life_qty"] < free["order_up_to"]
    assert bound["reorder_point"] == free["reorder_point"]
    assert bound["order_qty"] == 15.0 * (bound["shelf_life_qty"] // 15.0) < free["order_qty"]
    assert bound["binding_constraint"] == "shelf_life"
    assert "shelf_life_below_need" not in bound["quality_flags"]


def test_a_smallest_order_that_would_expire_is_for_a_person_to_decide():
    row = row_of(7.0, moq=200.0)
    assert (row["action"], row["reason_code"]) == ("review", "order_limits_conflict")
    assert row["order_qty"] == 0.0


def test_nothing_is_held_of_what_nobody_will_ask_for():
    row = row_of(30.0, np.zeros((50, 30)))
    assert (row["order_up_to"], row["action"]) == (0.0, "none")


def test_a_shorter_shelf_life_never_raises_a_level():
    levels = [row_of(days)["order_up_to"] for days in (2.0, 7.0, 14.0, 21.0, 60.0)]
    assert levels == sorted(levels)
    assert levels[0] < levels[-1]
