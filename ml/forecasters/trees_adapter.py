"""Boosted trees over a whole panel of demand: a probability for every bucket and step.

Trees learn from snapshots of all items at earlier origins. How far an item's own past is mixed
in, and how much its periods have in common, is measured on the last periods, which a first fit
has not seen; that serves for some nights, as a horizon says little of it, and in each of them the
trees learn anew. What is predicted of all items is kept, not the trees: whoever draws paths needs
no scikit-learn.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from ml.durable import staged
from ml.forecasters.base import Fitted
from ml.forecasters.boosted_trees import Float32s
from ml.forecasters.bucket_distribution import (
    Buckets,
    Distributions,
    FittedBuckets,
    keep_total,
    learn_buckets,
    load_fitted,
)
from ml.forecasters.shared_level import MOST_EVIDENCE, SHARED_LEVEL, find_stride, learn_shared
from ml.forecasters.trees_features import SPANS, Snapshot, feature_rows, take_snapshot
from ml.forecasters.trees_stages import Boosting, Stages, fit_stages
from ml.forecasters.typical_size import TypicalSize, learn_typical
from ml.frequency import Frequency
from ml.mapped import let_go, map_array
from ml.panel import Bools, Floats, Ints, Panel
from ml.seeds import number

LEAST_ROWS = 100  # to learn from
LEAST_KNOWN = 4  # observations until an origin
ORIGINS = 36  # that are learned from
REACH_BACK = {  # to the first of them [periods]
    Frequency.DAILY: 365,
    Frequency.BUSINESS: 260,
    Frequency.WEEKLY: 104,
    Frequency.MONTHLY: 36,
}
PREDICTED_ROWS = 16_384  # pairs of item and step at once, to bound memory
ADDED_UP = 20_000  # lines whose total is compared with what is said of them
TOGETHER = 256  # items predicted at once, likewise
OWN_SHARES = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])  # of an item's own past that are tried
OWN_SHARE = 0.15  # where there is too little to choose one
OWN_SPREAD = 0.15  # standard deviation of the prior around it
LEAST_PROBABILITY = 1e-4  # of a bucket, in the score that the share is chosen by
MIX = "mix.npz"


@dataclass(frozen=True, slots=True)
class TreeRows:
    """Drawn triples of item, origin and step to learn from."""

    features: Float32s  # (n, F)
    truth: Floats  # (n,) what came, in units
    units: Floats  # (n,)
    owners: Ints  # (n,) positions of the items

    def thinned(self) -> "TreeRows":
        """Some of them, evenly spaced: enough to tell what all come to."""
        every = slice(None, None, -(-len(self.truth) // ADDED_UP) or 1)
        return TreeRows(
            self.features[every], self.truth[every], self.units[every], self.owners[every]
        )


@dataclass(frozen=True, slots=True)
class Learned:
    """What the trees make of the items that they learned from."""

    buckets: Buckets  # of values in units
    stages: Stages  # which predicts them
    last: Snapshot  # the items after all of their history
    typical: TypicalSize  # of them at every period


@dataclass(frozen=True, slots=True)
class MeasuredMix:
    """What a first fit was held against, which serves for later fits as well."""

    share: float  # of an item's own past
    shared: float  # correlation between periods

    def save(self, folder: Path) -> None:
        """Write both for :func:`read_mix`."""
        with staged(folder / MIX) as file:
            np.savez(file, share=self.share, shared=self.shared)


def read_mix(folder: Path) -> MeasuredMix | None:
    """What :meth:`MeasuredMix.save` wrote; ``None`` where nothing had been learned."""
    if not (folder / MIX).exists():
        return None
    with np.load(folder / MIX, allow_pickle=False) as kept:
        return MeasuredMix(float(kept["share"]), float(kept["shared"]))


@dataclass(frozen=True, slots=True)
class TreesForecaster:
    """Settings of the trees."""

    horizon: int  # longest step that they learn; they predict no further
    most_rows: int = 60_000  # pairs of origin and step; drawn at random where there are more
    boosting: Boosting = field(default_factory=Boosting)
    seed: int = 0  # of drawn rows and features
    name: ClassVar[str] = "trees"

    def fit(
        self,
        panel: Panel,
        *,
        learn_from: Sequence[str] | None = None,
        start: Fitted | None = None,  # noqa: ARG002 - nothing is searched for
    ) -> FittedBuckets:
        """See :class:`ml.forecasters.base.Forecaster`.

        A panel of prices, or one of fewer than ``LEAST_ROWS`` rows to learn from, is a failure of
        all its items.
        """
        if not panel.is_demand:
            return FittedBuckets(
                self.name, panel, dict.fromkeys(panel.items, "trees are for demand")
            )
        return self._fit(panel, panel if learn_from is None else panel.select(learn_from), None)

    def look_again(
        self, folder: Path, panel: Panel, learn_from: Sequence[str]
    ) -> FittedBuckets | None:
        """See :class:`ml.forecasters.base.LastingForecaster`: what was measured serves again."""
        mix = read_mix(folder)
        return None if mix is None else self._fit(panel, panel.select(learn_from), mix)

    def _fit(self, panel: Panel, teachers: Panel, mix: MeasuredMix | None) -> FittedBuckets:
        """Learn from some items what all of a panel are foreseen by; measure what is not known."""
        learned = self._learn(teachers)
        if learned is None:
            reason = f"trees need {LEAST_ROWS} rows to learn from"
            return FittedBuckets(self.name, panel, dict.fromkeys(panel.items, reason))
        mix = mix or self._measure(teachers)
        count = len(panel.items)
        odds = map_array((count, self.horizon, learned.buckets.count), np.float32)
        spreads = map_array(odds.shape[:2], np.float64)
        for first in range(0, count, TOGETHER):  # each item by itself: so few are in memory
            own = range(first, min(first + TOGETHER, count))
            found = self._foresee(learned, panel.rows(own), mix.share)
            odds[own.start : own.stop], spreads[own.start : own.stop] = found
            let_go(odds, spreads)
        predicted = Distributions(learned.buckets, odds, spreads, np.full(count, mix.shared))
        return FittedBuckets(self.name, panel, {}, predicted, mix.save)

    def _foresee(self, learned: Learned, panel: Panel, share: float) -> tuple[Floats, Floats]:
        """Probabilities (N, H, B) of items and units (N, H), with their own past mixed in."""
        last = len(panel.periods) - 1
        snapshot = take_snapshot(panel, last, learned.typical, others=learned.last)
        rows = np.arange(len(panel.items))
        steps = range(1, self.horizon + 1)
        spreads = np.stack([snapshot.units(rows, np.full(len(rows), one)) for one in steps], axis=1)
        past = _count_past(learned.buckets, snapshot, panel.frequency)
        return mix_own(self._predict(learned, panel, snapshot, rows), past, share), spreads

    def load(self, folder: Path, panel: Panel) -> FittedBuckets:
        """See :class:`ml.forecasters.base.Forecaster`; needs no scikit-learn."""
        return load_fitted(self.name, folder, panel)

    def _learn(self, panel: Panel) -> Learned | None:
        """Buckets and trees from all origins of a panel; `None` where there are too few rows."""
        rng = np.random.default_rng(number(self.seed, self.name, str(len(panel.periods))))
        typical = learn_typical(panel)
        if typical is None:
            return None
        lines = self._gather(panel, rng, typical)
        if len(lines.truth) < LEAST_ROWS:
            return None
        buckets = learn_buckets(lines.truth, zero=True)
        seed, came = number(self.seed, self.name, bits=32), buckets.of(lines.truth)
        plain = typical.counts
        stages = fit_stages(lines.features, came, buckets.count, self.boosting, seed, plain=plain)
        if not plain and came.any():
            some = lines.thinned()
            said = stages.predict(some.features)
            buckets = keep_total(buckets, said, some.truth, some.units, some.owners)
        last = take_snapshot(panel, len(panel.periods) - 1, typical)
        return Learned(buckets, stages, last, typical)

    def _gather(self, panel: Panel, rng: np.random.Generator, typical: TypicalSize) -> TreeRows:
        """Drawn items, origins and steps."""
        last = len(panel.periods) - 1
        first = max(LEAST_KNOWN - 1, last - REACH_BACK[panel.frequency])
        origins = np.unique(np.linspace(first, last - 1, ORIGINS).round().astype(int))
        known = np.cumsum(panel.observed(), axis=1, dtype=np.int32)

        def find_usable(origin: int) -> Bools:  # (N, H): all places of all origins are too many
            ahead = panel.values[:, origin + 1 : origin + 1 + self.horizon]
            return np.asarray(~np.isnan(ahead) & (known[:, origin] >= LEAST_KNOWN)[:, None])

        inside = origins[(origins >= first) & (origins < last)].tolist()
        count = sum(int(find_usable(origin).sum()) for origin in inside)
        share = self.most_rows / max(count, 1)
        features, parts = [np.empty((0, 0), np.float32)], [np.empty((3, 0))]
        for origin in inside:
            every, columns = np.nonzero(find_usable(origin))
            drawn = rng.random(len(every)) < share
            rows, steps = every[drawn], columns[drawn] + 1
            del every, columns
            if len(rows):
                snapshot = take_snapshot(panel, origin, typical)
                features.append(feature_rows(panel, snapshot, rows, steps))
                units = snapshot.units(rows, steps)
                came = typical.divide(panel.values[rows, origin + steps], units)
                parts.append(np.stack([came, units, rows]))
        truth, units, owners = np.concatenate(parts, axis=1)
        return TreeRows(
            np.concatenate(features[1:] or features), truth, units, owners.astype(np.int64)
        )

    def _predict(self, learned: Learned, panel: Panel, snapshot: Snapshot, rows: Ints) -> Floats:
        """Probabilities of items at these positions at all steps after a snapshot, (n, H, B)."""
        count, every = len(rows), np.arange(1, self.horizon + 1)
        odds = np.empty((count, self.horizon, learned.buckets.count))
        together = max(1, PREDICTED_ROWS // max(count, 1))  # a call costs as much as 1,000 rows
        for steps in np.split(every, range(together, self.horizon, together)):
            places = np.tile(rows, len(steps)), np.repeat(steps, count)
            found = learned.stages.predict(feature_rows(panel, snapshot, *places))
            odds[:, steps - 1] = np.moveaxis(found.reshape(len(steps), count, -1), 0, 1)
        return odds

    def _measure(self, panel: Panel) -> MeasuredMix:
        """Share of an item's own past, and correlation between periods, as best in the last ones.

        A first fit sees all periods but a horizon, or a quarter of them where that is less.
        """
        held = min(self.horizon, len(panel.periods) // 4)
        earlier = panel.until(panel.periods[-held - 1])
        learned = self._learn(earlier) if held else None
        if learned is None:
            return MeasuredMix(OWN_SHARE, SHARED_LEVEL[panel.frequency])
        rows, buckets, last = np.arange(len(panel.items)), learned.buckets, learned.last
        actual = panel.values[:, -held:]
        units = np.stack([last.units(rows, np.full(len(rows), k + 1)) for k in range(held)], axis=1)
        scaled = learned.typical.divide(np.nan_to_num(actual), units)
        came = np.where(np.isnan(actual), -1, buckets.of(scaled))
        past, every = _count_past(buckets, last, panel.frequency), find_stride(len(rows))
        given, kept = np.empty(came.shape), []
        for first in range(0, len(rows), TOGETHER):
            own = slice(first, first + TOGETHER)
            odds = self._predict(learned, earlier, last, rows[own])[:, :held]
            place = np.maximum(came[own], 0)[..., None]
            given[own] = np.take_along_axis(odds, place, axis=2)[..., 0]
            kept.append(odds[-first % every :: every].copy())
        share = _choose_share(given, came, past)
        mixed = mix_own(np.concatenate(kept), past[::every], share)
        return MeasuredMix(share, learn_shared(mixed, came[::every], panel.frequency))


def mix_own(odds: Floats, past: Ints, share: float) -> Floats:
    """Probabilities (N, H, B) with a share of what was seen in the last periods of each item.

    ``past`` (N, B) counts how often each bucket was seen there.
    """
    own, weight = _own_part(past, share)
    return odds * weight[:, :, None] + own[:, None, :]


def _count_past(buckets: Buckets, snapshot: Snapshot, frequency: Frequency) -> Ints:
    """How often each bucket was seen in the last periods of each item, (N, B)."""
    span = 2 * SPANS[frequency][-1]
    belongs = buckets.of(snapshot.scaled[:, -span:])
    seen = snapshot.seen[:, -span:]
    return np.stack([((belongs == one) & seen).sum(axis=1) for one in range(buckets.count)], axis=1)


def _own_part(past: Ints, share: float) -> tuple[Floats, Floats]:
    """What an item's own past adds to each bucket (N, B), and the weight of the rest (N, 1)."""
    count = past.sum(axis=1, keepdims=True)
    own = np.where(count > 0, share, 0.0) * past / np.maximum(count, 1)
    return own, np.where(count > 0, 1 - share, 1.0)


def _choose_share(given: Floats, came: Ints, past: Ints) -> float:
    """Mean of the shares that are tried, each by how likely it makes what came true.

    The prior is around ``OWN_SHARE``, and items of one date count as at most ``MOST_EVIDENCE``. Of
    the buckets that came true (N, H), -1 = not known, their probabilities without the own past
    (N, H), and the counts (N, B) of :func:`_count_past`.
    """
    known = came >= 0
    if not known.any():
        return OWN_SHARE
    place = np.maximum(came, 0)
    chances = np.empty((len(OWN_SHARES), int(known.sum())))
    for row, share in enumerate(OWN_SHARES.tolist()):
        own, weight = _own_part(past, share)
        chances[row] = (given * weight + np.take_along_axis(own, place, axis=1))[known]
    logs = np.log(np.maximum(chances, LEAST_PROBABILITY)).sum(axis=1)
    prior = -((OWN_SHARES - OWN_SHARE) ** 2) / (2 * OWN_SPREAD**2)
    score = prior + logs * min(1.0, MOST_EVIDENCE / len(came))
    weight = np.exp(score - score.max())
    return float(OWN_SHARES @ weight / weight.sum())
