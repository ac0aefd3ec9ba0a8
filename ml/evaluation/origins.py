"""Rolling origins: where models are tried before they are trusted, and what is kept of each trial.

|----------- train -----------|-- H --|
|------- train -------|-- H --|
|--- train ---|-- H --|

Forecasts are boiled down to what scores need: a distribution is kept as K quantile points, so
mixtures, CRPS and pinball losses of any weights can be computed without the paths. Stock is decided
in the upper tail, so points lie ten times as close there: each of 500 paths counts above .98.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ml.evaluation.model_shelf import join_models, shelve
from ml.panel import Bools, Floats, Ints, Panel, in_portions

MOST_CUTOFFS = {"demand": 3, "price": 6}
LEAST_TRAIN = 8
PRIOR_COUNT = 6.0  # observations that the size of a typical item counts for in the scale
# Levels of the points. Every level that is scored or published is one of them.
LEVELS = np.concatenate([
    [0.005], np.arange(2, 81, 2) / 100, np.arange(81, 91) / 100, np.arange(905, 981, 5) / 1000,
    np.arange(982, 999, 2) / 1000, [0.9995],
])  # fmt: skip
K = len(LEVELS)
# What each point carries: all that is nearer to its level than to the next one.
SHARES = np.diff(np.concatenate([[0.0], (LEVELS[1:] + LEVELS[:-1]) / 2, [1.0]]))
SCORED_SUMS = 2  # the first of the sums
Float32s = npt.NDArray[np.float32]
ALIKE = ("cutoff", "models", "length")  # fields that all items of an origin share
BY_MODEL = ("points", "means", "cum_points")
SHELVED = ("points", "cum_points")  # the largest of them
ITEM_AXIS = dict.fromkeys(BY_MODEL, 1)  # of the other fields it is the first


def choose_cutoffs(panel: Panel, horizon: int) -> tuple[np.datetime64, ...]:
    """Cutoffs of the backtest, latest first; none where the history is too short for any.

    Origins lie one horizon apart as long as two horizons of history are left to learn from. A
    history that is too short for two of them is tried half a horizon back as well, and one that
    is too short for any at a quarter of its length.
    """
    length = len(panel.periods)
    ends = [length - horizon * k for k in range(1, MOST_CUTOFFS[panel.kind] + 1)]
    kept = [end for end in ends if end >= max(2 * horizon, LEAST_TRAIN)]
    if len(kept) < 2:
        kept += [end for end in (length - max(horizon // 2, 1),) if end >= 2 * horizon]
    if not kept and length - length // 4 >= LEAST_TRAIN:
        kept = [length - max(length // 4, 1)]
    unique = sorted({end for end in kept if LEAST_TRAIN <= end < length}, reverse=True)
    return tuple(panel.periods[end - 1] for end in unique)


@dataclass(frozen=True, slots=True)
class BacktestPoints:
    """What M models said of N items at one cutoff, and what came true.

    A :class:`~ml.evaluation.model_shelf.ModelShelf` may stand in for the points.
    """

    cutoff: np.datetime64  # last period that the models saw
    items: tuple[str, ...]  # N ids
    classes: tuple[str, ...]  # N demand classes (`price` for prices)
    models: tuple[str, ...]  # M names
    points: Float32s  # (M, N, H, K) quantile points of each period; NaN where a model failed
    means: Float32s  # (M, N, H) means
    cum_points: Float32s  # (M, N, C, K) of the sums of steps 1 to `cum_steps`
    # (N, C) those steps: of the item's own protection interval and H, which are scored, and of
    # demand every one from 1 to H, which stock is simulated with
    cum_steps: Ints
    actual: Floats  # (N, H) what came true, NaN = not observed
    cum_actual: Floats  # (N, C) sums; NaN unless every period was observed
    # (N,) root mean square of what was seen until the cutoff, demand or price changes, shrunk
    # to the panel's
    scale: Floats
    naive_mae: Floats  # (N,) in-sample mean absolute seasonal difference, the divisor of MASE
    naive_rms: Floats  # (N,) in-sample root mean squared difference, the divisor of RMSSE
    length: int = 1  # periods that the models had seen, T

    def failed(self) -> Bools:
        """Which models have no forecast of which items, (M, N)."""
        return np.stack([np.isnan(one).any(axis=(1, 2)) for one in self.points])

    def save(self, path: Path) -> None:
        """Write as NumPy arrays; text is stored as fixed-width unicode, nothing is pickled."""
        fields = {name: np.asarray(getattr(self, name)) for name in self.__slots__}
        with path.open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **fields)

    @classmethod
    def load(cls, path: Path) -> "BacktestPoints":
        """What :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            fields = {name: stored[name] for name in cls.__slots__}
        for name in ("items", "classes", "models"):
            fields[name] = tuple(str(text) for text in fields[name])
        fields["cutoff"] = fields["cutoff"][()]
        fields["length"] = int(fields["length"])
        return cls(**fields)


def summarise_paths(paths: Float32s, cum_steps: Ints) -> tuple[Floats, Floats, Floats]:
    """Points (N, H, K), means (N, H) and cumulative points (N, C, K) of paths (N, S, H)."""
    points = path_quantiles(paths, LEVELS)
    sums = np.cumsum(paths, axis=2, dtype=np.float64)
    picked = np.take_along_axis(sums, cum_steps[:, None, :] - 1, axis=2)
    means = paths.mean(axis=1, dtype=np.float64)
    return points.astype(np.float64), means, path_quantiles(picked, LEVELS)


def path_quantiles(paths: Floats | Float32s, levels: Sequence[float] | Floats) -> Floats:
    """Quantiles (N, H, L) of paths (N, S, H): the least value that so many reach, no new values.

    As ``numpy.quantile`` with ``inverted_cdf``, by sorting once: a tenth of the time.
    """
    ordered = _sort_steps(np.ascontiguousarray(np.moveaxis(paths, 1, -1)))
    count = paths.shape[1]
    # 1e-9: 0.07 * 100 is a little more than 7
    places = np.ceil(np.asarray(levels) * count - 1e-9).astype(np.int64) - 1
    return np.asarray(ordered[..., np.clip(places, 0, count - 1)])


def _sort_steps(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values in ascending order along the last axis; small counts by their digits, in a third."""
    if values.size and values.min() >= 0 and values.max() < 2**16:
        small = values.astype(np.uint16)
        if (small == values).all():
            return np.sort(small, kind="stable").astype(values.dtype)
    return np.sort(values)


def join_chunks(parts: Sequence[BacktestPoints]) -> BacktestPoints:
    """Chunks of items at one cutoff as one; the models must be the same."""
    return _map_items(
        parts[0],
        lambda name: np.concatenate(
            [getattr(part, name) for part in parts], axis=ITEM_AXIS.get(name, 0)
        ),
    )


def join_files(paths: Iterable[Path]) -> BacktestPoints:
    """The same of saved chunks; points are read model by model when they are asked for."""
    parts: list[BacktestPoints] = []

    def read() -> Iterator[list[Float32s]]:
        for path in paths:
            part = BacktestPoints.load(path)
            yield [getattr(part, name) for name in SHELVED]
            none = np.empty((*part.points.shape[:2], 0, 0), np.float32)
            parts.append(replace(part, points=none, cum_points=none))

    shelves = dict(zip(SHELVED, shelve(read()), strict=True))
    return replace(join_chunks(parts), **cast(dict[str, Any], shelves))


def pick_items(backtest: BacktestPoints, rows: slice) -> BacktestPoints:
    """Some items of a backtest, next to each other."""
    places = {axis: (slice(None),) * axis + (rows,) for axis in (0, 1)}
    return _map_items(
        backtest,
        lambda name: _of_items(getattr(backtest, name))[places[ITEM_AXIS.get(name, 0)]],
    )


def pick_models(backtest: BacktestPoints, models: Sequence[str]) -> BacktestPoints:
    """Some models of a backtest, in this order."""
    places = [backtest.models.index(model) for model in models]
    points, means, sums = (getattr(backtest, name)[places] for name in BY_MODEL)
    return replace(backtest, models=tuple(models), points=points, means=means, cum_points=sums)


def add_models(backtest: BacktestPoints, other: BacktestPoints) -> BacktestPoints:
    """A backtest with the models of another one of the same items at the same origin."""
    points, means, sums = (
        join_models(getattr(backtest, name), getattr(other, name)) for name in BY_MODEL
    )
    models = (*backtest.models, *other.models)
    return replace(backtest, models=models, points=points, means=means, cum_points=sums)


def _of_items(values: Any) -> Any:
    """What rows can be taken of: ids and classes are no array."""
    return np.asarray(values) if isinstance(values, tuple) else values


def _map_items(backtest: BacktestPoints, change: Callable[[str], Any]) -> BacktestPoints:
    """The same with every field that belongs to items replaced."""
    fields = {name: change(name) for name in BacktestPoints.__slots__ if name not in ALIKE}
    for name in ("items", "classes"):
        fields[name] = tuple(fields[name].tolist())
    return replace(backtest, **fields)


def actual_values(full: Panel, train: Panel, horizon: int) -> Floats:
    """What came true in the ``horizon`` periods after the end of ``train``, (N, H)."""
    start = len(train.periods)
    actual = np.full((len(full.items), horizon), np.nan)
    known = full.values[:, start : start + horizon]
    actual[:, : known.shape[1]] = known
    return actual


def scales(train: Panel, prior: float) -> tuple[Floats, Floats, Floats]:
    """Divisors of scores by item: scale, seasonal naive error, naive root mean square.

    Losses over a mean explode on parts that were hardly ever asked for; the root mean square
    keeps one such part from outweighing the rest. Short histories are shrunk to ``prior``, that
    of a typical item.
    """
    squares = np.square(_sizes(train))
    counts = np.sum(~np.isnan(squares), axis=1)
    scale = np.sqrt((np.nansum(squares, axis=1) + PRIOR_COUNT * prior**2) / (counts + PRIOR_COUNT))
    season = train.frequency.season_length if train.is_demand else 1
    lag = season if train.values.shape[1] > season else 1
    values = train.values
    return scale, _mean_change(values, lag, 1), _mean_change(values, 1, 2)


def typical_size(train: Panel) -> float:
    """Median over items of the root mean square of demand, or of price changes."""
    return typical_of([item_sizes(train)])


def item_sizes(train: Panel) -> Floats:
    """Root mean square of demand, or of price changes, of each item, (N,)."""
    found = []
    for some in in_portions(train):
        squares = np.square(_sizes(some))
        counts = np.maximum(np.sum(~np.isnan(squares), axis=1), 1)
        found.append(np.sqrt(np.nansum(squares, axis=1) / counts))
    return np.concatenate(found)


def typical_of(parts: Sequence[Floats]) -> float:
    """Median of :func:`item_sizes` of all parts of a panel, of those above 0."""
    sizes = np.concatenate([np.empty(0), *parts])
    return float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 1.0


def _sizes(train: Panel) -> Floats:
    return train.values if train.is_demand else np.diff(train.values, axis=1)


def _mean_change(values: Floats, lag: int, power: int) -> Floats:
    changes = np.abs(values[:, lag:] - values[:, :-lag]) ** power
    counts = np.sum(~np.isnan(changes), axis=1)
    mean = np.nansum(changes, axis=1) / np.maximum(counts, 1)
    return np.where(counts > 0, mean ** (1 / power), np.nan)
