"""Promises of the backtest and what became of them in life, on forecasts whose truth is known."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from scipy import stats

from ml.contracts.forecasts import CUMULATIVE_QUANTILES, quantile_name
from ml.contracts.metrics import METRICS
from ml.drift.rows import tell_drift
from ml.drift.tracking import Promise, read_promises, track_models

SHARES = CUMULATIVE_QUANTILES
LEVELS = [quantile_name(share) for share in SHARES]
MONTHS = (np.datetime64("2024-01") + np.arange(24)).astype("datetime64[us]")
KEPT = {"smooth": Promise(0.8, 0.1), "lumpy": Promise(0.8, 0.1)}


def said(rng, factor=1.0, spread=1.0, rival=1.5, lags=(1, 3), items=40, shock=0.15):
    """Forecasts of normal demand of mean 10, whose shocks items share and lag 3 sees three of.

    What comes true has ``factor`` times the mean; the forecast's deviation is ``spread`` times the
    true one, the reference's ``rival`` times.
    """
    rows = {name: [] for name in ("item_id", "ds", "lag", "demand_class", "y", "forecast")}
    quantiles = {level: [] for level in LEVELS}
    rivals = {level: [] for level in LEVELS}
    steps = rng.normal(0, shock, len(MONTHS) + 3)
    for lag in lags:
        shared = np.array([steps[t + 3 - lag : t + 3].sum() for t in range(len(MONTHS))])
        own = rng.normal(0, 2, (items, len(MONTHS)))
        deviation = np.sqrt(4 + (10 * shock) ** 2 * lag)
        y = 10 * factor + 10 * shared + own
        for item in range(items):
            for t, day in enumerate(MONTHS):
                values = (f"P{item}", day, lag, ("smooth", "lumpy")[item % 2], y[item, t], 10.0)
                for name, value in zip(rows, values, strict=True):
                    rows[name].append(value)
        for level, share in zip(LEVELS, SHARES, strict=True):
            z = stats.norm.ppf(share) * deviation
            quantiles[level] += [10 + spread * z] * y.size
            rivals[level] += [10 + rival * z] * y.size
    count = len(rows["y"])
    table = {**rows, **quantiles, **{f"reference_{k}": v for k, v in rivals.items()}}
    table |= {f"tie_{level}": [None] * count for level in LEVELS}
    table |= {"span": ["period"] * count, "known_at": [MONTHS[-1]] * count,
              "is_stockout": [False] * count, "scale": [10.0] * count}  # fmt: skip
    return pa.table({k: pa.array(v, pa.bool_()) if k.startswith("tie") else v
                     for k, v in table.items()})  # fmt: skip


def broken(past, promises=KEPT):
    table = track_models("demand_ms", past, promises)
    return table.filter(pc.field("found")).to_pylist()


def test_promises_that_are_kept_are_called_broken_at_most_at_the_stated_rate():
    rng = np.random.default_rng(1)
    told = sum(bool(broken(said(rng, items=20))) for _ in range(60))
    assert told <= 60 * 0.02 + 3 * np.sqrt(60 * 0.02 * 0.98)


@pytest.mark.parametrize(("how", "test"), [
    ({"factor": 1.4}, "bias"), ({"factor": 0.7}, "bias"), ({"spread": 0.5}, "coverage"),
    ({"spread": 2.5, "rival": 1.0, "shock": 0.02}, "coverage"),
])  # fmt: skip
def test_a_broken_promise_is_named(how, test):
    rows = broken(said(np.random.default_rng(2), **how))
    assert {row["test"] for row in rows} == {test}
    assert "smooth, lag 1" in {row["name"] for row in rows}


@pytest.mark.parametrize(("backtest", "spread", "told"), [
    (0.65, 1.0, False),  # 80 % in life
    (0.65, 0.6, True),  # 56 %: stats.norm.ppf(.9) * .6 = .77 deviations either way
])  # fmt: skip
def test_intervals_that_cover_in_life_what_they_are_named_for_are_right_whatever_was_promised(
    backtest, spread, told
):
    promises = dict.fromkeys(KEPT, Promise(backtest, None))
    rows = broken(said(np.random.default_rng(4), spread=spread, shock=0.02), promises)
    assert bool(rows) == told
    assert {row["test"] for row in rows} <= {"coverage"}


def test_a_model_that_loses_in_life_to_the_reference_it_beat_is_told():
    past = said(np.random.default_rng(3), spread=1.0, rival=1.0, shock=0.02)
    # The same reference, but for a mean that is off in the forecast alone, by less than matters.
    for level in LEVELS:
        shifted = pc.add(past[level], 0.9)
        past = past.set_column(past.column_names.index(level), level, shifted)
    rows = broken(past)
    assert {row["test"] for row in rows} == {"value_added"}
    (line,) = tell_drift(track_models("demand_ms", past, KEPT))
    assert "of the best reference's loss saved, 10% in the backtest" in line
    assert broken(past, {}) == []  # where nothing was promised, nothing is broken


def test_only_what_was_known_last_and_had_stock_counts():
    past = said(np.random.default_rng(4))
    wrong = past.set_column(past.column_names.index("y"), "y", pc.multiply(past["y"], 9.0))
    day = pa.array([MONTHS[0]] * wrong.num_rows)
    earlier = wrong.set_column(wrong.column_names.index("known_at"), "known_at", day)
    empty = wrong.set_column(
        wrong.column_names.index("is_stockout"), "is_stockout", pa.array([True] * wrong.num_rows)
    )
    whole = pa.concat_tables([past, earlier, empty])
    assert track_models("p", whole, KEPT).equals(track_models("p", past, KEPT))


def test_few_periods_say_nothing():
    past = said(np.random.default_rng(5), factor=3.0)
    few = past.filter(pc.field("ds") >= pa.scalar(MONTHS[-5]))
    names = track_models("p", few, KEPT)["name"].to_pylist()
    assert names == ["lumpy, lag 1", "smooth, lag 1"]  # five periods are one run of lag 3


def test_promises_are_read_from_the_metrics():
    row = dict.fromkeys(METRICS.names) | {
        "kind": "demand", "panel": "demand_ms", "model": "ensemble", "demand_class": "smooth",
    }  # fmt: skip
    told = [
        row | {"metric": "coverage_80_interval", "value": 0.7, "n_obs": 100},
        row | {"metric": "coverage_80_interval", "value": 0.8, "n_obs": 300},
        row | {"metric": "coverage_80_interval", "value": 0.1, "n_obs": 9, "horizon_step": 1},
        row | {"metric": "skill_low", "value": 0.05, "n_obs": 400},
        row | {"metric": "skill_low", "value": 0.5, "n_obs": 4, "model": "tsb"},
    ]
    found = read_promises(pa.Table.from_pylist(told, schema=METRICS.schema), "demand_ms")
    # 310 of 400: 70 of the first hundred, 240 of the other three
    assert found == {"smooth": Promise(pytest.approx(0.775), 0.05)}
