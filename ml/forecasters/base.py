"""The interface of a model family, and what all of them share.

A ``Forecaster`` is its settings; ``fit`` returns a new ``Fitted``, which predicts sample paths.
Quantiles, means and cumulative quantities are all read off the same paths, so they never
contradict each other. Completeness and range are checked by the caller, not by each adapter.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.durable import staged
from ml.panel import Floats, Panel

Paths = npt.NDArray[np.float32]
Series = npt.NDArray[np.float64]
N_PATHS = 500
ABSURD_GROWTH = 1e4  # a path beyond so many times the largest observation is no forecast
ITEMS = "items.parquet"
SAVED = pa.schema({"item_id": pa.string(), "model": pa.string(), "failure": pa.string()})


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
        """Write all that :meth:`Forecaster.load` needs, among it the table of ``save_items``.

        Files are JSON, Parquet, NumPy arrays without objects or ``.keras``; never pickle. A
        reference model has learned nothing and writes nothing.
        """
        ...


class Forecaster(Protocol):
    """Settings of one model family: immutable, comparable, safe to log."""

    @property
    def name(self) -> str:
        """Name on the command line, in file names and in the ``model`` column."""
        ...

    def fit(
        self, panel: Panel, *, learn_from: Sequence[str] | None = None, start: Fitted | None = None
    ) -> Fitted:
        """Learn from ``panel``; changes neither ``self`` nor ``panel``.

        A series, or a whole panel, that cannot be fitted is a failure of its items.

        Args:
            panel: All items that are to be predicted, until the cutoff.
            learn_from: Items that a pooled model learns from; ``None`` = all.
            start: The same family fitted at an earlier cutoff: what was searched for then, for
                example the orders of an ARIMA, may be used again.
        """
        ...

    def load(self, folder: Path, panel: Panel) -> Fitted:
        """Read what :meth:`Fitted.save` wrote in a folder or the folders below it.

        Args:
            folder: Where it was saved.
            panel: Some items of the panel that was fitted, until the same cutoff.
        """
        ...


def is_count(values: Series) -> bool:
    """Whether all observed values of a series are whole numbers.

    >>> is_count(np.array([0.0, 2.0, np.nan])), is_count(np.array([0.5]))
    (True, False)
    """
    seen = values[~np.isnan(values)]
    return bool(np.all(seen == np.round(seen)))


def sample_each(
    panel: Panel,
    shape: tuple[int, int],
    draw: Callable[[Panel], Floats],
    failures: Mapping[str, str],
) -> Forecast:
    """Paths of every item of a panel, drawn one by one.

    Demand is never negative, and whole where the history is.

    Args:
        panel: N items with their history.
        shape: Paths S and horizon H.
        draw: Paths (S, H) of the one item of a panel. What it raises of ``ValueError`` and
            arithmetic errors is the reason why that item has no forecast.
        failures: Items that are not even tried, with reasons.
    """
    paths = np.full((len(panel.items), *shape), np.nan, np.float32)
    failed = {item: failures[item] for item in panel.items if item in failures}
    for row, item in enumerate(panel.items):
        if item in failed:
            continue
        try:
            drawn = draw(panel.rows([row]))
        except (ValueError, ArithmeticError) as error:
            failed[item] = shorten(error)
            continue
        if panel.is_demand:
            drawn = np.maximum(drawn, 0.0)
            drawn = np.round(drawn) if is_count(panel.values[row]) else drawn
        paths[row] = drawn
    return Forecast(panel.items, paths, failed)


def mark_failed_items(forecast: Forecast, panel: Panel) -> Forecast:
    """A forecast without the paths that are not finite or absurdly large, and why.

    Args:
        forecast: Of the items of ``panel``; it stays as it is.
        panel: What was fitted.
    """
    largest = np.nanmax(np.abs(panel.values), axis=1, initial=0.0)
    failed = {}
    for row, item in enumerate(forecast.items):
        top = np.abs(forecast.paths[row]).max()
        if item in forecast.failures:
            continue
        if not np.isfinite(top):
            failed[row] = "forecast not finite"
        elif top > ABSURD_GROWTH * max(largest[row], 1.0):
            failed[row] = f"forecast of {top:.3g} after values up to {largest[row]:.3g}"
    if not failed:
        return forecast
    paths = forecast.paths.copy()
    paths[list(failed)] = np.nan
    reasons = {forecast.items[row]: reason for row, reason in failed.items()}
    return Forecast(forecast.items, paths, {**forecast.failures, **reasons})


def save_items(
    folder: Path, items: Sequence[str], failures: Mapping[str, str], models: Mapping[str, str]
) -> None:
    """Write which items were fitted, their models where each has one, and why others failed."""
    rows = [
        {"item_id": item, "model": models.get(item), "failure": failures.get(item)}
        for item in items
    ]
    with staged(folder / ITEMS) as path:
        pq.write_table(pa.Table.from_pylist(rows, schema=SAVED), path, compression="zstd")


def saved_items(
    folder: Path, items: Sequence[str] | None = None, columns: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Rows of :func:`save_items` in a folder and those below it, without any model library."""
    wanted = None if items is None else pc.field("item_id").isin(list(items))
    tables = [
        pq.read_table(path, filters=wanted, columns=columns) for path in sorted(folder.rglob(ITEMS))
    ]
    return [row for table in tables for row in table.to_pylist()]


def shorten(error: Exception) -> str:
    """Reason of a failure as one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:160]
