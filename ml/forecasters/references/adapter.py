"""Makes a forecaster out of a function that samples one series."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ml.forecasters.base import N_PATHS, Forecast, SeriesContext, is_count, valid_demand
from ml.panel import Panel
from ml.seeds import generator

Sampler = Callable[
    [npt.NDArray[np.float64], SeriesContext, int, int, np.random.Generator],
    npt.NDArray[np.float64],
]
"""(values (T,) with NaN, context, horizon H, paths S, generator) -> (S, H); ValueError = refusal"""


@dataclass(frozen=True, slots=True)
class Reference:
    """A model without training: what it needs is the history itself."""

    name: str
    sampler: Sampler

    def fit(self, panel: Panel) -> "FittedReference":
        """See :class:`ml.forecasters.base.Forecaster`."""
        return FittedReference(self, panel)

    def load(self, folder: Path, panel: Panel) -> "FittedReference":  # noqa: ARG002 - interface
        """See :class:`ml.forecasters.base.Forecaster`."""
        return self.fit(panel)


@dataclass(frozen=True, slots=True)
class FittedReference:
    """The history of a panel, and how to draw its continuation."""

    config: Reference
    panel: Panel

    def predict(
        self, items: Sequence[str], horizon: int, *, seed: int, n_paths: int = N_PATHS
    ) -> Forecast:
        """See :class:`ml.forecasters.base.Fitted`."""
        part = self.panel.select(items)
        paths = np.full((len(part.items), n_paths, horizon), np.nan, np.float32)
        failures = {}
        for row, item in enumerate(part.items):
            history = part.values[row]
            context = SeriesContext(part.kind, part.frequency, is_count(history))
            rng = generator(seed, self.config.name, item)
            try:
                drawn = self.config.sampler(history, context, horizon, n_paths, rng)
            except ValueError as error:
                failures[item] = str(error)
                continue
            paths[row] = valid_demand(drawn, counts=context.is_count) if part.is_demand else drawn
        return Forecast(part.items, paths, failures)

    def save(self, folder: Path) -> None:
        """See :class:`ml.forecasters.base.Fitted`; only the name, the panel is saved beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.json").write_text(json.dumps({"model": self.config.name}))
