import dataclasses
from datetime import datetime
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.artifacts.content import ContentHash
from ml.contracts.base import Column, Contract

TYPES = {
    "name": pa.string(),
    "amount": pa.float64(),
    "count": pa.int64(),
    "flag": pa.bool_(),
    "ds": pa.timestamp("us"),
    "day": pa.date32(),
}
CONTRACT = Contract(
    "things",
    key=(),
    columns=(
        *(Column(name, dtype, nullable=True) for name, dtype in TYPES.items()),
        Column("run_id", pa.string(), nullable=True),
    ),
)
ROW = st.fixed_dictionaries(
    {
        "name": st.none() | st.text(max_size=4),
        "amount": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "count": st.none() | st.integers(-(2**63), 2**63 - 1),
        "flag": st.none() | st.booleans(),
        "ds": st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
        "day": st.none() | st.dates(),
        "run_id": st.text(max_size=2),
    }
)


def table(rows):
    return pa.Table.from_pylist(rows, schema=CONTRACT.schema)


def content_sha256(*chunks, contract=CONTRACT):
    running = ContentHash(contract)
    for chunk in chunks:
        running.update(chunk)
    return running.hexdigest()


def of_names(*names):
    return content_sha256(table([{"name": name} for name in names]))


@settings(deadline=None)  # a busy machine is no error
@given(st.lists(ROW, max_size=12), st.lists(st.integers(0, 12), max_size=4))
def test_where_chunks_end_and_buffers_begin_makes_no_difference(rows, cuts):
    whole = table(rows)
    bounds = sorted({0, len(rows), *(cut for cut in cuts if cut <= len(rows))})
    slices = [whole.slice(a, b - a) for a, b in pairwise(bounds)]
    copies = [table(rows[a:b]) for a, b in pairwise(bounds)]
    expected = content_sha256(whole)
    assert content_sha256(*slices) == content_sha256(*copies) == expected
    batches = pa.Table.from_batches(whole.to_batches(max_chunksize=2), whole.schema)
    assert content_sha256(batches) == expected


@settings(deadline=None)  # a busy machine is no error
@given(st.lists(ROW, max_size=6), st.lists(ROW, max_size=6))
def test_two_tables_hash_alike_exactly_if_they_say_the_same(first, second):
    def said(rows):
        return [{k: v for k, v in row.items() if k != "run_id"} for row in rows]  # -0.0 == 0.0

    same = content_sha256(table(first)) == content_sha256(table(second))
    assert same == (said(first) == said(second))


def test_dictionary_encoding_makes_no_difference():
    plain = table([{"name": name} for name in ("b", None, "a", "b")])
    encoded = plain.set_column(0, "name", plain["name"].dictionary_encode())
    assert content_sha256(encoded) == content_sha256(plain)


def test_a_clock_column_makes_no_difference_and_any_other_does():
    row = {"name": "a", "amount": 1.0, "count": 1, "flag": True, "run_id": "r"}
    expected = content_sha256(table([row]))
    assert content_sha256(table([row | {"run_id": "s"}])) == expected
    for change in ({"name": "b"}, {"amount": 1.5}, {"count": 2}, {"flag": False}):
        assert content_sha256(table([row | change])) != expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param((None,), ("",), id="null is no empty text"),
        pytest.param(("ab", "c"), ("a", "bc"), id="text moved to the next row"),
        pytest.param(("a", "b"), ("b", "a"), id="order of rows"),
        pytest.param((), (None,), id="no row is no null"),
        pytest.param((None, "a"), ("a", None), id="place of the null"),
    ],
)
def test_texts_that_look_alike_in_memory_differ(first, second):
    assert of_names(*first) != of_names(*second)


def test_null_is_no_zero_and_the_sign_of_zero_is_nothing():
    null, zero, minus = (content_sha256(table([{"amount": value}])) for value in (None, 0.0, -0.0))
    assert zero == minus
    assert null != zero


def test_what_lies_under_a_null_makes_no_difference():
    # Arrow allows any bytes there; these are an array of the texts "xy", "z" with the first hidden.
    hidden = pa.array(["xy", "z"])
    masked = pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(b"\x02"), *hidden.buffers()[1:]])
    assert masked.to_pylist() == [None, "z"]
    dirty = table([{}, {"name": "z"}]).set_column(0, "name", masked)
    assert content_sha256(dirty) == of_names(None, "z")


@pytest.mark.parametrize(
    "column",
    [Column("label", pa.string(), nullable=True), Column("name", pa.int64(), nullable=True)],
    ids=["another name", "another type"],
)
def test_the_same_values_in_another_column_differ(column):
    other = dataclasses.replace(CONTRACT, columns=(column, *CONTRACT.columns[1:]))
    empty = [dict.fromkeys(contract.names) for contract in (CONTRACT, other)]
    first, second = (
        content_sha256(pa.Table.from_pylist([row], schema=contract.schema), contract=contract)
        for row, contract in zip(empty, (CONTRACT, other), strict=True)
    )
    assert first != second


def test_the_hash_of_a_given_table_stays_the_same_between_releases():
    # Regression value: comparing versions over time depends on it. If it has to change, raise
    # FORMAT in ml/artifacts/content.py.
    rows = [{"name": "a", "amount": 1.5, "count": 3, "flag": True, "ds": datetime(2026, 1, 1)}, {}]
    assert content_sha256(table(rows)).startswith("1d96c147c0a7b941")
