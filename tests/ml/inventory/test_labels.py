import numpy as np
import pyarrow as pa
import pytest

from ml.contracts.recommendations import RECOMMENDATIONS
from ml.inventory.labels import (
    alert_level,
    classify_values,
    confidence,
    months_between,
    priority_score,
    slob_class,
    trust_flags,
)
from tests.ml.inventory.builders import make_history, make_policy


@pytest.mark.parametrize(
    ("days", "level"),
    [
        pytest.param(0.0, "critical", id="now"),
        pytest.param(6.99, "critical", id="below 7"),
        pytest.param(7.0, "high", id="7"),
        pytest.param(13.99, "high", id="below 14"),
        pytest.param(14.0, "medium", id="14"),
        pytest.param(29.99, "medium", id="below 30"),
        pytest.param(30.0, "normal", id="30"),
    ],
)
def test_alert_level_changes_at_7_14_and_30_days(days, level):
    assert alert_level(days, is_capped=False) == level


def test_longer_than_a_short_horizon_is_no_alert_level():
    assert alert_level(10.0, is_capped=True) is None
    assert alert_level(30.0, is_capped=True) == "normal"


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        pytest.param({}, [], id="good"),
        pytest.param({"n_nonzero": 4}, ["few_demands"], id="four demands"),
        pytest.param({"n_nonzero": 5}, [], id="five demands"),
        pytest.param({"model_role": "fallback"}, ["model_fallback"], id="fallback"),
        pytest.param({"model_role": "naive"}, ["model_fallback"], id="naive"),
        pytest.param({"backtest_csl": 0.89}, ["backtest_gap"], id="6 points short"),
        pytest.param({"backtest_csl": 0.91}, [], id="4 points short"),
        pytest.param({"backtest_csl": None}, [], id="not tested"),
    ],
)
def test_trust_flags(changes, flags):
    assert trust_flags(make_history(**changes), make_policy()) == flags


def test_confidence_is_low_for_weak_forecasts_and_medium_for_assumed_inputs():
    facts = make_history()
    assert confidence(facts, set(), "full") == "high"
    assert confidence(facts, {"on_order_eta_assumed"}, "full") == "high"
    assert confidence(facts, {"lead_time_std_assumed"}, "full") == "medium"
    assert confidence(make_history(backtest_csl=None), set(), "full") == "medium"
    assert confidence(facts, {"few_demands", "lead_time_assumed"}, "full") == "low"
    assert confidence(facts, set(), "insufficient") == "low"


def test_months_since_the_last_demand():
    end = np.datetime64("2024-03-31")
    assert months_between(np.datetime64("2023-03-31"), end) == pytest.approx(12.0, abs=0.05)
    assert months_between(np.datetime64("2024-04-30"), end) == 0.0
    assert months_between(None, end) is None
    assert months_between(np.datetime64("NaT"), end) is None


@pytest.mark.parametrize(
    ("criticality", "excess", "idle_months", "adi", "expected"),
    [
        pytest.param("insurance", 5.0, None, 9.0, "insurance", id="kept for the worst"),
        pytest.param("A", 5.0, None, 9.0, "no_demand", id="never asked for"),
        pytest.param("A", 5.0, 24.5, 9.0, "no_demand", id="not for two years"),
        pytest.param("A", 5.0, 2.0, 9.0, "excess", id="slow and too much"),
        pytest.param("A", 0.0, 2.0, 4.0, "slow", id="every fourth month"),
        pytest.param("A", 0.0, 2.0, 3.0, "ok", id="once a quarter"),
        pytest.param(None, 0.0, 2.0, None, "ok", id="interval not known"),
    ],
)
def test_slow_is_by_frequency_and_excess_by_quantity(
    criticality, excess, idle_months, adi, expected
):
    got = slob_class(
        make_policy(criticality=criticality),
        make_history(adi=adi),
        excess=excess,
        idle_months=idle_months,
        days=30.4375,
    )
    assert got == expected


def test_priority_grows_with_criticality_and_risk():
    order = ["C", "B", "A", "insurance"]
    scores = [priority_score(make_policy(criticality=name), 0.5) for name in order]
    assert scores == sorted(set(scores))
    assert priority_score(make_policy(criticality="C"), 0.6) > scores[0]
    assert priority_score(make_policy(), 0.5) == scores[0]
    assert priority_score(make_policy(status="obsolete", criticality="A"), 1.0) == 0.0


def valued(*rows):
    """Recommendations of these items, locations, values and currencies, and nothing else."""
    names = ("item_id", "location_id", "yearly_value", "currency")
    cells = [dict(zip(names, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(cells, RECOMMENDATIONS.schema)


def test_a_items_begin_within_80_percent_of_the_value_and_b_within_95():
    rows = valued(
        ("a", "ALL", 10.0, "BRL"), ("b", "ALL", 50.0, "BRL"), ("c", "ALL", 35.0, "BRL"),
        ("d", "ALL", 5.0, "BRL"), ("e", "ALL", None, "BRL"), ("f", "ALL", 1.0, "USD"),
        ("b", "São Paulo", 20.0, "BRL"),
    )  # fmt: skip
    found = classify_values(rows)
    # of 100 in reais: b begins at 0 %, c at 50 %, a at 85 %, d at 95 %
    assert found["abc_class"].to_pylist() == ["B", "A", "A", "C", None, "A", "A"]
    mixed = classify_values(rows.take([3, 1, 0, 2]))
    assert mixed["abc_class"].to_pylist() == ["C", "A", "B", "A"]


def test_items_without_any_value_are_c():
    assert classify_values(valued(("a", "ALL", 0.0, "BRL")))["abc_class"].to_pylist() == ["C"]
