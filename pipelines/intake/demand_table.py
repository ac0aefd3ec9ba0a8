"""The dense table of demand, made of some items at a time; it waits in a temporary file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from ml.contracts.base import check
from ml.contracts.demand import DEMAND, DemandParts
from ml.frequency import Frequency
from pipelines.intake import series
from pipelines.intake.coded_rows import RowFile, Span, row_file
from pipelines.intake.demand_rows import DemandPortions
from pipelines.intake.demand_survey import DemandSurvey
from pipelines.intake.periods import Inferred, fill_calendar, on_periods
from pipelines.intake.quarantine import to_arrow
from pipelines.intake.request import ReadingRequest
from pipelines.intake.sentences import counted
from pipelines.intake.series import KEY, USABLE, Y
from pipelines.intake.site_demand import count_by_site

ZEROS_SHARE = 0.01  # of the rows; fewer recorded zeros are slips in a log of movements
PRESENT_SHARE = 0.5  # of the periods inside the items' spans
DENSE = 1 << 17  # rows of a dense table that are made together, about
_COLUMNS = {"item": "<i4", "ds": "<i4", "y": "<f8", "flag": "i1", "share": "<f8",
            "served": "<f8", "absent": "i1"}  # fmt: skip
_UNKNOWN = -1  # of a flag
_DAYS = {Frequency.WEEKLY: 7, Frequency.MONTHLY: 28}  # of a period, at least
_ITEM = pl.col("item_id")


@dataclass(frozen=True, slots=True)
class MadeDemand:
    """The table, and what it took."""

    table: DemandParts
    by_site: pa.Table | None  # SITE_DEMAND rows, `None` where no row names a site
    statements: list[str]  # on returns and on periods without a row


@dataclass(frozen=True, slots=True)
class _Dense:
    """Rows of the table before it is known what absent periods mean."""

    ids: pl.Series  # all items, sorted
    rows: RowFile
    spans: Sequence[Span]
    found: pl.DataFrame  # of each part what was met, and its first and last day

    def frame(self, span: Span) -> pl.DataFrame:
        """Some rows of the file as columns of the table, and ``absent``."""
        rows = self.rows.read([span])
        flags = pl.Series(rows["flag"])
        return pl.DataFrame(
            {
                "item_id": self.ids.gather(rows["item"]),
                "ds": pl.Series(rows["ds"]).cast(pl.Date),
                "y": pl.Series(rows["y"], nan_to_null=True),
                "is_stockout": pl.select(pl.when(flags >= 0).then(flags == 1)).to_series(),
                "stockout_share": pl.Series(rows["share"], nan_to_null=True),
                "stockout_y": pl.Series(rows["served"], nan_to_null=True),
                "absent": pl.Series(rows["absent"]).cast(pl.Boolean),
            }
        )


def make_table(
    where: str,
    portions: DemandPortions,
    survey: DemandSurvey,
    inferred: Inferred,
    request: ReadingRequest,
) -> MadeDemand:
    """Make the table of all items, and what their sites asked for."""
    by_site: list[pa.Table] = []
    dense = _fill(where, portions, survey, inferred, by_site)
    found = dense.found.drop("first", "last").cast(pl.Int64).sum().row(0, named=True)
    days = dense.found.select(pl.col("first").min(), pl.col("last").max()).row(0)
    statements = []
    if found["returns"]:
        statements.append(
            f"{where}: {counted(found['returns'], 'row')} below zero are returns and were netted "
            f"within item and period; {counted(found['below'], 'period')} stayed below zero and "
            "became 0."
        )
    meaning, said = _fill_gaps(where, survey, found["periods"], found["absent"], request.gaps)
    frequency = inferred.frequency
    read = partial(_read, dense, meaning, str(frequency), request.source, where)
    ids = pa.array(portions.ids.to_list(), pa.string())
    number = sum(count for _, count in dense.spans)
    table = DemandParts(number, ids, (request.source,), days, read)
    sites = pa.concat_tables(by_site) if survey.has_sites else None
    return MadeDemand(table, sites, [*statements, said])


def _read(
    dense: _Dense, meaning: str, frequency: str, source: str, where: str
) -> Iterator[pa.Table]:
    """The parts of the table."""
    for span in dense.spans:
        rows = dense.frame(span)
        if meaning == "zero":
            rows = rows.with_columns(y=pl.when("absent").then(0.0).otherwise(Y))
        rows = rows.drop("absent").with_columns(frequency=pl.lit(frequency), source=pl.lit(source))
        yield check(to_arrow(rows), DEMAND, where=where)


def _fill(
    where: str,
    portions: DemandPortions,
    survey: DemandSurvey,
    inferred: Inferred,
    by_site: list[pa.Table],
) -> _Dense:
    """Sum the rows of all items to periods, and add those that they lack."""
    kept, spans, found = row_file(_COLUMNS), [], []
    days = _days_of_periods(survey, inferred)
    for rows in _in_groups(portions, survey, inferred.frequency):
        if survey.has_sites:
            usable = rows.filter(USABLE)
            by_site.append(count_by_site(usable, survey.days[-1], inferred, where))
        sums, returns = _sum_to_periods(rows, inferred)
        stockouts = _weigh_stockouts(rows, days, inferred)
        sums = sums.join(stockouts, on=KEY, how="left", maintain_order="left")
        table = fill_calendar(sums, inferred.frequency)
        told = table.filter(USABLE).select(periods=pl.len(), absent=pl.col("absent").sum())
        ends = table.select(first=pl.col("ds").min(), last=pl.col("ds").max())
        found.append(pl.concat([told, ends, returns], how="horizontal"))
        spans.append(kept.append(_as_records(table)))
    return _Dense(portions.ids, kept, spans, pl.concat(found))


def _in_groups(
    portions: DemandPortions, survey: DemandSurvey, frequency: Frequency
) -> Iterator[pl.DataFrame]:
    """The rows of some items at a time, few enough that their dense table is not large."""
    lengths = np.ones(len(portions.ids), np.int64)
    spans = (survey.rhythm["last"] - survey.rhythm["first"]).dt.total_days()
    lengths[survey.rhythm["place"].to_numpy()] += spans.to_numpy() // _DAYS.get(frequency, 1)
    first = 0
    for portion, end in enumerate(portions.ends.tolist()):
        rows = portions.frame(portion, survey.usable)
        cuts = np.flatnonzero(np.diff(np.cumsum(lengths[first:end]) // DENSE)) + first + 1
        places = [first, *cuts.tolist(), end]
        for start, stop in pairwise(places):
            own = _ITEM.to_physical().is_between(start, stop - 1)
            yield rows.filter(own) if len(cuts) else rows
        first = end


def _sum_to_periods(rows: pl.DataFrame, inferred: Inferred) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One row an item and period, with returns netted; and how many these were."""
    periods = rows
    if inferred.frequency is not Frequency.DAILY:
        periods = on_periods(rows, inferred.frequency, inferred.anchor)
    items = periods.select("item_id", "usable").unique()
    sums = series.add_up(periods).join(items, on="item_id", maintain_order="left")
    returns = rows.filter(USABLE, Y < 0).height
    below = sums.filter(USABLE, Y < 0).height if returns else 0
    # an absurd return stays absurd; the sum with 0 turns a negative zero into a zero
    netted = pl.when(USABLE).then(Y.clip(lower_bound=0.0)).otherwise(Y.abs())
    return sums.with_columns(y=netted + 0.0), pl.DataFrame({"returns": [returns], "below": [below]})


def _days_of_periods(survey: DemandSurvey, inferred: Inferred) -> pl.DataFrame:
    """Of each period the number of days on which any usable item has a row."""
    days = pl.DataFrame({"ds": survey.days}).with_columns(usable=pl.lit(value=True))
    periods = on_periods(days, inferred.frequency, inferred.anchor)
    return periods.group_by("ds").agg(days=pl.len())


def _weigh_stockouts(rows: pl.DataFrame, days: pl.DataFrame, inferred: Inferred) -> pl.DataFrame:
    """Of each item and period where stock ran out, on what share of days and sites it did.

    And how much was served there. Days are those on which any item has a row, so a month given as
    one row is one day; sites are those of the item in all files.
    """
    rows = on_periods(rows.with_columns(day="ds"), inferred.frequency, inferred.anchor)
    flagged = rows.filter("is_stockout").sort(*KEY, "y", nulls_last=True)
    cells = flagged.group_by(KEY, maintain_order=True).agg(
        cells=pl.struct("site_id", "day").n_unique(), stockout_y=Y.sum().clip(lower_bound=0.0)
    )
    sites = rows.group_by("item_id").agg(sites=pl.col("site_id").n_unique())
    whole = cells.join(sites, on="item_id").join(days, on="ds", how="left")
    share = (pl.col("cells") / (pl.col("sites") * pl.col("days").fill_null(1))).clip(0.0, 1.0)
    return whole.select(*KEY, stockout_share=share, stockout_y="stockout_y")


def _as_records(table: pl.DataFrame) -> npt.NDArray[np.void]:
    """Rows of the table as the file has them."""
    rows = np.empty(table.height, [*_COLUMNS.items()])
    rows["item"] = table["item_id"].to_physical()
    rows["ds"] = table["ds"].to_physical()
    for name, column in (("y", "y"), ("share", "stockout_share"), ("served", "stockout_y")):
        rows[name] = table[column].fill_null(np.nan)
    rows["flag"] = table["is_stockout"].cast(pl.Int8).fill_null(_UNKNOWN)
    rows["absent"] = table["absent"]
    return rows


def _fill_gaps(
    where: str, survey: DemandSurvey, periods: int, absent: int, asked: str
) -> tuple[str, str]:
    """Whether ``absent`` periods are not observed (missing) or nothing moved; and say so."""
    meaning, reason = _meaning(survey, (periods - absent) / periods, asked)
    if not absent:
        said = f"{where}: every item has a row for each period from its first to its last."
        return meaning, said
    words = "not observed" if meaning == "missing" else "zero demand"
    return meaning, (
        f"{where}: {counted(absent, 'period')} without a row between first and last rows "
        f"of items are read as {words} ({reason}); --gaps missing or zero decides otherwise."
    )


def _meaning(survey: DemandSurvey, present: float, asked: str) -> tuple[str, str]:
    """What absent periods are, and why; ``present`` is the share of the others."""
    if asked != "auto":
        return asked, "as asked for"
    if survey.zeros and survey.zeros >= ZEROS_SHARE * survey.observed:
        return "missing", f"the file records {counted(survey.zeros, 'zero')} itself"
    share = f"{present:.0%} of the periods between first and last rows are there"
    if present >= PRESENT_SHARE:
        return "missing", share
    return "zero", f"the file is a log of movements: no zeros are recorded and only {share}"
