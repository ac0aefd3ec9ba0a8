"""The clean ledger: what a faultless system would have recorded, one line an item, day and site."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.sample_data.demand import Arrivals
from pipelines.sample_data.items import Items
from pipelines.sample_data.rollout import SITES
from pipelines.sample_data.streams import Bools, Days, Floats, Ints

SITE_IDS = np.array([site.site_id for site in SITES], dtype=object)
DEMAND_COLUMNS = ("item_id", "date", "site_id", "quantity", "is_stockout")


@dataclass(frozen=True, slots=True)
class Ledger:
    """Recorded movements in the order of day, item and site; arrays of shape (R,)."""

    item: Ints
    day: Ints
    site: Ints
    units: Floats
    stockout: Bools

    def take(self, rows: Ints | Bools) -> "Ledger":
        """The lines at these positions."""
        return Ledger(
            self.item[rows], self.day[rows], self.site[rows], self.units[rows], self.stockout[rows]
        )

    def frame(self, ids: tuple[str, ...], days: Days) -> pd.DataFrame:
        """The lines with their names: ``item_id, date, site_id, quantity, is_stockout``."""
        columns = (
            np.array(ids, dtype=object)[self.item],
            np.datetime_as_string(days).astype(object)[self.day],
            SITE_IDS[self.site],
            self.units,
            self.stockout,
        )
        return pd.DataFrame(dict(zip(DEMAND_COLUMNS, columns, strict=True)))

    def item_days(self, shape: tuple[int, int]) -> Floats:
        """Units by item and day, shape (N, T)."""
        sums = np.bincount(self.item * shape[1] + self.day, self.units, shape[0] * shape[1])
        return sums.astype(float).reshape(shape)


def record(items: Items, arrivals: Arrivals, served: Floats, empty: Bools, launch: Ints) -> Ledger:
    """Book what was served at the sites that asked, first come first served.

    An item and day on which nothing was served has one line of zero at the item's main site;
    before the launch there is none.
    """
    t = served.shape[1]
    given = _served_arrivals(arrivals, served)
    some = given > 0
    sites = len(SITES)
    key = (arrivals.item[some] * t + arrivals.day[some]) * sites + arrivals.site[some]
    lines, where = np.unique(key, return_inverse=True)
    units = np.bincount(where, given[some], minlength=len(lines)).astype(float)
    idle = np.flatnonzero((served == 0) & (np.arange(t) >= launch[:, None]))
    idle_key = idle * sites + items.main_site[idle // t]
    return from_keys(np.r_[lines, idle_key], np.r_[units, np.zeros(len(idle))], empty)


def from_keys(key: Ints, units: Floats, empty: Bools) -> Ledger:
    """Lines from their keys ``(item * T + day) * K + site``, in the ledger's order."""
    cell, site = np.divmod(key, len(SITES))
    item, day = np.divmod(cell, empty.shape[1])
    order = np.lexsort((site, item, day))
    return Ledger(item, day, site, units, empty[item, day]).take(order)


def _served_arrivals(arrivals: Arrivals, served: Floats) -> Floats:
    """Units given to each arrival, the day's first ones first, shape (A,)."""
    cell = arrivals.item * served.shape[1] + arrivals.day
    total = np.cumsum(arrivals.units)
    first = np.r_[True, cell[1:] != cell[:-1]] if len(cell) else np.zeros(0, dtype=bool)
    before_cell = (total - arrivals.units)[first][np.cumsum(first) - 1]
    before = total - arrivals.units - before_cell
    return np.clip(served.ravel()[cell] - before, 0.0, arrivals.units)
