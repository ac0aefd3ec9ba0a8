"""Panels out of demand tables: the calendar, as_of, refusals, and the data's name."""

import re
from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.contracts.demand import DEMAND
from ml.errors import DataError
from ml.frequency import Frequency, period_range
from ml.panel import (
    MOST_TEACHERS,
    dataset_id,
    draw_teachers,
    learnable_items,
    learnable_until,
)
from ml.panel_tables import Refusal, demand_panel
from ml.stockouts import complete_demand
from tests.conftest import find_shortages, monthly_panel, price_panel

TODAY = date(2025, 4, 10)  # a Thursday
NAN = float("nan")
quick = settings(max_examples=60, deadline=None)


def demand(rows, frequency="MS"):
    """A DEMAND table of rows (item, day, y[, is_stockout[, frequency]])."""
    keys = ("item_id", "ds", "y", "is_stockout", "frequency")
    plain = [None, None, None, None, frequency]
    records = [dict(zip(keys, [*row, *plain[len(row) :]], strict=True)) for row in rows]
    for record in records:
        record |= {"ds": datetime.fromisoformat(record["ds"]), "source": "user_files"}
    return pa.Table.from_pylist(records, schema=DEMAND.schema)


def months(item, *values, year=2025):
    return [(item, f"{year}-{month:02d}-01", y) for month, y in enumerate(values, 1)]


def panel_of(rows, *, as_of=None, today=TODAY, frequency="MS"):
    return demand_panel(demand(rows, frequency), as_of=as_of, today=today)


def same(one, other):
    """Whether two panels are equal to the last bit."""
    if one is None or other is None:
        return one is other
    return (
        (one.kind, one.frequency, one.items, one.units)
        == (other.kind, other.frequency, other.items, other.units)
        and np.array_equal(one.periods, other.periods)
        and np.array_equal(one.values, other.values, equal_nan=True)
    )


def test_items_share_one_calendar_and_what_one_lacks_is_missing_and_not_zero():
    rows = [*months("NEW", None, None, 5.0), *months("OLD", 1.0, 0.0), ("GAP", "2025-01-01", 2.0),
            ("GAP", "2025-03-01", 3.0)]  # fmt: skip
    panel = panel_of(rows).panel
    assert panel.items == ("GAP", "NEW", "OLD")
    assert panel.cutoff == np.datetime64("2025-03-01")
    np.testing.assert_array_equal(panel.values, [[2, NAN, 3], [NAN, NAN, 5], [1, 0, NAN]])


@pytest.mark.parametrize("frequency", list(Frequency), ids=lambda one: one.word)
def test_gaps_of_the_table_become_periods_of_the_calendar(frequency):
    first = "2023-01-01" if frequency == "MS" else "2023-01-02"
    days = period_range(np.datetime64(first), np.datetime64("2024-12-30"), frequency)
    rows = [("A", str(day), float(i)) for i, day in enumerate(days) if i % 5 != 3]
    panel = panel_of(rows, frequency=frequency.value).panel
    assert panel.frequency is frequency
    expected = np.arange(len(panel.periods), dtype=float)
    expected[3::5] = NAN
    np.testing.assert_array_equal(panel.periods, days[: len(panel.periods)])
    np.testing.assert_array_equal(panel.values, [expected])
    assert len(days) - len(panel.periods) <= 1  # the last row may be one that was left out


def test_the_calendar_starts_with_the_first_observation():
    panel = panel_of([*months("A", None, None, 3.0), *months("B", None, 2.0, None)]).panel
    assert str(panel.periods[0]) == "2025-02-01"


def test_ids_are_text_and_sorted_as_text():
    rows = [row for item in ("NA", "10", "9", "á", "a", "null") for row in months(item, 1.0)]
    assert panel_of(rows).panel.items == ("10", "9", "NA", "a", "null", "á")


@given(order=st.permutations(range(9)))
@quick
def test_the_order_of_rows_changes_nothing(order):
    rows = [*months("A", 1.0, 2.0, None), *months("B", 0.0, 3.0, 4.0), *months("C", 5.0, 6.0, 7.0)]
    assert same(panel_of([rows[i] for i in order]).panel, panel_of(rows).panel)


def test_two_frequencies_in_one_table_are_refused():
    rows = [*months("A", 1.0, 2.0), ("B", "2025-01-08", 1.0, None, "D")]
    with pytest.raises(DataError, match=r"2 frequencies in one table: \['D', 'MS'\]"):
        panel_of(rows)


@pytest.mark.parametrize(
    ("frequency", "rows", "today", "last"),
    [
        pytest.param("MS", ["2025-02-01", "2025-03-01"], "2025-03-31", "2025-02-01", id="month"),
        pytest.param("MS", ["2025-02-01", "2025-03-01"], "2025-04-01", "2025-03-01", id="month on"),
        pytest.param("W", ["2025-03-30", "2025-04-06"], "2025-04-12", "2025-03-30", id="week"),
        pytest.param("W", ["2025-03-30", "2025-04-06"], "2025-04-13", "2025-04-06", id="week over"),
        pytest.param("D", ["2025-04-09", "2025-04-10"], "2025-04-10", "2025-04-09", id="day"),
        pytest.param("D", ["2025-04-09", "2025-04-10"], "2025-04-11", "2025-04-10", id="day over"),
        pytest.param("B", ["2025-04-10", "2025-04-11"], "2025-04-11", "2025-04-10", id="Friday"),
        pytest.param("B", ["2025-04-10", "2025-04-11"], "2025-04-12", "2025-04-11", id="Saturday"),
    ],
)
def test_a_period_counts_from_the_day_after_its_last(frequency, rows, today, last):
    table = [("A", day, 1.0) for day in rows]
    prepared = panel_of(table, today=date.fromisoformat(today), frequency=frequency)
    assert str(prepared.panel.cutoff) == last
    left_out = last != rows[-1]
    assert len(prepared.statements) == left_out
    if left_out:
        assert f"the period of {rows[-1]} is still running on {today}" in prepared.statements[0]


def test_as_of_is_the_last_period_with_data_even_where_the_clock_is_far_ahead():
    assert str(panel_of(months("A", 1.0, 2.0), today=date(2030, 1, 1)).panel.cutoff) == "2025-02-01"


def test_a_period_that_is_named_counts_as_complete_although_it_is_running():
    prepared = panel_of(months("A", 1.0, 2.0, 3.0, 4.0), as_of=date(2025, 4, 1))
    assert str(prepared.panel.cutoff) == "2025-04-01"
    assert prepared.statements == ()


def test_nothing_but_a_running_period_is_an_error_that_says_what_to_do():
    with pytest.raises(DataError, match=r"none of 1 periods is over on 2025-04-10, .* --as-of"):
        panel_of([("A", "2025-04-01", 1.0)])


def test_an_item_seen_only_in_the_running_period_is_refused_and_not_forgotten():
    prepared = panel_of([*months("A", 1.0, 2.0, 3.0, 4.0), ("NEW", "2025-04-01", 9.0)])
    assert prepared.panel.items == ("A",)
    assert prepared.refusals == (Refusal("NEW", "demand", "no observed value", 0),)


def test_a_table_without_rows_until_as_of_has_no_panel():
    prepared = panel_of(months("A", 1.0), as_of=date(2020, 1, 1))
    assert (prepared.panel, prepared.refusals) == (None, ())


VALUES = st.one_of(st.none(), st.floats(0, 1e8), st.sampled_from([0.0, 2e9, 1e300, NAN]))
FUTURE = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "NEW", "0"]),
        st.sampled_from(["2025-03-01", "2025-04-01", "2025-05-01", "2031-01-01"]),
        VALUES,
        st.sampled_from([None, True, False]),
        st.sampled_from(["MS", "D", "W"]),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda row: row[:2],
)


@given(future=FUTURE)
@quick
def test_no_row_after_as_of_has_any_influence(future):
    rows = [*months("A", 1.0, 2.0), ("B", "2025-01-01", 4.0)]
    as_of = date(2025, 2, 1)
    found, expected = panel_of([*future, *rows], as_of=as_of), panel_of(rows, as_of=as_of)
    assert same(found.panel, expected.panel)
    assert (found.refusals, found.statements) == (expected.refusals, expected.statements)


def test_an_absurd_value_in_the_running_period_does_not_spoil_its_series():
    rows = [*months("A", 1.0, 2.0, 3.0, 4.0), *months("B", 5.0, 6.0, 7.0, 2e9)]
    assert same(panel_of(rows).panel, panel_of(rows, as_of=date(2025, 3, 1)).panel)


def test_another_frequency_in_the_running_period_is_no_reason_to_stop():
    rows = [*months("A", 1.0, 2.0, 3.0), ("B", "2025-04-10", 1.0, None, "D")]
    assert panel_of(rows).panel.items == ("A",)


def test_a_named_as_of_is_kept_although_nothing_was_observed_in_it():
    rows = [*months("A", 1.0, 2.0), ("A", "2025-03-01", 0.0, True)]
    panel = panel_of(rows, as_of=date(2025, 3, 1)).panel
    assert str(panel.cutoff) == "2025-03-01"


def test_demand_while_stock_was_out_is_missing_and_not_small():
    rows = [("A", "2025-01-01", 3.0, False), ("A", "2025-02-01", 0.0, True),
            ("A", "2025-03-01", 2.0, None), ("B", "2025-02-01", 7.0, False)]  # fmt: skip
    np.testing.assert_array_equal(panel_of(rows).panel.values, [[3, NAN, 2], [NAN, 7, NAN]])


def test_an_absurd_number_served_while_stock_was_out_is_no_observation():
    rows = [*months("A", 1.0, 2.0), ("A", "2025-03-01", 2e9, True), ("B", "2025-03-01", 1.0)]
    prepared = panel_of(rows)
    assert prepared.refusals == ()
    np.testing.assert_array_equal(prepared.panel.values[0], [1, 2, NAN])


USABLE = [*months("A", 1.0, None, 3.0), *months("B", 0.0, 0.0, 0.0)]


@pytest.mark.parametrize(
    ("rows", "reason", "n_obs"),
    [
        pytest.param(months("BAD", None, None), "no observed value", 0, id="all null"),
        pytest.param(months("BAD", NAN, None), "no observed value", 0, id="not a number"),
        pytest.param(
            [("BAD", "2025-01-01", 0.0, True)], "no observed value", 0, id="always out of stock"
        ),
        pytest.param(
            months("BAD", 2.0, 1.1e9, 3.0), "1 of 3 values beyond 1e[+]09", 3, id="one absurd"
        ),
        pytest.param(
            months("BAD", float("inf"), 2e9), "2 of 2 values beyond 1e[+]09", 2, id="infinite"
        ),
    ],
)
def test_an_unusable_series_is_refused_with_its_reason(rows, reason, n_obs):
    (refusal,) = panel_of([*USABLE, *rows]).refusals
    assert (refusal.item_id, refusal.kind, refusal.n_obs) == ("BAD", "demand", n_obs)
    assert re.match(reason, refusal.reason)


def test_a_billion_is_still_a_demand_and_more_is_a_fault():
    assert panel_of(months("A", 1e9)).refusals == ()
    assert len(panel_of([*USABLE, *months("C", np.nextafter(1e9, 2e9))]).refusals) == 1


def test_a_series_of_zeros_is_usable_and_all_demand_is_in_units():
    panel = panel_of(USABLE).panel
    assert (panel.items, panel.units) == (("A", "B"), ("units", "units"))


DAY = st.dates(date(1990, 1, 1), date(2026, 3, 31)).map(date.isoformat)
NOTHING = st.lists(
    st.tuples(DAY, st.sampled_from([None, NAN]), st.none(), st.sampled_from(["MS", "D"])),
    max_size=8,
)
SOMETHING = st.tuples(DAY, st.sampled_from([2e9, 1e300, float("inf")]), st.none(), st.just("W"))


@given(rows=NOTHING, absurd=st.none() | SOMETHING, name=st.sampled_from(["0", "AA", "Z"]))
@quick
def test_an_unusable_series_changes_nothing_of_the_others(rows, absurd, name):
    bad = [(name, *row) for row in ([*rows, absurd] if absurd else rows)]
    alone, together = panel_of(USABLE), panel_of([*bad, *USABLE])
    assert same(together.panel, alone.panel)
    assert dataset_id([together.panel]) == dataset_id([alone.panel])
    assert together.statements == alone.statements
    assert {one.item_id for one in together.refusals} == ({name} if bad else set())


def test_a_table_of_unusable_series_only_has_refusals_and_no_panel():
    prepared = panel_of([*months("A", None), *months("B", 2e9)])
    assert prepared.panel is None
    assert [one.item_id for one in prepared.refusals] == ["A", "B"]


def test_pooled_models_learn_from_series_with_enough_observations():
    panel = monthly_panel(4, 12)
    values = np.full((4, 12), NAN)
    values[0, :8] = 0.0  # nothing ever, which is worth knowing
    values[1, :7] = 5.0  # one too few
    values[2, 4:] = [0, 0, 0, 1, 0, 0, 0, 0]
    values[3] = 3.0
    learned = learnable_items(replace(panel, values=values))
    assert learned == ("PART-000", "PART-002", "PART-003")


def test_no_more_dead_items_teach_than_others_and_always_the_same_ones():
    panel = monthly_panel(40, 12)
    values = np.zeros((40, 12))
    values[:6, 3] = 2.0
    learned = learnable_items(replace(panel, values=values))
    assert set(panel.items[:6]) < set(learned)
    assert len(learned) == 12
    fewer = learnable_items(replace(panel, values=values).select((*panel.items[:6], *learned)))
    assert fewer == learned


def test_who_teaches_is_known_at_an_origin_without_completing_demand_there():
    rng = np.random.default_rng(2)
    served = rng.poisson(0.15, (60, 24)).astype(float)
    served[:, :6] = np.where(rng.random((60, 6)) < 0.5, NAN, 0.0)
    exposure = np.where(rng.random((60, 24)) < 0.3, 0.6, 1.0)
    shortages = find_shortages(served, exposure, np.minimum(served, 1.0))
    panel = monthly_panel(60, 24)
    known = panel.items, panel.periods, panel.frequency.value
    values = complete_demand(served, shortages, *known)
    panel = replace(panel, values=values, shortages=shortages)
    assert (values > served).any()
    counts = []
    for cutoff in panel.periods[[8, 12, 23]]:
        then = learnable_until(panel, cutoff)
        assert then == learnable_items(panel.until(cutoff))
        counts.append(len(then))
    assert 0 < counts[0] < counts[1] <= counts[2]


def test_at_most_so_many_items_teach_and_mostly_the_same_when_others_come():
    ids = [f"P-{place}" for place in range(6000)]
    few, many = draw_teachers(ids[:4000]), draw_teachers(ids)
    assert len(few) == len(many) == MOST_TEACHERS
    assert list(few) == sorted(few)
    assert set(many) & set(ids[:4000]) < set(few)  # those that went gave way, none came instead
    assert len(set(many) & set(few)) == pytest.approx(2000, abs=100)  # two thirds: by chance alike
    assert draw_teachers(ids[:7]) == tuple(ids[:7])


def test_an_item_out_of_all_proportion_is_named_and_teaches_the_others_nothing():
    def panel_with(name, size):
        ordinary = [(f"A-{place}", [place] * 9) for place in range(8)]
        rows = [*ordinary, (name, [0.0] * 8 + [size])]
        return panel_of([row for item, y in rows for row in months(item, *y, year=2024)])

    # A-0 is never asked for; 7 is the second largest of eight, what nearly all have at most
    prepared = panel_with("SPIKE", 70_001.0)
    told = (
        "demand: 1 of 9 items have demands more than 10,000 times those of nearly all others: "
        "'SPIKE'. They are forecast, and models learn nothing from them for others; correct them "
        "where their numbers are slips."
    )
    assert prepared.statements == (told,)
    assert learnable_items(prepared.panel) == prepared.panel.items[:-1]
    fine = panel_with("LARGE", 69_999.0)
    assert not fine.statements
    assert learnable_items(fine.panel) == fine.panel.items
    alike = panel_of([row for item in "AB" for row in months(item, *[9.9e8] * 9, year=2024)])
    assert not alike.statements  # where all are as large, none is out of proportion


def test_a_panel_of_zeros_teaches_nothing():
    panel = monthly_panel(3, 12)
    assert learnable_items(replace(panel, values=np.zeros((3, 12)))) == ()


def test_a_price_takes_thirty_observations_and_may_be_negative():
    panel = price_panel(30)
    values = -np.abs(panel.values)
    values[0, 17] = -1.0
    values[1, 3] = NAN
    assert learnable_items(replace(panel, values=values)) == ("BRENT",)


def test_the_datas_name_depends_on_its_content_only():
    rows = [*months("A", 1.0, None, 3.0), *months("B", 0.0, 2.0)]
    name = dataset_id([panel_of(rows).panel])
    more = [*rows[::-1], *months("B", 0.0, 2.0, None)[2:], *months("BAD", None)]
    assert dataset_id([panel_of(more, today=date(2031, 1, 1)).panel]) == name
    assert name.startswith("d-")
    assert len(name) == 14


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"kind": "price"}, id="kind"),
        pytest.param({"frequency": Frequency.DAILY}, id="frequency"),
        pytest.param({"items": ("A", "C")}, id="an id"),
        pytest.param({"units": ("units", None)}, id="a unit"),
        pytest.param({"periods": np.array(["2024-01-01", "2024-02-01"], "M8[D]")}, id="days"),
        pytest.param({"values": np.array([[1.0, NAN], [0.0, 2.0000001]])}, id="a digit"),
        pytest.param({"values": np.array([[1.0, 0.0], [0.0, 2.0]])}, id="zero for missing"),
    ],
)
def test_any_change_of_the_content_changes_the_datas_name(change):
    panel = panel_of([*months("A", 1.0, None), *months("B", 0.0, 2.0)]).panel
    assert dataset_id([replace(panel, **change)]) != dataset_id([panel])


def test_a_second_panel_changes_the_datas_name():
    panels = [monthly_panel(), price_panel()]
    assert len({dataset_id(panels), dataset_id(panels[:1]), dataset_id(panels[1:])}) == 3
