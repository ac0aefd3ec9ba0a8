"""Outside series under watch: what is put together, and planted changes that are found."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ml.contracts.outside import ECONOMIC
from ml.drift.detect import find_drift, watch_outside
from ml.drift.rows import tell_drift
from ml.frequency import Frequency, period_range

DAYS = np.arange("2023-01-02", "2026-01-01", dtype="datetime64[D]")
WORKING = DAYS[np.is_busday(DAYS)]
MONTHS = period_range(np.datetime64("2020-07-01"), np.datetime64("2025-12-01"), Frequency.MONTHLY)
TODAY = np.datetime64("2026-01-01")


def wander(seed, count, size=0.01):
    """A series whose changes are independent draws."""
    return 5 * np.exp(size * np.random.default_rng(seed).standard_normal(count).cumsum())


def published(*series):
    """Rows of `(name, region, days, values)`, each out on the day after its own."""
    rows = [
        {"series": name, "region": region, "ref_date": day, "value": float(value),
         "available_at": day + timedelta(days=1), "unit": "1", "source": "drawn",
         "preliminary": False}
        for name, region, days, values in series
        for day, value in zip(days.astype("datetime64[us]").astype(datetime), values, strict=True)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=ECONOMIC.schema)


def rates(change=lambda values: values):
    changed = change(wander(1, len(WORKING)))
    others = [(f"rate_{n}", None, WORKING, wander(n, len(WORKING))) for n in (2, 3, 4)]
    (watched,) = watch_outside({"economic": published(("rate_1", None, WORKING, changed), *others)},
                               TODAY)  # fmt: skip
    return find_drift(watched)


def test_series_are_put_together_by_how_often_they_come_and_named_with_their_region():
    tables = {
        "climate": published(("rain", "x_ba", DAYS, wander(1, len(DAYS))),
                             ("rain", "y_ba", DAYS, wander(2, len(DAYS)))),
        "economic": published(("rate", None, WORKING, wander(3, len(WORKING))),
                              ("ipca", None, MONTHS, wander(4, len(MONTHS)))),
    }  # fmt: skip
    found = {one.panel: one for one in watch_outside(tables, TODAY)}
    assert {name: one.items for name, one in found.items()} == {
        "outside_b": ("rate",), "outside_d": ("rain (x_ba)", "rain (y_ba)"),
        "outside_ms": ("ipca",),
    }  # fmt: skip
    assert {one.subject for one in found.values()} == {"feature"}
    np.testing.assert_array_equal(found["outside_ms"].values[0], wander(4, len(MONTHS)))


def test_a_series_that_is_published_late_is_watched_until_its_own_last_value():
    late = wander(2, len(WORKING))[:-15]
    (watched,) = watch_outside(
        {"economic": published(("rate", None, WORKING, wander(1, len(WORKING))),
                               ("late", None, WORKING[:-15], late))}, TODAY)  # fmt: skip
    row = watched.values[watched.items.index("late")]
    np.testing.assert_array_equal(row[-len(late) :], late)
    assert np.isnan(row[: -len(late)]).all()


def test_nothing_that_came_out_after_the_day_is_seen_and_what_nobody_publishes_is_passed_over():
    table = published(("rate", None, WORKING, wander(1, len(WORKING))))
    (watched,) = watch_outside({"economic": table}, WORKING[100])
    assert watched.periods[-1] == WORKING[99]
    assert watch_outside({"economic": table.slice(0, 2)}, TODAY) == []


def test_rates_that_wander_as_ever_have_nothing_to_tell():
    assert tell_drift(rates()) == []


@pytest.mark.parametrize(
    ("change", "test"),
    [
        (lambda v: np.append(v[:-20], v[-21] * np.exp(8 * np.log(v[-20:] / v[-21]))), "spread"),
        (lambda v: np.append(v[:-20], np.full(20, v[-21])), "spread"),  # it is stuck
    ],
)  # fmt: skip
def test_a_rate_that_wanders_more_or_is_stuck_is_named(change, test):
    rows = rates(change).filter(pc.field("found")).to_pylist()
    assert [(row["name"], row["test"]) for row in rows] == [("rate_1", test)]


def test_a_series_with_days_that_nobody_published_is_named():
    holes = np.r_[0 : len(WORKING) - 18, len(WORKING) - 1]
    series = [("rate_1", None, WORKING[holes], wander(1, len(WORKING))[holes])]
    series += [(f"rate_{n}", None, WORKING, wander(n, len(WORKING))) for n in (2, 3)]
    (watched,) = watch_outside({"economic": published(*series)}, TODAY)
    rows = find_drift(watched).filter(pc.field("found")).to_pylist()
    assert [(row["name"], row["test"]) for row in rows] == [("rate_1", "observed")]
