"""Days that want a look by a person. Nothing is ever deleted or changed because of it."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ml.features.frame import FeatureFrame
from ml.seeds import number

Floats = npt.NDArray[np.float64]
JUDGED_BY: Mapping[str, tuple[str, ...]] = {
    "climate": (
        "temperature_avg_c",
        "temperature_max_c",
        "humidity_percent",
        "precipitation_mm",
        "wind_max_kmh",
    ),
    "economy": ("usd_brl_change_30d", "usd_brl_volatility_30d", "selic_change_90d"),
    "prices": ("brent_return_20d", "brent_volatility_60d", "petr4_return_20d",
               "petr4_volatility_60d", "usd_brl_return_20d"),
}  # fmt: skip
SHARE = 0.005  # of the judged days: two a year and group
LEAST_DAYS = 200  # fewer make no picture of what is usual
TREES = 100


def outlier_days(frame: FeatureFrame, *, seed: int) -> dict[str, Floats]:
    """The days of each group that stand out most from the others.

    An isolation forest ranks the days on which all judged features of the group are known, and
    the most isolated ``SHARE`` of them is flagged: the list to look at has the same length on
    calm data. A feature without any value is left out of the judgement.

    Args:
        frame: Of one region, so that no region is judged by another's weather.
        seed: Of the forest.

    Returns:
        By group 1, 0 or NaN (not judged) for each day, shape (T,). Groups that move by the
        month or by rule (telecom, calendar) are not judged.
    """
    present = [group for group in JUDGED_BY if any(f.group == group for f in frame.features)]
    return {group: _judged(_matrix(frame, group), number(seed, "outliers", group, bits=32))
            for group in present}  # fmt: skip


def _matrix(frame: FeatureFrame, group: str) -> Floats:
    """The judged features of a group that have a value at all, shape (T, J)."""
    columns = np.column_stack([frame.column(name) for name in JUDGED_BY[group]])
    return columns[:, ~np.isnan(columns).all(axis=0)]


def _judged(columns: Floats, seed: int) -> Floats:
    from sklearn.ensemble import IsolationForest

    flags = np.full(len(columns), np.nan)
    whole = ~np.isnan(columns).any(axis=1)
    if columns.shape[1] == 0 or whole.sum() < LEAST_DAYS:
        return flags
    forest = IsolationForest(n_estimators=TREES, contamination=SHARE, random_state=seed, n_jobs=1)
    flags[whole] = forest.fit_predict(columns[whole]) == -1
    return flags
