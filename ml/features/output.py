"""What is written of a frame: rows of the features table, odd days, a summary, and pictures."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from ml.contracts.base import check
from ml.contracts.outside import FEATURES_TABLE, GROUPS
from ml.durable import staged
from ml.features.climate import MEASURED
from ml.features.compute import FeatureFrame
from ml.panel import Floats
from ml.seeds import number

HEAD = (
    f"{'group':<9}{'features':>9}{'days':>7}  {'first known':<11}  {'last known':<11}"
    f"{'known':>7}{'outliers':>10}"
)
JUDGED_BY: Mapping[str, tuple[str, ...]] = {
    "climate": MEASURED,
    "economy": ("usd_brl_change_30d", "usd_brl_volatility_30d", "selic_change_90d"),
    "prices": ("brent_return_20d", "brent_volatility_60d", "petr4_return_20d",
               "petr4_volatility_60d", "usd_brl_return_20d"),
}  # fmt: skip
"""The features by which the days of a group are judged."""
SHARE = 0.005  # of the judged days: two a year and group
LEAST_DAYS = 200  # fewer make no picture of what is usual
TREES = 100
COLUMNS = 2
WIDTH, ROW_HEIGHT = 11.0, 1.5  # inches
DRIVER, OTHER = "#d95f02", "#4a6b8a"


def features_table(
    frame: FeatureFrame, cutoff: np.datetime64, outliers: Mapping[str, Floats]
) -> pa.Table:
    """One row a feature and day, in the contract and sorted by its key.

    Past-only features have no rows after the cutoff; unknown values are null. The frame has
    regions and publishers, and ``outliers`` are those of :func:`outlier_days`.
    """
    parts = [_rows(frame, at, cutoff, outliers) for at in range(len(frame.features))]
    rows = pa.concat_tables(parts).sort_by([(key, "ascending") for key in FEATURES_TABLE.key])
    return check(rows, FEATURES_TABLE)


def _rows(
    frame: FeatureFrame, at: int, cutoff: np.datetime64, outliers: Mapping[str, Floats]
) -> pa.Table:
    feature = frame.features[at]
    shown = (frame.days <= cutoff) | (feature.role == "future_known")
    count = int(shown.sum())
    values = frame.values[shown, at]
    flags = outliers.get(feature.group, np.full(len(frame.days), np.nan))[shown]
    texts = {
        "feature": feature.name,
        "region": frame.regions[at],
        "unit": feature.unit,
        "role": feature.role,
        "feature_group": feature.group,
        "source": feature.source,
        "published_by": frame.publishers[at],
    }
    columns = {name: pa.repeat(pa.scalar(text, pa.string()), count) for name, text in texts.items()}
    columns |= {
        "ds": pa.array(frame.days[shown].astype("datetime64[us]")),
        "value": pa.array(values, mask=np.isnan(values)),
        "cutoff": pa.array(np.full(count, cutoff.astype("datetime64[us]"))),
        "is_outlier": pa.array(flags == 1, mask=np.isnan(flags)),
    }
    return pa.table({name: columns[name] for name in FEATURES_TABLE.names})


def summary(
    frame: FeatureFrame, cutoff: np.datetime64, outliers: Mapping[str, Floats]
) -> list[str]:
    """A short table by group: features, days, first and last known day, share known, outliers."""
    lines = [HEAD]
    for group in GROUPS:
        columns = _columns_of(frame, group)
        if not columns:
            continue
        known = ~np.isnan(frame.values[:, columns])
        is_ahead = frame.features[columns[0]].role == "future_known"
        counted = known if is_ahead else known[frame.days <= cutoff]
        days = frame.days[known.any(axis=1)]
        first, last = (days[0], days[-1]) if len(days) else ("-", "-")
        share = f"{counted.mean():.0%}" if counted.size else "-"
        flags = outliers.get(group, np.full(1, np.nan))
        flagged = "-" if np.isnan(flags).all() else str(int(np.nansum(flags)))
        lines.append(
            f"{group:<9}{len(columns):>9}{len(counted):>7}  {first!s:<11}  {last!s:<11}"
            f"{share:>7}{flagged:>10}"
        )
    return lines


def _columns_of(frame: FeatureFrame, group: str) -> list[int]:
    return [at for at, feature in enumerate(frame.features) if feature.group == group]


def outlier_days(frame: FeatureFrame, *, seed: int) -> dict[str, Floats]:
    """The days of each group that stand out most from the others.

    An isolation forest ranks the days on which all judged features of the group are known, and
    the most isolated ``SHARE`` of them is flagged: the list to look at has the same length on
    calm data. A feature without any value is left out of the judgement.

    Returns:
        By group 1, 0 or NaN (not judged) for each day, shape (T,). Groups that move by the
        month or by rule (telecom, calendar) are not judged.
    """
    from sklearn.ensemble import IsolationForest

    flags = {}
    for group, names in JUDGED_BY.items():
        if not _columns_of(frame, group):
            continue
        columns = np.column_stack([frame.column(name) for name in names])
        columns = columns[:, ~np.isnan(columns).all(axis=0)]
        flags[group] = np.full(len(columns), np.nan)
        whole = ~np.isnan(columns).any(axis=1)
        if columns.shape[1] and whole.sum() >= LEAST_DAYS:
            own = number(seed, "outliers", group, bits=32)
            forest = IsolationForest(
                n_estimators=TREES, contamination=SHARE, random_state=own, n_jobs=1
            )
            flags[group][whole] = forest.fit_predict(columns[whole]) == -1
    return flags


def draw_features(frame: FeatureFrame, cutoff: np.datetime64, folder: Path) -> list[Path]:
    """One PNG a group with any value, drivers in orange, the cutoff as a line."""
    written = []
    for group in GROUPS:
        columns = [
            at for at in _columns_of(frame, group) if not np.isnan(frame.values[:, at]).all()
        ]
        if columns:
            written.append(_draw(frame, columns, cutoff, folder / f"{group}.png"))
    return written


def _draw(frame: FeatureFrame, columns: list[int], cutoff: np.datetime64, path: Path) -> Path:
    from matplotlib.figure import Figure

    rows = -(-len(columns) // COLUMNS)
    figure = Figure(figsize=(WIDTH, ROW_HEIGHT * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False, sharex=True).ravel()
    for axis, at in zip(axes, columns, strict=False):
        feature = frame.features[at]
        colour = DRIVER if feature.driver else OTHER
        axis.plot(frame.days, frame.values[:, at], color=colour, lw=0.8)
        axis.axvline(cutoff, color="#999999", lw=0.6)
        axis.set_title(f"{feature.name} [{feature.unit}]", fontsize=8, parse_math=False)
        axis.tick_params(labelsize=7)
    for axis in axes[len(columns) :]:
        axis.set_axis_off()
    with staged(path) as beside:
        figure.savefig(beside, dpi=100, format="png")
    return path
