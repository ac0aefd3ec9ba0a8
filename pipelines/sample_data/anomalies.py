"""Labelled anomalies in the recorded demand: spikes, theft, flood, doubled weeks, dead sensors."""

import numpy as np
import pandas as pd

from pipelines.sample_data.families import FAMILIES
from pipelines.sample_data.items import Items
from pipelines.sample_data.ledger import Ledger, from_keys
from pipelines.sample_data.rollout import SITES
from pipelines.sample_data.streams import Bools, Days, Floats, Ints, stream

SPIKES_AN_ITEM_YEAR = 1 / 3
SPIKE_FACTOR, EVENT_FACTOR = (8.0, 20.0), (3.0, 8.0)
EVENTS = {
    "theft": ("cables", "batteries", "grounding"),
    "flood": ("rectifiers", "batteries", "breakers", "connectors"),
}
DAYS_BETWEEN_EVENTS = 550
SMALLEST_EVENT, EVENT_SHARE = 3, 0.4  # items hit, and share of the families' items
ITEMS_A_WINDOW = 36  # one doubled week and one dead sensor for so many items
DOUBLED_DAYS, DEAD_DAYS = 7, 14
ATTEMPTS = 20  # to find a run that no other anomaly touches
COLUMNS = ("kind", "item_id", "site_id", "first_date", "last_date", "units_before", "units_after")


class Planter:
    """Plants anomalies in a ledger, no line twice, and keeps their labels."""

    def __init__(self, ledger: Ledger, items: Items, days: Days, seed: int) -> None:
        self.items, self.days, self.rng = items, days, stream(seed, "anomalies")
        shape = (len(items.ids), len(days))
        self.key = (ledger.item * shape[1] + ledger.day) * len(SITES) + ledger.site
        self.empty: Bools = np.zeros(shape, dtype=bool)
        self.empty[ledger.item, ledger.day] = ledger.stockout
        self.item, self.day = ledger.item, ledger.day
        self.units: Floats = ledger.units.copy()
        self.planted: Bools = np.zeros(len(self.key), dtype=bool)
        self.in_stock: Bools = ~ledger.stockout
        self.usual = _usual_units(ledger, shape[0])
        self.labels: list[tuple[object, ...]] = []

    def spikes(self) -> None:
        """Single lines of 8 to 20 times the item's usual demand."""
        count = round(SPIKES_AN_ITEM_YEAR * self.empty.size / 365.25)
        lines = np.flatnonzero(self.in_stock & ~self.planted & (self.units > 0))
        for line in self.rng.choice(lines, min(count, len(lines)), replace=False):
            self._set(int(line), "spike", self._burst(int(line), SPIKE_FACTOR))

    def event(self, kind: str) -> None:
        """One day on which many items of some families are needed at their main sites."""
        day = int(self.rng.integers(len(self.days)))
        hit = np.array([FAMILIES[f].name in EVENTS[kind] for f in self.items.family])
        lines = np.flatnonzero(self.in_stock & ~self.planted & (self.day == day) & hit[self.item])
        lines = lines[np.unique(self.item[lines], return_index=True)[1]]
        count = min(max(SMALLEST_EVENT, round(EVENT_SHARE * len(lines))), len(lines))
        for line in np.sort(self.rng.choice(lines, count, replace=False)):
            self._set(int(line), kind, self._burst(int(line), EVENT_FACTOR))

    def doubled_week(self) -> None:
        """Seven days of one item, each line with twice its units."""
        lines = self._run(DOUBLED_DAYS)
        self._label("doubled_week", lines, 2 * self.units[lines])

    def dead_sensor(self) -> None:
        """Fourteen days of one item on which nothing is recorded but zero."""
        lines = self._run(DEAD_DAYS)
        self._label("dead_sensor", lines, np.zeros(len(lines)))

    def ledger(self) -> Ledger:
        """The ledger with the anomalies; a dead day keeps one line of zero."""
        cell = self.key // len(SITES)
        order = np.lexsort((-self.units, cell))
        first = np.ones(len(order), dtype=bool)
        first[1:] = cell[order][1:] != cell[order][:-1]
        keep = np.zeros(len(order), dtype=bool)
        keep[order[first]] = True
        keep |= self.units > 0
        return from_keys(self.key[keep], self.units[keep], self.empty)

    def _burst(self, line: int, factor: tuple[float, float]) -> float:
        return float(np.ceil(self.usual[self.item[line]] * self.rng.uniform(*factor)))

    def _set(self, line: int, kind: str, units: float) -> None:
        self._label(kind, np.array([line]), self.units[[line]] + units)

    def _run(self, days: int) -> Ints:
        """Lines of one item over consecutive days, some of them with demand."""
        busy = np.flatnonzero((self.units > 0) & (self.day <= len(self.days) - days))
        for _ in range(ATTEMPTS):
            start = int(self.rng.choice(busy))
            since = self.day - self.day[start]
            run = (self.item == self.item[start]) & (since >= 0) & (since < days)
            if not self.planted[run].any():
                break
        return np.flatnonzero(run & ~self.planted)

    def _label(self, kind: str, lines: Ints, units: Floats) -> None:
        first, last = self.days[self.day[lines[[0, -1]]]]
        site = SITES[int(self.key[lines[0]] % len(SITES))].site_id if len(lines) == 1 else None
        before, after = float(self.units[lines].sum()), float(units.sum())
        item = self.items.ids[self.item[lines[0]]]
        self.labels.append((kind, item, site, str(first), str(last), before, after))
        self.units[lines] = units
        self.planted[lines] = True


def plant_anomalies(
    ledger: Ledger, items: Items, days: Days, seed: int
) -> tuple[Ledger, pd.DataFrame]:
    """The ledger with anomalies, and their labels: kind, item, site, dates, units before, after."""
    planter = Planter(ledger, items, days, seed)
    for kind in EVENTS:
        for _ in range(max(1, round(len(days) / DAYS_BETWEEN_EVENTS / len(EVENTS)))):
            planter.event(kind)
    for _ in range(max(1, len(items.ids) // ITEMS_A_WINDOW)):
        planter.doubled_week()
        planter.dead_sensor()
    planter.spikes()
    labels = pd.DataFrame(planter.labels, columns=list(COLUMNS))
    return planter.ledger(), labels.sort_values(["first_date", "item_id"], ignore_index=True)


def _usual_units(ledger: Ledger, n_items: int) -> Floats:
    """Median of each item's recorded demands, 1 where it has none, shape (N,)."""
    some = ledger.units > 0
    medians = pd.Series(ledger.units[some]).groupby(ledger.item[some]).median()
    return np.asarray(medians.reindex(range(n_items), fill_value=1.0), dtype=np.float64)
