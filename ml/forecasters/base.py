"""The interface of a model family.

A ``Forecaster`` is its settings; ``fit`` returns a new ``Fitted``, which predicts sample paths.
Quantiles, means and cumulative quantities are all read off the same paths, so they never
contradict each other. Completeness and range are checked by the caller, not by each adapter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ml.frequency import Frequency
from ml.panel import Panel

Paths = npt.NDArray[np.float32]
N_PATHS = 500


@dataclass(frozen=True, slots=True)
class Forecast:
    """Sample paths of some items after the cutoff of the panel they were fitted on.

    Attributes:
        items: N ids.
        paths: (N, S, H) values in the panel's unit; all NaN for an item that failed.
        failures: Reason for each item that failed.
    """

    items: tuple[str, ...]
    paths: Paths
    failures: Mapping[str, str] = field(default_factory=dict)

    def quantiles(self, levels: Sequence[float]) -> npt.NDArray[np.float32]:
        """Marginal quantiles, shape (N, H, Q); values that were drawn, so counts stay counts."""
        cuts = np.quantile(self.paths, levels, axis=1, method="inverted_cdf")
        return np.moveaxis(cuts, 0, -1)


class Fitted(Protocol):
    """A model that has learned from a panel up to its cutoff."""

    def predict(
        self, items: Sequence[str], horizon: int, *, seed: int, n_paths: int = N_PATHS
    ) -> Forecast:
        """Sample paths of ``items`` for the ``horizon`` periods after the cutoff.

        Args:
            items: Ids out of the panel that was fitted.
            horizon: Periods ahead, H >= 1.
            seed: Seed of the run; each item draws from a generator of its own name.
            n_paths: Number of paths S.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write what was learned as JSON, Parquet or ``.keras``; never pickle."""
        ...


class Forecaster(Protocol):
    """Settings of one model family: immutable, comparable, safe to log."""

    @property
    def name(self) -> str:
        """Name on the command line, in file names and in the ``model`` column."""
        ...

    def fit(self, panel: Panel) -> Fitted:
        """Learn from ``panel``; changes neither ``self`` nor ``panel``."""
        ...

    def load(self, folder: Path, panel: Panel) -> Fitted:
        """Read what :meth:`Fitted.save` wrote, for the panel that it was fitted on."""
        ...


@dataclass(frozen=True, slots=True)
class SeriesContext:
    """What a sampler knows of a series beside its values.

    Attributes:
        kind: ``demand`` or ``price``.
        frequency: Of the panel.
        is_count: Whether every observed value is a whole number.
    """

    kind: str
    frequency: Frequency
    is_count: bool


def is_count(values: npt.NDArray[np.float64]) -> bool:
    """Whether all observed values of a series are whole numbers.

    >>> is_count(np.array([0.0, 2.0, np.nan])), is_count(np.array([0.5]))
    (True, False)
    """
    seen = values[~np.isnan(values)]
    return bool(np.all(seen == np.round(seen)))


def valid_demand(paths: npt.NDArray[np.floating], *, counts: bool) -> npt.NDArray[np.floating]:
    """Demand is never negative, and whole where the history is."""
    clipped = np.maximum(paths, 0.0)
    return np.round(clipped) if counts else clipped
