"""Launches, decline, code supersession and level shifts of single items."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import expit

from pipelines.sample_data.items import TIERS, Items
from pipelines.sample_data.streams import Floats, Ints, stream

OBSOLETE_SHARE, NEW_SHARE, SUPERSEDED_SHARE, SHIFT_SHARE = 0.10, 0.07, 0.03, 0.03
DECLINE_TO = 0.03
DECLINE_SCALES = (30.0, 60.0)  # [days]
SHIFT_FACTORS = (0.35, 0.45, 2.0, 2.6)
MIDDLE_OF_WINDOW = (0.25, 0.80)
EVENT_COLUMNS = ("item_id", "event", "day", "scale_days", "factor", "other_item_id")


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What happens to the items over the window."""

    launch: Ints  # first day on which an item exists, as a position in the window, shape (N,)
    log_factor: Floats  # logarithm of the multiplier of the rate, shape (N, T); -inf = retired
    # one line an event: item, `obsolete`, `new`, `superseded`, `successor` or `level_shift`,
    # day, and its parameters
    events: pd.DataFrame


def draw_lifecycle(items: Items, days: int, seed: int) -> tuple[Items, Lifecycle]:
    """Give some items an event each; a successor takes over its predecessor's demand.

    Returns:
        The items, successors with the parameters of the part they replace, and the life cycle.
    """
    rng = stream(seed, "life cycle")
    pairs = _draw_pairs(items, rng)
    taken = {i for pair in pairs for i in pair}
    n = len(items.ids)
    order = [int(i) for i in rng.permutation(n) if i not in taken]
    shifted = [i for i in order if _is_moving(items, i)][: max(round(SHIFT_SHARE * n), 1)]
    order = [i for i in order if i not in shifted]
    end_obsolete = round(OBSOLETE_SHARE * n)
    end_new = end_obsolete + round(NEW_SHARE * n)
    launch, log_factor = np.zeros(n, dtype=np.int64), np.zeros((n, days))
    events: list[tuple[object, ...]] = []

    def draw_day() -> int:
        return int(days * rng.uniform(*MIDDLE_OF_WINDOW))

    def note(
        item: int,
        event: str,
        day: int,
        scale: float = np.nan,
        factor: float = np.nan,
        other: str | None = None,
    ) -> None:
        events.append((items.ids[item], event, day, scale, factor, other))

    for i in order[:end_obsolete]:
        day, scale = draw_day(), rng.uniform(*DECLINE_SCALES)
        gone = expit((np.arange(days) - day) / scale)
        log_factor[i] = np.log(1 - (1 - DECLINE_TO) * gone)
        note(i, "obsolete", day, scale, DECLINE_TO)
    for i in order[end_obsolete:end_new]:
        launch[i] = draw_day()
        note(i, "new", int(launch[i]))
    for i in shifted:
        day, factor = draw_day(), float(rng.choice(SHIFT_FACTORS))
        log_factor[i, day:] += np.log(factor)
        note(i, "level_shift", day, factor=factor)
    for old, new in pairs:
        day = draw_day()
        log_factor[old, day:] = -np.inf
        launch[new] = day
        note(old, "superseded", day, other=items.ids[new])
        note(new, "successor", day, other=items.ids[old])
    table = pd.DataFrame(events, columns=list(EVENT_COLUMNS)).sort_values("item_id")
    source = np.arange(n)
    for old, new in pairs:
        source[new] = old
    inherited = ("tier", "rate", "log_size", "size_spread", "imported", "site_share")
    heirs = replace(items, **{name: getattr(items, name)[source] for name in inherited})
    return heirs, Lifecycle(launch, log_factor, table.reset_index(drop=True))


def _is_moving(items: Items, item: int) -> bool:
    """Whether a change of the item would show within months."""
    return bool(items.tier[item] <= TIERS.index("medium"))


def _draw_pairs(items: Items, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Pairs (old, successor) of one family; a moving part first, so that the change shows."""
    wanted = round(SUPERSEDED_SHARE * len(items.ids))
    free = [int(i) for i in rng.permutation(len(items.ids))]
    pairs: list[tuple[int, int]] = []
    for old in [i for i in free if _is_moving(items, i)]:
        partners = [j for j in free if j != old and items.family[j] == items.family[old]]
        if len(pairs) == wanted or old not in free or not partners:
            continue
        pairs.append((old, partners[0]))
        free = [j for j in free if j not in pairs[-1]]
    return pairs
