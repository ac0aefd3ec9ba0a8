"""Which of thousands of tests are believed: false discoveries among items that move together.

Three steps. Each item's p-values are set right by how far its earlier windows strayed from what the
test assumes. The least level at which anything would be found is worked out for every earlier
window too, all items at once: only what is rarer than all but a stated share of these is believed,
whatever the items share. At that level the share of false ones among those named is controlled by
Benjamini & Hochberg (1995), *Controlling the false discovery rate*.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from ml.drift.windows import Windows, sum_over
from ml.panel import Bools, Floats

LEAST_P = 1e-300


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is believed of N items."""

    p_values: Floats  # (N,) of the last periods, set right
    q_values: Floats  # (N,) least share of false ones among items named up to this one
    level: float  # q-values up to it are believed; below 0 = nothing can be
    found: Bools  # (N,)


def judge_items(p_values: Floats, whole: int, *, rate: float, false_share: float) -> Judgement:
    """Judge the p-values (N, 1 + B) of items in the last periods, and then in earlier windows.

    Of these the first ``whole`` ones have no break; see :func:`ml.drift.detect.find_drift`.
    """
    if not len(p_values):
        return Judgement(np.empty(0), np.empty(0), -1.0, np.empty(0, bool))
    z = special.ndtri(1 - np.clip(p_values, 1e-15, 1) / 2)
    far = p_values < 1e-15
    z[far] = -special.ndtri(np.maximum(p_values[far], LEAST_P) / 2)
    fair = 2 * special.ndtr(-z / _straying(z[:, 1 : 1 + whole])[:, None])
    least = np.sort(fair, axis=0) * (len(fair) / np.arange(1, len(fair) + 1))[:, None]
    global_p = np.minimum(least.min(axis=0), 1.0)  # Simes: the least q-value of each window
    level = min(rare_level(global_p[1:], rate), false_share)
    q_values = stats.false_discovery_control(fair[:, 0])
    return Judgement(fair[:, 0], q_values, level, q_values <= level)


def _straying(z: Floats) -> Floats:
    """How many times further an item's windows stray than its tests assume, (N,).

    At least as much as those of most items do, and at least 1.
    """
    own = np.mean(z**2, axis=1)
    return np.asarray(np.sqrt(np.maximum(own, max(float(np.median(own)), 1.0))))


def rare_level(earlier: Floats, rate: float) -> float:
    """The largest level that at most the ``rate`` of windows reach, the one judged among them.

    Below 0 where the windows (B,) are too few to say so.
    """
    may = int(np.floor(rate * (len(earlier) + 1) + 1e-9))
    if may < 1:
        return -1.0
    return float(np.nextafter(np.sort(earlier)[may - 1], -1.0))


def judge_groups(values: Floats, groups: Bools, windows: Windows) -> tuple[Floats, Floats, Floats]:
    """Whether groups (G, N) of items (N, T) have another mean than before: p, before, recent (G,).

    The mean over a group's items, each over its own root mean square, differs from the rest of the
    history by so many of the standard deviations that earlier windows show: Student's t. Windows in
    a row are alike, so two for three that lie side by side count as degrees of freedom.
    """
    history = windows.outside[:, 0]
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    counts = np.maximum(known[:, history].sum(axis=1), 1)
    scale = np.sqrt((filled[:, history] ** 2).sum(axis=1) / counts)
    scaled = np.divide(filled, scale[:, None], out=np.zeros_like(filled), where=scale[:, None] > 0)
    members = groups.astype(float)
    total, number = members @ scaled, members @ known
    means = total / np.maximum(number, 1)
    inside, outside = (sum_over(means, w) / np.maximum(w.sum(axis=0), 1)
                       for w in (windows.inside, windows.outside))  # fmt: skip
    difference = inside - outside
    spread = np.sqrt(np.mean(difference[:, 1 : 1 + windows.whole] ** 2, axis=1))
    freedom = 2 * windows.side_by_side // 3
    t = np.divide(difference[:, 0], spread, out=np.zeros(len(groups)), where=spread > 0)
    return 2 * stats.t.sf(np.abs(t), freedom), outside[:, 0], inside[:, 0]
