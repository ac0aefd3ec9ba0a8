import numpy as np
import pytest
from scipy import stats

from ml.contracts.base import check
from ml.contracts.price_outlook import PRICE_OUTLOOK
from ml.frequency import Frequency, period_range
from ml.panel import Panel
from ml.run.price_outlook import outlook_rows


def panel_of(*series, frequency=Frequency.MONTHLY):
    periods = period_range(np.datetime64("2024-01-01"), np.datetime64("2024-03-01"), frequency)
    names = tuple(f"P{place}" for place in range(len(series)))
    values = np.array(series, float)
    return Panel(
        "price", frequency, names, periods[: values.shape[1]], values, ("USD",) * len(names)
    )


def rows_of(panel, paths, directed=None, risk_aversion=0.5):
    table = outlook_rows(panel, paths, directed or [True] * len(paths), risk_aversion)
    return check(table, PRICE_OUTLOOK).to_pylist()


def test_a_row_by_hand():
    # Twenty paths of one step: 91 to 110, the last price is 100. Nine are below, ten above, one on.
    (row,) = rows_of(panel_of([90, 95, 100.0]), np.arange(91.0, 111.0)[None, :, None])
    expected = {
        "reference_price": 100.0,
        "expected_price": 100.5,
        "p_above_reference": 0.525,  # 10 and a half of 20
        "expected_shortfall_95": 110.0,  # the dearest one of twenty
        "break_even_price": 105.25,  # half of the way from 100.5 to 110
        "unit": "USD",
        "decision_support": "risk_only",
        "horizon_step": 1,
    }
    assert {name: row[name] for name in expected} == expected
    assert (str(row["ds"])[:10], str(row["reference_day"])[:10]) == ("2024-04-01", "2024-03-01")


def test_a_random_walk_has_even_odds_and_the_volatility_that_it_was_drawn_with():
    rng = np.random.default_rng(1)
    steps = rng.normal(0.0, 0.08, (1, 40_000, 12))
    paths = 50.0 * np.exp(np.cumsum(steps, axis=2))
    rows = rows_of(panel_of([40, 45, 50.0]), paths, [False], 0.0)
    for row in rows:
        assert row["p_above_reference"] == pytest.approx(0.5, abs=0.01)
        assert row["volatility_annual"] == pytest.approx(0.08 * np.sqrt(12), rel=0.02)
        assert row["break_even_price"] == row["expected_price"]  # nobody fears anything
        spread = 0.08 * np.sqrt(row["horizon_step"])
        risk = 50.0 * (np.exp(spread * stats.norm.ppf(0.95)) - 1.0)
        assert row["price_at_risk_95"] == pytest.approx(risk, rel=0.04)
        # E[X | X > q] of a lognormal: mean times Phi(s - z) / .05.
        worst = 50.0 * np.exp(spread**2 / 2) * stats.norm.cdf(spread - stats.norm.ppf(0.95)) / 0.05
        assert row["expected_shortfall_95"] == pytest.approx(worst, rel=0.02)
    assert {row["decision_support"] for row in rows} == {"none"}


def test_the_last_price_is_the_last_one_seen_and_prices_below_zero_have_no_volatility():
    gap, negative = [90, 95.0, np.nan], [3.0, 2.0, 1.0]
    paths = np.stack([np.full((4, 2), 97.0), np.tile([-1.0, 2.0], (4, 1))])
    rows = rows_of(panel_of(gap, negative), paths)
    assert [row["reference_price"] for row in rows] == [95.0, 95.0, 1.0, 1.0]
    assert str(rows[0]["reference_day"])[:10] == "2024-02-01"
    assert rows[0]["volatility_annual"] == 0.0
    assert (rows[2]["volatility_annual"], rows[3]["volatility_annual"] is None) == (None, False)


def test_more_fear_pays_more():
    paths = np.random.default_rng(2).lognormal(3.0, 0.2, (1, 500, 3))
    prices = [
        [row["break_even_price"] for row in rows_of(panel_of([9, 9, 20.0]), paths, None, fear)]
        for fear in (0.0, 0.5, 1.0)
    ]
    assert prices == sorted(prices)
