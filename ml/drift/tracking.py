"""Whether models that looked good in the backtest are right in life: a tracking signal.

What was said at a lag is set beside what came true, by demand class. Three things were promised:
the coverage of the 80 % interval, a mean that is neither too high nor too low, and a smaller loss
than the best reference model's. Each is tested on the means of target periods, because items miss
together; forecasts of lag L miss L periods in a row together, so runs of L periods are taken as
one (batch means), and Student's t says how sure a broken promise is. Together the tests of a panel
ring on at most a stated share of the nights on which all promises are kept; what is sure but too
small to matter is not told.

    table = track_models(name, past_forecasts, read_promises(metrics, name))

gives rows for the table of drift; open the condition `wrong_in_life` where
:func:`ml.drift.rows.tell_drift` has something to say of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from ml.drift.rows import make_rows
from ml.evaluation.scores import came_below, past_column, past_pinball
from ml.panel import Floats, Ints

RATE = 0.02  # share of nights on which anything is told although all promises are kept
NOMINAL = 0.8  # what the interval is to cover, and promises where the backtest says nothing
MOST_PERIODS = 24  # last target periods that are looked at
LEAST_RUNS = 4  # of periods; fewer tell nothing
COVERAGE_OFF, BIAS_OFF, VALUE_OFF = 0.05, 0.1, 0.02  # what is too small to matter
MODEL = "ensemble"


@dataclass(frozen=True, slots=True)
class Promise:
    """What the backtest showed of a demand class."""

    coverage: float = NOMINAL  # of the 80 % interval
    skill: float | None = None  # share of the best reference's loss that was surely saved


def read_promises(metrics: pa.Table, panel: str) -> dict[str, Promise]:
    """What the METRICS of a version promise of the ensemble, by demand class."""
    own = (pc.field("panel") == panel) & (pc.field("model") == MODEL)
    rows = metrics.filter(own & pc.field("item_id").is_null()).to_pylist()
    found: dict[str, dict[str, list[tuple[float, int]]]] = {}
    for row in rows:
        if row["value"] is not None and row["horizon_step"] is None:
            name = row["demand_class"] or "price"
            cell = found.setdefault(name, {}).setdefault(row["metric"], [])
            cell.append((row["value"], row["n_obs"]))
    promises = {}
    for name, values in found.items():
        covered = values.get("coverage_80_interval", [])
        weight = sum(count for _, count in covered)
        coverage = sum(v * n for v, n in covered) / weight if weight else NOMINAL
        skill = values.get("skill_low", [(None, 0)])[0][0]
        promises[name] = Promise(coverage, skill)
    return promises


def track_models(
    name: str, past: pa.Table, promises: Mapping[str, Promise], *, rate: float = RATE
) -> pa.Table:
    """Rows of DRIFT, one a class and lag: the promise that is most surely broken.

    ``past`` are PAST_FORECASTS of the panel alone, without its stock levels. Rows without what came
    true, or of periods in which stock ran out, are passed over; of several `known_at` the last one
    counts. A class without a promise promises the nominal coverage. On a share ``rate`` of nights
    anything is told although all promises are kept.
    """
    usable = (pc.field("span") == "period") & pc.field("y").is_valid()
    with_stock = pc.field("is_stockout").is_null() | ~pc.field("is_stockout")
    kept = past.filter(usable & with_stock)
    kept = kept.sort_by([(key, "ascending") for key in ("item_id", "ds", "lag", "known_at")])
    found = [row for row in _each_group(kept, promises) if row is not None]
    count = sum(row.pop("tests") for row in found)
    for row in found:
        sure = bool(row["p_value"] * max(count, 1) <= rate)
        matters = row.pop("matters")
        row |= {"found": sure and matters, "q_value": min(row["p_value"] * max(count, 1), 1.0)}
    return make_rows(name, found)


def _each_group(kept: pa.Table, promises: Mapping[str, Promise]) -> Iterator[dict[str, Any] | None]:
    groups = kept.group_by(["demand_class", "lag"]).aggregate([]).to_pylist()
    for group in sorted(groups, key=lambda one: (one["demand_class"], one["lag"])):
        own = (pc.field("demand_class") == group["demand_class"]) & (
            pc.field("lag") == group["lag"]
        )
        rows = _last_known(kept.filter(own))
        yield _judge_group(rows, group["lag"], group["demand_class"], promises)


def _last_known(rows: pa.Table) -> pa.Table:
    """The last of several rows of one item and period; they are sorted."""
    items, days = rows["item_id"].to_numpy(), rows["ds"].to_numpy()
    last = np.ones(len(items), bool)
    last[:-1] = (items[:-1] != items[1:]) | (days[:-1] != days[1:])
    return rows.filter(pa.array(last))


def _judge_group(
    rows: pa.Table, lag: int, demand_class: str, promises: Mapping[str, Promise]
) -> dict[str, Any] | None:
    """The most surely broken promise of a class at a lag; ``None`` where periods are too few."""
    days = np.unique(rows["ds"].to_numpy())[-MOST_PERIODS:]
    runs = len(days) // lag
    if runs < LEAST_RUNS:
        return None
    days = days[len(days) - runs * lag :]
    rows = rows.filter(pc.field("ds") >= pa.scalar(days[0].astype("datetime64[us]")))
    place = np.searchsorted(days, rows["ds"].to_numpy()) // lag
    promise = promises.get(demand_class, Promise())
    judged: list[Judged | None] = [
        _judge_coverage(rows, place, runs, promise), _judge_bias(rows, place, runs),
    ]  # fmt: skip
    if promise.skill is not None and promise.skill > 0:
        judged.append(_judge_value(rows, place, runs, promise.skill))
    known = [one for one in judged if one is not None]
    test, before, recent, p_value, matters = min(known, key=lambda one: (not one[4], one[3]))
    since, as_of = (datetime.fromisoformat(str(day)[:10]) for day in (days[0], days[-1]))
    return {
        "subject": "model", "name": f"{demand_class}, lag {lag}", "as_of": as_of, "since": since,
        "periods": len(days), "test": test, "before": before, "recent": recent,
        "p_value": p_value, "matters": matters, "tests": len(known),
    }  # fmt: skip


Judged = tuple[str, float, float, float, bool]
"""Test, what was promised, what it was, p, and whether the difference matters."""


def _judge_coverage(rows: pa.Table, place: Ints, runs: int, promise: Promise) -> Judged:
    below = [came_below(rows, level) for level in (0.1, 0.9)]
    inside = (below[1] & ~below[0]).astype(float)
    p_value = _test_means(inside - promise.coverage, np.ones(len(inside)), place, runs)
    share = float(inside.mean())
    # Intervals that hold in life better than in the backtest what they are named for wrong nobody.
    worse = abs(share - NOMINAL) > abs(promise.coverage - NOMINAL)
    matters = worse and abs(share - promise.coverage) >= COVERAGE_OFF
    return "coverage", promise.coverage, share, p_value, bool(matters)


def _judge_bias(rows: pa.Table, place: Ints, runs: int) -> Judged:
    y, said = past_column(rows, "y"), past_column(rows, "forecast")
    scale = np.maximum(past_column(rows, "scale"), 1e-12)
    p_value = _test_means((said - y) / scale, np.ones(len(y)), place, runs)
    size = float(np.abs(y / scale).sum())
    bias = float(((said - y) / scale).sum()) / size if size else 0.0
    return "bias", 0.0, bias, p_value, abs(bias) >= BIAS_OFF


def _judge_value(rows: pa.Table, place: Ints, runs: int, skill: float) -> Judged | None:
    """Whether the best reference, which was beaten in the backtest, is better in life."""
    rival = past_column(rows, "reference_q50")
    known = ~np.isnan(rival)
    if len(np.unique(place[known])) < runs:
        return None
    rows, place = rows.filter(pa.array(known)), place[known]
    scale = np.maximum(past_column(rows, "scale"), 1e-12)
    mine, theirs = (past_pinball(rows, prefix) / scale for prefix in ("", "reference_"))
    total = float(theirs.sum())
    saved = 1 - float(mine.sum()) / total if total else 0.0
    two_sided = _test_means(theirs - mine, np.ones(len(mine)), place, runs)
    p_value = two_sided / 2 if saved < 0 else 1 - two_sided / 2
    return "value_added", skill, saved, p_value, saved <= -VALUE_OFF


def _test_means(parts: Floats, weights: Floats, place: Ints, runs: int) -> float:
    """Whether a mean is 0, clustered by runs of periods: Student's t, two-sided."""
    total = np.bincount(place, parts, minlength=runs)
    count = np.bincount(place, weights, minlength=runs)
    mean = total.sum() / max(count.sum(), 1.0)
    # The linear part of a ratio of sums, so that runs with more forecasts weigh more.
    spread = float(np.square(total - mean * count).sum()) * runs / (runs - 1)
    if spread <= 0:
        return 1.0 if abs(mean) < 1e-12 else 0.0
    return float(2 * stats.t.sf(abs(total.sum()) / np.sqrt(spread), runs - 1))
