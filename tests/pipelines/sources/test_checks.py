import math
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from pipelines.sources.answers import expect_list, read_json, refusal, take_fields
from pipelines.sources.base import OBSERVATIONS, Call, SourceError
from pipelines.sources.checks import LIMITS, keep_plausible, read_rows, screen, to_number, to_table
from tests.pipelines.sources.payloads_money import HTML, answered

CONTEXT = {"series": "selic", "region": None, "first": "2025-01-01", "last": "2025-12-31"}
CALL = Call("some_source", "http://x", "/y", ("selic",), "json", CONTEXT)
KEYED = Call("s", "http://x", "/y", ("z",), "json", secret=("key", SecretStr("a+secret/9")))


def row(day, value=1.0, series="selic", region=None):
    return (series, region, date.fromisoformat(day), value, False)


def test_a_page_is_quoted_by_its_title(tmp_path):
    with pytest.raises(SourceError, match=r"\(called text/html\): 'Will be right back'$"):
        read_json(CALL, answered(tmp_path, HTML, content_type="text/html"))


def test_json_under_a_wrong_name_and_with_a_byte_order_mark_is_json(tmp_path):
    body = b"\xef\xbb\xbf \n[1, 2]"
    assert read_json(CALL, answered(tmp_path, body, content_type="text/html")) == [1, 2]


@pytest.mark.parametrize("length", range(1, 58))
def test_json_that_breaks_off_anywhere_is_never_taken_for_data(tmp_path, length):
    whole = b'[{"data":"05/03/2025","valor":"5.78"},{"data":"x","valor":1}]'
    with pytest.raises(SourceError, match="JSON that breaks off after"):
        read_json(CALL, answered(tmp_path, whole[:length]))


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        pytest.param(b'{"a": 1,}', "wrong JSON after 8 of 9", id="comma"),
        pytest.param(b"[1] [2]", "wrong JSON after 4 of 7", id="two values"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, "cannot be read", id="deep"),
        pytest.param(b"[" + b"9" * 5000 + b"]", "cannot be read", id="endless number"),
    ],
)
def test_wrong_json_is_an_error_of_its_source(tmp_path, body, cause):
    with pytest.raises(SourceError, match=cause):
        read_json(CALL, answered(tmp_path, body))


@pytest.mark.parametrize("key", ["a+secret/9", "a%2Bsecret%2F9"])
def test_a_key_that_the_service_echoes_is_not_in_the_message(key):
    assert str(refusal(KEYED, f"key {key} is over")) == "s: z: key *** is over"


def test_a_key_is_recognised_when_it_is_not_at_hand_any_more():
    said = str(refusal(CALL, "detected your API key as ABCDEFGH12345678 and"))
    assert said.endswith("API key as *** and")


def test_a_record_without_a_field_says_which():
    assert take_fields(CALL, {"a": 1, "b": None}, "b", "a") == (None, 1)
    with pytest.raises(SourceError, match="changed format: a record without b, c"):
        take_fields(CALL, {"a": 1}, "a", "b", "c")
    with pytest.raises(SourceError, match="changed format: a record without a"):
        take_fields(CALL, ["a"], "a")


def test_a_list_that_is_none_says_so():
    with pytest.raises(SourceError, match="'value' is NoneType, not a list"):
        expect_list(CALL, None, "'value'")


@pytest.mark.parametrize(
    ("text", "value"),
    [("5.7833", 5.7833), (" -0.05 ", -0.05), (".8", 0.8), ("1e3", 1000.0), (7, 7.0)],
)
def test_numbers_have_a_decimal_point(text, value):
    assert to_number(text) == value


@pytest.mark.parametrize(
    "text",
    ["5,78", "1_000", "nan", "Infinity", "", "1.2.3", "٣", "0x1", "9e999", math.inf, 10**400],
)
def test_what_is_no_finite_number_is_refusal(text):
    with pytest.raises(ValueError, match=r"no number|not finite|could not convert"):
        to_number(text)


@pytest.mark.parametrize("value", [None, True, [1], {}])
def test_what_is_neither_number_nor_text_is_refusal(value):
    with pytest.raises(TypeError, match="no number"):
        to_number(value)


def test_nulls_and_unreadable_values_are_left_out_and_counted():
    pairs = [("2025-03-03", "1.5"), ("2025-03-04", None), ("2025-02-30", "2"), ("2025-03-06", "3")]
    rows, notes = read_rows(CALL, pairs, day=date.fromisoformat)
    assert [(r[2].isoformat(), r[3]) for r in rows] == [("2025-03-03", 1.5), ("2025-03-06", 3.0)]
    assert notes == (
        "1 of 4 values are null",
        "1 of 4 values cannot be read, first: '2025-02-30: 2'",
    )


def test_mostly_unreadable_values_are_an_error():
    pairs = [("2025-03-03", "1,5"), ("2025-03-04", "1,6"), ("2025-03-05", "1")]
    with pytest.raises(SourceError, match="selic: 2 of 3 values cannot be read, first: '2025-03"):
        read_rows(CALL, pairs, day=date.fromisoformat)


def test_days_after_the_run_and_outside_the_window_are_counted(tmp_path):
    rows = [row("2024-12-31"), row("2025-03-10"), row("2025-03-11")]
    found = screen(CALL, answered(tmp_path, b"", day="2025-03-10"), rows)
    assert [f"{day:%Y-%m-%d}" for day in found.rows["ref_date"].to_pylist()] == ["2025-03-10"]
    assert found.notes == (
        "1 of 3 values are of days not asked for",
        "1 of 2 values are of days after 2025-03-10",
    )


def test_values_that_cannot_be_are_left_out_and_counted():
    rows = [row("2025-03-09", 13.25), row("2025-03-10", -999.0), row("2025-03-11", 14.0)]
    kept, notes = keep_plausible(CALL, rows)
    assert kept == [rows[0], rows[2]]
    assert notes == (
        "1 of 3 values of selic are outside [0, 100], first: -999 on 2025-03-10",
    )  # fmt: skip


@pytest.mark.parametrize("absurd", [1325.0, math.nan, -math.inf])
def test_mostly_absurd_values_are_an_error(absurd):
    rows = [row("2025-03-09", absurd), row("2025-03-10", absurd), row("2025-03-11", 14.0)]
    with pytest.raises(SourceError, match=r"2 of 3 values of selic are outside \[0, 100\]"):
        keep_plausible(CALL, rows)


def test_one_series_that_cannot_be_is_not_hidden_by_another():
    rows = [row("2025-03-09", 1.0), row("2025-03-10", 1.0), row("2025-03-10", -5.0, "ibc_br")]
    with pytest.raises(SourceError, match="1 of 1 values of ibc_br are outside"):
        keep_plausible(CALL, rows)


def test_a_series_without_limits_need_only_be_finite():
    rows = [row("2025-03-09", -1e12, "SPREAD"), row("2025-03-10", 1e12, "SPREAD")]
    assert keep_plausible(CALL, rows) == (rows, ())
    kept, notes = keep_plausible(CALL, [*rows, row("2025-03-11", math.inf, "SPREAD")])
    assert kept == rows
    assert notes == ("1 of 3 values of SPREAD are outside [-inf, inf], first: inf on 2025-03-11",)


@pytest.mark.parametrize(("series", "limits"), LIMITS.items(), ids=LIMITS)
def test_limits_are_the_right_way_round(series, limits):
    assert limits[0] < limits[1]


DAYS = st.dates(date(2024, 12, 1), date(2026, 1, 31))
ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([None, "BA"]), DAYS,
              st.floats(-1e6, 1e6), st.booleans())
)  # fmt: skip


@given(ROWS)
@example([])
def test_a_table_has_each_key_once_sorted_and_nothing_else(rows):
    table = to_table(rows)
    assert table.schema == OBSERVATIONS
    found = table.to_pylist()
    keys = [(r["series"], r["region"] or "", r["ref_date"].date()) for r in found]
    assert keys == sorted({(r[0], r[1] or "", r[2]) for r in rows})
    for key, left in zip(keys, found, strict=True):
        last = [r for r in rows if (r[0], r[1] or "", r[2]) == key][-1]
        assert (left["value"], left["preliminary"]) == last[3:]


@given(ROWS, st.dates(date(2025, 1, 1), date(2026, 12, 31)))
def test_every_row_is_kept_or_counted(tmp_path_factory, rows, day):
    answer = answered(tmp_path_factory.getbasetemp(), b"", day=day.isoformat())
    found = screen(CALL, answer, rows)
    counted = sum(int(note.split(" ")[0]) for note in found.notes)
    assert found.rows.num_rows + counted == len(rows)
