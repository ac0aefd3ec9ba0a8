"""What volumes may cost that will be paid at a price: risk of waiting, and worth of a fixed price.

A calculation for somebody who holds an offer against it. It never says what to do, as nobody knows
where a price goes; what is known is how far it may go.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.price_outlook import EXPOSURE_FLAGS, PRICE_EXPOSURE
from ml.ensemble.mixture import ENSEMBLE
from ml.evaluation.origins import path_quantiles
from ml.frequency import Days, periods_after
from ml.panel import Floats
from ml.run.inputs import RunInputs
from ml.run.plan import PanelPlan
from ml.run.price_outlook import TAIL, mean_of_dearest
from ml.run.request import RunRequest
from ml.run.rows import stamp
from ml.run.saved_paths import SavedPaths, read_paths

PROMISED, TOLERANCE = 0.8, 0.15
"""Share that the central interval is to hold, and how far the backtest may lie from it.

Six origins whose steps hang together tell it to about that.
"""
Row = dict[str, Any]
Coverage = Mapping[str, tuple[float, int]]


@dataclass(frozen=True, slots=True)
class SeriesOutlook:
    """What is known of a series whose price is paid."""

    paths: Floats  # (S, H) prices of the periods after `as_of`
    as_of: np.datetime64  # start of the last period with a price
    starts: Days  # (H + 1,) of the periods after it; the last one is beyond the paths
    unit: str | None  # of the prices


def expose_prices(
    plans: Sequence[PanelPlan],
    saved: Mapping[str, SavedPaths],
    inputs: RunInputs,
    request: RunRequest,
    metrics: pa.Table,
) -> pa.Table:
    """Rows of PRICE_EXPOSURE for the wanted series; none of a run for forecasts alone.

    ``metrics`` are rows of METRICS: whether the ranges of a series kept their promise.
    """
    if inputs.exposure is None or request.only_forecasts:
        return PRICE_EXPOSURE.schema.empty_table()
    wanted = inputs.currencies.keys() & set(request.items or inputs.currencies)
    given = [row for row in inputs.exposure.to_pylist() if row["item_id"] in wanted]
    named = {row["item_id"] for row in given}
    outlooks: dict[str, SeriesOutlook] = {}
    for plan in plans:
        if not plan.panel.is_demand:
            outlooks |= _outlooks(plan, saved[plan.name], named)
    fear = request.settings.policy.risk_aversion
    given = [row | {"risk_aversion": _given(row["risk_aversion"], fear)} for row in given]
    return exposure_rows(given, outlooks, inputs.currencies, measured_coverage(metrics))


def _outlooks(
    plan: PanelPlan, saved: SavedPaths, named: set[str]
) -> Iterator[tuple[str, SeriesOutlook]]:
    """Of each of the named series of a panel that was forecast, what is known of it."""
    known = read_paths(saved, [item for item in plan.wanted if item in named])
    starts = periods_after(plan.panel.cutoff, plan.horizon + 1, plan.panel.frequency)
    units = dict(zip(plan.panel.items, plan.panel.units, strict=True))
    for item, paths in zip(known.items, known.paths, strict=True):
        prices = paths[:, : plan.horizon].astype(np.float64)
        yield item, SeriesOutlook(prices, plan.panel.cutoff, starts, units[item])


def measured_coverage(metrics: pa.Table) -> dict[str, tuple[float, int]]:
    """Of each price series in METRICS the share that its central 80 % held, and of how many."""
    own = pc.field("metric") == "coverage_80_interval"
    own &= (pc.field("kind") == "price") & (pc.field("model") == ENSEMBLE)
    rows = metrics.filter(own & pc.field("item_id").is_valid() & pc.field("value").is_valid())
    return {row["item_id"]: (row["value"], row["n_obs"]) for row in rows.to_pylist()}


def exposure_rows(
    exposures: Sequence[Row],
    outlooks: Mapping[str, SeriesOutlook],
    currencies: Mapping[str, str | None],
    coverage: Coverage,
) -> pa.Table:
    """Rows of PRICE_EXPOSURE, sorted by key, for rows of EXPOSURE with an aversion to risk each.

    By series: what is known of those that were forecast, the currency of the prices, ``None`` = not
    known, and :func:`measured_coverage`.
    """
    rows = []
    for given in exposures:
        item = given["item_id"]
        row = _row_of(given, outlooks.get(item), currencies[item], coverage.get(item))
        rows.append(dict.fromkeys(PRICE_EXPOSURE.names) | row)
    table = pa.Table.from_pylist(rows, PRICE_EXPOSURE.schema)
    return table.sort_by([(key, "ascending") for key in PRICE_EXPOSURE.key])


def _row_of(
    given: Row, outlook: SeriesOutlook | None, currency: str | None,
    coverage: tuple[float, int] | None,
) -> Row:  # fmt: skip
    """One row: what was given, what it costs where that can be said, and what it is good for."""
    flags, row = [], {name: given[name] for name in given.keys() & set(PRICE_EXPOSURE.names)}
    row |= {"run_id": "", "currency": currency or given["currency"]}
    row["unhedged_volume"] = given["volume"] * (1.0 - _given(given["hedged_share"], 0.0))
    share, count = coverage or (None, 0)
    row |= {"interval_coverage": share, "coverage_n": count}
    if currency is None:
        flags.append("currency_assumed")
    elif given["currency"] not in {None, currency}:
        flags.append("currency_differs")
        row["currency"] = given["currency"]
    step, obstacle = (0, "no_forecast") if outlook is None else _find_step(given, outlook.starts)
    if obstacle:
        flags.append(obstacle)
    if outlook is not None:
        row |= {"unit": outlook.unit, "as_of": stamp(outlook.as_of).item()}
    if outlook is not None and not obstacle:
        row |= {"horizon_step": step, "ds": stamp(outlook.starts[step - 1]).item()}
        if "currency_differs" not in flags:
            row |= _costs(row, outlook.paths[:, step - 1])
    if share is None:
        flags.append("coverage_unknown")
    elif not abs(share - PROMISED) <= TOLERANCE + 1e-9:
        flags.append("coverage_off")
    is_sound = "break_even_price" in row and share is not None and "coverage_off" not in flags
    row["decision_support"] = "breakeven" if is_sound else "none"
    return row | {"quality_flags": ";".join(one for one in EXPOSURE_FLAGS if one in flags)}


def _find_step(given: Row, starts: Days) -> tuple[int, str | None]:
    """Which period after ``as_of`` an exposure is paid in, 1 to H; or why there is none.

    ``starts`` (H + 1,) are those of the periods after ``as_of``, and of the first one beyond.
    """
    if given["due_at"] is not None:
        due = np.datetime64(given["due_at"], "D")
        step = int(np.searchsorted(starts, due, side="right"))
    elif given["horizon"] is not None:
        step = int(np.ceil(min(given["horizon"], len(starts))))
    else:
        return 0, "due_unknown"
    if step == 0:
        return 0, "due_passed"
    return (step, None) if step < len(starts) else (step, "beyond_horizon")


def _costs(row: Row, prices: Floats) -> Row:
    """What a volume costs at the prices (S,) of the paths, and how that stands to fixed ones.

    The break-even price is m + r (ES - m): mean m, mean ES of the dearest twentieth, aversion r.
    """
    units, quote, budget = row["unhedged_volume"], row["fixed_quote"], row["budget_price"]
    mean = float(prices.mean())
    tail = float(path_quantiles(prices[None, :, None], (TAIL,))[0, 0, 0])
    worst = float(mean_of_dearest(prices[None, :, None])[0, 0])
    fixed = mean + row["risk_aversion"] * (worst - mean)
    return {
        "expected_spot_cost": units * mean,
        "cost_at_risk_95": units * tail,
        "cost_shortfall_95": units * worst,
        "break_even_price": fixed,
        "break_even_less_quote": None if quote is None else fixed - quote,
        "break_even_less_budget": None if budget is None else fixed - budget,
        "p_above_quote": None if quote is None else _chance_above(prices, quote),
        "p_above_budget": None if budget is None else _chance_above(prices, budget),
    }


def _chance_above(prices: Floats, limit: float) -> float:
    """Share of the paths above a limit; ties count half."""
    return float((prices > limit).mean() + (prices == limit).mean() / 2.0)


def _given(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
