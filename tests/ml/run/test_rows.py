"""The published distribution is that of the sample paths."""

import math
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ml.contracts.base import check
from ml.contracts.forecasts import (
    CUMULATIVE_QUANTILES,
    FORECAST_MODELS,
    FORECASTS,
    QUANTILES,
    quantile_name,
)
from ml.forecasters.base import Forecast
from ml.frequency import periods_after
from ml.run.rows import (
    DIGITS,
    RowOrigin,
    distribution_columns,
    forecast_rows,
    model_rows,
    significant,
)
from tests.conftest import daily_panel, monthly_panel, price_panel

NAMES = [quantile_name(level) for level in QUANTILES]
STARTED = datetime(2026, 11, 20, 2, 15, 3, tzinfo=UTC)
WHERE_FROM = RowOrigin("m-1", "d-1", {"demand": "user_files", "price": "user_files"}, STARTED)
quick = settings(max_examples=60, deadline=None)
numbers = st.floats(1e-12, 1e15).flatmap(lambda x: st.sampled_from([x, -x]))
small_paths = npst.arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.sampled_from([1, 2, 10, 50]), st.integers(1, 5)),
    elements=st.floats(0, 2**20, width=32),
)


def counts(n_items=3, n_paths=500, horizon=6, seed=4):
    """Demand paths from nearly none to plenty."""
    rates = np.geomspace(0.05, 40.0, n_items)[:, None, None]
    drawn = np.random.default_rng(seed).poisson(rates, (n_items, n_paths, horizon))
    return drawn.astype(np.float32)


def column(columns, name, horizon):
    return np.asarray(columns[name]).reshape(-1, horizon)


def smallest_covering(sample, level):
    """The smallest value that at least this share of the sample does not exceed, by counting."""
    wanted = Fraction(str(level)) * len(sample)
    return next(x for x in sorted(sample) if sum(y <= x for y in sample) >= wanted)


def rows_of(panel, paths, reasons=None, started=STARTED):
    """Rows of a forecast that an ensemble made."""
    n_items = len(panel.items)
    where_from = RowOrigin("m-1", "d-1", WHERE_FROM.source, started)
    return forecast_rows(panel, paths, ["ensemble"] * n_items, reasons or [None] * n_items,
                         where_from)  # fmt: skip


@given(values=st.lists(numbers | st.just(0.0), min_size=2, max_size=30))
@quick
def test_rounding_keeps_the_order(values):
    ordered = np.sort(np.array(values))
    assert (np.diff(significant(ordered, DIGITS)) >= 0).all()


@given(value=numbers)
@quick
def test_rounding_keeps_the_first_six_digits_and_no_more(value):
    (rounded,) = significant(np.array([value]), 6)
    half_unit = Fraction(10) ** (math.floor(math.log10(abs(value))) - 5) / 2
    assert abs(Fraction(rounded) - Fraction(value)) <= half_unit * Fraction("1.000001")
    assert float(f"{rounded:.5e}") == rounded


def test_rounding_by_hand():
    given_values = np.array([[1234567.0, 0.0], [-0.00123456789, 99999.95]])
    expected = np.array([[1234570.0, 0.0], [-0.00123457, 100000.0]])
    np.testing.assert_array_equal(significant(given_values, 6), expected)


@given(paths=small_paths)
@quick
def test_quantiles_never_cross(paths):
    columns = distribution_columns(paths, cumulative=True)
    levels = np.stack([columns[name] for name in NAMES])
    of_sums = np.stack([columns[f"cum_{quantile_name(q)}"] for q in CUMULATIVE_QUANTILES])
    assert (np.diff(levels, axis=0) >= 0).all()
    assert (np.diff(of_sums, axis=0) >= 0).all()


@given(paths=small_paths)
@quick
def test_cumulative_demand_never_falls_with_the_step(paths):
    columns = distribution_columns(paths, cumulative=True)
    for name in ("cum_mean", *(f"cum_{quantile_name(q)}" for q in CUMULATIVE_QUANTILES)):
        assert (np.diff(column(columns, name, paths.shape[2]), axis=1) >= 0).all()


@pytest.mark.parametrize("n_paths", [1, 7, 20, 500, 1000])
def test_every_quantile_is_the_one_found_by_counting_paths(n_paths):
    paths = counts(2, n_paths, 3)
    columns = distribution_columns(paths, cumulative=True)
    for item, of_item in enumerate(paths):
        for step in range(3):
            single = [float(path[step]) for path in of_item]
            sums = [sum(float(units) for units in path[: step + 1]) for path in of_item]
            place = item * 3 + step
            found = {name: np.asarray(values)[place] for name, values in columns.items()}
            for level in QUANTILES:
                assert found[quantile_name(level)] == smallest_covering(single, level)
            for level in CUMULATIVE_QUANTILES:
                assert found[f"cum_{quantile_name(level)}"] == smallest_covering(sums, level)
            assert found["forecast"] == pytest.approx(sum(single) / n_paths, rel=5e-6)
            assert found["cum_mean"] == pytest.approx(sum(sums) / n_paths, rel=5e-6)


def test_cumulative_quantiles_are_not_sums_of_quantiles():
    # Six steps of demand 0 or 10 with equal chance: each q90 is 10, and the total is above 50
    # with a chance of 1/64 only.
    paths = np.random.default_rng(5).choice([0, 10], (1, 1000, 6)).astype(np.float32)
    columns = distribution_columns(paths, cumulative=True)
    assert np.asarray(columns["q90"]).sum() == 60
    assert np.asarray(columns["cum_q90"])[-1] in {40, 50}


def test_sums_of_prices_mean_nothing_and_are_null():
    columns = distribution_columns(counts() - 20, cumulative=False)
    empty = [name for name in columns if name.startswith("cum_")]
    assert len(empty) == 1 + len(CUMULATIVE_QUANTILES)
    assert all(columns[name].null_count == 18 for name in empty)
    assert np.asarray(columns["q05"]).min() < 0


def test_an_items_rows_do_not_depend_on_the_other_items():
    paths = counts(4)
    whole = distribution_columns(paths, cumulative=True)
    for item in range(4):
        alone = distribution_columns(paths[item : item + 1], cumulative=True)
        for name, values in alone.items():
            np.testing.assert_array_equal(values, whole[name][item * 6 : item * 6 + 6])


@pytest.mark.parametrize(
    "make", [monthly_panel, daily_panel, price_panel], ids=lambda f: f.__name__
)
def test_rows_keep_the_contract_and_are_sorted_by_its_key(make):
    panel = make()
    paths = counts(len(panel.items), horizon=5) - (0 if panel.is_demand else 20)
    table = rows_of(panel, paths)
    assert check(table, FORECASTS).equals(table)
    order = [(name, "ascending") for name in FORECASTS.key]
    assert table.sort_by(order).equals(table)
    assert table.num_rows == len(panel.items) * 5
    assert set(table["kind"].to_pylist()) == {panel.kind}


def test_steps_are_the_periods_that_follow_the_panel():
    panel = price_panel(300)
    table = rows_of(panel, counts(2, horizon=7))
    first = table.slice(0, 7)
    expected = periods_after(panel.cutoff, 7, panel.frequency).astype("datetime64[us]").tolist()
    assert first["ds"].to_pylist() == expected
    assert first["horizon_step"].to_pylist() == [1, 2, 3, 4, 5, 6, 7]
    assert set(table["as_of"].to_pylist()) == {panel.cutoff.astype("datetime64[us]").item()}
    assert set(table["frequency"].to_pylist()) == {"B"}


def test_every_row_says_what_its_item_was_learned_from():
    panel = monthly_panel(3, 12)
    values = panel.values.copy()
    values[:] = 1.0
    values[1, 9:] = np.nan  # last seen in the ninth month
    values[2, [0, 4]] = np.nan
    panel = type(panel)("demand", panel.frequency, panel.items, panel.periods, values, panel.units)
    table = rows_of(panel, counts(horizon=2)).to_pylist()
    assert [row["n_train"] for row in table] == [12, 12, 9, 9, 10, 10]
    ends = [row["train_end"].strftime("%Y-%m") for row in table[::2]]
    assert ends == ["2025-12", "2025-09", "2025-12"]


def test_a_fallback_says_why_and_others_say_nothing():
    table = rows_of(monthly_panel(3), counts(), reasons=[None, "arima: timeout", None])
    by_item = {row["item_id"]: row for row in table.to_pylist()}
    said = [(row["is_fallback"], row["fallback_reason"]) for row in by_item.values()]
    assert said == [(False, None), (True, "arima: timeout"), (False, None)]


def test_a_unit_that_nobody_knows_is_null():
    table = rows_of(price_panel(), counts(2, horizon=1))
    assert table["unit"].to_pylist() == ["USD", None]


def test_the_moment_of_the_run_is_written_in_utc():
    brasilia = timezone(timedelta(hours=-3))
    table = rows_of(monthly_panel(3), counts(), started=STARTED.astimezone(brasilia))
    assert table["generated_at"].type == pa.timestamp("us", tz="UTC")
    assert set(table["generated_at"].to_pylist()) == {STARTED}


def test_component_rows_keep_their_contract_and_carry_the_share_of_the_model():
    panel = monthly_panel(3)
    worked = {"tsb": [0, 1, 2], "arima": [1], "lstm": []}
    components = {}
    for model, rows in worked.items():
        paths = np.full((3, 500, 4), np.nan, np.float32)
        paths[rows] = counts(3, horizon=4)[rows]
        components[model] = Forecast(panel.items, paths)
    weights = [{"tsb": 1.0}, {"tsb": 0.25, "arima": 0.75}, {"arima": 1.0}]
    table = model_rows(panel, components, weights, 2)
    assert set(table["horizon_step"].to_pylist()) == {1, 2}
    assert check(table, FORECAST_MODELS).equals(table)
    assert table.sort_by([(name, "ascending") for name in FORECAST_MODELS.key]).equals(table)
    shares = {(row["item_id"], row["model"]): row["weight"] for row in table.to_pylist()}
    assert shares == {
        ("PART-000", "tsb"): 1.0,
        ("PART-001", "arima"): 0.75,
        ("PART-001", "tsb"): 0.25,
        ("PART-002", "tsb"): 0.0,
    }


def test_no_components_give_an_empty_table_of_the_contract():
    table = model_rows(monthly_panel(3), {}, [{}] * 3, 2)
    assert table.schema.equals(FORECAST_MODELS.schema)
    assert table.num_rows == 0
