"""The sound rows of demand files of any size, as values, in portions of whole items."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipelines.intake.cells import id_fault
from pipelines.intake.coded_rows import CodedFile, Codes, RowFile, Span, row_file
from pipelines.intake.data_file import DataFile
from pipelines.intake.parse_numbers import parse_numbers
from pipelines.intake.parse_words import parse_flags
from pipelines.intake.quarantine import CELLS, Reason
from pipelines.intake.request import ReadingRequest
from pipelines.intake.series import SIGNED, judge_days, say_doubt

PORTION = 1 << 17  # rows that are put together, about; an item may have more
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Part = dict[str, Any]  # some rows: lines, and codes of texts by column
_COLUMNS = {"item": "<i4", "ds": "<i4", "y": "<f8", "flag": "i1", "site": "<i4"}
_UNKNOWN = -1  # of a flag


@dataclass(frozen=True, slots=True)
class DatedFile:
    """What each id and each day of a demand file means."""

    coded: CodedFile
    # of each text of `item_id`: it is an id, and it says how the other columns are written
    fine: Bools
    counts: Bools
    # of each text of `ds`: the day, whether there is one, whether it is of a time long before all
    # others, and whether the run must not see it
    days: Codes
    dated: Bools
    early: Bools
    unseen: Bools
    faults: dict[str, pl.Series]  # of each text why it cannot be used, null where it can
    later: int  # rows that the run must not see
    remarks: list[str]

    def early_rows(self, part: Part) -> Bools:
        """Which rows have a day that lies long before all others."""
        return np.asarray(self.early[part["ds"]] & self.counts[part["item_id"]])

    def dated_rows(self, part: Part) -> Bools:
        """Which rows that the run sees have an id and a day."""
        known = self.dated[part["ds"]] & ~self.unseen[part["ds"]] & self.fine[part["item_id"]]
        return np.asarray(known & ~self.early_rows(part))


@dataclass(frozen=True, slots=True)
class JudgedFile:
    """What each text of a demand file means, and which rows are used."""

    dated: DatedFile
    numbers: npt.NDArray[np.float64]  # of each text of `y`, NaN = it says that there is none
    numeric: Bools  # whether it can be used
    flags: npt.NDArray[np.int8]  # of each text of `is_stockout`
    used: Ints  # rows of each text of `item_id` that are used
    units: pl.DataFrame  # distinct `item_id` and `unit` of the rows that are used
    aside: list[pl.DataFrame]  # quarantine
    remarks: list[str]
    doubt: str  # why no number can be trusted; "" = they can

    @property
    def file(self) -> DataFile:
        """The file, without its rows."""
        return self.dated.coded.file

    def used_rows(self, part: Part) -> Bools:
        """Which rows are used."""
        return np.asarray(self.dated.dated_rows(part) & self.numeric[part["y"]])


def judge_file(coded: CodedFile, request: ReadingRequest, excluded: Sequence[str]) -> JudgedFile:
    """Decide what the texts of a file mean; ``excluded`` are items that have no say in it."""
    dated = _date(coded, request, excluded)
    file, texts, faults = coded.file, coded.texts, dict(dated.faults)
    weight, sound = (np.zeros(len(texts["y"]), np.int64) for _ in range(2))
    for part in coded.read():
        own = dated.dated_rows(part)
        sound += np.bincount(part["y"][own], minlength=len(sound))
        own &= dated.counts[part["item_id"]]
        weight += np.bincount(part["y"][own], minlength=len(weight))
    cells = pl.DataFrame({"text": texts["y"], "weight": weight})
    where = f"{file.name}, {file.names['y']}"
    numbers = parse_numbers(cells, where, typed="y" in file.typed, usual=file.decimal)
    faults["y"] = numbers.cells["fault"]
    flags = np.full(0, _UNKNOWN, np.int8)
    if "is_stockout" in texts:
        words = pl.DataFrame({"text": texts["is_stockout"]})
        parsed = parse_flags(words, "").cells
        faults["is_stockout"] = parsed["fault"]
        flags = parsed["value"].cast(pl.Int8).fill_null(_UNKNOWN).to_numpy()
    values = numbers.cells["value"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    unclear = _unclear(numbers.cells, sound)
    judged = JudgedFile(
        dated, values, faults["y"].is_null().to_numpy(), flags, np.zeros(0, np.int64), CELLS, [],
        [*dated.remarks, *numbers.remarks], "",
    )  # fmt: skip
    return _count(judged, faults, unclear, sound)


def _date(coded: CodedFile, request: ReadingRequest, excluded: Sequence[str]) -> DatedFile:
    """Decide what ids and days mean."""
    ids = coded.texts["item_id"]
    id_faults = pl.DataFrame({"item_id": ids}).select(id_fault("item_id")).to_series()
    out = pl.Series(excluded, dtype=pl.String).implode()
    counts = (id_faults.is_null() & ~ids.is_in(out)).to_numpy()
    rows, weight = (np.zeros(len(coded.texts["ds"]), np.int64) for _ in range(2))
    for part in coded.read():
        rows += np.bincount(part["ds"], minlength=len(rows))
        weight += np.bincount(part["ds"][counts[part["item_id"]]], minlength=len(rows))
    texts = pl.DataFrame({"text": coded.texts["ds"], "rows": rows, "weight": weight})
    days = judge_days(coded.file, texts, request)
    cells = days.cells
    return DatedFile(
        coded,
        id_faults.is_null().to_numpy(),
        counts,
        cells["value"].to_physical().fill_null(0).to_numpy(),
        cells["fault"].is_null().to_numpy(),
        cells["early"].to_numpy(),
        cells["later"].to_numpy(),
        {"item_id": id_faults, "ds": cells["fault"]},
        days.later,
        days.remarks,
    )


def _unclear(cells: pl.DataFrame, sound: Ints) -> Bools:
    """Which texts nobody can tell the decimal sign of, where none of the column tells it."""
    signed = cells["text"].str.contains(SIGNED).to_numpy() & (sound > 0)
    unclear = signed & (cells["fault"] == str(Reason.AMBIGUOUS_NUMBER)).fill_null(False).to_numpy()
    known = (signed & cells["value"].is_not_null().to_numpy()).any()
    return np.zeros(len(sound), bool) if known else unclear


def _count(
    judged: JudgedFile, faults: dict[str, pl.Series], unclear: Bools, sound: Ints
) -> JudgedFile:
    """Go through the rows: those that are used, those set aside, and the first in doubt."""
    dated, file, texts = judged.dated, judged.file, judged.dated.coded.texts
    used = np.zeros(len(texts["item_id"]), np.int64)
    pairs, aside, doubt = [], [], ""
    for part in dated.coded.read():
        aside += [cells for name in faults if (cells := _faulty(dated, part, name, faults[name]))
                  is not None]  # fmt: skip
        own = judged.used_rows(part)
        used += np.bincount(part["item_id"][own], minlength=len(used))
        if "unit" in texts:
            both = np.stack([part["item_id"][own], part["unit"][own]])
            pairs.append(np.unique(both, axis=1))
        if not doubt and unclear.any():
            first = np.flatnonzero(unclear[part["y"]] & dated.dated_rows(part))[:1]
            for row in first.tolist():
                shown, line = texts["y"][int(part["y"][row])], int(part["line"][row])
                doubt = say_doubt(file, "y", line, shown, int(sound[unclear].sum()))
    items, codes = np.unique(np.concatenate(pairs, axis=1), axis=1) if pairs else ([], [])
    units = pl.DataFrame(
        {"item_id": texts["item_id"].gather(items),
         "unit": texts.get("unit", texts["item_id"]).gather(codes)}
    )  # fmt: skip
    return JudgedFile(
        dated, judged.numbers, judged.numeric, judged.flags, used, units, aside, judged.remarks,
        doubt,
    )  # fmt: skip


def _faulty(dated: DatedFile, part: Part, name: str, faults: pl.Series) -> pl.DataFrame | None:
    """The cells of a column that cannot be used as rows of the quarantine; none are ``None``."""
    codes, texts = part[name], dated.coded.texts
    bad = faults.is_not_null().to_numpy()[codes]
    early = dated.early_rows(part) if name == "ds" else np.zeros(len(codes), bool)
    rows = np.flatnonzero((bad | early) & ~dated.unseen[part["ds"]])
    if not len(rows):
        return None
    reason = pl.when(pl.Series(early[rows])).then(pl.lit(str(Reason.ISOLATED_DATE)))
    return pl.select(
        file=pl.lit(dated.coded.file.name),
        line=pl.Series(part["line"][rows]),
        item_id=texts["item_id"].gather(part["item_id"][rows]),
        column=pl.lit(dated.coded.file.names[name]),
        value=texts[name].gather(codes[rows]),
        reason=reason.otherwise(faults.gather(codes[rows])),
    )


@dataclass(frozen=True, slots=True)
class DemandPortions:
    """The sound rows of all files, in portions of whole items."""

    ids: pl.Series  # all items, sorted
    sites: pl.Series  # all sites
    rows: RowFile
    spans: Sequence[Sequence[Span]]  # where the rows of each portion are
    ends: Ints  # behind the last item of each portion

    def frame(self, portion: int, usable: Bools | None = None) -> pl.DataFrame:
        """The rows of a portion in the order of the files: an item, site and day may have several.

        ``item_id`` is an Enum, sorted as text; where ``usable`` items are told, rows say so.
        """
        rows = self.rows.read(self.spans[portion])
        flags = pl.Series(rows["flag"])
        frame = pl.DataFrame(
            {
                "item_id": self.as_ids(rows["item"]),
                "ds": pl.Series(rows["ds"]).cast(pl.Date),
                "y": pl.Series(rows["y"], nan_to_null=True),
                "site_id": self.sites.gather(rows["site"]),
                "is_stockout": pl.select(pl.when(flags >= 0).then(flags == 1)).to_series(),
            }
        )
        return frame if usable is None else frame.with_columns(usable=usable[rows["item"]])

    def as_ids(self, places: Codes) -> pl.Series:
        """Ids as an Enum that sorts as Python sorts text, out of their positions."""
        return pl.Series(places.astype(np.uint32)).cat.to(pl.Enum(self.ids))


def put_in_portions(judged: Sequence[JudgedFile]) -> DemandPortions:
    """Write the rows that are used so that those of some items can be read together."""
    given = [(one.dated.coded.texts["item_id"], one.used) for one in judged]
    ids = pl.concat([texts.filter(pl.Series(used > 0)) for texts, used in given]).unique().sort()
    places = [_places(texts, ids) for texts, _ in given]
    counts = np.zeros(len(ids), np.int64)
    for place, (_, used) in zip(places, given, strict=True):
        np.add.at(counts, place[used > 0], used[used > 0])
    _, portion_of = np.unique((np.cumsum(counts) - counts) // PORTION, return_inverse=True)
    ends = np.cumsum(np.bincount(portion_of))
    nowhere = pl.Series([""])
    told = [one.dated.coded.texts.get("site_id", nowhere) for one in judged]
    sites = pl.concat([nowhere, *told]).unique(maintain_order=True)
    kept = row_file(_COLUMNS)
    spans: list[list[Span]] = [[] for _ in ends]
    for one, place, own_sites in zip(judged, places, told, strict=True):
        site_of = _places(own_sites, sites)
        for part in one.dated.coded.read():
            rows = _values(one, part, place, site_of)
            own = portion_of[rows["item"]]
            order = np.argsort(own, kind="stable")
            start, _ = kept.append(rows[order])
            number = np.bincount(own, minlength=len(ends))
            for portion in np.flatnonzero(number).tolist():
                spans[portion].append((start, int(number[portion])))
                start += int(number[portion]) * kept.dtype.itemsize
    return DemandPortions(ids, sites, kept, spans, ends)


def _places(texts: pl.Series, among: pl.Series) -> Codes:
    """The positions of texts among others, -1 where they are not there."""
    known = pl.DataFrame({"text": among}).with_row_index("place")
    found = pl.DataFrame({"text": texts}).join(known, on="text", how="left", maintain_order="left")
    return found["place"].cast(pl.Int32).fill_null(-1).to_numpy()


def _values(judged: JudgedFile, part: Part, place: Codes, site_of: Codes) -> npt.NDArray[np.void]:
    """The rows of a part that are used, as values."""
    own = np.flatnonzero(judged.used_rows(part))
    rows = np.empty(len(own), [*_COLUMNS.items()])
    rows["item"] = place[part["item_id"][own]]
    rows["ds"] = judged.dated.days[part["ds"][own]]
    rows["y"] = judged.numbers[part["y"][own]]
    rows["flag"] = judged.flags[part["is_stockout"][own]] if "is_stockout" in part else _UNKNOWN
    rows["site"] = site_of[part["site_id"][own]] if "site_id" in part else site_of[0]
    return rows
