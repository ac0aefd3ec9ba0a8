"""Days from text."""

import numpy as np
import pyarrow as pa
import pytest

from pipelines.intake.dates import parse_days
from pipelines.intake.quarantine import Reason, fault_code

TODAY = np.datetime64("2024-06-30")


def parsed(*texts, weights=None):
    counts = np.ones(len(texts), np.int64) if weights is None else np.array(weights)
    return parse_days(pa.array(texts), counts, today=TODAY, where="f, ds")


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-02-29", "2024-02-29"),
        ("2024-2-9", "2024-02-09"),
        ("2024/02/09", "2024-02-09"),
        ("2024-02-09T23:59:59.123456Z", "2024-02-09"),
        ("2024-02-09 00:00:00-03:00", "2024-02-09"),
        ("2024-02-09 7:05 PM", "2024-02-09"),
        ("2024-02", "2024-02-01"),
        ("202402", "2024-02-01"),
        ("20240209", "2024-02-09"),
        ("02/2024", "2024-02-01"),
        ("09/02/2024", "2024-02-09"),
        ("9.2.2024", "2024-02-09"),
        ("31-01-2024 10:30", "2024-01-31"),
        ("2024-06-30", "2024-06-30"),
    ],
)
def test_a_day_is_read(text, day):
    result = parsed(text)
    assert (str(result.values[0]), result.faults[0]) == (day, 0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.EMPTY_DATE),
        ("soon", Reason.UNPARSABLE_DATE),
        ("45000", Reason.UNPARSABLE_DATE),
        ("1/2/24", Reason.UNPARSABLE_DATE),
        ("2024-01-01 25:00", Reason.UNPARSABLE_DATE),
        ("2023-02-29", Reason.IMPOSSIBLE_DATE),
        ("2024-13-01", Reason.IMPOSSIBLE_DATE),
        ("31/04/2024", Reason.IMPOSSIBLE_DATE),
        ("0000-00-00", Reason.IMPOSSIBLE_DATE),
        ("1899-12-30", Reason.IMPOSSIBLE_DATE),
        ("2024-07-01", Reason.AFTER_TODAY),
        ("9999-12-31", Reason.AFTER_TODAY),
    ],
)
def test_what_is_no_day_has_its_reason(text, reason):
    result = parsed(text)
    assert result.faults[0] == fault_code(reason)
    assert np.isnat(result.values[0])


def test_the_day_comes_first_where_nothing_speaks_against_it():
    result = parsed("01/02/2024", "03/04/2024")
    assert [str(day) for day in result.values] == ["2024-02-01", "2024-04-03"]
    assert result.remarks == (
        "f, ds: dates were read as day/month/year, as nothing in it speaks against that.",
    )


def test_the_month_comes_first_where_a_date_can_only_be_read_so():
    result = parsed("12/25/2023", "01/02/2024")
    assert [str(day) for day in result.values] == ["2023-12-25", "2024-01-02"]
    assert result.remarks == ("f, ds: dates were read as month/day/year.",)


def test_a_rare_typing_error_does_not_turn_the_order_round():
    # 1 row in 20 has a thirteenth month; with 1 in 5 the order would turn
    result = parsed("05/13/2024", "01/02/2024", weights=[1, 19])
    assert result.faults[0] == fault_code(Reason.IMPOSSIBLE_DATE)
    assert str(result.values[1]) == "2024-02-01"


def test_texts_of_no_weight_have_no_say_in_the_order():
    result = parsed("12/25/2023", "01/02/2024", weights=[0, 1])
    assert str(result.values[1]) == "2024-02-01"


def test_every_day_of_four_years_comes_back():
    days = np.arange("2020-01-01", "2024-01-01", dtype="datetime64[D]")
    assert (parsed(*days.astype(str)).values == days).all()
    swapped = [f"{d[8:]}/{d[5:7]}/{d[:4]}" for d in days.astype(str)]
    assert (parsed(*swapped).values == days).all()
