"""Stock against service, read at equal service, with intervals over items and origins.

Every number is a ratio of sums over items and parts of the time. Their sampling is imitated by the
bootstrap: each item counts as often as a Poisson number of its own says (Chamandy et al. 2012,
*Estimating uncertainty for massive data streams*), so that the others do not matter, and origins
are drawn with replacement, for what all items share at one of them is no news of another.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.panel import Bools, Floats
from ml.seeds import generator
from ml.simulation.engine import ServiceRecord

DRAWS = 400
ENDS = (0.025, 0.975)  # of intervals
LEAST_MISS = 1e-6  # service of 1 is read as this far below
RATIOS = {
    "cycle_service": ("met", "cycles"),
    "demand_cycle_service": ("busy_met", "busy"),
    "unit_fill": ("served", "asked"),
    "line_fill": ("full_lines", "lines"),
}
"""Measures of service: what was good, over what there was of it."""


@dataclass(frozen=True, slots=True)
class Resampling:
    """How often items and parts of the time count, in a first row all once, then in B draws."""

    items: Floats  # (1 + B, N)
    parts: Floats  # (1 + B, G)

    def of(self, rows: Bools) -> "Resampling":
        """Of some items only."""
        return Resampling(self.items[:, rows], self.parts)

    def add_up(self, values: Floats) -> Floats:
        """Sums of values (N, G) or (N, G, L) of each draw, (1 + B,) or (1 + B, L)."""
        cells = values.reshape(*values.shape[:2], -1)
        by_part = (self.items @ cells.reshape(len(cells), -1)).reshape(-1, *cells.shape[1:])
        return np.einsum("bgl,bg->bl", by_part, self.parts).reshape(-1, *values.shape[2:])


def draw_samples(names: Sequence[str], parts: int, seed: int) -> Resampling:
    """Counts of items, which belong to their names, and of parts of the time."""
    items = [generator(seed, "bootstrap", name).poisson(1.0, DRAWS) for name in names]
    rng = generator(seed, "bootstrap of origins")
    origins = rng.multinomial(parts, np.full(parts, 1 / parts), DRAWS)
    return Resampling(
        np.concatenate([np.ones((1, len(names))), np.transpose(items)]),
        np.concatenate([np.ones((1, parts)), origins]),
    )


def service_curve(record: ServiceRecord, measure: str, samples: Resampling) -> Floats:
    """A measure of service at each level, (1 + B, L); NaN where there is nothing to serve."""
    good, whole = RATIOS[measure]
    return _divide(samples.add_up(getattr(record, good)),
                   samples.add_up(getattr(record, whole))[:, None])  # fmt: skip


def stock_curve(record: ServiceRecord, worth: Floats, samples: Resampling) -> Floats:
    """Mean stock of all items together at period ends, in worth (N,) a unit, (1 + B, L).

    An item that was not counted in a part of the time is taken to have held there what it held in
    the others.
    """
    return mean_over_time(record.stock, record, worth, samples)


def mean_over_time(
    sums: Floats, record: ServiceRecord, worth: Floats, samples: Resampling
) -> Floats:
    """Mean over periods of what items hold together, from sums (N, G, L) over counted periods."""
    lengths = record.periods.max(axis=0)  # (G,)
    every = _divide(sums.sum(axis=1), record.periods.sum(axis=1)[:, None], empty=0.0)
    counts = record.periods[:, :, None]
    held = np.where(counts > 0, _divide(sums, counts, empty=0.0), every[:, None])
    total = samples.add_up(held * lengths[:, None] * worth[:, None, None])
    return _divide(total, (samples.parts @ lengths)[:, None])


def stock_at(service: Floats, stock: Floats, wanted: Floats | float) -> Floats:
    """Stock that reaches a wanted service, on curves (D, L) of ascending levels: (D,).

    Between two levels the logarithm of what is missing falls about evenly with the stock, as tails
    do. NaN where a curve starts above the wanted service, or ends below: nothing is extrapolated.
    """
    wanted = np.broadcast_to(np.asarray(wanted, np.float64), service.shape[:1])
    reached = service >= wanted[:, None] - 1e-12
    rows = np.arange(len(service))
    high = reached.argmax(axis=1)
    low = np.maximum(high - 1, 0)
    miss = np.log(np.maximum(1 - service, LEAST_MISS))
    target = np.log(np.maximum(1 - wanted, LEAST_MISS))
    span = miss[rows, high] - miss[rows, low]
    share = np.where(span < 0, (target - miss[rows, low]) / np.where(span < 0, span, -1.0), 1.0)
    found = stock[rows, low] + np.clip(share, 0.0, 1.0) * (stock[rows, high] - stock[rows, low])
    exact = np.isclose(service[:, 0], wanted, rtol=0, atol=1e-12)
    inside = reached[rows, high] & ((high > 0) | exact)
    return np.where(inside, found, np.nan)


def intervals(draws: Floats) -> list[tuple[float | None, float | None]]:
    """Ends of the intervals of L numbers, from their values and draws (1 + B, L).

    ``None`` where a tenth of the draws or more say nothing.
    """
    known = np.isfinite(draws)
    whole = np.flatnonzero(known.all(axis=0))
    ends: dict[int, tuple[float | None, float | None]] = {}
    if len(whole):
        found = np.quantile(draws[1:, whole], ENDS, axis=0)
        ends = dict(zip(whole.tolist(), zip(*found.tolist(), strict=True), strict=True))
    for place in np.flatnonzero(known[0] & ~known.all(axis=0)).tolist():
        told = draws[1:, place][known[1:, place]]
        if len(told) >= 0.9 * (len(draws) - 1):
            low, high = np.quantile(told, ENDS).tolist()
            ends[place] = low, high
    return [ends.get(place, (None, None)) for place in range(draws.shape[1])]


def interval(draws: Floats) -> tuple[float | None, float | None]:
    """The same of one number, from its value and draws (1 + B,)."""
    return intervals(draws[:, None])[0]


def _divide(above: Floats, below: Floats, *, empty: float = np.nan) -> Floats:
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), empty)
