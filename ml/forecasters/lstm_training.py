"""How the networks of one panel are trained: how long, on which windows, and how many of them.

Outside small counts the first network is a scout: the last horizon of targets is held out of it by
time, and the epoch that predicts them best says for how many epochs the others learn, which see
everything. Their probabilities are averaged, because the total of one network's forecast changes
with its seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ml.forecasters import lstm_windows as windows
from ml.forecasters.bucket_distribution import Buckets
from ml.forecasters.lstm_memory import SEASON, Weights
from ml.forecasters.lstm_network import Network
from ml.panel import Floats, Ints

PREDICT_BATCH = 1024
MOST_SCOUTED = 25_000  # windows that the scout learns from
MOST_IN_EXAM = 3000  # windows that say how long to learn
DATES, MOST_AT_DATE = 4, 1000  # that say what periods have in common, and windows of each
LEAST_IN_EXAM = 30  # items; fewer, prices above all, would choose by luck
WORTH_A_SCOUT = 5000  # windows; fewer are learned from in moments, and too few to hold any out
STEPS, LEAST_BATCH = 40, 64  # gradient steps an epoch and windows of each, at least
LATER_EPOCHS, LATER_RATE = 1, 0.5  # of networks that go on, and share of the first rate
LATER_BATCH = 256  # windows a gradient step of theirs
FEATURED = 256  # windows whose features are made at once: few cost as much as many


@dataclass(frozen=True, slots=True)
class Lessons:
    """Windows to learn from; their features are made batch by batch, so few are in memory."""

    table: windows.Scaled
    rows: Ints  # (n,) items
    origins: Ints  # (n,) last periods seen
    steps: Ints | windows.Steps  # (n, K) target steps; those of all windows take little memory
    horizon: int  # longest step

    def pick(self, chosen: Ints | slice) -> "Lessons":
        """Some of the windows."""
        rows, origins, steps = self.rows[chosen], self.origins[chosen], self.steps[chosen]
        return replace(self, rows=rows, origins=origins, steps=steps)

    def sample(self, most: int, rng: np.random.Generator, among: Ints | None = None) -> "Lessons":
        """At most so many of the windows, or of those at these positions, drawn at random."""
        count = len(self.rows) if among is None else len(among)
        if count > most:
            drawn = np.sort(rng.choice(count, most, replace=False))
            among = drawn if among is None else among[drawn]
        return self if among is None else self.pick(among)

    def features(self) -> list[windows.Float32s]:
        """What the network is given: (n, L, F) of the past and (n, K, G) of the targets."""
        given = windows.inputs(self.table, self.rows, self.origins)
        ahead = windows.target_features(
            self.table, self.rows, self.origins, self.ahead(), self.horizon
        )
        return [given, ahead]

    def answers(self, buckets: Buckets) -> tuple[Ints, windows.Float32s]:
        """Bucket of each target and its weight in the loss, both (n, K)."""
        return windows.labels(buckets, self.truth())

    def truth(self) -> Floats:
        """What came true in the terms of the buckets, (n, K), NaN = not known."""
        return windows.targets(self.table, self.rows, self.origins, self.ahead())

    @property
    def told(self) -> tuple[str, ...]:
        """What the features tell of, where they can: groups of drivers, the time of the year."""
        groups = self.table.drivers.groups if self.table.drivers else ()
        return (*groups, SEASON) if self.table.calendar[:, 0].any() else groups

    def places(self) -> Ints:
        """Periods of the targets, (n, K)."""
        return self.origins[:, None] + self.steps

    def ahead(self) -> Ints:
        """The target steps to compute with, (n, K)."""
        return self.steps.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Course:
    """How networks learn."""

    networks: int  # whose probabilities are averaged
    epochs: int  # at most
    parts: int  # that the windows are divided into; an epoch passes over one of them
    batch: int  # windows a gradient step
    most_windows: int  # windows of one network
    learning_rate: float  # at first; it falls to nothing along half a cosine
    starts: Sequence[Weights] = ()  # what each network knows already; none = nothing

    def go_on(self, known: Sequence[Weights]) -> "Course":
        """The course of networks that learned the same panel until an earlier cutoff."""
        rate = self.learning_rate * LATER_RATE
        return replace(
            self, networks=len(known), epochs=LATER_EPOCHS, parts=1, batch=LATER_BATCH,
            learning_rate=rate, starts=known,
        )  # fmt: skip


def teach(
    network: Network, lessons: Lessons, buckets: Buckets, course: Course, rng: np.random.Generator
) -> tuple[Weights, ...]:
    """Train one network after the other in place; what each has learned."""
    learned: list[Weights] = []
    for number in range(course.networks):
        known = course.starts[number] if course.starts else None
        network.start(int(rng.integers(2**31)), known, untold=lessons.table.untold)
        learn(network, lessons.sample(course.most_windows, rng), buckets, course, rng)
        learned.append(network.model.get_weights())
    return tuple(learned)


def scout(
    network: Network, lessons: Lessons, buckets: Buckets, course: Course, rng: np.random.Generator
) -> Course:
    """The course with the epochs after which targets held out by time are predicted best.

    As it is where too little can be held out, and for small counts: where one date stopped them,
    two seeds differed by 15 % in the total that they forecast.
    """
    last = lessons.table.values.shape[1] - 1 - lessons.horizon
    before = np.flatnonzero(lessons.origins < last)
    exam = lessons.sample(MOST_IN_EXAM, rng, np.flatnonzero(lessons.origins == last))
    levels = lessons.table.levels
    few = len(before) < WORTH_A_SCOUT or len(exam.rows) < LEAST_IN_EXAM
    if few or (levels is not None and levels.counts):
        return course
    network.start(int(rng.integers(2**31)), untold=lessons.table.untold)
    part = lessons.sample(min(course.most_windows, MOST_SCOUTED), rng, before)
    del before  # there may be millions
    losses = learn(network, part, buckets, course, rng, exam=exam)
    return replace(course, epochs=int(np.argmin(losses)) + 1)


def pick_dates(lessons: Lessons, rng: np.random.Generator) -> tuple[Lessons, Ints]:
    """Windows whose targets are known, at the last dates a horizon apart, and their dates (n,).

    What networks make of them tells what the periods of an item have in common. They have learned
    from them, but each item's part in so few parameters is small: correlations at targets that were
    held out were the same within their noise (hospital .47 and .50, seen ones .44 to .54).
    """
    end = lessons.table.values.shape[1] - 1
    parts = []
    for date in end - lessons.horizon * np.arange(1, DATES + 1):
        own = lessons.sample(MOST_AT_DATE, rng, np.flatnonzero(lessons.origins == date))
        parts.append(own if len(own.rows) >= LEAST_IN_EXAM else own.pick(slice(0)))
    rows, origins = (np.concatenate([getattr(one, name) for one in parts])
                     for name in ("rows", "origins"))  # fmt: skip
    steps = np.tile(np.arange(1, lessons.horizon + 1), (len(rows), 1))
    return replace(lessons, rows=rows, origins=origins, steps=steps), origins


def learn(
    network: Network, lessons: Lessons, buckets: Buckets, course: Course, rng: np.random.Generator,
    *, exam: Lessons | None = None,
) -> list[float]:  # fmt: skip
    """Train a network in place, on targets before those of ``exam`` if any; its loss by epoch."""
    last = len(lessons.table.calendar) if exam is None else int(exam.origins.max())
    count = len(lessons.rows)
    batch = int(np.clip(count // STEPS, LEAST_BATCH, course.batch))
    taken = max(min(count, STEPS * LEAST_BATCH), count // course.parts)
    losses = []
    for epoch in range(course.epochs):
        order = rng.permutation(count)[:taken]
        for start in range(0, taken, FEATURED):
            part = lessons.pick(order[start : start + FEATURED])
            label, weight = part.answers(buckets)
            weight *= part.places() <= last
            given: list[Any] = [*part.features(), label, weight]
            for first in range(0, len(label), batch):
                share = (epoch + (start + first) / taken) / course.epochs
                rate = course.learning_rate * (1 + np.cos(np.pi * share)) / 2
                network.optimizer.learning_rate = rate
                network.learn(*(one[first : first + batch] for one in given))
        if exam is not None:
            losses.append(_examine(network, exam, buckets))
    return losses


def _examine(network: Network, exam: Lessons, buckets: Buckets) -> float:
    """Mean negative log of the probability of what came true."""
    label, weight = exam.answers(buckets)
    hit = np.take_along_axis(chances(network, exam), label[..., None], axis=2)[..., 0]
    return float(-(weight * np.log(hit + 1e-12)).sum() / max(weight.sum(), 1.0))


def chances(network: Network, lessons: Lessons) -> Floats:
    """Probability of each bucket at each step of windows, (n, K, B)."""
    parts = range(0, len(lessons.rows), PREDICT_BATCH)
    picked = (lessons.pick(slice(start, start + PREDICT_BATCH)) for start in parts)
    return np.concatenate([network.chances(part.features()) for part in picked])
