"""Scores of what was said: hand arithmetic for the losses, simulation for what is covered."""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest

from ml.contracts.base import check
from ml.contracts.history import PAST_FORECASTS, SCORES
from ml.reporting.past_scores import score_past

QUANTILES = ("q10", "q50", "q80", "q90", "q95", "q99")
ENDS = {("demand", "MS"): np.datetime64("2025-06-01"), ("price", "B"): np.datetime64("2025-06-02")}


def row(item="A", month=5, y=3.0, cuts=(0.0, 2.0, 4.0, 5.0, 6.0, 9.0), **cells):
    """A row of PAST_FORECASTS that has come true."""
    known = {
        "item_id": item, "ds": datetime(2025, month, 1), "span": "period", "lag": 1,
        "known_at": datetime(2025, 7, 1), "frequency": "MS", "kind": "demand", "unit": "units",
        "as_of": datetime(2025, 4, 1), "version_id": "v", "y": y, "is_stockout": False,
        "forecast": 2.5, "scale": 2.0, "model_used": "ensemble", "demand_class": "lumpy",
        "source": "user_files",
    }  # fmt: skip
    known |= dict(zip(QUANTILES, cuts, strict=True))
    known |= {f"tie_{name}": False for name in QUANTILES}
    return known | cells


def scored(*rows, **wanted):
    """The one row of SCORES with these keys; the others are unknown."""
    table = pa.Table.from_pylist(rows, PAST_FORECASTS.schema)
    check(table, PAST_FORECASTS)
    found = score_past(table, ENDS)
    days = pa.array([datetime(2025, 7, 1)] * found.num_rows, pa.timestamp("us"))
    check(found.append_column("known_at", days), SCORES)
    key = {"item_id": None, "demand_class": None, "ds": None, "span": "period"} | wanted
    (one,) = [row for row in found.to_pylist() if all(row[k] == v for k, v in key.items())]
    return one


def test_one_forecast_is_scored_as_by_hand():
    one = scored(row())
    # pinball at .1 .5 .8 .9 .95 .99: .3, .5, .2, .2, .15, .06; 1.41 / 6 over the scale 2
    assert one["pinball"] == pytest.approx(1.41 / 6 / 2)
    assert (one["interval_width"], one["interval_below"], one["interval_above"]) == (2.5, 0.0, 0.0)
    assert one["bias"] == pytest.approx(-0.5 / 3)
    assert (one["n_obs"], one["n_left_out"], one["n_service"], one["n_reference"]) == (1, 0, 0, 0)
    assert [one[f"coverage_{level}"] for level in ("80", "90", "95", "99", "80_interval")] == [
        1
    ] * 5
    assert one["value_added"] is one["service_achieved"] is one["reference_pinball"] is None


def test_what_lies_outside_costs_ten_times_how_far():
    above, below = scored(row(y=7.0)), scored(row(y=1.0, cuts=(2.0, 3.0, 4.0, 5.0, 6.0, 9.0)))
    # 7 is 2 above 5; 1 is 1 below 2; scale 2
    assert (above["interval_width"], above["interval_above"], above["interval_below"]) == (
        2.5,
        10,
        0,
    )
    assert (below["interval_width"], below["interval_above"], below["interval_below"]) == (
        1.5,
        0,
        5,
    )
    assert above["interval_score"] == 12.5
    assert [above[f"coverage_{level}"] for level in ("90", "95")] == [0.0, 0.0 + 0]
    assert below["coverage_80_interval"] == 0.0


def test_an_interval_is_over_the_root_of_its_periods_and_judges_the_level_of_stock():
    months = {"span": "protection", "lag": 4, "month": 5}
    said = [
        row("A", y=3.0, stock_level=5.0, service_target=0.9, **months),
        row("B", y=7.0, stock_level=5.0, service_target=0.8, **months),
        row("C", y=7.0, **months),
    ]
    one = scored(*said, span="protection")
    assert (one["lag"], one["n_obs"], one["n_service"]) == (None, 3, 2)
    assert one["service_achieved"] == 0.5
    assert one["service_target"] == pytest.approx(0.85)
    alone = scored(said[0], span="protection", item_id="A")
    assert alone["pinball"] == pytest.approx(1.41 / 6 / 2 / 2)


def test_value_added_is_told_of_the_forecasts_that_have_a_reference():
    worse = {f"reference_{name}": 3.0 + 2.0 for name in QUANTILES} | {"reference": "naive"}
    one = scored(row(**worse), row("B", y=9.0))
    # every quantile of the reference is 2 too high: (1 - level) * 2, on average 2 * 1.76 / 6
    assert one["reference_pinball"] == pytest.approx(2 * 1.76 / 6 / 2)
    assert one["value_added"] == pytest.approx(1 - 1.41 / 3.52)
    assert (one["n_obs"], one["n_reference"]) == (2, 1)


def test_what_has_not_come_true_is_no_part_and_stock_outs_are_counted_apart():
    one = scored(
        row(), row(month=7, y=None), row("B", is_stockout=True), row("C", y=None, is_stockout=None)
    )
    assert (one["n_obs"], one["n_left_out"]) == (1, 2)


def test_items_classes_and_periods_have_rows_of_their_own():
    rows = [row("A", month) for month in (4, 5, 6)] + [row("B", y=0.0, demand_class="smooth")]
    table = score_past(pa.Table.from_pylist(rows, PAST_FORECASTS.schema), ENDS)
    keys = {(one["item_id"], one["demand_class"], one["ds"] and one["ds"].month): one["n_obs"]
            for one in table.to_pylist()}  # fmt: skip
    assert keys == {
        (None, None, None): 4, (None, "lumpy", None): 3, (None, "smooth", None): 1,
        ("A", None, None): 3, ("B", None, None): 1,
        (None, None, 4): 1, (None, None, 5): 2, (None, None, 6): 1,
        (None, "lumpy", 4): 1, (None, "lumpy", 5): 1, (None, "lumpy", 6): 1,
        (None, "smooth", 5): 1,
    }  # fmt: skip


def test_kinds_and_frequencies_are_never_mixed():
    price = row("BRENT", y=70.0, kind="price", frequency="B", demand_class="price", scale=1.0)
    table = score_past(pa.Table.from_pylist([row(), price], PAST_FORECASTS.schema), ENDS)
    whole = [one for one in table.to_pylist() if one["item_id"] is one["demand_class"] is None]
    assert {(one["kind"], one["frequency"], one["n_obs"]) for one in whole} == {
        ("demand", "MS", 1), ("price", "B", 1)
    }  # fmt: skip
