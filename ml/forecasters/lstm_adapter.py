"""One global Keras LSTM a panel, which predicts a probability for every bucket and step.

The network predicts all items of its panel as soon as it is trained, so TensorFlow lives in the
process that trains. Whoever draws paths later needs the file of probabilities only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ml.durable import staged
from ml.forecasters import lstm_windows as windows
from ml.forecasters.base import Fitted
from ml.forecasters.bucket_distribution import (
    Distributions,
    FittedBuckets,
    learn_buckets,
    load_fitted,
)
from ml.forecasters.lstm_network import open_network
from ml.forecasters.lstm_training import Course, Lessons, pick_dates, scout, teach
from ml.forecasters.shared_level import SHARED_LEVEL, learn_shared
from ml.forecasters.silence import without_deprecations
from ml.panel import Floats, Panel
from ml.seeds import number

MIN_WINDOWS = 32
BUCKETED = 50_000  # windows whose targets make the buckets
NETWORK = "network.keras"


@dataclass(frozen=True, slots=True)
class LstmForecaster:
    """Settings of the network."""

    horizon: int  # longest step that it learns; it predicts no further
    units: int = 48  # width of the recurrent layer
    networks: int = 2  # whose probabilities are averaged; of small counts, one with all windows
    epochs: int = 6  # most passes over the training windows
    batch: int = 256  # windows a gradient step
    most_windows: int = 25_000  # windows of one network; drawn at random where there are more
    learning_rate: float = 3e-3  # of Adam at first
    seed: int = 0  # of initial weights, order and drawn windows
    name: ClassVar[str] = "lstm"

    def fit(
        self,
        panel: Panel,
        *,
        learn_from: Sequence[str] | None = None,
        start: Fitted | None = None,  # noqa: ARG002 - nothing is searched for
    ) -> FittedBuckets:
        """See :class:`ml.forecasters.base.Forecaster`.

        A panel of fewer than ``MIN_WINDOWS`` windows to learn from is a failure of all its items.
        """
        learned = panel if learn_from is None else panel.select(learn_from)
        typical = windows.learn_typical(learned)
        table = windows.scale_panel(learned, self.horizon, typical)
        rng = np.random.default_rng(number(self.seed, "lstm", panel.kind))
        rows, origins = windows.learnable_origins(table, len(panel.periods))
        if len(rows) < MIN_WINDOWS:
            reason = f"lstm needs {MIN_WINDOWS} windows to learn from, has {len(rows)}"
            return FittedBuckets(self.name, panel, dict.fromkeys(panel.items, reason))
        steps = windows.draw_steps(rng, len(rows), self.horizon)
        lessons = Lessons(table, rows, origins, steps, self.horizon)
        truth = lessons.sample(BUCKETED, rng).truth()
        buckets = learn_buckets(truth[~np.isnan(truth)], zero=panel.is_demand)
        # Learned items first, in batches that only they fill: others cannot change them.
        others = panel.select(tuple(set(panel.items) - set(learned.items)))
        parts = [part for part in (learned, others) if part.items]
        asked = [self._last_windows(part, typical) for part in parts]
        given = lessons.pick(slice(1)).features()
        network = open_network(self.units, *(one.shape[2] for one in given), buckets.count)
        networks, most = self.networks, self.most_windows
        if table.levels is not None and table.levels.counts:  # one that has seen all of it
            networks, most = 1, networks * most
        course = Course(networks, self.epochs, self.batch, most, self.learning_rate)
        course = scout(network, lessons, buckets, course, rng)
        dated, dates = pick_dates(lessons, rng)
        given_too = [dated] if len(dates) else []
        odds = teach(network, lessons, buckets, [*asked, *given_too], course, rng)
        odds, seen = odds[: len(panel.items)], odds[len(panel.items) :]
        shared = SHARED_LEVEL[panel.frequency]
        if panel.is_demand:  # steps of prices follow each other in another way
            label, weight = dated.answers(buckets)
            shared = learn_shared(seen, np.where(weight > 0, label, -1), panel.frequency, dates)
        spreads = np.concatenate(
            [windows.units(one.table, one.rows, one.origins, one.steps) for one in asked]
        )
        place = {item: row for row, item in enumerate(x for part in parts for x in part.items)}
        rows = np.asarray([place[item] for item in panel.items])
        ties = np.full(len(rows), shared)
        predicted = Distributions(buckets, odds[rows].astype(np.float32), spreads[rows], ties)
        return FittedBuckets(self.name, panel, {}, predicted, _network_saver(network.model))

    def load(self, folder: Path, panel: Panel) -> FittedBuckets:
        """See :class:`ml.forecasters.base.Forecaster`; needs no TensorFlow."""
        return load_fitted(self.name, folder, panel)

    def _last_windows(self, panel: Panel, typical: Floats | None) -> Lessons:
        """The windows that end with the panel, one an item, with all steps."""
        table = windows.scale_panel(panel, self.horizon, typical)
        rows = np.arange(len(panel.items))
        origins = np.full(len(rows), len(panel.periods) - 1)
        steps = np.tile(np.arange(1, self.horizon + 1), (len(rows), 1))
        return Lessons(table, rows, origins, steps, self.horizon)


def _network_saver(model: Any) -> Callable[[Path], None]:
    """Writes a Keras model as it is now: later fits of this process train it anew."""
    weights = model.get_weights()

    def save(folder: Path) -> None:
        model.set_weights(weights)
        with staged(folder / NETWORK) as path, without_deprecations():
            model.save(path)

    return save
