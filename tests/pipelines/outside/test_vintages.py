"""What was known when: values dated, revised, and never taken back."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.contracts.base import check
from pipelines.outside.known_series import ECONOMY
from pipelines.outside.vintages import TABLES, Origin, add_vintages, last_covering
from pipelines.sources.base import OBSERVATIONS

FACTS = {one.name: one for one in ECONOMY}
DOLLAR, IPCA = FACTS["usd_brl"], FACTS["ipca"]
WAYS = ("bcb_ptax", "bcb_sgs", "ipeadata")
START = date(2026, 1, 1)
NEVER = ()


def said(values, *, series="usd_brl", preliminary=()):
    """Observations by ISO date."""
    days = [np.datetime64(day, "us") for day in values]
    rows = {
        "series": [series] * len(days),
        "region": pa.nulls(len(days), pa.string()),
        "ref_date": pa.array(days, pa.timestamp("us")),
        "value": list(values.values()),
        "preliminary": [day in preliminary for day in values],
    }
    return pa.table(rows, schema=OBSERVATIONS)


def told(known, values, day, *, looks=NEVER, source="bcb_ptax", facts=DOLLAR, preliminary=()):
    """The table after an answer of a day; ``looks`` are earlier days on which all was asked for."""
    windows = [(START, date.fromisoformat(one)) for one in looks]
    origin = Origin(source, WAYS, date.fromisoformat(day), windows)
    observed = said(values, series=facts.name, preliminary=preliminary)
    result = add_vintages(known, observed, facts, origin)
    return check(result.table, TABLES[facts.table]), result


@pytest.fixture
def first():
    """A dollar of 2 November, seen on the day after."""
    return told(None, {"2026-11-02": 5.1}, "2026-11-03")[0]


def history(table):
    """(period, available, value, source, preliminary) of every row, days as text."""
    return [
        (f"{row['ref_date']:%m-%d}", f"{row['available_at']:%m-%d}", row["value"], row["source"],
         row["preliminary"])
        for row in table.to_pylist()
    ]  # fmt: skip


def known_at(table, day):
    """The newest value of each period as it was known at the end of a day."""
    rows = sorted(table.to_pylist(), key=lambda row: row["available_at"])
    return {
        row["ref_date"]: (row["value"], row["preliminary"])
        for row in rows
        if row["available_at"].date() <= day
    }


def test_a_first_download_dates_values_by_their_declared_lag():
    # October ends on the 31st; the 12th day after it is 12 November
    table, _ = told(None, {"2026-10-01": 0.4}, "2026-11-20", facts=IPCA)
    assert history(table) == [("10-01", "11-12", 0.4, "bcb_ptax", False)]


def test_a_value_that_came_early_was_known_on_the_day_of_the_run():
    table, _ = told(None, {"2026-10-01": 0.4}, "2026-11-10", facts=IPCA)
    assert history(table)[0][1] == "11-10"


def test_a_value_that_the_last_look_did_not_show_came_after_it(first):
    table, _ = told(first, {"2026-11-02": 5.1, "2026-11-03": 5.2}, "2026-11-10",
                    looks=["2026-11-03", "2026-11-06"])  # fmt: skip
    assert history(table)[1][:2] == ("11-03", "11-07")


def covering(windows, days):
    found = last_covering(windows, np.array(days, "datetime64[D]"), before=date(2026, 11, 9))
    return found.astype(str).tolist()


def test_a_request_that_did_not_reach_so_far_back_says_nothing():
    windows = [(date(2026, 11, 1), date(2026, 11, 6)), (date(2026, 1, 1), date(2026, 11, 4))]
    found = covering(windows, ["2025-12-31", "2026-10-31", "2026-11-01"])
    assert found == ["NaT", "2026-11-04", "2026-11-06"]


def test_a_request_of_the_same_day_is_no_earlier_one():
    assert covering([(START, date(2026, 11, 9))], ["2026-11-01"]) == ["NaT"]


def test_the_same_value_adds_nothing_and_leaves_the_very_table(first):
    _, again = told(first, {"2026-11-02": 5.1}, "2026-11-04")
    assert again.table is first or again.table.equals(first)
    assert (again.new, again.revised) == (0, 0)


def test_another_value_is_a_row_of_the_day_on_which_it_was_seen(first):
    table, result = told(first, {"2026-11-02": 5.3}, "2026-11-09")
    assert history(table) == [
        ("11-02", "11-02", 5.1, "bcb_ptax", False),
        ("11-02", "11-09", 5.3, "bcb_ptax", False),
    ]
    assert (result.new, result.revised) == (0, 1)


def test_a_second_answer_of_a_day_replaces_the_row_of_that_day_only(first):
    second, _ = told(first, {"2026-11-02": 5.3}, "2026-11-09")
    table, _ = told(second, {"2026-11-02": 5.4}, "2026-11-09")
    assert [row[1:3] for row in history(table)] == [("11-02", 5.1), ("11-09", 5.4)]


def test_a_preliminary_value_that_turns_final_gets_a_row_though_it_is_the_same():
    first, _ = told(None, {"2026-11-02": 5.1}, "2026-11-03", preliminary={"2026-11-02"})
    table, _ = told(first, {"2026-11-02": 5.1}, "2026-11-09")
    assert [row[1:] for row in history(table)] == [
        ("11-02", 5.1, "bcb_ptax", True),
        ("11-09", 5.1, "bcb_ptax", False),
    ]


def test_a_final_value_does_not_turn_preliminary_again(first):
    table, _ = told(first, {"2026-11-02": 5.1}, "2026-11-09", preliminary={"2026-11-02"})
    assert table.equals(first)


def test_a_source_that_stands_in_fills_gaps_and_overwrites_nothing(first):
    table, result = told(first, {"2026-11-02": 5.2, "2026-11-03": 5.3}, "2026-11-04",
                         source="bcb_sgs")  # fmt: skip
    assert [row[2:4] for row in history(table)] == [(5.1, "bcb_ptax"), (5.3, "bcb_sgs")]
    # 5.2 against 5.1 is 1.9 % of the larger, more than half a percent
    assert "1 of 1 values of bcb_sgs differ by more than 0.5%" in result.notes[0]


def test_the_first_source_revises_what_another_one_filled_in():
    first, _ = told(None, {"2026-11-02": 5.1}, "2026-11-03", source="ipeadata")
    table, _ = told(first, {"2026-11-02": 5.2}, "2026-11-04")
    assert [row[1:4] for row in history(table)] == [
        ("11-02", 5.1, "ipeadata"), ("11-04", 5.2, "bcb_ptax"),
    ]  # fmt: skip


def test_rounding_between_two_sources_is_no_revision_but_of_one_source_it_is():
    first, _ = told(None, {"2026-11-02": 35.2}, "2026-11-03", source="bcb_sgs")
    rounded = {"2026-11-02": 35.20000076}
    assert told(first, rounded, "2026-11-04")[0].equals(first)
    assert told(first, rounded, "2026-11-04", source="bcb_sgs")[0].num_rows == 2


def test_imported_files_come_after_every_source_of_a_series():
    first, _ = told(None, {"2026-11-02": 5.1}, "2026-11-03", source="ipeadata")
    assert told(first, {"2026-11-02": 9.9}, "2026-11-04", source="history_file")[0].equals(first)


def test_an_empty_answer_takes_nothing_away(first):
    assert told(first, {}, "2026-11-04")[0].equals(first)


def test_a_day_that_is_still_to_come_is_left_out_and_counted():
    table, result = told(None, {"2026-11-02": 5.1, "2026-11-04": 5.3}, "2026-11-03")
    assert table.num_rows == 1
    assert result.notes == ("1 of 2 values are of days after 2026-11-03",)


def test_days_that_go_backward_are_refused(first):
    later, _ = told(first, {"2026-11-02": 5.2}, "2026-11-09")
    with pytest.raises(ValueError, match="rows published after 2026-11-05"):
        told(later, {"2026-11-02": 5.3}, "2026-11-05")


ANSWERS = st.dictionaries(
    st.integers(0, 12), st.tuples(st.sampled_from([1.0, 2.0, 3.0]), st.booleans()), max_size=8
)
RUNS = st.lists(st.tuples(st.integers(1, 4), st.sampled_from(WAYS), ANSWERS), max_size=6)


def iso(at):
    """Day so many days after the first one, as text."""
    return str(date(2026, 3, 1) + timedelta(days=at))


def run_all(runs):
    """Tables after each run of a sequence, with the day of the run; runs take gaps in days."""
    table, day, looks, states = None, date(2026, 3, 1), [], []
    for gap, source, answer in runs:
        day += timedelta(days=gap)
        seen = {iso(at): value for at, value in answer.items() if iso(at) <= str(day)}
        values = {one: value for one, (value, _) in seen.items()}
        unsure = {one for one, (_, preliminary) in seen.items() if preliminary}
        table, _ = told(table, values, str(day), source=source, preliminary=unsure,
                        looks=[str(one) for one in looks])  # fmt: skip
        looks.append(day)
        states.append((day, table))
    return states


@settings(max_examples=60, deadline=None)
@given(RUNS)
def test_what_was_known_on_the_day_of_a_run_is_never_changed_by_a_later_one(runs):
    states = run_all(runs)
    for day, table in states:
        for later_day, later in states:
            if later_day >= day:
                assert known_at(later, day) == known_at(table, day)


@settings(max_examples=60, deadline=None)
@given(RUNS)
def test_rows_stay_and_none_is_known_before_its_period_or_after_its_run(runs):
    before = set()
    for day, table in run_all(runs):
        rows = {tuple(row.values()) for row in table.to_pylist()}
        assert before <= rows
        before = rows
        assert all(row["ref_date"] <= row["available_at"] for row in table.to_pylist())
        assert all(row["available_at"].date() <= day for row in table.to_pylist())


@settings(max_examples=40, deadline=None)
@given(RUNS, ANSWERS)
def test_an_answer_that_comes_twice_says_it_once(runs, answer):
    day, once = run_all([*runs, (1, "bcb_ptax", answer)])[-1]
    values = {iso(at): value for at, (value, _) in answer.items() if iso(at) <= str(day)}
    unsure = {iso(at) for at, (_, preliminary) in answer.items() if preliminary}
    assert told(once, values, str(day), preliminary=unsure)[0].equals(once)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.integers(0, 12), st.sampled_from([1.0, 2.0]), min_size=1),
       st.randoms(use_true_random=False))  # fmt: skip
def test_the_order_of_the_answers_of_a_day_changes_nothing(values, random):
    """Windows of one download that do not contradict each other may come in any order."""
    days = {iso(at): value for at, value in values.items()}
    shuffled = list(days)
    random.shuffle(shuffled)
    cut = len(shuffled) // 2
    parts = [{day: days[day] for day in part} for part in (shuffled[:cut], shuffled[cut:])]
    table = None
    for part in parts:
        table, _ = told(table, part, "2026-03-20")
    assert table.equals(told(None, days, "2026-03-20")[0])


def test_values_of_revised_series_asked_for_long_after_are_marked_as_estimates():
    # October's activity is normally out 50 days after the month: on 20 December.
    activity = FACTS["ibc_br"]
    values = {"2026-10-01": 150.0}
    for day, late in (("2027-01-05", False), ("2027-02-05", True)):
        table, _ = told(None, values, day, facts=activity)
        assert table["estimated"].to_pylist() == [late]
    # A revision is known on the day on which it is seen; a dollar is never revised.
    table, _ = told(table, {"2026-10-01": 151.0}, "2027-02-06", facts=activity)
    assert table["estimated"].to_pylist() == [True, False]
    assert told(None, {"2026-10-01": 5.1}, "2027-02-05")[0]["estimated"].to_pylist() == [False]
