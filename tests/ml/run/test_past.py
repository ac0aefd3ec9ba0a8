"""What is kept from version to version: states of knowledge, each with the day it is from."""

from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pytest

from ml.contracts.base import check
from ml.contracts.history import PAST_FORECASTS, SCORES
from ml.frequency import Frequency, period_range
from ml.panel import Panel
from ml.run import past
from ml.run.past import renew_past, renew_scores
from tests.conftest import find_shortages
from tests.ml.reporting.test_past_scores import row

SOURCE = {"demand": "user_files"}
NOTHING = PAST_FORECASTS.schema.empty_table()
JULY, AUGUST = date(2025, 7, 2), date(2025, 8, 2)


def panel_of(values, items=("A",), first="2025-01-01", exposure=None):
    """Monthly demand from January on."""
    values = np.atleast_2d(np.array(values, dtype=float))
    start = np.datetime64(first)
    periods = period_range(start, start + 31 * 40, Frequency.MONTHLY)[: values.shape[1]]
    shortages = None
    if exposure is not None:
        exposure = np.atleast_2d(np.array(exposure, dtype=float))
        shortages = find_shortages(values, exposure, values * (exposure < 1))
    return Panel("demand", Frequency.MONTHLY, items, periods, values, ("units",) * len(items),
                 shortages=shortages)  # fmt: skip


def said(*rows):
    """Rows that wait for their actual, said in July."""
    whole = [one | {"y": None, "is_stockout": None, "known_at": None} for one in rows]
    return pa.Table.from_pylist(whole, PAST_FORECASTS.schema)


def states(table):
    """Of each row its period, actual, and the day that is from."""
    return [
        (one["ds"].month, one["span"], one["y"], one["is_stockout"], str(one["known_at"])[:10])
        for one in check(table, PAST_FORECASTS).to_pylist()
    ]


def july(*rows, panel=None):
    """What the version of July holds, which says these rows."""
    panels = [panel or panel_of([1, 2, 3, 4, 5, 6])]
    return renew_past(NOTHING, said(*rows), panels, SOURCE, JULY).held


def test_what_is_said_waits_until_it_came_true():
    held = july(row(month=7), row(month=8))
    assert states(held) == [
        (7, "period", None, None, "2025-07-02"), (8, "period", None, None, "2025-07-02")
    ]  # fmt: skip
    found = renew_past(held, NOTHING, [panel_of([1, 2, 3, 4, 5, 6, 7])], SOURCE, AUGUST)
    assert states(found.fresh) == [(7, "period", 7.0, False, "2025-08-02")]
    assert states(found.held) == [
        (7, "period", 7.0, False, "2025-08-02"), (8, "period", None, None, "2025-07-02")
    ]  # fmt: skip


def test_nothing_new_is_no_row():
    panel = panel_of([1, 2, 3, 4, 5, 6, 7])
    held = renew_past(july(row(month=7)), NOTHING, [panel], SOURCE, AUGUST).held
    again = renew_past(held, NOTHING, [panel], SOURCE, date(2025, 8, 3))
    assert again.fresh.num_rows == 0
    assert again.held.equals(held)


def test_an_interval_is_known_when_its_last_period_is_and_is_the_sum():
    interval = row(month=8, span="protection", lag=3)
    held = july(interval)
    found = renew_past(held, NOTHING, [panel_of([1, 2, 3, 4, 5, 6, 7])], SOURCE, AUGUST)
    assert found.fresh.num_rows == 0
    panel = panel_of([1, 2, 3, 4, 5, 6, 7, 8])
    found = renew_past(held, NOTHING, [panel], SOURCE, date(2025, 9, 2))
    assert states(found.held) == [(8, "protection", 21.0, False, "2025-09-02")]  # 6 + 7 + 8
    gap = panel_of([1, 2, 3, 4, 5, 6, np.nan, 8])
    assert renew_past(held, NOTHING, [gap], SOURCE, AUGUST).fresh.num_rows == 0


def test_a_revised_actual_is_another_row_and_the_old_one_stays():
    held = july(row(month=7))
    for day, value in ((2, 7), (3, 9), (4, 9)):
        panel = panel_of([1, 2, 3, 4, 5, 6, value])
        held = renew_past(held, NOTHING, [panel], SOURCE, date(2025, 8, day)).held
    assert states(held) == [
        (7, "period", 7.0, False, "2025-08-02"), (7, "period", 9.0, False, "2025-08-03")
    ]  # fmt: skip
    gone = panel_of([1, 2, 3, 4, 5, 6, np.nan])
    held = renew_past(held, NOTHING, [gone], SOURCE, date(2025, 8, 5)).held
    assert states(held)[2] == (7, "period", None, None, "2025-08-05")
    again = renew_past(held, NOTHING, [gone], SOURCE, date(2025, 8, 6))
    assert again.fresh.num_rows == 0


def test_a_revision_of_the_same_day_takes_the_place_of_the_first_one():
    held = july(row(month=7))
    for value in (7, 9):
        panel = panel_of([1, 2, 3, 4, 5, 6, value])
        held = renew_past(held, NOTHING, [panel], SOURCE, AUGUST).held
    assert states(held) == [(7, "period", 9.0, False, "2025-08-02")]
    back = renew_past(held, NOTHING, [panel_of([1, 2, 3, 4, 5, 6, 8])], SOURCE, JULY).held
    assert states(back) == [(7, "period", 8.0, False, "2025-08-02")]  # no clock goes backwards


def test_a_stock_out_is_told_of_the_period_and_of_every_interval_that_it_is_in():
    held = july(row(month=7), row(month=8), row(month=8, span="protection", lag=2))
    panel = panel_of([1, 2, 3, 4, 5, 6, 7, 8], exposure=[1, 1, 1, 1, 1, 1, 0.4, 1])
    held = renew_past(held, NOTHING, [panel], SOURCE, date(2025, 9, 1)).held
    assert [one[:4] for one in states(held)] == [
        (7, "period", 7.0, True), (8, "period", 8.0, False), (8, "protection", 15.0, True)
    ]  # fmt: skip


def test_what_was_said_first_of_a_forecast_stays():
    held = july(row(month=7, forecast=1.0))
    panels = [panel_of([1, 2, 3, 4, 5, 6])]
    later = said(row(month=7, forecast=2.0), row(month=7, lag=3, forecast=3.0))
    held = renew_past(held, later, panels, SOURCE, date(2025, 7, 9)).held
    assert held["forecast"].to_pylist() == [1.0, 3.0]


def test_thirteen_months_are_held_and_data_of_others_are_not():
    old = [row(month=5), row(month=5, item="B", source="synthetic_sample"), row(month=6)]
    held = pa.Table.from_pylist(old, PAST_FORECASTS.schema).sort_by(
        [(name, "ascending") for name in PAST_FORECASTS.key]
    )
    year = panel_of(np.ones((2, 18)), ("A", "B"))  # until June 2026
    kept = renew_past(held, NOTHING, [year], SOURCE, date(2026, 7, 2)).held
    assert {one[0] for one in states(kept)} == {6}
    spring = panel_of(np.full((2, 6), 3.0), ("A", "B"))
    kept = renew_past(held, NOTHING, [spring], SOURCE, JULY).held
    assert kept["item_id"].to_pylist() == ["A", "A"]


def test_an_item_that_has_gone_keeps_its_past_and_one_not_followed_any_more_does_not(monkeypatch):
    held = july(row("A", 7), row("B", 7), panel=panel_of(np.ones((2, 6)), ("A", "B")))
    monkeypatch.setattr(past, "followed_items", lambda panel: panel.items[:1])
    found = renew_past(held, NOTHING, [panel_of(np.ones((2, 6)), ("A", "B"))], SOURCE, AUGUST)
    assert found.held["item_id"].to_pylist() == ["A"]
    found = renew_past(held, NOTHING, [panel_of(np.ones((1, 6)), ("C",))], SOURCE, AUGUST)
    assert found.held["item_id"].to_pylist() == ["A", "B"]


def test_another_kind_or_frequency_of_the_same_name_is_another_series():
    held = july(row(month=7))
    months = panel_of([1, 2, 3, 4, 5, 6, 7])
    prices = replace(months, kind="price")
    source = {"price": "user_files"}
    assert renew_past(held, NOTHING, [prices], source, AUGUST).fresh.num_rows == 0


def scores_of(held, before=None, values=(1, 2, 3, 4, 5, 6, 7), day=AUGUST):
    before = SCORES.schema.empty_table() if before is None else before
    found = renew_scores(before, held, [panel_of(values)], SOURCE, day)
    check(found.held, SCORES)
    check(found.fresh, SCORES)
    return found


def test_scores_are_new_only_where_they_differ():
    panel = panel_of([1, 2, 3, 4, 5, 6, 7])
    held = renew_past(july(row(month=7), row(month=8)), NOTHING, [panel], SOURCE, AUGUST).held
    first = scores_of(held)
    assert first.fresh.num_rows == first.held.num_rows == 5  # all, class, item; and by period two
    again = scores_of(held, first.held, day=date(2025, 8, 3))
    assert again.fresh.num_rows == 0
    assert again.held.equals(first.held)


def test_a_revised_actual_is_scored_anew_and_the_old_score_of_the_period_stays():
    panel = panel_of([1, 2, 3, 4, 5, 6, 7])
    held = renew_past(july(row(month=7)), NOTHING, [panel], SOURCE, AUGUST).held
    first = scores_of(held)
    revised = panel_of([1, 2, 3, 4, 5, 6, 1])
    held = renew_past(held, NOTHING, [revised], SOURCE, date(2025, 8, 9)).held
    found = scores_of(held, first.held, (1, 2, 3, 4, 5, 6, 1), date(2025, 8, 9))
    assert found.fresh.num_rows == 5
    days = [(one["ds"] is None, str(one["known_at"])[8:10], one["bias"])
            for one in found.held.to_pylist()
            if one["item_id"] is one["demand_class"] is None]  # fmt: skip
    # 2.5 was said of 7, which became 1; of all periods together only the newest is held
    assert sorted(days) == [
        (False, "02", pytest.approx(-4.5 / 7)), (False, "09", 1.5), (True, "09", 1.5)
    ]  # fmt: skip
    assert {one["known_at"] for one in found.fresh.to_pylist()} == {datetime(2025, 8, 9)}


def test_a_score_of_all_periods_goes_with_the_last_of_them():
    panel = panel_of([1, 2, 3, 4, 5, 6, 7])
    held = renew_past(july(row(month=7)), NOTHING, [panel], SOURCE, AUGUST).held
    first = scores_of(held).held
    later = [1] * 20
    held = renew_past(held, NOTHING, [panel_of(later)], SOURCE, date(2026, 9, 1)).held
    assert scores_of(held, first, later, date(2026, 9, 1)).held.num_rows == 0
