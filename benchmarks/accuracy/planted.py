"""What is planted in the sample, and how much of it the published forecasts show."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from benchmarks.accuracy.cases import LEVELS, Case, Prediction
from benchmarks.accuracy.comparison import Estimate, estimate
from ml.features.holiday_calendar import carnival_days, holiday_days, year_end
from ml.frequency import weekday
from ml.panel import Floats

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOLIDAY = "holiday"
SHOWN = (0.5, 0.9)  # quantiles whose effects are told beside those of the mean
Days = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Effect:
    """Demand of one kind of day over that of plain days."""

    # which days: a weekday against all plain days, or holidays against plain days of the same
    # weekdays
    day: str
    planted: float  # ratio of the expected demand that the sample was drawn from
    realised: float  # ratio of the demand that came true
    forecast: Estimate  # ratio of the published mean, with its intervals
    # ratio of the published quantiles at `SHOWN`, each summed over items
    quantiles: tuple[float, ...]


def planted_effects(
    cases: Sequence[Case], published: Sequence[Prediction], truth: Path
) -> list[Effect]:
    """Effects of weekdays and holidays in the days ahead of all cutoffs.

    ``published`` is the ensemble at each of them, ``truth`` the sample's folder of that name.
    """
    expected = [_expected(case, truth) for case in cases]
    found = []
    for name in (*WEEKDAYS, HOLIDAY):
        kinds = [_days_of(case, name) for case in cases]
        there = [place for place, (chosen, base) in enumerate(kinds) if chosen.any() and base.any()]
        if not there:
            continue
        wanted = [kinds[place] for place in there]
        weights = [cases[place].weights for place in there]

        def ratio(values: Sequence[Floats]) -> Estimate:
            chosen = [values[place] for place in there]  # noqa: B023 - called in this round only
            return estimate(*_means(chosen, wanted, weights))  # noqa: B023

        quantiles = [
            ratio([one.quantiles[..., LEVELS.index(level)] for one in published]).value
            for level in SHOWN
        ]
        found.append(
            Effect(
                day=name, planted=ratio(expected).value,
                realised=ratio([case.actual for case in cases]).value,
                forecast=ratio([one.mean for one in published]), quantiles=tuple(quantiles),
            )
        )  # fmt: skip
    return found


def _days_of(case: Case, name: str) -> tuple[Days, Days]:
    """Which of the days ahead are of this kind, and which they are compared with, (H,) each."""
    days = case.panel.periods[case.ahead]
    carnival, catch_up = carnival_days(days)
    holiday = holiday_days(days)
    plain = ~(holiday | carnival | catch_up | year_end(days))
    if name == HOLIDAY:
        chosen = holiday & ~(carnival | catch_up | year_end(days))
        return chosen, plain & np.isin(weekday(days), weekday(days[chosen]))
    return plain & (weekday(days) == WEEKDAYS.index(name)), plain


def _means(
    values: Sequence[Floats], kinds: Sequence[tuple[Days, Days]], weights: Sequence[Floats]
) -> tuple[Floats, Floats]:
    """Weighted means over both kinds of days, (O, N) each.

    An item that was never observed on days of one kind counts for nothing.
    """
    means = np.array(
        [
            [_mean(rows[:, chosen]) * weight, _mean(rows[:, base]) * weight]
            for rows, (chosen, base), weight in zip(values, kinds, weights, strict=True)
        ]
    )
    top, bottom = np.where(np.isnan(means).any(axis=1, keepdims=True), 0.0, means).swapaxes(0, 1)
    return top, bottom


def _mean(values: Floats) -> Floats:
    """Mean of each row's known values, NaN without any."""
    count = (~np.isnan(values)).sum(axis=1)
    return np.where(count > 0, np.nansum(values, axis=1) / np.maximum(count, 1), np.nan)


def _expected(case: Case, truth: Path) -> Floats:
    """Demand that the sample's days ahead were drawn from, (N, H)."""
    days = case.panel.periods[case.ahead]
    daily = pq.read_table(
        truth / "daily.parquet", columns=["item_id", "ds", "expected"],
        filters=[("ds", ">=", days[0].item()), ("ds", "<=", days[-1].item())],
    ).to_pandas()  # fmt: skip
    wide = daily.pivot_table(index="item_id", columns="ds", values="expected")
    return np.asarray(wide.reindex(list(case.items)).to_numpy(float))
