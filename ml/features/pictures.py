"""Small pictures of the features of each group, for people who would rather look than read."""

from pathlib import Path

import numpy as np

from ml.contracts.outside import GROUPS
from ml.features.frame import FeatureFrame

COLUMNS = 2
WIDTH, ROW_HEIGHT = 11.0, 1.5  # inches
DRIVER, OTHER = "#d95f02", "#4a6b8a"


def draw_features(frame: FeatureFrame, cutoff: np.datetime64, folder: Path) -> list[Path]:
    """One PNG a group, drivers in orange, the cutoff as a line.

    Returns:
        The files written; a group without any value has none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chosen = {
        group: [
            at
            for at, feature in enumerate(frame.features)
            if feature.group == group and not np.isnan(frame.values[:, at]).all()
        ]
        for group in GROUPS
    }
    return [
        _drawn(frame, columns, cutoff, folder / f"{group}.png")
        for group, columns in chosen.items()
        if columns
    ]


def _drawn(frame: FeatureFrame, columns: list[int], cutoff: np.datetime64, path: Path) -> Path:
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
    staged = path.with_name(f".{path.name}")
    figure.savefig(staged, dpi=100, format="png")
    staged.replace(path)
    return path
