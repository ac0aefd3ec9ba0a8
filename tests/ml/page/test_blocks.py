"""Numbers on their way into the page, read back by a second implementation."""

import base64
import gzip
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ml.page.blocks import (
    pack_days,
    pack_numbers,
    pack_words,
    round_fairly,
    scale,
    scale_as_shown,
    to_block,
)
from tests.ml.page.rounding import as_quantity, shorten

ANY = st.floats(-1e15, 1e15) | st.integers(-40_000, 40_000).map(float) | st.just(float("nan"))
MATRICES = arrays.arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=ANY)


def read_block(text):
    """Header and bytes of a block."""
    data = gzip.decompress(base64.b64decode(text))
    size = int.from_bytes(data[:4], "little")
    return json.loads(data[4 : 4 + size]), data[4 + size :]


def read_scaled(column, items):
    """A scaled matrix by the description in words: places, then bytes from the lowest on."""
    width, size, data = column.about["width"], column.about["bytes"], column.data
    places = [int.from_bytes(data[i : i + 1], signed=True) for i in range(items)]
    planes = np.frombuffer(data[items:], np.uint8).reshape(size, -1).astype(int)
    found = []
    for item in range(items):
        row, before = [], 0
        for step in range(width):
            code = sum(int(plane[item * width + step]) << 8 * b for b, plane in enumerate(planes))
            code = (code + (before if column.about["along"] else 0)) % 256**size
            before = code
            signed = code - 256**size if code >= 256**size // 2 else code
            null = signed == -(256**size) // 2
            row.append(float("nan") if null else signed * 10.0 ** -places[item])
        found.append(row)
    return np.array(found), places


@given(MATRICES, st.booleans())
def test_scaled_numbers_come_back_to_their_last_decimal_place(values, along):
    found, places = read_scaled(scale(values, 3, along=along).pack(), len(values))
    assert np.array_equal(np.isnan(found), np.isnan(values))
    for row, back, place in zip(values, found, places, strict=True):
        # the last place, and what a float of that size cannot hold
        close = 10.0**-place + 1e-9 * np.nanmax(np.abs(row), initial=0)
        assert np.all(np.abs(back - row)[~np.isnan(row)] <= close)


@given(MATRICES, st.integers(1, 6), st.booleans())
def test_the_last_values_of_a_row_are_those_of_the_whole_row(values, count, along):
    whole = scale(values, 3, along=along)
    found, _ = read_scaled(whole.pack(), len(values))
    last, _ = read_scaled(whole.columns(-count).pack(), len(values))
    assert np.array_equal(last, found[:, -count:], equal_nan=True)


HALVES = st.builds(lambda whole, by: whole / by, st.integers(-40_000, 40_000), st.sampled_from(
    [1.0, 2.0, 20.0, 200.0, 1000.0]))  # fmt: skip
QUANTITIES = HALVES | st.floats(-1e7, 1e7) | st.just(float("nan"))


@given(arrays.arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=QUANTITIES),
       st.booleans())  # fmt: skip
def test_a_quantity_is_packed_as_the_page_would_show_it(values, along):
    found, _ = read_scaled(scale_as_shown(values, along=along).pack(), len(values))
    assert np.array_equal(np.isnan(found), np.isnan(values))
    for value, back in zip(values.flat, found.flat, strict=True):
        if not np.isnan(value):
            assert back == pytest.approx(float(as_quantity(value)), rel=1e-15)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.005, 1.01), (1.0049999999999994, 1.0), (9.996, 10.0), (12.25, 12.3), (99.96, 100.0),
     (100.5, 101.0), (0.004, 0.0), (3e9, 3e9)],
)  # fmt: skip
def test_halves_are_rounded_as_they_are_written(value, shown):
    found, _ = read_scaled(scale_as_shown(np.array([[value]])).pack(), 1)
    assert found[0, 0] == shown


@given(st.floats(-1000, 1000), st.integers(0, 2))
def test_a_number_is_shortened_as_it_would_have_been_before_it_was_packed(value, shown):
    stored = round_fairly(np.array([value * 1000.0]))[0] / 1000.0
    assert shorten(stored, shown) == shorten(value, shown)


def test_whole_numbers_keep_every_digit_while_four_bytes_hold_them():
    most = 2**31 - 1
    found, places = read_scaled(scale(np.array([[0.0, most], [1, most + 1]]), 3).pack(), 2)
    # One too many for four bytes: the row is told in tens, cut off. One of them, 0.1, would be 0,
    # which only an exact number may end in: so it is 1.
    assert found.tolist() == [[0, most], [10, 2_147_483_640]]
    assert places == [0, -1]


def test_each_part_takes_the_bytes_that_its_own_numbers_need():
    whole = scale(np.array([[0.0, 127], [0, 128], [0, 40_000], [np.nan, -128]]), 3)
    sizes = [whole.pack(slice(item, item + 1)).about["bytes"] for item in range(4)]
    assert sizes == [1, 2, 4, 2]  # the lowest number of a width is null
    assert whole.pack().about["bytes"] == 4


@pytest.mark.parametrize(
    ("values", "places", "width"),
    [
        ([1.0, float("nan"), -127], 3, 1),  # whole: no decimals are stored
        ([1.5, 2], 2, 2),  # 150 and 200
        ([12_345.67], 2, 4),  # 1,234,567
        ([1e12, 0.5], 2, 8),  # more than four bytes hold: as they are
    ],
)
def test_the_smallest_width_that_holds_a_column_is_taken(values, places, width):
    packed = pack_numbers(np.array(values), places)
    assert packed.about["bytes"] == width
    assert len(packed.data) == width * len(values)


def test_days_and_words_know_what_is_missing():
    days = pack_days(np.array(["1970-01-03", "NaT"], "datetime64[us]"))
    assert days.data == bytes([2, 128])  # two days since 1970; the lowest byte is null
    words = pack_words(pa.array(["b", None, "a", "b"]))
    assert (words.about["words"], words.data) == (["b", "a"], bytes([1, 0, 2, 1]))


def test_a_block_says_where_each_column_starts_and_is_the_same_every_time():
    columns = {"a": pack_numbers(np.array([1.0, 2.0]), 0), "b": pack_numbers(np.array([3.0]), 0)}
    text = to_block(2, columns, ids=["<x>", "é"])
    header, data = read_block(text)
    assert [header["columns"][name]["start"] for name in ("a", "b")] == [0, 2]
    assert (header["ids"], data) == (["<x>", "é"], bytes([1, 2, 3]))
    assert text == to_block(2, columns, ids=["<x>", "é"])


def test_no_numbers_at_all_are_a_block_as_well():
    assert scale(np.empty((0, 3)), 3).pack().data == b""
    assert read_block(to_block(0, {"a": pack_numbers(np.empty(0), 2)}))[0]["items"] == 0
