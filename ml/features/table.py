"""A frame as rows of the features table, and in a few lines for people."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml.contracts.base import check
from ml.contracts.outside import FEATURES_TABLE, GROUPS
from ml.features.frame import FeatureFrame

Floats = npt.NDArray[np.float64]
HEAD = (
    f"{'group':<9}{'features':>9}{'days':>7}  {'first known':<11}  {'last known':<11}"
    f"{'known':>7}{'outliers':>10}"
)


def features_table(
    frame: FeatureFrame, cutoff: np.datetime64, outliers: Mapping[str, Floats]
) -> pa.Table:
    """One row a feature and day, in the contract and sorted by its key.

    Past-only features have no rows after the cutoff; unknown values are null.

    Args:
        frame: With regions and publishers.
        cutoff: Of the frame.
        outliers: By group 1, 0 or NaN for each day, see :func:`ml.features.outliers`.
    """
    parts = [_rows(frame, at, cutoff, outliers) for at in range(len(frame.features))]
    rows = pa.concat_tables(parts).sort_by([(key, "ascending") for key in FEATURES_TABLE.key])
    return check(rows, FEATURES_TABLE)


def _rows(
    frame: FeatureFrame, at: int, cutoff: np.datetime64, outliers: Mapping[str, Floats]
) -> pa.Table:
    feature = frame.features[at]
    shown = np.ones(len(frame.days), np.bool_)
    if feature.role != "future_known":
        shown = frame.days <= cutoff
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
        columns = [at for at, feature in enumerate(frame.features) if feature.group == group]
        if columns:
            known = ~np.isnan(frame.values[:, columns])
            ahead = frame.features[columns[0]].role == "future_known"
            counted = known if ahead else known[frame.days <= cutoff]
            lines.append(_line(group, frame, known, counted, outliers.get(group)))
    return lines


def _line(
    group: str,
    frame: FeatureFrame,
    known: npt.NDArray[np.bool_],
    counted: npt.NDArray[np.bool_],
    outliers: Floats | None,
) -> str:
    days = frame.days[known.any(axis=1)]
    first, last = (days[0], days[-1]) if len(days) else ("-", "-")
    share = f"{counted.mean():.0%}" if counted.size else "-"
    flagged = "-" if outliers is None or np.isnan(outliers).all() else str(int(np.nansum(outliers)))
    return (
        f"{group:<9}{known.shape[1]:>9}{len(counted):>7}  {first!s:<11}  {last!s:<11}"
        f"{share:>7}{flagged:>10}"
    )
