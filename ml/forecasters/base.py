"""The interface of a model family, and what all of them share.

A ``Forecaster`` is its settings; ``fit`` returns a new ``Fitted``, which draws sample paths of one
series; :func:`predict` does so for many. Quantiles, means and cumulative quantities are all read
off the same paths, so they never contradict each other. No adapter checks what it draws:
:func:`predict` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
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
    """Sample paths of some items after the cutoff of the panel they were fitted on."""

    items: tuple[str, ...]  # N ids
    paths: Paths  # (N, S, H) values in the panel's unit; all NaN for an item that failed
    failures: Mapping[str, str] = field(default_factory=dict)  # reason for each item that failed
    # of each item how many of the H steps were drawn, the others are NaN; `None` = all
    steps: tuple[int, ...] | None = None

    @property
    def own_steps(self) -> tuple[int, ...]:
        """How many steps were drawn of each item."""
        return self.steps or (self.paths.shape[2],) * len(self.items)

    def of(self, item: str) -> Paths:
        """Paths (S, H) of an item, H its own steps."""
        row = self.items.index(item)
        return np.asarray(self.paths[row, :, : self.own_steps[row]])

    def has(self, item: str) -> bool:
        """Whether there is a forecast of an item that can be used."""
        return item in self.items and bool(np.isfinite(self.of(item)).all())


class Fitted(Protocol):
    """A model that has learned from a panel up to its cutoff."""

    @property
    def panel(self) -> Panel:
        """What was fitted."""
        ...

    @property
    def failures(self) -> Mapping[str, str]:
        """Items that could not be fitted, with reasons."""
        ...

    def draw(self, panel: Panel, shape: tuple[int, int], seed: int) -> Floats:
        """Paths of ``shape`` (S, H) of the one series of a panel after the cutoff.

        The item draws from a generator of its own name, seeded by that of the run.

        Raises:
            ValueError: The item has no forecast, for this reason.
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

        ``panel`` holds some items of the panel that was fitted, until the same cutoff.
        """
        ...


class LastingForecaster(Forecaster, Protocol):
    """A family whose models serve a few periods more than they were fitted on."""

    def look_again(self, folder: Path, panel: Panel, learn_from: Sequence[str]) -> Fitted | None:
        """What was saved in a folder at an earlier cutoff, as of the end of ``panel`` now.

        Nothing is learned: what has come since is only looked at. ``None`` where what was saved
        does not fit the panel any more, so that it has to be learned anew.
        """
        ...


def is_count(values: Series) -> bool:
    """Whether all observed values of a series are whole numbers.

    >>> is_count(np.array([0.0, 2.0, np.nan])), is_count(np.array([0.5]))
    (True, False)
    """
    seen = values[~np.isnan(values)]
    return bool(np.all(seen == np.round(seen)))


def predict(
    fitted: Fitted,
    items: Sequence[str],
    horizon: int,
    *,
    seed: int,
    n_paths: int = N_PATHS,
    steps: Mapping[str, int] | None = None,
) -> Forecast:
    """Sample paths of items for H >= 1 periods after the cutoff, or reasons why there are none.

    Demand is never negative, and whole where the history is. Paths that are not finite, or absurdly
    large, are no forecast. ``steps`` says of each item how many of the H are asked for; ``None`` =
    all: what an item gets does not depend on how many others ask for.
    """
    panel = fitted.panel.select(items)
    own = None if steps is None else tuple(steps[item] for item in panel.items)
    paths = np.full((len(panel.items), n_paths, horizon), np.nan, np.float32)
    failures = {item: fitted.failures[item] for item in panel.items if item in fitted.failures}
    for row, item in enumerate(panel.items):
        if item not in failures:
            try:
                shape = (n_paths, horizon if own is None else own[row])
                paths[row, :, : shape[1]] = _draw_valid(fitted, panel.rows([row]), shape, seed)
            except (ValueError, ArithmeticError) as error:
                failures[item] = shorten(error)
    return Forecast(panel.items, paths, failures, own)


def join_forecasts(parts: Sequence[Forecast]) -> Forecast:
    """Forecasts of different items, of as many paths and steps, as one."""
    if len(parts) == 1:
        return parts[0]
    return Forecast(
        tuple(item for one in parts for item in one.items),
        np.concatenate([one.paths for one in parts]),
        {item: why for one in parts for item, why in one.failures.items()},
        tuple(own for one in parts for own in one.own_steps),
    )


def _draw_valid(fitted: Fitted, panel: Panel, shape: tuple[int, int], seed: int) -> Paths:
    drawn = fitted.draw(panel, shape, seed)
    if panel.is_demand:
        drawn = np.maximum(drawn, 0.0)
        drawn = np.round(drawn) if is_count(panel.values) else drawn
    paths = drawn.astype(np.float32)
    top, largest = np.abs(paths).max(), np.nanmax(np.abs(panel.values), initial=0.0)
    if not np.isfinite(top):
        raise ValueError("forecast not finite")
    if top > ABSURD_GROWTH * max(largest, 1.0):
        raise ValueError(f"forecast of {top:.3g} after values up to {largest:.3g}")
    return paths


def save_items(
    folder: Path, items: Sequence[str], failures: Mapping[str, str], models: Mapping[str, str]
) -> None:
    """Write which items were fitted, their models where each has one, and why others failed."""
    columns = items, [models.get(item) for item in items], [failures.get(item) for item in items]
    arrays = [pa.array(one, pa.string()) for one in columns]
    with staged(folder / ITEMS) as path:
        pq.write_table(pa.Table.from_arrays(arrays, schema=SAVED), path, compression="zstd")


def read_items(folder: Path, items: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Rows of :func:`save_items` in a folder and those below it, without any model library.

    The cost of some items does not grow with how many others there are.
    """
    if items is None or not folder.is_dir():
        files = dict.fromkeys(sorted(folder.rglob(ITEMS)))
    else:
        where = _find_items(folder, folder.stat().st_mtime_ns)
        files = {path: None for item in items if (path := where.get(item)) is not None}
    wanted = None if items is None else pc.field("item_id").isin(list(items))
    return [row for path in files for row in pq.read_table(path, filters=wanted).to_pylist()]


@lru_cache(maxsize=64)
def _find_items(folder: Path, changed: int) -> dict[str, Path]:
    """The file that each item is in, of a folder as it was when it last ``changed``.

    Parts are whole folders: none comes, goes or is made again without a change of the one above.
    """
    del changed
    return {
        item: path
        for path in sorted(folder.rglob(ITEMS))
        for item in pq.read_table(path, columns=["item_id"])["item_id"].to_pylist()
    }


def find_rows(folder: Path, items: Sequence[str]) -> tuple[list[int], dict[str, str]]:
    """Where items stand in what a pooled model saved, and why those of them failed that did.

    Raises:
        KeyError: One of them is not there.
    """
    path = folder / ITEMS
    rows, reasons = _find_places(path, path.stat().st_mtime_ns)
    return [rows[item] for item in items], {item: reasons[item] for item in items
                                            if item in reasons}  # fmt: skip


@lru_cache(maxsize=8)
def _find_places(path: Path, changed: int) -> tuple[dict[str, int], dict[str, str]]:
    """Row of each item in a file as it was when it last ``changed``, and the reasons there are.

    A worker asks for a few items of it many times.
    """
    del changed
    saved = pq.read_table(path, columns=["item_id", "failure"]).to_pydict()
    reasons = dict(zip(saved["item_id"], saved["failure"], strict=True))
    return (
        {item: row for row, item in enumerate(saved["item_id"])},
        {item: reason for item, reason in reasons.items() if reason},
    )


def shorten(error: Exception) -> str:
    """Reason of a failure as one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:160]
