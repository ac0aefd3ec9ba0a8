"""The last periods of a panel, and the earlier stretches that tell how much such stretches differ.

Items move together, and their periods too, so windows differ by more than tests of single items
assume. By how much is seen in the history itself: every earlier window is compared with the rest of
it in the same way, all items at the same periods. Where whole windows are too few to tell one in a
hundred, others of two halves are drawn beside them (a block permutation).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ml.panel import Bools, Floats, Ints
from ml.seeds import generator

LENGTHS = {"D": 28, "B": 20, "W": 8, "MS": 6}  # periods of a window, by frequency
# Periods that are looked at: what was before is no measure of what is usual now. Three years and a
# window, of months five: the season of the last window is there as often as any other.
MOST_PERIODS = {"D": 1124, "B": 803, "W": 165, "MS": 66}
LEAST_WINDOWS = 4  # of history, side by side; fewer cannot tell how much windows differ
MOST_EARLIER = 199


@dataclass(frozen=True, slots=True)
class Windows:
    """Column 0 is the last periods, the B others are earlier windows."""

    inside: Bools  # (T, 1 + B) the window's periods
    outside: Bools  # (T, 1 + B) what it is compared with, never any of the last periods
    ends: Ints  # (1 + B,) last period of each window
    whole: int  # of the B, the first ones: without a break
    length: int  # periods of a window
    side_by_side: int  # windows that fit into the history without overlap


def choose_windows(periods: int, length: int, *, seed: int, name: str) -> Windows | None:
    """Windows of T periods, of which the last ``length`` (at least 2) are tested.

    ``None`` where the history is too short. What is drawn belongs to the panel's name.
    """
    history = periods - length
    fitting = history // length
    if fitting < LEAST_WINDOWS:
        return None
    most = history - length + 1
    whole = min(most, MOST_EARLIER)
    firsts = np.linspace(0, most - 1, whole).round().astype(int)
    pieces = firsts[:, None] + np.arange(length)
    if whole < MOST_EARLIER:
        rng = generator(seed, "drift", name)
        pieces = np.concatenate([pieces, _draw_halves(history, length, MOST_EARLIER - whole, rng)])
    inside = np.zeros((periods, 1 + len(pieces)), bool)
    inside[history:, 0] = True
    np.put_along_axis(inside[:, 1:].T, pieces, values=True, axis=1)
    outside = ~inside
    outside[history:] = False
    ends = np.append(periods - 1, pieces[:, -1])
    return Windows(inside, outside, ends, whole, length, fitting)


def _draw_halves(history: int, length: int, count: int, rng: np.random.Generator) -> Ints:
    """Windows of two halves that do not overlap, anywhere in the history, (count, length)."""
    half = length // 2
    last = history - half
    pairs = [(a, b) for a in range(last + 1) for b in range(a + half, last + 1)]
    chosen = rng.permutation(len(pairs))[:count]
    starts = np.array(pairs)[np.sort(chosen)]
    return np.asarray((starts[:, :, None] + np.arange(half)).reshape(len(starts), -1))


def sum_over(values: Any, windows: Bools) -> Floats:
    """Sums of (N, T) over the periods of each window, (N, 1 + B)."""
    return np.asarray(values, np.float64) @ windows.astype(np.float64)
