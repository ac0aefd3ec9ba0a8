"""What the families with one model a series share: fitting a panel item by item.

Each item's model is one JSON text, so it can be saved, sent between processes and read by people.
An item that cannot be fitted is recorded with its reason and does not stop the others.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ml.forecasters.base import Fitted, Series, read_items, save_items, shorten
from ml.panel import Panel
from ml.seeds import number


class SeriesModel(Protocol):
    """Fits and samples one series; the settings of a family with one model a series."""

    @property
    def name(self) -> str:
        """Name of the family."""
        ...

    def fit_one(self, panel: Panel, start: dict[str, Any] | None) -> dict[str, Any]:
        """The model of the one series of a panel as plain JSON values.

        ``start`` is a model that :meth:`fit_one` gave for an earlier cutoff: what was searched
        for then is used again. Raises ``ValueError`` with the reason when the series cannot be
        fitted.
        """
        ...

    def sample_one(
        self, model: dict[str, Any], panel: Panel, shape: tuple[int, int], seed: int
    ) -> Series:
        """Paths (S, H) of the one series of a panel after its end."""
        ...


@dataclass(frozen=True, slots=True)
class PerSeries:
    """A family with one model a series."""

    config: SeriesModel

    @property
    def name(self) -> str:
        """See :class:`ml.forecasters.base.Forecaster`."""
        return self.config.name

    def fit(
        self,
        panel: Panel,
        *,
        learn_from: Sequence[str] | None = None,  # noqa: ARG002 - of pooled models
        start: Fitted | None = None,
    ) -> "FittedSeries":
        """See :class:`ml.forecasters.base.Forecaster`."""
        starts = start.models if isinstance(start, FittedSeries) else {}
        models, failures = {}, {}
        for row, item in enumerate(panel.items):
            known = json.loads(starts[item]) if item in starts else None
            try:
                models[item] = json.dumps(self.config.fit_one(panel.rows([row]), known))
            except (ValueError, ArithmeticError, RuntimeError) as error:
                failures[item] = shorten(error)
        return FittedSeries(self.config, panel, models, failures)

    def load(self, folder: Path, panel: Panel) -> "FittedSeries":
        """See :class:`ml.forecasters.base.Forecaster`."""
        models, failures = {}, dict.fromkeys(panel.items, "not trained")
        for row in read_items(folder, panel.items):
            if row["failure"] is None:
                models[row["item_id"]] = row["model"]
                failures.pop(row["item_id"], None)
            else:
                failures[row["item_id"]] = row["failure"]
        return FittedSeries(self.config, panel, models, failures)

    def look_again(
        self,
        folder: Path,
        panel: Panel,
        learn_from: Sequence[str],  # noqa: ARG002 - of pooled models
    ) -> "FittedSeries":
        """See :class:`ml.forecasters.base.LastingForecaster`: paths start from the panel's end."""
        return self.load(folder, panel)


@dataclass(frozen=True, slots=True)
class FittedSeries:
    """One JSON model an item, with the panel they were fitted on."""

    config: SeriesModel
    panel: Panel
    models: Mapping[str, str]
    failures: Mapping[str, str]

    def draw(self, panel: Panel, shape: tuple[int, int], seed: int) -> Series:
        """See :class:`ml.forecasters.base.Fitted`."""
        (item,) = panel.items
        own_seed = number(seed, self.config.name, item, bits=32)
        return self.config.sample_one(json.loads(self.models[item]), panel, shape, own_seed)

    def save(self, folder: Path) -> None:
        """See :class:`ml.forecasters.base.Fitted`."""
        save_items(folder, self.panel.items, self.failures, self.models)
