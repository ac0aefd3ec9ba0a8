"""The rows of the series: what was recorded, where stock ran out, and from when to when."""

from types import SimpleNamespace

import numpy as np
import pytest

from ml.contracts.base import check
from ml.contracts.history import HISTORY
from ml.frequency import Frequency, period_range
from ml.panel import Panel
from ml.run import keep_past
from ml.run.keep_past import history_rows
from ml.stockouts import complete_demand
from tests.conftest import find_shortages

SOURCE = {"demand": "user_files", "price": "yahoo"}


def plan(panel, wanted=None):
    """What of a plan the rows are made of."""
    return SimpleNamespace(panel=panel, wanted=wanted or panel.items)


def rows_of(*plans):
    tables = [check(table, HISTORY) for table in history_rows(plans, SOURCE)]
    in_order = [table.sort_by([(key, "ascending") for key in HISTORY.key]) for table in tables]
    return [row for table in in_order for row in table.to_pylist()]  # chunks follow each other


def panel_of(values, frequency=Frequency.MONTHLY, items=None, **about):
    first = np.datetime64("2020-01-01")
    every = period_range(first, first + 40_000, frequency)[: values.shape[1]]
    items = items or tuple(f"I{row}" for row in range(len(values)))
    about = {"kind": "demand", "units": ("units",) * len(items)} | about
    return Panel(frequency=frequency, items=items, periods=every, values=values, **about)


def test_a_series_begins_with_its_first_observation_and_gaps_have_rows():
    values = np.array([[np.nan, 2.0, np.nan, 3.0], [1.0, 0.0, 4.0, np.nan]])
    rows = rows_of(plan(panel_of(values)))
    assert [(row["item_id"], f"{row['ds']:%m}", row["y"]) for row in rows] == [
        ("I0", "02", 2.0), ("I0", "03", None), ("I0", "04", 3.0),
        ("I1", "01", 1.0), ("I1", "02", 0.0), ("I1", "03", 4.0), ("I1", "04", None),
    ]  # fmt: skip
    assert {row["frequency"] for row in rows} == {"MS"}
    assert not any(row["is_stockout"] or row["stockout_share"] for row in rows)


@pytest.mark.parametrize(("frequency", "count"), [("D", 400), ("B", 286), ("W", 104), ("MS", 36)])
def test_a_long_series_is_told_from_some_way_back(frequency, count):
    rows = rows_of(plan(panel_of(np.arange(500.0)[None, :], Frequency(frequency))))
    assert [row["y"] for row in rows] == list(np.arange(500.0 - count, 500.0))


def test_where_stock_ran_out_what_was_served_and_what_demand_is_taken_for_are_told():
    served = np.array([[4.0, 5.0, 1.0, 6.0, 4.0, 5.0, 0.0, 5.0]])
    exposure = np.array([[1.0, 1.0, 0.3, 1.0, 1.0, 1.0, 0.0, 1.0]])
    short = np.array([[0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    shortages = find_shortages(served, exposure, short)
    days = panel_of(served).periods
    taken = complete_demand(served, shortages, ("I0",), days, "MS")
    rows = rows_of(plan(panel_of(taken, shortages=shortages)))
    assert [row["y"] for row in rows] == served[0].tolist()
    assert [row["is_stockout"] for row in rows] == (exposure[0] < 1).tolist()
    assert [row["stockout_share"] for row in rows] == [0.0, 0.0, 0.7, 0.0, 0.0, 0.0, 1.0, 0.0]
    used = np.array([row["y_used"] for row in rows])
    assert (used[[2, 6]] > served[0, [2, 6]]).all()  # five a month were asked for
    assert (np.delete(used, [2, 6]) == np.delete(served[0], [2, 6])).all()


def test_panels_are_merged_in_the_order_of_ids_and_only_wanted_items_are_told(monkeypatch):
    monkeypatch.setattr(keep_past, "CHUNK", 2)
    parts = panel_of(np.ones((3, 2)), items=("A", "C", "E"))
    prices = panel_of(
        np.full((2, 3), -1.5), Frequency.BUSINESS, ("B", "D"), kind="price", units=("USD", None)
    )
    rows = rows_of(plan(parts, ("A", "E")), plan(prices))
    assert [row["item_id"] for row in rows] == [*"AA", *"BBB", *"DDD", *"EE"]
    told = {row["item_id"]: (row["kind"], row["unit"], row["source"]) for row in rows}
    assert told == {
        "A": ("demand", "units", "user_files"), "E": ("demand", "units", "user_files"),
        "B": ("price", "USD", "yahoo"), "D": ("price", None, "yahoo"),
    }  # fmt: skip
