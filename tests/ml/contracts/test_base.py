"""The check of a table, and what every contract of the project has in common."""

import re
from datetime import datetime

import pyarrow as pa
import pytest

from ml.contracts import KEPT, PROCESSED, PUBLISHED
from ml.contracts.base import Column, Contract, check
from ml.contracts.forecasts import (
    CUMULATIVE_QUANTILES,
    FORECAST_MODELS,
    FORECASTS,
    QUANTILES,
    REFUSALS,
    quantile_name,
)
from ml.contracts.recommendations import FLAGS, RECOMMENDATIONS, join_flags
from ml.errors import ContractError

STOCK = Contract(
    "stock",
    key=("item_id", "place"),
    columns=(
        Column("item_id", pa.string()),
        Column("place", pa.string(), nullable=True),
        Column("units", pa.int64(), "units", lower=0, upper=1000),
        Column("cost", pa.float64(), "BRL", lower=0.0, nullable=True),
        Column(
            "status", pa.string(), vocabulary={"active": "in use", "obsolete": "not"}, nullable=True
        ),
        Column("counted", pa.timestamp("us")),
    ),
)
DAY = datetime(2026, 1, 2)
TYPES = {pa.int64(), pa.float64(), pa.string(), pa.bool_(), pa.timestamp("us"), pa.date32(),
         pa.timestamp("us", tz="UTC")}  # fmt: skip


def stock(**columns):
    """A table of four rows; keywords replace columns, ``None`` takes one away."""
    plain = {
        "item_id": ["A", "B", "C", "D"],
        "place": ["x", "x", None, None],
        "units": [0, 1, 2, 1000],
        "cost": [1.5, None, 0.0, 3.0],
        "status": ["active", None, "obsolete", "active"],
        "counted": [DAY] * 4,
    } | columns
    return pa.table({name: values for name, values in plain.items() if values is not None})


ALL = {contract.name: contract for contract in (*PUBLISHED, *PROCESSED, *KEPT)}


def test_a_table_that_keeps_its_contract_comes_back_with_the_contracts_schema():
    checked = check(stock().select(STOCK.names[::-1]), STOCK)
    assert checked.schema.equals(STOCK.schema, check_metadata=True)
    assert checked.to_pylist() == stock().to_pylist()


def test_an_empty_table_keeps_any_contract():
    assert check(stock().slice(0, 0).cast(STOCK.schema), STOCK).num_rows == 0


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        pytest.param(
            {"cost": None, "status": None},
            "missing: ['cost', 'status'], not known: none.",
            id="missing",
        ),
        pytest.param(
            {"note": ["?"] * 4}, "missing: none, not known: ['note'].", id="not in the contract"
        ),
        pytest.param(
            {"units": None, "Units": [1] * 4},
            "missing: ['units'], not known: ['Units'].",
            id="another case is another column",
        ),
        pytest.param(
            {"units": ["1", "2", "3", "many"]},
            "column 'units' of table 'stock' is string, must be int64",
            id="text for a number",
        ),
        pytest.param(
            {"units": [0.0, 1.0, 2.5, 3.0]},
            "column 'units' of table 'stock' is double, must be int64",
            id="part of a unit",
        ),
        pytest.param(
            {"counted": [True] * 4},
            "column 'counted' of table 'stock' is bool, must be timestamp[us]",
            id="a flag for a day",
        ),
        pytest.param(
            {"units": [0, None, 2, None]},
            "2 of 4 values of 'units' is null. First: [{'item_id': 'B', 'place': 'x', "
            "'units': None}, {'item_id': 'D', 'place': None, 'units': None}]",
            id="null",
        ),
        pytest.param(
            {"cost": [1.0, None, float("nan"), 3.0]},
            "1 of 4 values of 'cost' is not finite. First: [{'item_id': 'C', 'place': None, "
            "'cost': nan}]",
            id="not a number",
        ),
        pytest.param(
            {"cost": [1.0, None, 2.0, float("-inf")]},
            "1 of 4 values of 'cost' is not finite. First: [{'item_id': 'D'",
            id="infinite",
        ),
        pytest.param(
            {"units": [0, 1001, -1, 5]},
            "2 of 4 values of 'units' is outside [0, 1000] units. First: [{'item_id': 'B', "
            "'place': 'x', 'units': 1001}, {'item_id': 'C', 'place': None, 'units': -1}]",
            id="out of range",
        ),
        pytest.param(
            {"cost": [1.0, -0.01, None, 3.0]},
            "1 of 4 values of 'cost' is outside [0, inf] BRL. First: [{'item_id': 'B'",
            id="below the only bound",
        ),
        pytest.param(
            {"status": ["active", None, "Active", "gone"]},
            "2 of 4 values of 'status' is not one of ('active', 'obsolete'). "
            "First: [{'item_id': 'C', 'place': None, 'status': 'Active'}, {'item_id': 'D'",
            id="not in the vocabulary",
        ),
        pytest.param(
            {"item_id": ["A", "A", "C", "C"]},
            "2 keys ('item_id', 'place') occur more than once. First: [{'item_id': 'A', "
            "'place': 'x', 'count_all': 2}, {'item_id': 'C', 'place': None, 'count_all': 2}]",
            id="repeated key, a null in it too",
        ),
    ],
)
def test_what_breaks_a_contract_is_named_counted_and_shown(columns, message):
    with pytest.raises(ContractError, match=r"^yard\.csv: .*" + re.escape(message)) as broken:
        check(stock(**columns), STOCK, where="yard.csv")
    assert "table 'stock'" in str(broken.value)


def test_only_the_first_three_offenders_are_shown():
    with pytest.raises(ContractError, match=r"4 of 4 values of 'units'.*'C'") as broken:
        check(stock(units=[-1, -2, -3, -4]), STOCK)
    assert "'D'" not in str(broken.value)


@pytest.mark.parametrize(("where", "place"), [("", "stock"), ("a|b.csv", r"a\|b\.csv")])
def test_the_error_names_the_file_and_the_table_where_nobody_says_what_file(where, place):
    with pytest.raises(ContractError, match=f"^{place}: table 'stock': 4 of 4 values of 'units'"):
        check(stock(units=[-1] * 4), STOCK, where=where)


def test_the_bounds_themselves_are_allowed():
    assert check(stock(units=[0, 1000, 0, 1000]), STOCK)["units"].to_pylist() == [0, 1000, 0, 1000]


@pytest.mark.parametrize(
    "counted",
    [
        pytest.param(pa.timestamp("ns"), id="nanoseconds"),
        pytest.param(pa.timestamp("s"), id="seconds"),
        pytest.param(pa.date32(), id="days"),
    ],
)
def test_another_width_of_the_same_type_is_converted_where_nothing_is_lost(counted):
    table = stock(counted=pa.array([DAY] * 4, counted))
    assert check(table, STOCK)["counted"].to_pylist() == [DAY] * 4


def test_a_moment_that_microseconds_cannot_hold_is_refused():
    table = stock(counted=pa.array([1, 2, 3, 4], pa.timestamp("ns")))
    with pytest.raises(ContractError, match=r"'counted' .* is timestamp\[ns\], must be"):
        check(table, STOCK)


def test_an_encoded_text_is_a_text():
    table = stock(status=pa.array(["active"] * 4).dictionary_encode())
    assert check(table, STOCK)["status"].type == pa.string()


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"item_id": [1, 2, 3, 4]}, id="numbers as ids"),
        pytest.param({"units": ["1", "2", "3", "4"]}, id="texts as numbers"),
        pytest.param({"units": [True, False, True, True]}, id="flags as numbers"),
        pytest.param({"counted": pa.array([DAY] * 4, pa.timestamp("us", "Asia/Tokyo"))}, id="zone"),
    ],
)
def test_another_type_is_refused_even_where_it_could_be_converted(columns):
    with pytest.raises(ContractError, match=r"of table 'stock' is .*, must be"):
        check(stock(**columns), STOCK)


def test_a_whole_number_beyond_the_doubles_is_within_an_open_bound():
    row = {"item_id": "A", "kind": "demand", "reason": "?", "n_obs": 2**60}
    assert check(pa.Table.from_pylist([row]), REFUSALS)["n_obs"].to_pylist() == [2**60]


def test_a_column_that_is_there_twice_is_refused():
    table = stock().append_column("units", pa.array([0] * 4))
    with pytest.raises(ContractError, match="'units'"):
        check(table, STOCK)


def test_every_table_of_the_design_has_a_contract():
    assert [contract.name for contract in PUBLISHED] == [
        *("forecasts", "refusals", "forecast_models", "totals", "recommendations"),
        *("service_curves", "policy_grid", "joint_orders", "price_outlook"),
        *("price_exposure", "transfers"),
        *("metrics", "simulation", "portfolio_curves"),
        *("history", "changes", "past_forecasts", "scores"),
    ]
    assert {contract.name for contract in PROCESSED} == {
        *(
            "demand",
            "items",
            "inventory",
            "open_orders",
            "stock_by_location",
            "site_demand",
            "receipts",
            "exposure",
            "suppliers",
            "prices",
            "climate",
            "economic",
            "anatel_5g",
        ),
        *("dividends", "features"),
    }


@pytest.mark.parametrize("contract", ALL.values(), ids=ALL)
def test_a_contract_is_sound_data(contract):
    assert contract.key
    assert set(contract.key) <= set(contract.names)
    assert len(set(contract.names)) == len(contract.names)
    assert not set(contract.volatile) & set(contract.key)
    for column, field in zip(contract.columns, contract.schema, strict=True):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
        assert column.unit.strip(), column.name
        assert column.description.strip(), column.name
        assert all(meaning.strip() for meaning in column.vocabulary.values()), column.name
        assert column.dtype in TYPES, column.name
        assert column.lower <= column.upper, column.name
        about = {b"unit": column.unit.encode(), b"description": column.description.encode()}
        assert (field.name, field.type, field.nullable, field.metadata) == (
            *(column.name, column.dtype, column.nullable),
            about,
        )


@pytest.mark.parametrize("contract", [FORECASTS, FORECAST_MODELS], ids=lambda one: one.name)
def test_quantile_columns_are_those_of_the_levels(contract):
    levels = {name: int(name[1:]) / 100 for name in contract.names if re.match(r"q\d", name)}
    assert tuple(levels.values()) == QUANTILES
    assert [quantile_name(level) for level in QUANTILES] == list(levels)
    of_sums = [int(name[5:]) / 100 for name in contract.names if name.startswith("cum_q")]
    assert tuple(of_sums) == CUMULATIVE_QUANTILES
    assert set(CUMULATIVE_QUANTILES) <= set(QUANTILES)


def test_the_published_columns_are_those_that_readers_were_promised():
    quantiles = "q05 q10 q20 q30 q40 q50 q60 q70 q80 q90 q95 q99"
    sums = "cum_mean cum_q10 cum_q50 cum_q80 cum_q90 cum_q95 cum_q99"
    promised = (
        "item_id ds frequency as_of horizon_step kind unit forecast lower upper "
        f"{quantiles} {sums} model_used is_fallback fallback_reason n_train train_end fitted_at "
        "model_version dataset_id source generated_at"
    )
    assert FORECASTS.names == promised.split()


def test_flags_become_one_sorted_text_without_repeats():
    assert join_flags(["stale_inventory", "few_demands", "stale_inventory"]) == (
        "few_demands;stale_inventory"
    )
    assert join_flags([]) == ""
    assert not [flag for flag in FLAGS if ";" in flag]
    with pytest.raises(ValueError, match=r"unknown quality flags \['made_up'\]"):
        join_flags(["few_demands", "made_up"])


def test_a_recommendation_is_one_row_an_item_and_place_of_which_little_is_always_known():
    assert RECOMMENDATIONS.key == ("item_id", "location_id")
    assert RECOMMENDATIONS.volatile == ("run_id",)
    always = {column.name for column in RECOMMENDATIONS.columns if not column.nullable}
    assert always == {
        *("run_id", "item_id", "location_id", "as_of", "data_cutoff", "frequency", "mode"),
        *("action", "reason_code", "reason_text", "confidence", "quality_flags"),
    }
