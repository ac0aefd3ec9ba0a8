"""Launches, decline, code supersession and level shifts of single items."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.sample_data.families import TIERS
from pipelines.sample_data.items import Items
from pipelines.sample_data.streams import Floats, Ints, logistic, stream

OBSOLETE_SHARE, NEW_SHARE, SUPERSEDED_SHARE, SHIFT_SHARE = 0.10, 0.07, 0.03, 0.03
DECLINE_TO = 0.03
DECLINE_SCALES = (30.0, 60.0)  # [days]
SHIFT_FACTORS = (0.35, 0.45, 2.0, 2.6)
MIDDLE_OF_WINDOW = (0.25, 0.80)
EVENT_COLUMNS = ("item_id", "event", "day", "scale_days", "factor", "other_item_id")


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What happens to the items over the window.

    Attributes:
        launch: First day on which an item exists, as a position in the window, shape (N,).
        log_factor: Logarithm of the multiplier of the rate, shape (N, T); -inf = retired.
        events: One line an event: item, ``obsolete``, ``new``, ``superseded``, ``successor`` or
            ``level_shift``, day, and its parameters.
    """

    launch: Ints
    log_factor: Floats
    events: pd.DataFrame


def draw_lifecycle(items: Items, days: int, seed: int) -> tuple[Items, Lifecycle]:
    """Give some items an event each; a successor takes over its predecessor's demand.

    Returns:
        The items, successors with the parameters of the part they replace, and the life cycle.
    """
    rng = stream(seed, "life cycle")
    pairs = _pairs(items, rng)
    taken = {i for pair in pairs for i in pair}
    n = len(items.ids)
    order = [int(i) for i in rng.permutation(n) if i not in taken]
    shifted = [i for i in order if _moves(items, i)][: max(round(SHIFT_SHARE * n), 1)]
    order = [i for i in order if i not in shifted]
    cuts = np.cumsum([round(OBSOLETE_SHARE * n), round(NEW_SHARE * n)])
    obsolete, new, _ = np.split(np.array(order, dtype=np.int64), cuts)
    life = _Builder(items.ids, days, rng)
    for i in obsolete:
        life.decline(int(i))
    for i in new:
        life.launch_new(int(i))
    for i in shifted:
        life.shift(i)
    for old, successor in pairs:
        life.supersede(old, successor)
    return _inherit(items, pairs), life.built()


class _Builder:
    """Collects the events of one draw."""

    def __init__(self, ids: tuple[str, ...], days: int, rng: np.random.Generator) -> None:
        self.ids, self.days, self.rng = ids, days, rng
        self.launch = np.zeros(len(ids), dtype=np.int64)
        self.factor = np.zeros((len(ids), days))
        self.events: list[tuple[object, ...]] = []

    def decline(self, item: int) -> None:
        middle, scale = self._day(), self.rng.uniform(*DECLINE_SCALES)
        gone = logistic((np.arange(self.days) - middle) / scale)
        self.factor[item] = np.log(1 - (1 - DECLINE_TO) * gone)
        self._note(item, "obsolete", middle, scale=scale, factor=DECLINE_TO)

    def launch_new(self, item: int) -> None:
        self.launch[item] = self._day()
        self._note(item, "new", int(self.launch[item]))

    def shift(self, item: int) -> None:
        day, factor = self._day(), float(self.rng.choice(SHIFT_FACTORS))
        self.factor[item, day:] += np.log(factor)
        self._note(item, "level_shift", day, factor=factor)

    def supersede(self, old: int, successor: int) -> None:
        day = self._day()
        self.factor[old, day:] = -np.inf
        self.launch[successor] = day
        self._note(old, "superseded", day, other=self.ids[successor])
        self._note(successor, "successor", day, other=self.ids[old])

    def built(self) -> Lifecycle:
        events = pd.DataFrame(sorted(self.events, key=str), columns=list(EVENT_COLUMNS))
        return Lifecycle(self.launch, self.factor, events)

    def _day(self) -> int:
        return int(self.days * self.rng.uniform(*MIDDLE_OF_WINDOW))

    def _note(
        self,
        item: int,
        event: str,
        day: int,
        *,
        scale: float = np.nan,
        factor: float = np.nan,
        other: str | None = None,
    ) -> None:
        self.events.append((self.ids[item], event, day, scale, factor, other))


def _moves(items: Items, item: int) -> bool:
    """Whether a change of the item would show within months."""
    return bool(items.tier[item] <= TIERS.index("medium"))


def _pairs(items: Items, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Pairs (old, successor) of one family; a moving part first, so that the change shows."""
    wanted = round(SUPERSEDED_SHARE * len(items.ids))
    order = rng.permutation(len(items.ids))
    moving = [int(i) for i in order if _moves(items, int(i))]
    free = [int(i) for i in order]
    pairs: list[tuple[int, int]] = []
    for old in moving:
        partners = [j for j in free if j != old and items.family[j] == items.family[old]]
        if len(pairs) == wanted or old not in free or not partners:
            continue
        pairs.append((old, partners[0]))
        free = [j for j in free if j not in pairs[-1]]
    return pairs


def _inherit(items: Items, pairs: list[tuple[int, int]]) -> Items:
    source = np.arange(len(items.ids))
    for old, successor in pairs:
        source[successor] = old
    return Items(
        ids=items.ids,
        family=items.family,
        tier=items.tier[source],
        rate=items.rate[source],
        log_size=items.log_size[source],
        size_spread=items.size_spread[source],
        pack=items.pack,
        unit_cost=items.unit_cost,
        imported=items.imported[source],
        site_share=items.site_share[source],
    )
