"""Who shares a fill, at what costs, and that rows hold what the division gave."""

import math

import numpy as np
import pytest

from ml.errors import ConfigError
from ml.frequency import Frequency
from ml.inventory.common_fill import (
    Share,
    cost_units,
    divide_shares,
    fill_targets,
    give_points,
    item_curves,
)
from ml.inventory.recommendations import recommend
from ml.inventory.service_curves import draw_policy_grid, draw_service_curves
from tests.ml.inventory.builders import make_context, make_history, make_policy, make_stock

RATES = {"a": 0.1, "b": 0.5, "c": 2.0, "d": 6.0}
COSTS = {"a": 200.0, "b": 30.0, "c": 10.0, "d": 1.0}
MONTH = make_context(Frequency.MONTHLY)
MONTHLY = {"lead_time_days_mean": 60.0, "lead_time_days_std": 15.0, "review_period_days": 30.4375}


def policies_of(**changes):
    """The four items, priced in reais; changes are by item."""
    return {
        name: make_policy(name, **MONTHLY | {"unit_cost": cost, "currency": "BRL"}
                          | changes.get(name, {}))
        for name, cost in COSTS.items()
    }  # fmt: skip


def paths_of(seed=1):
    rng = np.random.default_rng(seed)
    return np.stack([rng.poisson(rate, (2000, 8)) for rate in RATES.values()]).astype(np.float32)


def divide(policies, text, paths=None):
    """Divisions, and the policies with what they give."""
    targets = fill_targets(text)
    costs = cost_units(policies.values(), targets)
    histories = [make_history(name) for name in RATES]
    paths = paths_of() if paths is None else paths
    curves = item_curves(paths, histories, policies, costs, MONTH)
    divisions = divide_shares(curves, costs, targets)
    return divisions, give_points(policies, costs, divisions.values())


def rows_of(policies):
    table = recommend(
        paths_of(),
        [make_history(name) for name in RATES],
        policies,
        make_stock(tuple(RATES)),
        MONTH,
    )
    return {row["item_id"]: row for row in table.to_pylist()}


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("", {}),
        (".95", {"*": 0.95}),
        ("A=.98,B=.95,C=.90", {"A": 0.98, "B": 0.95, "C": 0.9}),
        (" insurance = 0.99 , .9 ", {"insurance": 0.99, "*": 0.9}),
    ],
)
def test_fills_are_read_for_all_items_or_by_criticality(text, targets):
    assert fill_targets(text) == targets


@pytest.mark.parametrize("text", ["95", "1.0", "0", "-.9", "D=.9", "A=", "A=.9,A=.8", "much"])
def test_a_fill_that_is_none_is_refused_in_one_line(text):
    with pytest.raises(ConfigError, match=r"--portfolio-fill, PORTFOLIO_FILL: .*write one fill"):
        fill_targets(text)


def test_rows_hold_the_level_that_was_given_and_the_share_of_intervals_it_covers():
    divisions, given = divide(policies_of(), ".9")
    (division,) = divisions.values()
    rows = rows_of(given)
    assert {name: row["reorder_point"] for name, row in rows.items()} == division.points
    assert {row["target_source"] for row in rows.values()} == {"portfolio"}
    own = rows_of(policies_of())
    for name, row in rows.items():
        quantiles = {level: own[name][f"ltd_p{level}"] for level in (50, 80, 90, 95, 99)}
        covered = [level for level, units in quantiles.items() if units <= row["reorder_point"]]
        assert row["tau_nominal"] >= max(covered, default=0) / 100
        assert row["order_up_to"] == row["reorder_point"]
    # Dear and slow below, cheap and fast above one level for all.
    assert rows["a"]["tau_nominal"] < 0.95 < rows["d"]["tau_nominal"]
    assert 0.9 <= division.fill < 0.95


def test_critical_and_insurance_items_keep_their_own_level_others_are_free():
    own = rows_of(policies_of())
    kept = policies_of(a={"criticality": "insurance"}, b={"criticality": "A"},
                       c={"criticality": "B"}, d={"criticality": "C"})  # fmt: skip
    rows = rows_of(divide(kept, ".3")[1])
    for name in ("a", "b"):
        assert rows[name]["reorder_point"] == own[name]["reorder_point"]
    assert rows["c"]["reorder_point"] < own["c"]["reorder_point"]
    free = rows_of(divide(policies_of(), ".3")[1])
    assert free["a"]["reorder_point"] < own["a"]["reorder_point"]


def test_limits_of_stock_hold_for_what_is_given():
    limited = policies_of(a={"min_stock": 3.0}, d={"max_stock": 4.0})
    rows = rows_of(divide(limited, ".95")[1])
    assert rows["a"]["reorder_point"] == 3.0
    assert rows["d"]["reorder_point"] == 4.0


def test_each_named_criticality_reaches_its_own_fill_and_others_keep_their_targets():
    policies = policies_of(c={"criticality": "B"}, d={"criticality": "C"})
    divisions, given = divide(policies, "B=.95,C=.8")
    reached = {share.criticality: one.fill for share, one in divisions.items()}
    assert reached["B"] >= 0.95
    assert 0.8 <= reached["C"] < 0.95
    assert [one.target_source for one in given.values()] == ["default"] * 2 + ["portfolio"] * 2
    assert rows_of(given)["a"] == rows_of(policies)["a"]


def test_unknown_costs_count_as_the_median_and_are_flagged():
    policies = policies_of(c={"unit_cost": None, "currency": None})
    costs = cost_units(policies.values(), {"*": 0.9})
    assert (costs["c"].amount, costs["c"].share) == (30.0, Share("*", "BRL"))  # of 200, 30 and 1
    rows = rows_of(divide(policies, ".9")[1])
    assert [name for name, row in rows.items() if "unit_cost_assumed" in row["quality_flags"]] == [
        "c"
    ]
    unpriced = policies_of(**{name: {"unit_cost": None, "currency": None} for name in COSTS})
    assert {one.amount for one in cost_units(unpriced.values(), {"*": 0.9}).values()} == {1.0}


def test_costs_in_two_currencies_are_never_compared():
    policies = policies_of(c={"currency": "USD"}, d={"currency": "USD"})
    divisions, given = divide(policies, ".9")
    assert list(divisions) == [Share("*", "BRL"), Share("*", "USD")]
    assert all(one.fill >= 0.9 for one in divisions.values())
    dearer = policies_of(**{n: {"currency": "USD", "unit_cost": 7 * COSTS[n]} for n in "cd"})
    points = {name: one.given_point for name, one in given.items()}
    assert {name: one.given_point for name, one in divide(dearer, ".9")[1].items()} == points


def test_what_is_not_stocked_or_protected_for_years_takes_no_part():
    policies = policies_of(a={"status": "obsolete"}, b={"lead_time_days_mean": 5000.0})
    (division,) = divide(policies, ".9")[0].values()
    assert set(division.points) == {"c", "d"}


def test_lots_lower_the_reorder_point_and_their_stock_counts():
    plain = divide(policies_of(), ".9")[1]
    lots = divide(policies_of(d={"order_multiple": 20.0}), ".9")[1]
    assert lots["d"].given_point < plain["d"].given_point


def test_paths_of_what_was_asked_for_alone_decide():
    """Steps beyond an item's own interval, predicted for the sake of others, do not touch it."""
    longer = np.concatenate([paths_of(), 50 + paths_of(2)], axis=2)
    context = make_context(Frequency.MONTHLY, horizon=8)
    policies, targets = policies_of(), {"*": 0.9}
    costs = cost_units(policies.values(), targets)
    histories = [make_history(name) for name in RATES]
    curves = [item_curves(paths, histories, policies, costs, context)
              for paths in (paths_of(), longer)]  # fmt: skip
    for one, other in zip(*curves, strict=True):
        assert np.array_equal(one.points, other.points)
        assert math.isclose(one.demand, other.demand)


def test_a_point_that_was_given_leaves_the_curves_of_service_alone():
    own, given = policies_of(), divide(policies_of(), ".9")[1]
    histories = [make_history(name) for name in RATES]
    for draw in (draw_service_curves, draw_policy_grid):
        tables = [draw(paths_of(), histories, policies, MONTH) for policies in (own, given)]
        assert tables[0] == tables[1]
