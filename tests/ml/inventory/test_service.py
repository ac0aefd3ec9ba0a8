import numpy as np
import pytest
from scipy import stats

from ml.inventory.service import choose_points, critical_ratio, fill_rate_points, positive_quantiles
from tests.ml.inventory.builders import make_needs, make_policy


def choose_point(sample, policy):
    """Units and level of an item's own target."""
    units, levels = choose_points(make_needs(sample), policy, np.array([policy.service_target]))
    return units.item(), levels.item()


def test_cycle_service_is_the_quantile():
    assert choose_point(np.arange(1.0, 101.0), make_policy(service_target=0.9)) == (90.0, 0.9)


def test_service_of_intervals_with_demand_leaves_the_others_out():
    sample = np.repeat([0.0, 1.0, 2.0, 3.0], [90, 5, 4, 1])
    targets = np.array([0.5, 0.9, 0.95])
    assert positive_quantiles(sample, targets).tolist() == [1.0, 2.0, 3.0]
    assert positive_quantiles(np.zeros(9), targets).tolist() == [0.0, 0.0, 0.0]
    policy = make_policy(service_metric="csl_pos", service_target=0.9)
    assert choose_point(sample, policy) == (2.0, 0.99)  # 99 of 100 intervals ask for no more


def walk(up_to, days=60_000):
    """Share of units served at once: Poisson(1.5) a day, a review every 4, orders come after 6."""
    demand = np.random.default_rng(2).poisson(1.5, days)
    on_hand, on_order, late = up_to, 0, 0
    due = {}
    for day, wanted in enumerate(demand.tolist()):
        arrived = due.pop(day, 0)
        on_hand, on_order = on_hand + arrived, on_order - arrived
        late += min(wanted, max(wanted - on_hand, 0))
        on_hand -= wanted
        if day % 4 == 3:
            due[day + 7] = up_to - on_hand - on_order
            on_order += due[day + 7]
    return 1.0 - late / demand.sum()


@pytest.mark.parametrize("target", [0.8, 0.9, 0.95, 0.99])
def test_a_fill_rate_is_reached_by_the_point_and_by_no_unit_less(target):
    rng = np.random.default_rng(1)
    lead, review = rng.poisson(1.5 * 6, 20_000), rng.poisson(1.5 * 4, 20_000)
    (point,) = fill_rate_points(make_needs(lead + review, lead), np.array([target]))
    up_to = int(np.ceil(point - 1e-9))
    assert walk(up_to) >= target - 0.005
    assert walk(up_to - 1) < target + 0.005


def test_a_fill_rate_of_no_demand_needs_nothing():
    assert fill_rate_points(make_needs(np.zeros(5)), np.array([0.99])).tolist() == [0.0]


def test_costs_lead_to_the_newsvendors_quantile():
    # Holding for a review of 365.25 days costs .2 * 50 = 10, being short 30: a ratio of .75.
    policy = make_policy(
        service_metric="cost", unit_cost=50.0, stockout_cost=30.0, review_period_days=365.25
    )
    assert critical_ratio(policy) == pytest.approx(0.75)
    units, _ = choose_point(stats.norm.ppf((np.arange(4000) + 0.5) / 4000, 100, 15), policy)
    assert units == pytest.approx(stats.norm.ppf(0.75, 100, 15), abs=0.1)


def test_without_costs_the_target_decides():
    policy = make_policy(service_metric="cost", service_target=0.8, unit_cost=5.0)
    assert critical_ratio(policy) is None
    assert choose_point(np.arange(1.0, 101.0), policy)[0] == 80.0
