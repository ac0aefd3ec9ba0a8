"""One global Keras LSTM a panel, which predicts a probability for every bucket and step.

The network predicts all items of its panel as soon as it is trained, and what it knows looks at
newer windows without TensorFlow, which lives in the process that trains. Whoever draws paths later
needs the file of probabilities only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ml.durable import link_new, staged
from ml.forecasters import lstm_windows as windows
from ml.forecasters.base import Fitted
from ml.forecasters.bucket_distribution import (
    Buckets,
    Distributions,
    FittedBuckets,
    keep_total,
    learn_buckets,
    load_fitted,
    read_shared,
)
from ml.forecasters.lstm_memory import Memory, Weights, recall
from ml.forecasters.lstm_network import Network, open_network
from ml.forecasters.lstm_plain import average_answers, shapes_of
from ml.forecasters.lstm_training import (
    PREDICT_BATCH,
    Course,
    Lessons,
    pick_dates,
    scout,
    teach,
)
from ml.forecasters.shared_level import SHARED_LEVEL, find_stride, learn_shared
from ml.forecasters.silence import without_deprecations
from ml.forecasters.typical_size import TypicalSize, learn_typical
from ml.mapped import let_go, map_array
from ml.panel import Ints, Panel
from ml.seeds import number

MIN_WINDOWS = 32
BUCKETED = 50_000  # windows whose targets make the buckets
ADDED_UP = 4000  # windows whose total is compared with what is said of them
NETWORK = "network.keras"


@dataclass(frozen=True, slots=True)
class LstmForecaster:
    """Settings of the network."""

    horizon: int  # longest step that it learns; it predicts no further
    units: int = 48  # width of the recurrent layer
    networks: int = 2  # whose probabilities are averaged; of small counts, one with all windows
    epochs: int = 6  # at most; each passes over a third of the training windows
    # Windows a gradient step. Networks learn by steps rather than by windows: where three times as
    # many passed by in batches of 256, they knew no more, and took twice as long.
    batch: int = 64
    parts: int = 3  # see epochs
    most_windows: int = 25_000  # windows of one network; drawn at random where there are more
    learning_rate: float = 3e-3  # of Adam at first
    seed: int = 0  # of initial weights, order and drawn windows
    name: ClassVar[str] = "lstm"

    def fit(
        self,
        panel: Panel,
        *,
        learn_from: Sequence[str] | None = None,
        start: Fitted | None = None,
    ) -> FittedBuckets:
        """See :class:`ml.forecasters.base.Forecaster`.

        Networks that were loaded of an earlier cutoff go on from what they know, if they have
        seen most of the windows.
        A panel of fewer than ``MIN_WINDOWS`` windows to learn from is a failure of all its items.
        """
        learned = panel if learn_from is None else panel.select(learn_from)
        typical = learn_typical(learned)
        rng = np.random.default_rng(number(self.seed, "lstm", panel.kind))
        lessons = self._find_lessons(learned, typical, rng)
        if len(lessons.rows) < MIN_WINDOWS:
            reason = f"lstm needs {MIN_WINDOWS} windows to learn from, has {len(lessons.rows)}"
            return FittedBuckets(self.name, panel, dict.fromkeys(panel.items, reason))
        network, known, buckets = self._open(lessons, start, rng)
        levels = lessons.table.levels
        course = self._course(counts=levels is not None and levels.counts)
        if known is None:
            course = scout(network, lessons, buckets, course, rng)
        else:
            course = course.go_on(known.networks)
        dated, dates = pick_dates(lessons, rng)
        learned_by = teach(network, lessons, buckets, course, rng)
        drawn = _keep_total(learned_by, buckets, lessons, number(self.seed, "lstm", "total"))
        memory = Memory(learned_by, buckets, drawn, len(lessons.rows), lessons.told)
        shared = SHARED_LEVEL[panel.frequency]
        if panel.is_demand and len(dates):  # steps of prices follow each other in another way
            shared = _measure_shared(memory, dated, dates)
        del levels, lessons, dated  # the largest there is; what comes now has windows of its own
        predicted = self._foretell(memory, panel, learned, typical, shared)
        return FittedBuckets(self.name, panel, {}, predicted, _saver(network.model, memory))

    def load(self, folder: Path, panel: Panel) -> FittedBuckets:
        """See :class:`ml.forecasters.base.Forecaster`; needs no TensorFlow."""
        return load_fitted(self.name, folder, panel)

    def look_again(
        self, folder: Path, panel: Panel, learn_from: Sequence[str]
    ) -> FittedBuckets | None:
        """See :class:`ml.forecasters.base.LastingForecaster`: networks read the newest windows."""
        known = recall(self.load(folder, panel.rows([])))
        if known is None:
            return None
        learned = panel.select(learn_from)
        typical = learn_typical(learned)
        first = self._last_windows(panel.rows([0]), typical)
        past, ahead = (one.shape[2] for one in first.features())
        if not known.fits(first.told, shapes_of(self.units, past, ahead, known.buckets.count)):
            return None
        predicted = self._foretell(known, panel, learned, typical, read_shared(folder))
        return FittedBuckets(self.name, panel, {}, predicted, _copier(known, folder))

    def _find_lessons(
        self, panel: Panel, typical: TypicalSize | None, rng: np.random.Generator
    ) -> Lessons:
        """All windows of a panel that can be learned from."""
        table = windows.scale_panel(panel, self.horizon, typical)
        rows, origins = windows.learnable_origins(table, len(panel.periods))
        steps = windows.draw_steps(rng, len(rows), self.horizon)
        return Lessons(table, rows, origins, steps, self.horizon)

    def _course(self, *, counts: bool) -> Course:
        """How networks learn; of small counts one that has seen all of it."""
        networks, most = self.networks, self.most_windows
        if counts:
            networks, most = 1, networks * most
        return Course(networks, self.epochs, self.parts, self.batch, most, self.learning_rate)

    def _open(
        self, lessons: Lessons, start: Fitted | None, rng: np.random.Generator
    ) -> tuple[Network, Memory | None, Buckets]:
        """The network for these lessons, what it may go on from, and the buckets it predicts."""
        widths = [one.shape[2] for one in lessons.pick(slice(1)).features()]
        if (known := recall(start)) is not None:
            network = open_network(self.units, *widths, known.buckets.count)
            if known.serves(len(lessons.rows), lessons.told, network.model.get_weights()):
                return network, known, known.buckets
        buckets = _find_buckets(lessons.sample(BUCKETED, rng))
        return open_network(self.units, *widths, buckets.count), None, buckets

    def _foretell(
        self,
        known: Memory,
        panel: Panel,
        learned: Panel,
        typical: TypicalSize | None,
        shared: float,
    ) -> Distributions:
        """What networks say of all items of a panel after its end, a batch of them at a time.

        Those that were learned from fill batches of their own: others cannot change what they are
        told.
        """
        place = {item: row for row, item in enumerate(panel.items)}
        taught = set(learned.items)
        rows = [[place[item] for item in learned.items],
                [row for item, row in place.items() if item not in taught]]  # fmt: skip
        odds = map_array((len(place), self.horizon, known.buckets.count), np.float32)
        spreads = map_array(odds.shape[:2], np.float64)
        for group in rows:
            for first in range(0, len(group), PREDICT_BATCH):
                own = group[first : first + PREDICT_BATCH]
                asked = self._last_windows(panel.rows(own), typical)
                odds[own] = average_answers(known.networks, asked)
                spreads[own] = windows.units(asked.table, asked.rows, asked.origins, asked.ahead())
                let_go(odds, spreads)
        return Distributions(known.drawn, odds, spreads, np.full(len(place), shared))

    def _last_windows(self, panel: Panel, typical: TypicalSize | None) -> Lessons:
        """The windows that end with the panel, one an item, with all steps."""
        table = windows.scale_panel(panel, self.horizon, typical)
        rows = np.arange(len(panel.items))
        origins = np.full(len(rows), len(panel.periods) - 1)
        steps = np.tile(np.arange(1, self.horizon + 1), (len(rows), 1))
        return Lessons(table, rows, origins, steps, self.horizon)


def _find_buckets(lessons: Lessons) -> Buckets:
    """Buckets of what came after windows.

    An item that was not asked for yet has no unit but the panel's: what comes then may be hundreds
    of it where units mix, which networks would expect a little of everywhere.
    """
    truth, levels = lessons.truth(), lessons.table.levels
    known = ~np.isnan(truth)
    if levels is None or levels.counts:
        return learn_buckets(truth[known], zero=levels is not None)
    sure = windows.know_units(lessons.table, lessons.rows, lessons.origins)[:, None]
    return learn_buckets(truth[known & sure], zero=True, strange=truth[known & ~sure])


def _keep_total(
    networks: Sequence[Weights], buckets: Buckets, lessons: Lessons, seed: int
) -> Buckets:
    """Buckets of demand in units, scaled by what networks say of windows they learned from."""
    levels = lessons.table.levels
    if levels is None or levels.counts:  # prices have no total, and counts no unit
        return buckets
    some = lessons.sample(ADDED_UP, np.random.default_rng(seed))
    truth = some.truth()
    known = ~np.isnan(truth)
    if not truth[known].any():
        return buckets
    owners = np.broadcast_to(some.rows[:, None], truth.shape)
    units = windows.units(some.table, some.rows, some.origins, some.ahead())
    odds = average_answers(networks, some)
    return keep_total(buckets, odds[known], truth[known], units[known], owners[known])


def _measure_shared(known: Memory, dated: Lessons, dates: Ints) -> float:
    """What periods have in common, by what networks say of windows that end at these dates."""
    every = find_stride(len(dates))
    seen = average_answers(known.networks, dated, every)
    looked_at = dated.pick(slice(None, None, every))
    label, weight = looked_at.answers(known.buckets)
    came = np.where(weight > 0, label, -1)
    return learn_shared(seen, came, dated.table.frequency, dates[::every])


def _saver(model: Any, memory: Memory) -> Callable[[Path], None]:
    """Writes what networks know, and the last one of them as a Keras model."""

    def save(folder: Path) -> None:
        memory.save(folder)
        model.set_weights(memory.networks[-1])  # later fits of this process train it anew
        with staged(folder / NETWORK) as path, without_deprecations():
            model.save(path)

    return save


def _copier(memory: Memory, before: Path) -> Callable[[Path], None]:
    """Writes what networks know, with the Keras model that lies in the folder it was read from."""

    def save(folder: Path) -> None:
        memory.save(folder)
        if (before / NETWORK).exists():
            link_new(before / NETWORK, folder / NETWORK)

    return save
