"""What volumes cost that are paid at a price, by hand."""

import re
from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from ml.contracts.base import check
from ml.contracts.metrics import METRICS
from ml.contracts.price_outlook import EXPOSURE, EXPOSURE_FLAGS, PRICE_EXPOSURE, PRICE_OUTLOOK
from ml.frequency import Frequency, periods_after
from ml.panel import Panel
from ml.run.price_exposure import SeriesOutlook, exposure_rows, measured_coverage
from ml.run.price_outlook import outlook_rows

AS_OF = np.datetime64("2024-03-01")  # a Friday
PRICES = np.stack([np.arange(91.0, 111.0), np.arange(101.0, 121.0)], axis=1)  # 20 paths, 2 months
ADVICE = re.compile(r"\b(buy|bought|sell|sold|compr|vend)\w*", re.IGNORECASE)


def outlook(paths=PRICES, frequency=Frequency.MONTHLY):
    starts = periods_after(AS_OF, paths.shape[1] + 1, frequency)
    return SeriesOutlook(paths, AS_OF, starts, "USD/bbl")


def exposure(**given):
    row = dict.fromkeys(EXPOSURE.names) | {"item_id": "Brent", "exposure_id": "1", "volume": 100.0}
    return row | {"risk_aversion": 0.5, "horizon": 1.0} | given


def row_of(*, known=None, of_prices="USD", coverage=(0.8, 60), **given):
    outlooks = {"Brent": outlook()} if known is None else known
    covered = {} if coverage is None else {"Brent": coverage}
    table = exposure_rows([exposure(**given)], outlooks, {"Brent": of_prices}, covered)
    (row,) = check(table, PRICE_EXPOSURE).to_pylist()
    return row


def has_money(row):
    names = (
        "expected_spot_cost",
        "cost_at_risk_95",
        "cost_shortfall_95",
        "break_even_price",
        "break_even_less_quote",
        "break_even_less_budget",
        "p_above_quote",
        "p_above_budget",
    )
    return [name for name in names if row[name] is not None]


def test_a_row_by_hand():
    # Prices 91 to 110, each one of twenty: mean 100.5, the dearest twentieth is 110, and the 95 %
    # quantile lies between 109 and 110. A quarter of 400 is fixed, so 300 are paid at the price.
    row = row_of(volume=400.0, hedged_share=0.25, fixed_quote=104.0, budget_price=98.5)
    numbers = {
        "unhedged_volume": 300.0,
        "expected_spot_cost": 30_150.0,
        "cost_shortfall_95": 33_000.0,
        "break_even_price": 105.25,  # half of the way from 100.5 to 110
        "break_even_less_quote": 1.25,
        "break_even_less_budget": 6.75,
        "p_above_quote": 0.325,  # 105 to 110 are above, one of twenty is on it
        "p_above_budget": 0.6,  # 99 to 110
    }
    assert {name: row[name] for name in numbers} == pytest.approx(numbers)
    assert 300 * 109 <= row["cost_at_risk_95"] <= 300 * 110
    expected = {
        "decision_support": "breakeven",
        "quality_flags": "",
        "currency": "USD",
        "unit": "USD/bbl",
        "ds": datetime(2024, 4, 1),
        "horizon_step": 1,
        "coverage_n": 60,
    }
    assert {name: row[name] for name in expected} == expected


def test_who_fears_nothing_pays_the_mean_and_who_fears_all_the_worst_cases():
    assert row_of(risk_aversion=0.0)["break_even_price"] == pytest.approx(100.5)
    assert row_of(risk_aversion=1.0)["break_even_price"] == pytest.approx(110.0)


def test_an_exposure_agrees_with_the_outlook_of_its_period():
    periods = np.array(["2024-01-01", "2024-02-01", "2024-03-01"], "datetime64[D]")
    panel = Panel("price", Frequency.MONTHLY, ("Brent",), periods, np.full((1, 3), 99.0), (None,))
    for step, there in enumerate(outlook_rows(panel, PRICES[None], [True], 0.5).to_pylist(), 1):
        row = row_of(horizon=float(step), volume=1.0)
        assert row["ds"] == there["ds"]
        assert row["expected_spot_cost"] == pytest.approx(there["expected_price"])
        assert row["cost_shortfall_95"] == pytest.approx(there["expected_shortfall_95"])
        assert row["break_even_price"] == pytest.approx(there["break_even_price"])
        at_risk = there["reference_price"] + there["price_at_risk_95"]
        assert row["cost_at_risk_95"] == pytest.approx(at_risk)


@pytest.mark.parametrize(
    ("due", "step", "flag"),
    [
        ("2024-02-28", None, "due_passed"),
        ("2024-03-31", None, "due_passed"),  # of a month whose price is there
        ("2024-04-01", 1, ""),
        ("2024-04-30", 1, ""),
        ("2024-05-31", 2, ""),
        ("2024-06-01", None, "beyond_horizon"),
    ],
)
def test_a_month_is_paid_at_its_own_price_and_no_number_is_outside_the_forecast(due, step, flag):
    row = row_of(due_at=datetime.fromisoformat(due), horizon=7.0)
    assert (row["horizon_step"], row["quality_flags"]) == (step, flag)
    assert bool(has_money(row)) == (step is not None)
    assert row["decision_support"] == ("none" if flag else "breakeven")


@pytest.mark.parametrize(
    ("due", "step", "flag"),
    [
        ("2024-03-03", None, "due_passed"),  # Sunday after the last price
        ("2024-03-04", 1, ""),
        ("2024-03-09", 5, ""),  # a Saturday: the price of Friday
        ("2024-03-11", None, "beyond_horizon"),
    ],
)
def test_on_a_day_without_trade_the_last_price_is_paid(due, step, flag):
    known = {"Brent": outlook(np.ones((4, 5)), Frequency.BUSINESS)}
    row = row_of(known=known, due_at=datetime.fromisoformat(due))
    assert (row["horizon_step"], row["quality_flags"]) == (step, flag)


def test_a_horizon_counts_periods_and_a_part_of_one_is_in_it():
    assert row_of(horizon=2.0)["horizon_step"] == 2
    assert row_of(horizon=1.5)["horizon_step"] == 2
    beyond = row_of(horizon=2.5)
    assert (has_money(beyond), beyond["quality_flags"]) == ([], "beyond_horizon")
    unknown = row_of(horizon=None)
    assert (has_money(unknown), unknown["quality_flags"]) == ([], "due_unknown")


def test_another_currency_than_that_of_the_prices_gives_no_number():
    assert has_money(row_of(currency="USD", fixed_quote=500.0))
    row = row_of(currency="BRL", fixed_quote=500.0)
    assert (has_money(row), row["quality_flags"]) == ([], "currency_differs")
    assert (row["currency"], row["decision_support"]) == ("BRL", "none")


def test_prices_without_a_currency_are_in_that_of_the_exposure_and_it_is_said():
    row = row_of(currency="BRL", of_prices=None)
    assert (row["currency"], row["quality_flags"]) == ("BRL", "currency_assumed")
    assert has_money(row)


@pytest.mark.parametrize(
    ("coverage", "support", "flag"),
    [
        (None, "none", "coverage_unknown"),
        ((0.6, 60), "none", "coverage_off"),
        ((0.65, 60), "breakeven", ""),
        ((0.95, 60), "breakeven", ""),
        ((1.0, 60), "none", "coverage_off"),
    ],
)
def test_only_ranges_that_kept_their_promise_support_a_decision(coverage, support, flag):
    row = row_of(coverage=coverage)
    assert (row["decision_support"], row["quality_flags"]) == (support, flag)
    assert has_money(row)


def test_a_series_that_was_not_forecast_has_its_row_without_numbers():
    row = row_of(known={}, coverage=None)
    assert (has_money(row), row["as_of"], row["unhedged_volume"]) == ([], None, 100.0)
    assert row["quality_flags"] == "no_forecast;coverage_unknown"


def test_coverage_is_that_of_the_ensemble_on_the_series_over_all_origins():
    row = {"kind": "price", "model": "ensemble", "metric": "coverage_80_interval", "n_obs": 9}
    rows = [
        row | {"item_id": "Brent", "value": 0.75},
        row | {"item_id": None, "value": 0.1},  # of all series
        row | {"item_id": "Gold", "value": None},
        row | {"item_id": "Brent", "value": 0.2, "model": "naive"},
        row | {"item_id": "Brent", "value": 0.3, "kind": "demand"},
        row | {"item_id": "Brent", "value": 0.4, "metric": "mae"},
    ]
    metrics = pa.Table.from_pylist(rows, METRICS.schema)
    assert measured_coverage(metrics) == {"Brent": (0.75, 9)}


def test_no_text_of_the_tables_gives_advice():
    texts = [
        text
        for contract in (PRICE_OUTLOOK, PRICE_EXPOSURE, EXPOSURE)
        for column in contract.columns
        for text in (column.name, column.unit, column.description, *column.vocabulary,
                     *column.vocabulary.values())
    ]  # fmt: skip
    texts += [*EXPOSURE_FLAGS, *EXPOSURE_FLAGS.values()]
    rows = [
        row_of(fixed_quote=95.0),
        row_of(fixed_quote=120.0),
        row_of(known={}),
        row_of(horizon=9),
    ]
    texts += [value for row in rows for value in row.values() if isinstance(value, str)]
    assert [text for text in texts if ADVICE.search(text)] == []
    assert ADVICE.search("nothing to buy")
