"""The dirt of real files, planted into clean ones line by line, and recorded.

Each step changes the written text only; the truth keeps, for every line that it touches, what the
clean file said. Undoing the truth gives the clean file back exactly.
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
LEAP_DAY = "02-29"
FAMILY_SHARE = 0.05  # of items whose family is spelled in another way
NEAR_PAIRS_SHARE = 0.03  # of items named like the one before but for a blank
SPELLINGS = (str.upper, str.title, "{} ".format)
KEY = ["item_id", "date", "site_id"]
CHANGED = {
    "erp_outage": "quantity",
    "missing_quantity": "quantity",
    "unit_error": "quantity",
    "date_typo": "date",
    "no_site": "site_id",
}
"""The column that each kind of dirt changes; of the others a line is missing or added."""


class _DirtyFile:
    """A demand file in the making: the written columns beside the true ones, all (R,)."""

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
        self.is_late: Bools = self.day >= len(self.days) - LATE_DAYS
        self.marks: list[tuple[str, Ints]] = []

    def sample_lines(self, among: Bools, share: float, fewest: int = 0) -> Ints:
        """Random lines among those given, in order."""
        lines = np.flatnonzero(among & self.kept)
        count = min(max(round(share * len(lines)), fewest), len(lines))
        return np.sort(self.rng.choice(lines, count, replace=False))

    def sample_item_days(self, share: float, among: Bools) -> Ints:
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

    Returns:
        The file's columns, dates as text; and one row a planted fault: ``kind``, ``line`` in
        the file (the header is line 1; null for a late posting, which is not in it), the true
        ``item_id, date, site_id, quantity``, and ``written``, what the file says instead. A
        return and a duplicate are lines of their own, whose true quantity is null.
    """
    dirty = _DirtyFile(clean, seed)
    late = dirty.mark("late_posting", dirty.sample_item_days(LATE_SHARE, dirty.is_late))
    dirty.kept[late] = False
    outage = _draw_outages(dirty)
    lines = dirty.mark("erp_outage", np.flatnonzero(outage & dirty.kept))
    dirty.units[lines], dirty.stockout[lines] = np.nan, None
    lines = dirty.mark("missing_quantity", dirty.sample_item_days(MISSING_SHARE, ~outage))
    dirty.units[lines] = np.nan
    sound = ~np.isnan(dirty.units)
    wrong = dirty.sample_lines(sound & (dirty.units > 0), UNIT_ERROR_SHARE, 1)
    dirty.units[dirty.mark("unit_error", wrong)] *= dirty.rng.choice(UNIT_ERRORS, len(wrong))
    sound[wrong] = False
    sound[_mistype_dates(dirty, sound)] = False
    dirty.site[dirty.mark("no_site", dirty.sample_lines(sound, NO_SITE_SHARE))] = None
    returns = _draw_returns(dirty, sound, np.unique(dirty.day[outage | dirty.is_late]))
    return _assemble(dirty, returns, dirty.sample_lines(sound, DUPLICATE_SHARE))


def _draw_outages(dirty: _DirtyFile) -> Bools:
    """Whether the system was down; the late days stay out of it, shape (R,)."""
    total = len(dirty.days)
    down = np.zeros(total, dtype=bool)
    for _ in range(max(1, round(OUTAGES_A_YEAR * total / 365.25))):
        length = int(dirty.rng.integers(OUTAGE_DAYS[0], OUTAGE_DAYS[1] + 1))
        start = int(dirty.rng.integers(max(total - length - LATE_DAYS, 1)))
        down[start : start + length] = True
    return down[dirty.day]


def _mistype_dates(dirty: _DirtyFile, sound: Bools) -> Ints:
    """Years 2099 and 2202, and one 31 February."""
    plain = np.array([not date.endswith(LEAP_DAY) for date in dirty.date], dtype=bool)
    lines = dirty.sample_lines(sound & plain, DATE_TYPO_SHARE, FEWEST_TYPOS)
    for n, line in enumerate(dirty.mark("date_typo", lines)):
        date = str(dirty.date[line])
        dirty.date[line] = TYPO_YEARS[n % 2] + date[4:] if n else f"{date[:4]}-02-31"
    return lines


def _draw_returns(dirty: _DirtyFile, sound: Bools, quiet: Ints) -> pd.DataFrame:
    """Lines of their own: part of a demand comes back some days later, as a negative quantity.

    None is booked on a ``quiet`` day, when the system is down or not yet up to date.
    """
    lines = dirty.sample_lines(sound & (dirty.true_units > 0), RETURN_SHARE, 1)
    back = dirty.day[lines] + dirty.rng.integers(*RETURN_DAYS, len(lines))
    units = np.ceil(dirty.units[lines] * dirty.rng.uniform(0.2, 1.0, len(lines)))
    in_time = (back < len(dirty.days)) & ~np.isin(back, quiet)
    lines, back, units = lines[in_time], back[in_time], units[in_time]
    return dirty.clean.iloc[lines].assign(
        date=dirty.days.astype(object)[back],
        quantity=-units,
        is_stockout=False,
        kind="return",
        place=np.searchsorted(dirty.day, back, side="right") - 0.5,
    )


def _assemble(
    dirty: _DirtyFile, returns: pd.DataFrame, doubled: Ints
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The lines in their places, and the truth of them."""
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
    truths = [_tell_lines(dirty.clean, kind, lines, at, file) for kind, lines in dirty.marks]
    extra = file.loc[~own, ["kind", *KEY]].astype(object)
    extra.insert(1, "line", pd.Series(extra.index + 2, index=extra.index, dtype="Int64"))
    extra = extra.assign(quantity=None, written=file["quantity"][~own].to_numpy(object))
    truth = pd.concat([pd.concat(truths), extra])
    truth = truth.sort_values(["line", "kind"], kind="stable", ignore_index=True)
    return file[[*KEY, "quantity", "is_stockout"]], truth


def _tell_lines(
    clean: pd.DataFrame, kind: str, lines: Ints, at: Ints, file: pd.DataFrame
) -> pd.DataFrame:
    """The truth of the lines that carry one kind of dirt; ``at`` is where lines are written."""
    part = clean.iloc[lines][[*KEY, "quantity"]].astype(object)
    part.insert(0, "kind", kind)
    numbers = pd.Series(at[lines], index=part.index, dtype="Int64")
    part.insert(1, "line", numbers.where(at[lines] >= 0))
    part["written"] = None
    if kind in CHANGED:
        part["written"] = file[CHANGED[kind]].to_numpy(object)[at[lines] - 2]
    return part


def plant_item_dirt(items: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The item file as written, and one truth row a changed cell.

    A row has the ``kind`` (``family_spelling`` or ``near_equal_name``), ``item_id``, ``column``,
    and what is ``true`` and what is ``written``.
    """
    rng = stream(seed, "item dirt")
    changes = []
    for n, row in enumerate(_sample_rows(rng, len(items), FAMILY_SHARE)):
        text = SPELLINGS[n % len(SPELLINGS)](str(items["family"].iloc[row]))
        changes.append(("family_spelling", row, "family", text))
    for row in _sample_rows(rng, len(items) - 1, NEAR_PAIRS_SHARE):
        name = str(items["name"].iloc[row])
        if " " in name:
            changes.append(("near_equal_name", row + 1, "name", name.replace(" ", "_")))
    written, records = items.copy(), []
    for kind, row, column, text in changes:
        label = items.index[row]
        records.append((kind, items.loc[label, "item_id"], column, items.loc[label, column], text))
        written.loc[label, column] = text
    return written, pd.DataFrame(records, columns=["kind", "item_id", "column", "true", "written"])


def _sample_rows(rng: np.random.Generator, total: int, share: float) -> list[int]:
    count = min(max(round(share * total), 1), max(total, 0))
    return sorted(int(row) for row in rng.choice(total, count, replace=False))
