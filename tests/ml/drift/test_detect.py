"""Drift found in panels: planted changes, what they are called, and what is left alone."""

from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest

from ml.drift.detect import Watched, find_drift, watch_panel
from ml.drift.rows import join_rows, tell_drift
from ml.frequency import Frequency, period_range
from ml.panel import Panel
from tests.conftest import find_shortages

PERIODS = period_range(np.datetime64("2021-01-01"), np.datetime64("2025-12-01"), Frequency.MONTHLY)
DAYS = np.arange("2024-01-01", "2026-01-01", dtype="datetime64[D]")


def months(values):
    names = tuple(f"PART-{row:03d}" for row in range(len(values)))
    return Watched("demand_ms", "item", names, PERIODS, values, Frequency.MONTHLY)


def poisson(items=60, rate=5.0, seed=3):
    return np.random.default_rng(seed).poisson(rate, (items, len(PERIODS))).astype(float)


def found(table):
    return table.filter(pc.field("found")).to_pylist()


def test_what_changed_is_named_with_numbers_before_and_after():
    values = poisson()
    values[7, -6:] = 20.0
    (row,) = found(find_drift(months(values)))
    assert (row["subject"], row["name"], row["periods"]) == ("item", "PART-007", 6)
    assert row["recent"] == pytest.approx(20.0)
    assert row["before"] == pytest.approx(values[7, :-6].mean())
    assert row["sentence"].startswith("PART-007: since 2025-07-01 20 a period, ")
    (line,) = tell_drift(find_drift(months(values)))
    assert line.startswith("demand_ms: 1 of 60 items changed: PART-007")


def test_a_panel_without_a_change_has_nothing_to_tell():
    table = find_drift(months(poisson()))
    assert table.num_rows == 61  # the items, and all of them as one
    assert tell_drift(table) == []


def test_a_change_too_small_for_any_item_is_seen_in_all_together():
    values = poisson(200)
    values[:, -6:] = np.random.default_rng(1).poisson(6.5, (200, 6))
    rows = {(row["subject"], row["name"]) for row in found(find_drift(months(values)))}
    assert ("panel", "ALL") in rows


def test_a_family_that_nobody_asks_for_any_more_is_seen_as_a_group():
    values = poisson(rate=0.4)
    values[:15, -6:] = 0.0
    names = months(values).items
    groups = {"radios": names[:15], "cables": names[15:40], "alone": names[50:51]}
    rows = found(find_drift(months(values), groups=groups))
    assert [(row["subject"], row["name"]) for row in rows if row["subject"] == "group"] == [
        ("group", "radios")
    ]


def test_the_order_of_items_changes_nothing():
    values = poisson()
    values[7, -6:] = 20.0
    watched = months(values)
    turned = replace(watched, items=watched.items[::-1], values=values[::-1])
    assert find_drift(watched).equals(find_drift(turned))


def test_a_new_item_and_a_short_history_are_not_judged():
    values = poisson()
    values[4, :-10] = np.nan
    table = find_drift(months(values))
    assert "PART-004" not in table["name"].to_pylist()
    short = replace(months(values[:, :29]), periods=PERIODS[:29])
    assert find_drift(short).num_rows == 0


def test_a_stock_out_is_no_fall_of_demand():
    values = poisson(8)
    exposure = np.ones(values.shape)
    exposure[2, -5:] = 0.0  # nothing could be served, and nothing was
    values[2, -5:] = 0.0
    names = months(values).items
    shortages = find_shortages(values, exposure, np.zeros(values.shape))
    panel = Panel("demand", Frequency.MONTHLY, names, PERIODS, values, (None,) * 8,
                  shortages=shortages)  # fmt: skip
    assert found(find_drift(watch_panel(panel, "demand_ms"))) == []
    (row,) = found(find_drift(months(values)))
    assert row["name"] == "PART-002"


def test_an_outside_source_that_stops_is_told_and_a_price_level_is_not():
    rng = np.random.default_rng(4)
    values = 80 + np.cumsum(rng.normal(size=(6, len(DAYS))), axis=1)
    values[2, -15:] = np.nan
    names = ("brent", "ipca", "rain", "selic", "temperature", "usd")
    watched = Watched("outside_d", "feature", names, DAYS, values, Frequency.DAILY, wander=True)
    (row,) = found(find_drift(watched))
    assert (row["name"], row["test"]) == ("rain", "observed")
    assert "observed in 46% of the periods, 100% before" in row["sentence"]
    jump = values.copy()
    jump[0, -20:] += 0.5  # a level of a walk is anywhere
    assert len(found(find_drift(replace(watched, values=jump)))) == 1


def test_a_price_that_swings_more_is_told():
    rng = np.random.default_rng(6)
    steps = rng.normal(size=(4, len(DAYS)))
    steps[1, -28:] *= 5
    panel = Panel("price", Frequency.DAILY, ("A", "B", "C", "D"), DAYS, np.cumsum(steps, axis=1),
                  (None,) * 4)  # fmt: skip
    (row,) = found(find_drift(watch_panel(panel, "price_d")))
    assert (row["name"], row["test"]) == ("B", "spread")


@pytest.mark.parametrize(("days", "told"), [(5, []), (15, [("A", "observed")])])
def test_a_price_that_is_published_days_late_is_no_drift_and_one_that_stays_away_is(days, told):
    values = 80 + np.cumsum(np.random.default_rng(8).normal(size=(4, len(DAYS))), axis=1)
    values[0, -days:] = np.nan
    panel = Panel("price", Frequency.DAILY, ("A", "B", "C", "D"), DAYS, values, (None,) * 4)
    rows = found(find_drift(watch_panel(panel, "price_d")))
    assert [(row["name"], row["test"]) for row in rows] == told


def test_tables_of_several_panels_are_one_in_the_order_of_the_key():
    tables = [find_drift(replace(months(poisson(5)), panel=name)) for name in ("z", "a")]
    assert join_rows(tables)["panel"].to_pylist() == ["a"] * 6 + ["z"] * 6
    assert join_rows([]).num_rows == 0
