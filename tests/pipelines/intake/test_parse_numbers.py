"""Numbers from text."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.intake.parse_numbers import find_decimal, parse_numbers
from pipelines.intake.quarantine import Reason


def parsed(*texts, weights=None, **reading):
    """Numbers, or the reasons why there are none, and the remarks."""
    frame = pl.DataFrame({"text": texts, "weight": weights or [1] * len(texts)})
    result = parse_numbers(frame, "f, y", **reading)
    return [fault or value for _, value, fault in result.cells.iter_rows()], result.remarks


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5.0), ("+5", 5.0), ("-5", -5.0), ("\u22125", -5.0), ("5-", -5.0), ("1e3", 1000.0),
     ("1,5e3", 1500.0), (".5", 0.5), ("5.", 5.0), (",5", 0.5), ("1.234,56", 1234.56),
     ("1,234.56", 1234.56), ("1.234.567", 1234567.0), ("1,234,567", 1234567.0),
     ("1 234 567,5", 1234567.5), ("1\u00a0234.5", 1234.5),
     ("1234,567", 1234.567),  # thousands would be 1,234,567
     ("0,125", 0.125)],  # no thousands begin with zero
)  # fmt: skip
def test_a_number_that_can_only_be_read_one_way_is_read(text, value):
    assert parsed(text)[0] == [value]


@pytest.mark.parametrize("text", ["", "nan", "NaN", "NA", "n/a", "null", "None", ".", "#N/A"])
def test_nothing_is_no_fault(text):
    assert parsed(text)[0] == [None]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("x", Reason.UNPARSABLE_NUMBER), ("R$ 5", Reason.UNPARSABLE_NUMBER),
     ("1.2.3", Reason.UNPARSABLE_NUMBER), ("1,2,3", Reason.UNPARSABLE_NUMBER),
     ("12 34", Reason.UNPARSABLE_NUMBER), ("1_000", Reason.UNPARSABLE_NUMBER),
     ("0x10", Reason.UNPARSABLE_NUMBER), ("-", Reason.UNPARSABLE_NUMBER),
     ("inf", Reason.INFINITE_NUMBER), ("-Infinity", Reason.INFINITE_NUMBER),
     ("1e999", Reason.INFINITE_NUMBER)],
)  # fmt: skip
def test_what_is_no_number_has_its_reason(text, reason):
    assert parsed(text)[0] == [reason]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        pytest.param(("1.234", "3,5"), [1234.0, 3.5], id="a decimal comma makes points thousands"),
        pytest.param(("1,234", "3.5"), [1234.0, 3.5], id="a decimal point makes commas thousands"),
        pytest.param(("1,234", "3,5"), [1.234, 3.5], id="a decimal comma stays one"),
        pytest.param(("1.234", "3000"), [1.234, 3000.0], id="3000 shows that thousands have none"),
        pytest.param(("1,234", "-3000"), [1.234, -3000.0], id="-3000 too"),
    ],
)
def test_open_numbers_follow_the_others_of_their_column(texts, values):
    assert parsed(*texts)[0] == values


@pytest.mark.parametrize("sign", [".", ","])
@pytest.mark.parametrize("usual", ["", ".", ","])
def test_open_numbers_alone_are_read_where_the_delimiter_goes_with_their_sign(sign, usual):
    numbers, (remark,) = parsed(f"1{sign}234", f"7{sign}100", usual=usual)
    if sign == usual:
        assert numbers == [1.234, 7.1]
        assert "2 numbers such as '1" in remark
        assert f"read with {sign!r} as the decimal sign" in remark
    else:
        assert numbers == [Reason.AMBIGUOUS_NUMBER] * 2
        assert "2 numbers such as '1" in remark
        assert "Write thousands without a sign" in remark


@pytest.mark.parametrize("sign", [".", ","])
@pytest.mark.parametrize("usual", ["", ".", ","])
def test_open_numbers_between_small_whole_ones_are_thousands_where_the_delimiter_agrees(
    sign, usual
):
    numbers, (remark,) = parsed(f"1{sign}234", "300", usual=usual)
    is_read = usual and sign != usual
    assert numbers == [1234.0 if is_read else Reason.AMBIGUOUS_NUMBER, 300.0]
    assert ("as the decimal sign" if is_read else "set aside") in remark


def test_open_numbers_follow_the_other_columns_of_their_file():
    assert parsed("1.234", "300", seen=",")[0] == [1234.0, 300.0]
    assert parsed("1.234", "300", seen=".")[0] == [1.234, 300.0]
    assert find_decimal([pl.Series(["3,50", "1.234"]), pl.Series(["x", "300"])]) == ","
    assert find_decimal([pl.Series(["3,50"]), pl.Series(["2.50"])]) == ""


@pytest.mark.parametrize("texts", [("1,234", "1.234"), ("1.234", "3,5", "2.5")])
def test_open_numbers_are_faults_where_the_column_disagrees(texts):
    assert parsed(*texts)[0][0] == Reason.AMBIGUOUS_NUMBER


def test_one_slip_in_many_numbers_does_not_make_the_rest_ambiguous():
    assert parsed("3,5", "18.63", "18.634", weights=[1, 90, 10])[0] == [3.5, 18.63, 18.634]


def test_numbers_of_a_typed_column_are_never_thousands():
    numbers, remarks = parsed("1.234", "0.5", "1e+20", "nan", "inf", typed=True)
    assert numbers == [1.234, 0.5, 1e20, None, Reason.INFINITE_NUMBER]
    assert remarks == ()


@given(st.lists(st.floats(-1e12, 1e12).map(lambda x: round(x, 2)), min_size=1))
def test_numbers_with_thousands_and_two_decimals_come_back_in_both_styles(numbers):
    american = [f"{number:,.2f}" for number in numbers]
    brazilian = [text.translate(str.maketrans(",.", ".,")) for text in american]
    assert parsed(*american)[0] == numbers
    assert parsed(*brazilian)[0] == numbers
