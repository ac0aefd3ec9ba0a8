"""What a version says of periods to come: as its forecasts say it, and ready to be judged."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.contracts.base import check
from ml.contracts.forecasts import FORECAST_MODELS
from ml.contracts.history import PAST_FORECASTS
from ml.contracts.metrics import METRICS
from ml.ensemble.mixture import CombinedItem
from ml.reporting.past_scores import score_past
from ml.run import said
from ml.run.said import (
    add_references,
    count_followed,
    followed_items,
    rank_references,
    read_stock,
    say_rows,
)
from ml.run.saved_paths import save_study
from tests.conftest import daily_panel, monthly_panel, price_panel
from tests.ml.artifacts.conftest import made
from tests.ml.run.test_saved_paths import ITEMS, Job, write_part

QUANTILES = ("q10", "q50", "q80", "q90", "q95", "q99")


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """Forecasts of 4 months, with protection intervals of two lengths."""
    one = Job(tmp_path_factory.mktemp("job"))
    one.plan = replace(one.plan, protection=(3,) * 4 + (4,) * (len(ITEMS) - 4))
    one.forecast()
    return one


def rows_of(job, items=ITEMS, stock=None):
    table = say_rows(job.plan, job.find(), items, stock or {}, "test")
    named = table.set_column(
        PAST_FORECASTS.names.index("version_id"), "version_id", pa.array(["v"] * table.num_rows)
    )
    named = named.set_column(
        PAST_FORECASTS.names.index("known_at"), "known_at", pa.array(table["as_of"])
    )
    check(named, PAST_FORECASTS)
    return table.to_pylist()


def published(job):
    rows = [
        row for chunk in sorted(job.work.rglob("forecasts.parquet"))
        for row in pq.read_table(chunk).to_pylist()
    ]  # fmt: skip
    return {(row["item_id"], row["horizon_step"]): row for row in rows}


def test_it_is_what_the_forecasts_say_at_these_lags(job):
    rows, forecasts = rows_of(job), published(job)
    spans = [(row["item_id"], row["span"], row["lag"]) for row in rows]
    assert spans == [
        (item, span, lag)
        for place, item in enumerate(ITEMS)
        for span, lag in sorted(
            [("period", 1), ("period", 3), ("protection", 3 if place < 4 else 4)],
            key=lambda one: (one[1], one[0]),
        )
    ]
    for row in rows:
        own = forecasts[row["item_id"], row["lag"]]
        prefix = "cum_" if row["span"] == "protection" else ""
        assert [row[name] for name in QUANTILES] == [own[prefix + name] for name in QUANTILES]
        assert row["forecast"] == own["cum_mean" if prefix else "forecast"]
        assert (row["ds"], row["as_of"], row["unit"]) == (own["ds"], own["as_of"], own["unit"])
        assert (row["model_used"], row["y"], row["source"]) == (own["model_used"], None, "test")


def test_items_say_the_same_whichever_others_are_asked_for(job, monkeypatch):
    together = rows_of(job)
    monkeypatch.setattr(said, "CHUNK", 3)
    assert rows_of(job) == together
    alone = rows_of(job, ITEMS[5:6])
    assert alone == [row for row in together if row["item_id"] == ITEMS[5]]


def test_only_an_interval_has_a_level_of_stock(job):
    rows = rows_of(job, ITEMS[:2], {ITEMS[0]: (7.0, 0.95)})
    levels = [(row["span"], row["stock_level"], row["service_target"]) for row in rows]
    assert levels == [
        ("period", None, None), ("period", None, None), ("protection", 7.0, 0.95),
        ("period", None, None), ("period", None, None), ("protection", None, None),
    ]  # fmt: skip


def test_a_level_is_that_of_the_company_and_a_chance_that_of_a_chance():
    table = pa.table(
        {
            "item_id": ["A", "A", "B", "C"],
            "location_id": ["ALL", "depot", "ALL", "ALL"],
            "order_up_to": [5.0, 2.0, 6.0, None],
            "service_target": [0.9, 0.9, 0.95, 0.9],
            "service_metric": ["csl", "csl", "fill_rate", "csl"],
        }
    )
    assert read_stock(table) == {"A": (5.0, 0.9), "B": (6.0, None)}


def test_coverage_of_counts_is_exact_when_the_forecast_is(tmp_path, monkeypatch):
    """Actuals from the law of the paths: each level holds its share, though counts tie often."""
    rng = np.random.default_rng(11)
    count, draws = 3000, 400
    items = tuple(f"I{place:04d}" for place in range(count))
    law = rng.poisson(0.7, (1, draws)).astype(np.float64)
    values = np.repeat(law, count, axis=0)[:, :, None]
    columns = said._quantile_columns(values, items, "2025-05-01")
    table = made(
        PAST_FORECASTS, count, item_id=items, span=["period"] * count, lag=[1] * count,
        kind=["demand"] * count, frequency=["MS"] * count, y=rng.choice(law[0], count), **columns,
    )  # fmt: skip
    found = score_past(table, {("demand", "MS"): np.datetime64("2100-01-01")}).to_pylist()
    (one,) = [row for row in found if row["item_id"] is row["demand_class"] is row["ds"] is None]
    for name, level in (("80", 0.8), ("90", 0.9), ("95", 0.95), ("80_interval", 0.8)):
        error = 3.5 * np.sqrt(level * (1 - level) / count)  # one time in two thousand
        assert one[f"coverage_{name}"] == pytest.approx(level, abs=error)
    plain = (np.asarray(table["y"]) <= np.asarray(table["q80"])).mean()
    assert plain > 0.83  # without the draw it would seem to cover more


def test_all_items_are_followed_until_they_are_too_many(monkeypatch):
    panel = monthly_panel(30)
    assert followed_items(panel) == panel.items
    assert count_followed([panel]) == {"followed": {}}
    # 13 months of 3 lags and an interval, and 1 + 3 + 6 that are still to come: 62 an item
    monkeypatch.setattr(said, "MOST_ROWS", 62 * 10 + 61)
    few = followed_items(panel)
    assert len(few) == 10
    assert list(few) == sorted(few)
    assert set(followed_items(panel.select(panel.items[:20]))) >= set(few) & set(panel.items[:20])
    assert count_followed([panel, daily_panel()])["followed"]["demand"] != []


def metrics_rows(*rows):
    names = ("kind", "demand_class", "model", "metric", "value")
    blank = dict.fromkeys(METRICS.names) | {"n_obs": 1, "panel": "demand_ms"}
    return pa.Table.from_pylist(
        [blank | dict(zip(names, row, strict=True)) for row in rows], METRICS.schema
    )


METRIC_ROWS = metrics_rows(
    ("demand", None, "ensemble", "skill", 0.2),
    ("demand", None, "zero", "skill", 0.1),
    ("demand", None, "tsb", "skill", 0.0),
    ("demand", None, "naive", "skill", -0.4),
    ("demand", "lumpy", "naive", "skill", 0.0),
    ("demand", "lumpy", "tsb", "skill", -0.1),
    ("demand", "lumpy", "bootstrap", "scaled_crps", 0.0),
    ("price", None, "volatility", "skill", 0.0),
)


def test_references_are_ranked_by_what_the_backtest_says_of_the_class():
    assert rank_references(METRIC_ROWS) == {
        ("demand", None): ("tsb", "naive"),
        ("demand", "lumpy"): ("naive", "tsb"),
        ("price", None): ("volatility",),
    }


def test_the_best_reference_that_was_run_is_kept_beside_the_row(tmp_path):
    said_rows = made(
        PAST_FORECASTS, 5, item_id=["A", "A", "B", "C", "D"], kind=["demand"] * 5,
        demand_class=["lumpy", "lumpy", "lumpy", "smooth", "lumpy"],
        span=["period", "protection", "period", "period", "protection"], lag=[3, 2, 3, 3, 9],
    )  # fmt: skip
    steps = [("A", "naive", 2), ("A", "naive", 3), ("A", "tsb", 3), ("B", "tsb", 3),
             ("C", "ets", 3), ("D", "naive", 3)]  # fmt: skip
    values = [float(place) for place in range(len(steps))]
    models = made(
        FORECAST_MODELS, len(steps), item_id=[one[0] for one in steps],
        model=[one[1] for one in steps], horizon_step=[one[2] for one in steps],
        q10=values, cum_q10=[value + 0.5 for value in values],
    )  # fmt: skip
    pq.write_table(models, tmp_path / "models.parquet")
    table = add_references(said_rows, tmp_path / "models.parquet", METRIC_ROWS)
    assert table["reference"].to_pylist() == ["naive", "naive", "tsb", None, None]
    assert table["reference_q10"].to_pylist() == [1.0, 0.5, 3.0, None, None]


def test_prices_say_single_periods_only(tmp_path):
    job = Job(tmp_path)
    panel = price_panel()
    job.plan = replace(job.plan, panel=panel, protection=(1, 1), wanted=panel.items, horizon=30)
    save_study(job.find(), job.plan.study)
    rng = np.random.default_rng(1)
    paths = [CombinedItem(rng.normal(70, 9, (300, 30)).astype(np.float32), "ensemble", None)
             for _ in panel.items]  # fmt: skip
    write_part(job.find(), panel.items, paths)
    rows = say_rows(job.plan, job.find(), panel.items, {}, "yahoo").to_pylist()
    assert [row["lag"] for row in rows] == [1, 7, 14, 30] * 2
    assert {row["span"] for row in rows} == {"period"}
    assert {row["demand_class"] for row in rows} == {"price"}
    assert [row["unit"] for row in rows[::4]] == ["USD", None]
