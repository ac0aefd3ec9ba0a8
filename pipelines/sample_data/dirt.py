"""The dirt of a real file, planted into the clean ledger line by line, and recorded.

Each ``plant`` step changes the written text only; the truth keeps, for every line that it
touches, what the ledger said. Undoing the truth gives the ledger back exactly.
"""

import numpy as np
import pandas as pd

from pipelines.sample_data.streams import Bools, Floats, Ints, stream

LATE_DAYS, LATE_SHARE = 3, 0.30
OUTAGES_A_YEAR, OUTAGE_DAYS = 1.5, (3, 10)
MISSING_SHARE = 0.015  # of item-days, completely at random
UNIT_ERROR_SHARE, UNIT_ERRORS = 0.001, (10.0, 100.0)  # of lines with demand
RETURN_SHARE, RETURN_DAYS = 0.01, (2, 21)
NO_SITE_SHARE = 0.15
DATE_TYPO_SHARE, FEWEST_TYPOS = 0.0002, 3
DUPLICATE_SHARE = 0.02
TYPO_YEARS = ("2099", "2202")
TRUTH_COLUMNS = ("kind", "line", "item_id", "date", "site_id", "quantity", "written")
LEAP_DAY = "02-29"


class DirtyFile:
    """A demand file in the making: the written columns beside the true ones.

    Attributes:
        lines: One row a line, with columns ``item_id, date, site_id, quantity, is_stockout`` as
            text or null, and ``true_*`` copies; ``kinds`` collects what was planted on it.
    """

    def __init__(self, clean: pd.DataFrame, seed: int) -> None:
        self.rng = stream(seed, "dirt")
        self.clean = clean
        self.true_units: Floats = clean["quantity"].to_numpy(float)
        self.days, self.day = np.unique(clean["date"].to_numpy(str), return_inverse=True)
        self.date = clean["date"].to_numpy(object).copy()
        self.site = clean["site_id"].to_numpy(object).copy()
        self.units: Floats = self.true_units.copy()
        self.stockout = clean["is_stockout"].to_numpy(object).copy()
        self.kept: Bools = np.ones(len(clean), dtype=bool)
        self.marks: list[tuple[str, Ints]] = []

    def sample_lines(self, among: Bools, share: float, fewest: int = 0) -> Ints:
        """Random lines among those given, in order."""
        lines = np.flatnonzero(among & self.kept)
        count = min(max(round(share * len(lines)), fewest), len(lines))
        return np.sort(self.rng.choice(lines, count, replace=False))

    def cells(self, share: float, among: Bools) -> Ints:
        """All lines of random item-days."""
        cell = pd.factorize(self.clean["item_id"])[0] * len(self.days) + self.day
        chosen = self.rng.random(int(cell.max()) + 1) < share
        return np.flatnonzero(chosen[cell] & among & self.kept)

    def mark(self, kind: str, lines: Ints) -> Ints:
        """Record that these lines carry this kind of dirt."""
        self.marks.append((kind, lines))
        return lines


def plant_dirt(clean: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The demand file as written, and the truth of every line that is not as it should be.

    Args:
        clean: The ledger's frame, in file order.
        seed: Of the draws.

    Returns:
        The file's columns, dates as text; and one row a planted fault: ``kind``, ``line`` in
        the file (the header is line 1; null for a late posting, which is not in it), the true
        ``item_id, date, site_id, quantity``, and ``written``, what the file says instead. A
        return and a duplicate are lines of their own, whose true quantity is null.
    """
    dirty = DirtyFile(clean, seed)
    dirty.kept[dirty.mark("late_posting", dirty.cells(LATE_SHARE, _last_days(dirty)))] = False
    outage = _outages(dirty)
    lines = dirty.mark("erp_outage", np.flatnonzero(outage & dirty.kept))
    dirty.units[lines], dirty.stockout[lines] = np.nan, None
    lines = dirty.mark("missing_quantity", dirty.cells(MISSING_SHARE, ~outage))
    dirty.units[lines] = np.nan
    sound = ~np.isnan(dirty.units)
    lines = dirty.mark(
        "unit_error", dirty.sample_lines(sound & (dirty.units > 0), UNIT_ERROR_SHARE, 1)
    )
    dirty.units[lines] *= dirty.rng.choice(UNIT_ERRORS, len(lines))
    sound[lines] = False
    sound[_mistype_dates(dirty, sound)] = False
    lines = dirty.mark("no_site", dirty.sample_lines(sound, NO_SITE_SHARE))
    dirty.site[lines] = None
    quiet = np.unique(dirty.day[outage | _last_days(dirty)])
    returns = _returns(dirty, sound, quiet)
    return _assemble(dirty, returns, dirty.sample_lines(sound, DUPLICATE_SHARE))


def _last_days(dirty: DirtyFile) -> Bools:
    return dirty.day >= len(dirty.days) - LATE_DAYS


def _outages(dirty: DirtyFile) -> Bools:
    """Days of system outages; the late days stay out of them, shape (R,)."""
    total = len(dirty.days)
    down = np.zeros(total, dtype=bool)
    for _ in range(max(1, round(OUTAGES_A_YEAR * total / 365.25))):
        length = int(dirty.rng.integers(OUTAGE_DAYS[0], OUTAGE_DAYS[1] + 1))
        start = int(dirty.rng.integers(max(total - length - LATE_DAYS, 1)))
        down[start : start + length] = True
    result: Bools = down[dirty.day]
    return result


def _mistype_dates(dirty: DirtyFile, sound: Bools) -> Ints:
    """Years 2099 and 2202, and one 31 February."""
    plain = np.array([not date.endswith(LEAP_DAY) for date in dirty.date], dtype=bool)
    lines = dirty.mark(
        "date_typo", dirty.sample_lines(sound & plain, DATE_TYPO_SHARE, FEWEST_TYPOS)
    )
    for n, line in enumerate(lines):
        date = str(dirty.date[line])
        dirty.date[line] = TYPO_YEARS[n % 2] + date[4:] if n else f"{date[:4]}-02-31"
    return lines


def _returns(dirty: DirtyFile, sound: Bools, quiet: Ints) -> pd.DataFrame:
    """Lines of their own: part of a demand comes back some days later, as a negative quantity.

    None is booked on a ``quiet`` day, when the system is down or not yet up to date.
    """
    lines = dirty.sample_lines(sound & (dirty.true_units > 0), RETURN_SHARE, 1)
    back = dirty.day[lines] + dirty.rng.integers(*RETURN_DAYS, len(lines))
    units = np.ceil(dirty.units[lines] * dirty.rng.uniform(0.2, 1.0, len(lines)))
    in_time = (back < len(dirty.days)) & ~np.isin(back, quiet)
    lines, back, units = lines[in_time], back[in_time], units[in_time]
    return pd.DataFrame(
        {
            "item_id": dirty.clean["item_id"].to_numpy(object)[lines],
            "date": dirty.days.astype(object)[back],
            "site_id": dirty.clean["site_id"].to_numpy(object)[lines],
            "quantity": -units,
            "is_stockout": False,
            "kind": "return",
            "place": np.searchsorted(dirty.day, back, side="right") - 0.5,
        }
    )


def _assemble(
    dirty: DirtyFile, returns: pd.DataFrame, doubled: Ints
) -> tuple[pd.DataFrame, pd.DataFrame]:
    written = dirty.clean[["item_id"]].assign(
        date=dirty.date,
        site_id=dirty.site,
        quantity=dirty.units,
        is_stockout=dirty.stockout,
        kind=None,
        place=np.arange(len(dirty.clean), dtype=float),
    )
    copies = written.iloc[doubled].assign(kind="duplicate", place=doubled + 0.25)
    parts = [written[dirty.kept].astype(object), copies.astype(object), returns.astype(object)]
    file = pd.concat(parts).sort_values("place", kind="stable", ignore_index=True)
    file["quantity"] = file["quantity"].astype(float)
    own = file["kind"].isna().to_numpy()
    at = np.full(len(dirty.clean), -1)
    at[file["place"].to_numpy(float)[own].astype(np.int64)] = np.flatnonzero(own) + 2
    truth = pd.concat([_line_truth(dirty, at, file), _extra_truth(file[~own])])
    truth = truth.sort_values(["line", "kind"], kind="stable", ignore_index=True)
    columns = ["item_id", "date", "site_id", "quantity", "is_stockout"]
    return file[columns], truth


_CHANGED = {
    "erp_outage": "quantity",
    "missing_quantity": "quantity",
    "unit_error": "quantity",
    "date_typo": "date",
    "no_site": "site_id",
}


def _line_truth(dirty: DirtyFile, at: Ints, file: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for kind, lines in dirty.marks:
        part = dirty.clean.iloc[lines][["item_id", "date", "site_id", "quantity"]].astype(object)
        part.insert(0, "kind", kind)
        present = at[lines] >= 0
        numbers = pd.Series(at[lines], index=part.index, dtype="Int64")
        part.insert(1, "line", numbers.where(present))
        changed = _CHANGED.get(kind)
        part["written"] = None
        if changed is not None:
            part["written"] = file[changed].to_numpy(object)[at[lines] - 2]
        parts.append(part)
    return pd.concat(parts)


def _extra_truth(extra: pd.DataFrame) -> pd.DataFrame:
    columns = extra[["kind", "item_id", "date", "site_id"]].astype(object)
    columns.insert(1, "line", pd.Series(extra.index + 2, index=extra.index, dtype="Int64"))
    return columns.assign(quantity=None, written=extra["quantity"].to_numpy(object))
