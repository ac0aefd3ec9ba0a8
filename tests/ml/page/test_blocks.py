"""Numbers on their way into the page, read back by a second implementation."""

import base64
import gzip
import json
from decimal import ROUND_HALF_UP, Decimal

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
    to_block,
)

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


@given(MATRICES, st.booleans(), st.sampled_from([2, 4]))
def test_scaled_numbers_come_back_to_their_last_decimal_place(values, along, width):
    found, places = read_scaled(scale(values, 3, along=along, width=width).pack(), len(values))
    assert np.array_equal(np.isnan(found), np.isnan(values))
    for row, back, place in zip(values, found, places, strict=True):
        # the last place, and what a float of that size cannot hold
        close = 10.0**-place + 1e-9 * np.nanmax(np.abs(row), initial=0)
        assert np.all(np.abs(back - row)[~np.isnan(row)] <= close)


@given(MATRICES, st.integers(1, 6), st.booleans())
def test_the_last_values_of_a_row_are_those_of_the_whole_row(values, count, along):
    whole = scale(values, 3, along=along)
    found, _ = read_scaled(whole.pack(), len(values))
    last, _ = read_scaled(whole.last(count).pack(), len(values))
    assert np.array_equal(last, found[:, -count:], equal_nan=True)


@given(st.floats(-1000, 1000), st.integers(0, 2))
def test_a_number_is_shortened_as_it_would_have_been_before_it_was_packed(value, shown):
    stored = round_fairly(np.array([value * 1000.0]))[0] / 1000.0

    def shorten(number):  # half away from zero, as browsers do
        exact = Decimal(repr(float(number))).quantize(Decimal(1).scaleb(-shown), ROUND_HALF_UP)
        return exact + 0

    assert shorten(stored) == shorten(value)


def test_whole_numbers_keep_every_digit_while_two_bytes_hold_them():
    found, places = read_scaled(scale(np.array([[0.0, 32_767], [1, 32_768]]), 3).pack(), 2)
    # 32,768 is one too many for two bytes: the row is told in tens, cut off. One of them, 0.1,
    # would be 0, which only an exact number may end in: so it is 1.
    assert found.tolist() == [[0, 32_767], [10, 32_760]]
    assert places == [0, -1]


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
