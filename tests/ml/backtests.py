"""Backtests of models whose draws are given."""

import numpy as np

from ml.evaluation.origins import LEVELS, BacktestPoints


def backtest(draws: dict[str, np.ndarray], actual: np.ndarray, classes=None) -> BacktestPoints:
    """Points of models whose draws (N, S, H) are given."""
    models = tuple(draws)
    points = np.stack([np.moveaxis(np.quantile(d, LEVELS, axis=1, method="inverted_cdf"), 0, -1)
                       for d in draws.values()])  # fmt: skip
    totals = np.stack([np.quantile(d.sum(axis=2), LEVELS, axis=1, method="inverted_cdf").T
                       for d in draws.values()])  # fmt: skip
    n, h = actual.shape
    return BacktestPoints(
        cutoff=np.datetime64("2025-01-01"),
        items=tuple(f"i{k}" for k in range(n)),
        classes=tuple(classes or ["lumpy"] * n),
        models=models,
        points=points.astype(np.float32),
        means=np.stack([d.mean(axis=1) for d in draws.values()]).astype(np.float32),
        cum_points=np.repeat(totals[:, :, None, :], 2, axis=2).astype(np.float32),
        cum_steps=np.full((n, 2), h),
        actual=actual,
        cum_actual=np.repeat(actual.sum(axis=1)[:, None], 2, axis=1),
        scale=np.ones(n),
        naive_mae=np.ones(n),
        naive_rms=np.ones(n),
    )
