"""The pooled model: trained once a panel and cutoff in a process of its own.

TensorFlow lives in that process only. What the others need of it is a file of probabilities.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ml.errors import ModelError
from ml.forecasters.base import N_PATHS, Forecast
from ml.forecasters.lstm_buckets import Buckets
from ml.forecasters.lstm_sampling import sample_items
from ml.forecasters.registry import forecaster
from ml.panel import Floats, Panel
from ml.run.model_store import DONE, is_done, mark_done, read_json

PREDICTED = "predicted.npz"


@dataclass(frozen=True, slots=True)
class PooledTask:
    """Train on some items, then predict all of a panel.

    Attributes:
        panel: All items until the cutoff.
        learnable: Those that are learned from.
        reach: Longest step.
        seed: Of training.
        folder: Where the trained network goes.
        predicted: File of probabilities, ``None`` = train only.
    """

    panel: Panel
    learnable: tuple[str, ...]
    reach: int
    seed: int
    folder: Path
    predicted: Path | None


def train_pooled(task: PooledTask) -> None:
    """Train unless that was done, and predict; a panel too small to learn from is recorded."""
    config = forecaster("lstm", horizon=task.reach, seed=task.seed)
    if not is_done(task.folder):
        try:
            fitted = config.fit(task.panel.select(task.learnable))
        except ModelError as error:
            mark_done(task.folder, {"failure": str(error), "reach": task.reach})
        else:
            fitted.save(task.folder)
            mark_done(task.folder, {"items": len(task.learnable), "reach": task.reach})
    if task.predicted is not None and not task.predicted.exists():
        _predict(task)


def _predict(task: PooledTask) -> None:
    """Write probabilities of all items: learned ones first, in batches that only they fill."""
    from ml.forecasters.lstm_adapter import LstmForecaster

    if (read_json(task.folder / DONE) or {}).get("failure"):
        return
    learned = task.panel.select(task.learnable)
    others = task.panel.select(tuple(set(task.panel.items) - set(task.learnable)))
    fitted = LstmForecaster(horizon=task.reach, seed=task.seed).load(task.folder, learned)
    parts = [fitted.distribution(part) for part in (learned, others) if part.items]
    path = task.predicted
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}")
    with staged.open("wb") as stream:
        np.savez(
            stream,
            items=np.asarray([item for part in parts for item in part.panel.items]),
            probabilities=np.concatenate([part.probabilities for part in parts]),
            spreads=np.concatenate([part.spreads for part in parts]),
            edges=fitted.buckets.edges,
            points=fitted.buckets.points,
        )
    staged.replace(path)


@dataclass(frozen=True, slots=True)
class PooledForecast:
    """Probabilities of some items, read from a file; see ``lstm_sampling.Predicted``."""

    panel: Panel
    buckets: Buckets
    probabilities: np.ndarray[tuple[int, int, int], np.dtype[np.float32]]
    spreads: Floats


def pooled_forecast(
    panel: Panel, folder: Path, predicted: Path, horizon: int, seed: int
) -> Forecast:
    """Paths of the pooled model for the items of ``panel``; failures where it was not trained."""
    if not predicted.exists():
        reason = (read_json(folder / DONE) or {}).get("failure", "not trained")
        paths = np.full((len(panel.items), N_PATHS, horizon), np.nan, np.float32)
        return Forecast(panel.items, paths, dict.fromkeys(panel.items, reason))
    with np.load(predicted, allow_pickle=False) as stored:
        place = {str(item): row for row, item in enumerate(stored["items"])}
        rows = [place[item] for item in panel.items]
        known = PooledForecast(
            panel,
            Buckets(stored["edges"], stored["points"]),
            stored["probabilities"][rows],
            stored["spreads"][rows],
        )
    return sample_items(known, panel.items, horizon, seed=seed, n_paths=N_PATHS)
