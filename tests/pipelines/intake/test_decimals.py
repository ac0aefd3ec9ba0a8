"""Numbers from text."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.intake.decimals import parse_numbers
from pipelines.intake.quarantine import Reason, fault_code


def parsed(*texts, typed=False, weights=None):
    counts = np.ones(len(texts), np.int64) if weights is None else np.array(weights)
    return parse_numbers(pa.array(texts), counts, typed=typed, where="f, y")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5.0),
        ("+5", 5.0),
        ("-5", -5.0),
        ("\u22125", -5.0),
        ("5-", -5.0),
        ("1e3", 1000.0),
        ("1,5e3", 1500.0),
        (".5", 0.5),
        ("5.", 5.0),
        (",5", 0.5),
        ("1.234,56", 1234.56),
        ("1,234.56", 1234.56),
        ("1.234.567", 1234567.0),
        ("1,234,567", 1234567.0),
        ("1 234 567,5", 1234567.5),
        ("1\u00a0234.5", 1234.5),
        ("1234,567", 1234.567),  # thousands would be 1,234,567
        ("0,125", 0.125),  # no thousands begin with zero
    ],
)
def test_a_number_that_can_only_be_read_one_way_is_read(text, value):
    result = parsed(text)
    assert (result.values[0], result.faults[0]) == (value, 0)


@pytest.mark.parametrize("text", ["", "nan", "NaN", "NA", "n/a", "null", "None", ".", "#N/A"])
def test_nothing_is_no_fault(text):
    result = parsed(text)
    assert math.isnan(result.values[0])
    assert result.faults[0] == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x", Reason.UNPARSABLE_NUMBER),
        ("R$ 5", Reason.UNPARSABLE_NUMBER),
        ("1.2.3", Reason.UNPARSABLE_NUMBER),
        ("1,2,3", Reason.UNPARSABLE_NUMBER),
        ("12 34", Reason.UNPARSABLE_NUMBER),
        ("1_000", Reason.UNPARSABLE_NUMBER),
        ("0x10", Reason.UNPARSABLE_NUMBER),
        ("-", Reason.UNPARSABLE_NUMBER),
        ("inf", Reason.INFINITE_NUMBER),
        ("-Infinity", Reason.INFINITE_NUMBER),
        ("1e999", Reason.INFINITE_NUMBER),
    ],
)
def test_what_is_no_number_has_its_reason(text, reason):
    result = parsed(text)
    assert result.faults[0] == fault_code(reason)
    assert math.isnan(result.values[0])


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        pytest.param(("1.234", "3,5"), [1234.0, 3.5], id="a decimal comma makes points thousands"),
        pytest.param(("1,234", "3.5"), [1234.0, 3.5], id="a decimal point makes commas thousands"),
        pytest.param(("1,234", "3,5"), [1.234, 3.5], id="a decimal comma stays one"),
        pytest.param(("1.234", "300"), [1.234, 300.0], id="alone a point is the decimal sign"),
        pytest.param(("1,234", "300"), [1.234, 300.0], id="alone a comma is the decimal sign"),
    ],
)
def test_open_numbers_follow_the_others_of_their_column(texts, values):
    result = parsed(*texts)
    assert result.values.tolist() == values
    assert not result.faults.any()


@pytest.mark.parametrize("texts", [("1,234", "1.234"), ("1.234", "3,5", "2.5")])
def test_open_numbers_are_faults_where_the_column_disagrees(texts):
    result = parsed(*texts)
    assert result.faults[0] == fault_code(Reason.AMBIGUOUS_NUMBER)


def test_one_slip_in_many_numbers_does_not_make_the_rest_ambiguous():
    result = parsed("3,5", "18.63", "18.634", weights=[1, 90, 10])
    assert result.values.tolist() == [3.5, 18.63, 18.634]


def test_a_doubtful_sign_is_said_with_an_example():
    assert (
        "2 numbers such as '1.234' read with a decimal sign" in parsed("1.234", "7.100").remarks[0]
    )


def test_numbers_of_a_typed_column_are_never_thousands():
    result = parsed("1.234", "0.5", "1e+20", "nan", "inf", typed=True)
    assert result.values[:3].tolist() == [1.234, 0.5, 1e20]
    assert result.faults.tolist() == [0, 0, 0, 0, fault_code(Reason.INFINITE_NUMBER)]
    assert result.remarks == ()


@given(st.lists(st.floats(-1e12, 1e12).map(lambda x: round(x, 2)), min_size=1))
def test_numbers_with_thousands_and_two_decimals_come_back_in_both_styles(numbers):
    american = [f"{number:,.2f}" for number in numbers]
    brazilian = [text.translate(str.maketrans(",.", ".,")) for text in american]
    assert parsed(*american).values.tolist() == numbers
    assert parsed(*brazilian).values.tolist() == numbers
