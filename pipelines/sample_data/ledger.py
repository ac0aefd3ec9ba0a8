"""The clean ledger, one line an item, day and site, and the labelled anomalies planted in it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.sample_data.items import FAMILIES, Items
from pipelines.sample_data.streams import Bools, Days, Floats, Ints, stream
from pipelines.sample_data.truth import Truth
from pipelines.sample_data.world import SITES

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


@dataclass(frozen=True, slots=True)
class Ledger:
    """Recorded movements in the order of day, item and site; arrays of shape (R,)."""

    item: Ints
    day: Ints
    site: Ints
    units: Floats
    stockout: Bools

    def frame(self, ids: tuple[str, ...], days: Days) -> pd.DataFrame:
        """The lines with their names: ``item_id, date, site_id, quantity, is_stockout``."""
        return pd.DataFrame(
            {
                "item_id": np.array(ids, dtype=object)[self.item],
                "date": np.datetime_as_string(days).astype(object)[self.day],
                "site_id": np.array(SITES, dtype=object)[self.site],
                "quantity": self.units,
                "is_stockout": self.stockout,
            }
        )


def record(truth: Truth) -> Ledger:
    """Book what was served at the sites that asked, first come first served.

    An item and day on which nothing was served has one line of zero at the item's main site;
    before the launch there is none.
    """
    arrivals, served, sites = truth.arrivals, truth.stock.served, len(SITES)
    t = served.shape[1]
    cell = arrivals.item * t + arrivals.day
    total = np.cumsum(arrivals.units)
    first = np.r_[True, cell[1:] != cell[:-1]] if len(cell) else np.zeros(0, dtype=bool)
    before_cell = (total - arrivals.units)[first][np.cumsum(first) - 1]
    before = total - arrivals.units - before_cell
    given = np.clip(served.ravel()[cell] - before, 0.0, arrivals.units)
    some = given > 0
    key = (arrivals.item[some] * t + arrivals.day[some]) * sites + arrivals.site[some]
    lines, where = np.unique(key, return_inverse=True)
    units = np.bincount(where, given[some], minlength=len(lines)).astype(float)
    idle = np.flatnonzero((served == 0) & truth.launched)
    idle_key = idle * sites + truth.items.site_share.argmax(axis=1)[idle // t]
    keys, amounts = np.r_[lines, idle_key], np.r_[units, np.zeros(len(idle))]
    return _order_lines(keys, amounts, truth.stock.empty)


def _order_lines(key: Ints, units: Floats, empty: Bools) -> Ledger:
    """Lines from their keys ``(item * T + day) * K + site``, in the ledger's order."""
    cell, site = np.divmod(key, len(SITES))
    item, day = np.divmod(cell, empty.shape[1])
    at = np.lexsort((site, item, day))
    return Ledger(item[at], day[at], site[at], units[at], empty[item, day][at])


def plant_anomalies(
    ledger: Ledger, items: Items, days: Days, seed: int
) -> tuple[Ledger, pd.DataFrame]:
    """The ledger with anomalies, and their labels: kind, item, site, dates, units before, after."""
    planter = _Planter(ledger, items, days, seed)
    for kind in EVENTS:
        for _ in range(max(1, round(len(days) / DAYS_BETWEEN_EVENTS / len(EVENTS)))):
            planter.plant_event(kind)
    for _ in range(max(1, len(items.ids) // ITEMS_A_WINDOW)):
        doubled = planter.find_run(DOUBLED_DAYS)
        planter.label("doubled_week", doubled, 2 * planter.units[doubled])
        dead = planter.find_run(DEAD_DAYS)
        planter.label("dead_sensor", dead, np.zeros(len(dead)))
    planter.plant_spikes()
    labels = pd.DataFrame(planter.labels, columns=list(COLUMNS))
    return planter.ledger(), labels.sort_values(["first_date", "item_id"], ignore_index=True)


class _Planter:
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
        some = ledger.units > 0
        medians = pd.Series(ledger.units[some]).groupby(ledger.item[some]).median()
        self.usual = medians.reindex(range(shape[0]), fill_value=1.0).to_numpy(float)
        self.labels: list[tuple[object, ...]] = []

    def plant_spikes(self) -> None:
        """Single lines of 8 to 20 times the item's usual demand."""
        count = round(SPIKES_AN_ITEM_YEAR * self.empty.size / 365.25)
        lines = np.flatnonzero(self.in_stock & ~self.planted & (self.units > 0))
        for line in self.rng.choice(lines, min(count, len(lines)), replace=False):
            self.raise_line(int(line), "spike", SPIKE_FACTOR)

    def plant_event(self, kind: str) -> None:
        """One day on which many items of some families are needed at their main sites."""
        day = int(self.rng.integers(len(self.days)))
        hit = FAMILIES["name"].isin(EVENTS[kind]).to_numpy()[self.items.family]
        lines = np.flatnonzero(self.in_stock & ~self.planted & (self.day == day) & hit[self.item])
        lines = lines[np.unique(self.item[lines], return_index=True)[1]]
        count = min(max(SMALLEST_EVENT, round(EVENT_SHARE * len(lines))), len(lines))
        for line in np.sort(self.rng.choice(lines, count, replace=False)):
            self.raise_line(int(line), kind, EVENT_FACTOR)

    def raise_line(self, line: int, kind: str, factor: tuple[float, float]) -> None:
        """One line with a multiple of the item's usual demand on top."""
        burst = float(np.ceil(self.usual[self.item[line]] * self.rng.uniform(*factor)))
        self.label(kind, np.array([line]), self.units[[line]] + burst)

    def find_run(self, days: int) -> Ints:
        """Lines of one item over consecutive days, some of them with demand."""
        busy = np.flatnonzero((self.units > 0) & (self.day <= len(self.days) - days))
        for _ in range(ATTEMPTS):
            start = int(self.rng.choice(busy))
            since = self.day - self.day[start]
            run = (self.item == self.item[start]) & (since >= 0) & (since < days)
            if not self.planted[run].any():
                break
        return np.flatnonzero(run & ~self.planted)

    def label(self, kind: str, lines: Ints, units: Floats) -> None:
        """Give lines other units, and note what they had."""
        first, last = self.days[self.day[lines[[0, -1]]]]
        site = SITES[int(self.key[lines[0]] % len(SITES))] if len(lines) == 1 else None
        before, after = float(self.units[lines].sum()), float(units.sum())
        item = self.items.ids[self.item[lines[0]]]
        self.labels.append((kind, item, site, str(first), str(last), before, after))
        self.units[lines] = units
        self.planted[lines] = True

    def ledger(self) -> Ledger:
        """The ledger with the anomalies; a dead day keeps one line of zero."""
        cell = self.key // len(SITES)
        order = np.lexsort((-self.units, cell))
        first = np.r_[True, cell[order][1:] != cell[order][:-1]]
        keep = self.units > 0
        keep[order[first]] = True
        return _order_lines(self.key[keep], self.units[keep], self.empty)
