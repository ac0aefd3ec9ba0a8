"""Panels of Poisson demand whose distributions are known, with backtests that know them too."""

from functools import cache

import numpy as np
from scipy import stats

from ml.evaluation.origins import LEVELS, BacktestPoints
from ml.frequency import Frequency, period_range
from ml.inventory.items import ItemPolicy
from ml.panel import Panel

MONTHS, HORIZON, ORIGINS = 48, 6, 3
FIRST, LAST = np.datetime64("2022-01-01"), np.datetime64("2025-12-01")
MONTH = 30.4375


def poisson_panel(rates, seed=1) -> Panel:
    """Items of these rates a month."""
    rates = np.asarray(rates)
    values = np.random.default_rng(seed).poisson(rates[:, None], (len(rates), MONTHS)).astype(float)
    items = tuple(f"i{row:03d}" for row in range(len(rates)))
    periods = period_range(FIRST, LAST, Frequency.MONTHLY)
    return Panel("demand", Frequency.MONTHLY, items, periods, values, (None,) * len(items))


@cache
def points_of(rates, factor):
    """Points of the sums of 1 to HORIZON months, (N, H, K)."""
    means = np.outer(rates, np.arange(1, HORIZON + 1)) * factor
    return stats.poisson.ppf(LEVELS, means[:, :, None]).astype(np.float32)


def backtest_of(panel, cutoff_length, rates, classes=None, **factors) -> BacktestPoints:
    """What models said whose rates are these times a factor, by name; the ensemble's is 1."""
    models = {"empirical": 1.0, **factors, "ensemble": factors.get("ensemble", 1.0)}
    steps = np.array([2, HORIZON, *range(1, HORIZON + 1)])
    sums = np.stack([points_of(tuple(rates), factor) for factor in models.values()])
    actual = panel.values[:, cutoff_length : cutoff_length + HORIZON]
    n = len(actual)
    return BacktestPoints(
        cutoff=panel.periods[cutoff_length - 1], items=panel.items,
        classes=tuple(classes or ["lumpy"] * n), models=tuple(models),
        points=np.repeat(sums[:, :, :1], HORIZON, axis=2),
        means=np.ones((len(models), n, HORIZON), np.float32),
        cum_points=sums[:, :, steps - 1], cum_steps=np.tile(steps, (n, 1)), actual=actual,
        cum_actual=np.cumsum(actual, axis=1)[:, steps - 1], scale=np.ones(n),
        naive_mae=np.ones(n), naive_rms=np.ones(n), length=cutoff_length,
    )  # fmt: skip


def backtests_of(panel, rates, classes=None, **factors) -> list[BacktestPoints]:
    """Three origins one horizon apart, latest first."""
    lengths = [MONTHS - HORIZON * place for place in range(1, ORIGINS + 1)]
    return [backtest_of(panel, length, rates, classes, **factors) for length in lengths]


def policies_of(panel, lead=MONTH, std=0.0, review=MONTH, **others) -> dict[str, ItemPolicy]:
    """The same policy for every item; times in days, a month each by default."""
    return {name: ItemPolicy(name, lead, std, review, 0.95, **others) for name in panel.items}
