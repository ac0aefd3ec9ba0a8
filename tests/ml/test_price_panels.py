"""Price panels: versions by the day on which they were known, units, frequencies, refusals."""

from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.contracts.base import check
from ml.contracts.outside import PRICES
from ml.frequency import Frequency
from ml.panel import dataset_id
from ml.panel_tables import infer_frequency, price_panels

TODAY = date(2025, 4, 10)  # a Thursday
NAN = float("nan")
DAY = st.dates(date(1990, 1, 1), TODAY).map(date.isoformat)
quick = settings(max_examples=60, deadline=None)


def quotes(rows, **constant):
    """A PRICES table of rows (series, day, value[, day on which it was known])."""
    records = [
        {
            "series": row[0],
            "ref_date": datetime.fromisoformat(row[1]),
            "value": row[2],
            "available_at": datetime.fromisoformat(row[3] if len(row) > 3 else row[1]),
            "source": "user_files",
            "preliminary": False,
            "currency": "USD",
            **constant,
        }
        for row in rows
    ]
    return check(pa.Table.from_pylist(records, schema=PRICES.schema), PRICES)


def panel_of(rows, *, as_of=None, today=TODAY):
    (prepared,) = price_panels(quotes(rows), as_of=as_of, today=today)
    return prepared


REVISED = [
    ("P", "2025-03-03", 70.0, "2025-03-03"),
    ("P", "2025-03-03", 71.0, "2025-03-05"),
    ("P", "2025-03-04", 80.0, "2025-03-04"),
    ("P", "2025-03-04", 81.0, "2025-03-10"),
    ("P", "2025-03-04", 82.0, "2025-04-11"),
    ("P", "2025-03-05", 90.0, "2025-03-05"),
]


@pytest.mark.parametrize(
    ("as_of", "values"),
    [
        pytest.param("2025-03-03", [70.0], id="on the day itself"),
        pytest.param("2025-03-04", [70.0, 80.0], id="before a revision"),
        pytest.param("2025-03-05", [71.0, 80.0, 90.0], id="on the day of a revision"),
        pytest.param("2025-03-10", [71.0, 81.0, 90.0], id="later"),
        pytest.param(None, [71.0, 81.0, 90.0], id="what is known today, and not tomorrow"),
    ],
)
@pytest.mark.parametrize("order", [1, -1], ids=["in order", "newest first"])
def test_of_each_price_the_newest_known_version_is_taken(as_of, values, order):
    day = date.fromisoformat(as_of) if as_of else None
    panel = panel_of(REVISED[::order], as_of=day).panel
    np.testing.assert_array_equal(panel.values, [values])


def test_a_price_that_was_withdrawn_is_missing():
    rows = [*REVISED, ("P", "2025-03-04", None, "2025-03-12")]
    np.testing.assert_array_equal(panel_of(rows).panel.values, [[71.0, NAN, 90.0]])


def test_a_misprint_that_was_corrected_spoils_nothing():
    rows = [*REVISED, ("P", "2025-03-06", 9e9), ("P", "2025-03-06", 91.0, "2025-03-07")]
    prepared = panel_of(rows)
    assert prepared.refusals == ()
    assert prepared.panel.values[0, -1] == 91.0


def test_a_price_that_nobody_could_know_yet_is_not_there():
    rows = [("P", "2025-03-03", 1.0), ("P", "2025-03-04", 2.0, "2025-03-20")]
    panel = panel_of(rows, as_of=date(2025, 3, 10)).panel
    np.testing.assert_array_equal(panel.values, [[1.0]])


@given(
    future=st.lists(
        st.tuples(
            st.sampled_from(["P", "Q", "NEW"]),
            st.dates(date(2025, 3, 6), date(2026, 1, 1)).map(date.isoformat),
            st.one_of(st.none(), st.floats(-1e12, 1e12)),
        ),
        unique_by=lambda row: row[:2],
    )
)
@quick
def test_no_price_after_as_of_has_any_influence(future):
    rows = [*REVISED, ("Q", "2025-03-05", -3.0), ("Q", "2025-03-04", -2.0)]
    as_of = date(2025, 3, 5)
    found, expected = (panel_of(r, as_of=as_of).panel for r in ([*rows, *future], rows))
    assert dataset_id([found]) == dataset_id([expected])


def test_a_monthly_price_published_within_its_month_is_known_at_the_months_end():
    rows = [("P", f"2025-0{month}-01", float(month), f"2025-0{month}-28") for month in (1, 2, 3)]
    panel = panel_of(rows, as_of=date(2025, 3, 1)).panel
    assert str(panel.cutoff) == "2025-03-01"


def test_a_quote_of_a_running_saturday_does_not_change_the_calendar():
    rows = [("P", f"2025-04-{day:02d}", float(day)) for day in (7, 8, 9, 10, 11, 12)]
    assert panel_of(rows, today=date(2025, 4, 12)).panel.frequency is Frequency.BUSINESS


def test_prices_of_several_frequencies_become_a_panel_each():
    rows = [
        *[("DAILY", f"2025-03-{day:02d}", float(day)) for day in range(3, 12)],
        *[("OFFICE", f"2025-03-{day:02d}", float(day)) for day in (3, 4, 5, 6, 7, 10)],
        *[("MONTHLY", f"2025-{month:02d}-01", float(month)) for month in (1, 2, 3)],
        *[("WEEKLY", f"2025-03-{day:02d}", float(day)) for day in (5, 12, 19, 26)],
    ]
    panels = [one.panel for one in price_panels(quotes(rows), as_of=None, today=TODAY)]
    assert {panel.items: panel.frequency.value for panel in panels} == {
        ("DAILY",): "D",
        ("OFFICE",): "B",
        ("MONTHLY",): "MS",
        ("WEEKLY",): "W",
    }
    assert {panel.kind for panel in panels} == {"price"}


@pytest.mark.parametrize(
    ("constant", "unit"),
    [
        pytest.param({"unit": "USD/bbl"}, "USD/bbl", id="the price's unit"),
        pytest.param({}, "USD", id="else its currency"),
        pytest.param({"currency": None}, None, id="else unknown"),
    ],
)
def test_the_unit_of_a_price(constant, unit):
    rows = quotes([("P", "2025-03-03", 1.0), ("P", "2025-03-04", 2.0)], **constant)
    ((prepared),) = price_panels(rows, as_of=None, today=TODAY)
    assert prepared.panel.units == (unit,)


def test_no_price_known_at_as_of_gives_no_panel():
    assert price_panels(quotes(REVISED), as_of=date(2020, 1, 1), today=TODAY) == ()


@pytest.mark.parametrize(
    ("days", "frequency"),
    [
        pytest.param(["2025-01-06", "2025-01-07", "2025-01-10"], "B", id="no weekend"),
        pytest.param(["2025-01-10", "2025-01-11"], "D", id="a Saturday"),
        pytest.param(["2025-01-06", "2025-01-13", "2025-01-27"], "W", id="always Monday"),
        pytest.param(["2025-01-05", "2025-01-12", "2025-01-19"], "W", id="always Sunday"),
        pytest.param(["2025-01-01", "2025-02-01", "2025-05-01"], "MS", id="always the first"),
        pytest.param(["2025-01-01"], "B", id="one day only"),
    ],
)
def test_the_frequency_of_a_price_follows_from_its_days(days, frequency):
    assert infer_frequency(np.array(days, dtype="datetime64[D]")) == frequency


def test_weekly_prices_of_two_weekdays_are_both_forecast():
    monday, friday = date(2025, 1, 6), date(2025, 1, 10)
    rows = [
        (name, str(start + timedelta(weeks=week)), 10.0 + week)
        for name, start in (("MON", monday), ("FRI", friday))
        for week in range(6)
    ]
    panels = price_panels(quotes(rows), as_of=None, today=TODAY)
    items = [item for prepared in panels if prepared.panel for item in prepared.panel.items]
    assert sorted(items) == ["FRI", "MON"]


@given(
    rows=st.lists(
        st.tuples(DAY, st.sampled_from([None, 2e9, -1e300])), unique_by=lambda row: row[0]
    ),
    name=st.sampled_from(["0", "PP", "Z"]),
)
@quick
def test_an_unusable_price_changes_nothing_of_the_others(rows, name):
    good = [("P", f"2025-03-{day:02d}", float(day)) for day in (3, 4, 5, 6, 7)]
    alone = panel_of(good)
    panels = price_panels(quotes([*good, *((name, *row) for row in rows)]), as_of=None, today=TODAY)
    assert dataset_id([panels[0].panel]) == dataset_id([alone.panel])
    refused = [one.item_id for prepared in panels for one in prepared.refusals]
    assert refused == ([name] if rows else [])
