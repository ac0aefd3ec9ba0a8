"""What the two families with one model a series share: fitting a panel item by item.

Each item's model is one JSON text, so it can be saved, sent between processes and read by people.
An item that cannot be fitted is recorded with its reason and does not stop the others.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.forecasters.base import N_PATHS, Forecast, is_count, valid_demand
from ml.panel import Panel
from ml.seeds import number

Series = npt.NDArray[np.float64]
PARTS = "models-*.parquet"
SCHEMA = pa.schema(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("model", pa.string()),
        pa.field("failure", pa.string()),
    ]
)


class SeriesModel(Protocol):
    """Fits and samples one series; the settings of a family with one model a series."""

    @property
    def name(self) -> str:
        """Name of the family."""
        ...

    def fit_one(self, row: Series, panel: Panel, start: Any) -> dict[str, Any]:
        """The model of one series (T,), the only one of ``panel``, as plain JSON values.

        ``start`` is a model that :meth:`fit_one` gave for an earlier cutoff, or ``None``: what
        was searched for then is used again. Raises ``ValueError`` with the reason when the
        series cannot be fitted.
        """
        ...

    def sample_one(
        self, model: dict[str, Any], row: Series, panel: Panel, shape: tuple[int, int], seed: int
    ) -> Series:
        """Paths (S, H) of one series, the only one of ``panel``, after its end."""
        ...


@dataclass(frozen=True, slots=True)
class FittedSeries:
    """One JSON model an item, with the panel they were fitted on."""

    config: SeriesModel
    panel: Panel
    models: Mapping[str, str]
    failures: Mapping[str, str]

    def predict(
        self, items: Sequence[str], horizon: int, *, seed: int, n_paths: int = N_PATHS
    ) -> Forecast:
        """See :class:`ml.forecasters.base.Fitted`."""
        part = self.panel.select(items)
        paths = np.full((len(part.items), n_paths, horizon), np.nan, np.float32)
        failures = {item: self.failures[item] for item in part.items if item in self.failures}
        for place, item in enumerate(part.items):
            if item in failures:
                continue
            row = part.values[place]
            draw_seed = number(seed, self.config.name, item, bits=32)
            try:
                drawn = self.config.sample_one(
                    json.loads(self.models[item]),
                    row,
                    part.rows([place]),
                    (n_paths, horizon),
                    draw_seed,
                )
            except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
                failures[item] = one_line(error)
                continue
            paths[place] = valid_demand(drawn, counts=is_count(row)) if part.is_demand else drawn
        return Forecast(part.items, paths, failures)

    def save(self, folder: Path) -> None:
        """See :class:`ml.forecasters.base.Fitted`; each set of items is a file of its own."""
        folder.mkdir(parents=True, exist_ok=True)
        name = f"models-{number(0, *self.panel.items):016x}.parquet"
        staged = folder / f".{name}"
        pq.write_table(self.table(), staged, compression="zstd")
        staged.replace(folder / name)

    def table(self) -> pa.Table:
        """The models as rows of (item_id, model, failure)."""
        rows = [
            {"item_id": item, "model": self.models.get(item), "failure": self.failures.get(item)}
            for item in self.panel.items
        ]
        return pa.Table.from_pylist(rows, schema=SCHEMA)


def fit_each(
    config: SeriesModel, panel: Panel, starts: Mapping[str, str] | None = None
) -> FittedSeries:
    """Fit every series of a panel on its own.

    Args:
        config: The family.
        panel: What to fit.
        starts: Models of an earlier cutoff by item, to use their orders again.
    """
    models, failures = {}, {}
    for place, item in enumerate(panel.items):
        known = starts.get(item) if starts else None
        start = json.loads(known) if known else None
        try:
            fitted = config.fit_one(panel.values[place], panel.rows([place]), start)
        except (ValueError, ArithmeticError, RuntimeError, np.linalg.LinAlgError) as error:
            failures[item] = one_line(error)
        else:
            models[item] = json.dumps(fitted)
    return FittedSeries(config, panel, models, failures)


def load_each(config: SeriesModel, folder: Path, panel: Panel) -> FittedSeries:
    """Read what :meth:`FittedSeries.save` wrote, for the items of ``panel``."""
    wanted = pc.field("item_id").isin(list(panel.items))
    tables = [pq.read_table(path, filters=wanted) for path in sorted(folder.glob(PARTS))]
    rows = [row for table in tables for row in table.to_pylist()]
    models = {row["item_id"]: row["model"] for row in rows if row["model"] is not None}
    failures = {item: "not trained" for item in panel.items if item not in models}
    failures |= {row["item_id"]: row["failure"] for row in rows if row["failure"] is not None}
    return FittedSeries(config, panel, models, failures)


def saved_items(folder: Path) -> set[str]:
    """Items that :meth:`FittedSeries.save` has written in this folder, failed ones included."""
    tables = [pq.read_table(path, columns=["item_id"]) for path in sorted(folder.glob(PARTS))]
    return {item for table in tables for item in table["item_id"].to_pylist()}


def one_line(error: Exception) -> str:
    """Reason of a failure as one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:160]
