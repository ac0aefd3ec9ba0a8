"""The user's demand: rows of any frequency and origin to the dense table of the contract.

Files are read twice over: what decides how they are read, and what all items together say, comes
first; the table is made of some items at a time, and waits in a temporary file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from ml.contracts.demand import ABSURD, SITE_DEMAND
from ml.errors import DataError
from pipelines.intake import series
from pipelines.intake.coded_rows import CodedFile, open_coded_files
from pipelines.intake.demand_rows import DemandPortions, judge_file, put_in_portions
from pipelines.intake.demand_survey import DemandSurvey, survey_portions
from pipelines.intake.demand_table import make_table
from pipelines.intake.names import DEMAND_NAMES, find_columns
from pipelines.intake.periods import MONDAY, Inferred, infer
from pipelines.intake.quarantine import combined
from pipelines.intake.request import Intake, ReadingRequest
from pipelines.intake.sentences import count_rows, counted, named, on_rows
from pipelines.intake.series import ReadSeries, Y

NEEDED = ("item_id", "ds", "y")
SLIP = 1e-6  # of a sum, by rounding
SUMS = (
    "total", "totals", "grand total", "total geral", "total general", "subtotal", "sub-total",
    "soma", "sum", "somatório", "somatorio",
)  # fmt: skip


def read_demand(path: Path, request: ReadingRequest) -> Intake:
    """Read demand from a file or a folder of files.

    Rows of an item and a period are added up over sites and repeated lines, returns (negative
    demand) netted. Absent periods between the first and the last row of an item are made
    explicit. Items without any observed value, or with an absurd one, keep their rows and days as
    they are, and take part in no decision about the others. Where rows name sites, what each of
    them asked for lately is a table beside, ``site_demand``.

    Returns:
        Rows in the demand contract; the frequency; what was found and done, in sentences.

    Raises:
        DataError: Files that cannot be read, lack a column or mix frequencies or an item's units,
            or repeated rows where they are to be refused.
        IntakeError: No row, or no item, is usable.
    """
    where = path.name
    choose = partial(find_columns, aliases=DEMAND_NAMES, needed=NEEDED, mapped=request.columns)
    files = open_coded_files(path, choose)
    read = partial(_read, where, files, request)
    found = series.settle(read, "item", "no observed value or one above")
    del files, read  # the texts
    about, survey = found.about, found.survey
    words, repeats = "item, site and day", survey.repeats
    total = survey.rows
    series.refuse_repeats(survey.repeated, repeats, total, request, where=where, words=words)
    statements = [*about.statements]
    if repeats:
        statements.append(
            f"{where}: {counted(repeats, 'row')} repeated the item, site and day of another "
            "and were added to it; --duplicates error refuses them."
        )
    inferred = _frequency(where, survey, request)
    made = make_table(where, found.portions, survey, inferred, request)
    statements += [inferred.statement, *made.statements]
    beside = {SITE_DEMAND.name: made.by_site}
    return Intake(
        made.table, inferred.frequency, about.count, tuple(statements), about.quarantine, beside
    )


@dataclass(frozen=True, slots=True)
class DemandRows:
    """What was read of all demand files."""

    about: ReadSeries
    portions: DemandPortions
    survey: DemandSurvey


def _read(
    where: str, files: Sequence[CodedFile], request: ReadingRequest, excluded: Sequence[str]
) -> DemandRows:
    judged = [judge_file(file, request, excluded) for file in files]
    opened = [file.file for file in files]
    aside = [cells for one in judged for cells in one.aside]
    quarantine = combined([*(file.broken for file in opened), *aside])
    used = sum(int(one.used.sum()) for one in judged)
    later = sum(one.dated.later for one in judged)
    count = count_rows(where, opened, quarantine, used=used, needed=NEEDED, later=later)
    said = on_rows(where, opened, count, quarantine)
    said += [remark for one in judged for remark in one.remarks]
    _refuse_two_units(where, pl.concat([one.units for one in judged]))
    portions = put_in_portions(judged)
    survey = survey_portions(portions)
    ids = portions.ids.to_list()
    unusable = portions.ids.filter(~pl.Series(survey.usable)).to_list()
    if unusable:
        said.append(
            f"{where}: {len(unusable):,} of {counted(len(ids), 'item')} have no "
            f"observed value or one above {ABSURD:g} and are not usable: {named(unusable)}; "
            "their rows are kept as they are and change nothing for the others."
        )
    said += [*_on_lookalikes(where, ids), *_on_sum_lines(where, portions)]
    lost = quarantine["item_id"].drop_nulls().unique(maintain_order=True)
    if gone := lost.filter(~lost.is_in([*ids, ""])).to_list():
        said.append(f"{where}: no row is left of {counted(len(gone), 'item')}: {named(gone)}.")
    doubt = next((one.doubt for one in judged if one.doubt), "")
    about = ReadSeries(where, ids, unusable, said, quarantine, count, doubt)
    return DemandRows(about, portions, survey)


def _refuse_two_units(where: str, rows: pl.DataFrame) -> None:
    """Refuse items whose rows say different units: kilograms and pieces are not added up.

    Raises:
        DataError: There are such.
    """
    unit = pl.col("unit").str.to_lowercase().str.strip_chars(". ")
    units = rows.filter(unit != "").group_by("item_id").agg(units=unit.unique().sort())
    mixed = units.filter(pl.col("units").list.len() > 1).sort("item_id")
    if mixed.height:
        first = ", ".join(repr(one) for one in mixed["units"][0])
        raise DataError(
            f"{where}: {mixed.height:,} of {counted(units.height, 'item')} have demand in several "
            f"units: {named(mixed['item_id'].to_list())}, the first in {first}. Give all rows of "
            "an item in one; rename the column of units if those mean the same."
        )


def _on_lookalikes(where: str, ids: Sequence[str]) -> list[str]:
    """The sentence on ids that differ in case, width and blanks alone, if there are any."""
    bare = pl.col("id").str.normalize("NFKC").str.to_lowercase().str.replace_all(r"[\s\p{Cf}]", "")
    alike = pl.DataFrame({"id": ids}, {"id": pl.String}).with_columns(bare=bare)
    alike = alike.filter(pl.col("bare").is_duplicated()).sort("bare", "id")
    if not alike.height:
        return []
    found = f"{alike.height:,} of {counted(len(ids), 'item')}"
    words = "have ids that differ in case or blanks alone and are items of their own"
    return [f"{where}: {found} {words}: {named(alike['id'].to_list())}."]


def _on_sum_lines(where: str, portions: DemandPortions) -> list[str]:
    """The sentence on items named as spreadsheets name the line below a table, if there are any."""
    is_sum = portions.ids.str.to_lowercase().str.strip_chars(" .:=*").is_in(SUMS)
    names = portions.ids.filter(is_sum).to_list()
    if not names:
        return []
    sums, others = [], []
    for portion in range(len(portions.spans)):
        days = series.add_up(portions.frame(portion)).cast({"item_id": pl.String})
        sums.append(days.filter(pl.col("item_id").is_in(names)))
        rest = days.filter(~pl.col("item_id").is_in(names))
        others.append(rest.group_by("ds").agg(others=Y.sum()))
    all_others = pl.concat(others).group_by("ds").agg(pl.col("others").sum())
    both = pl.concat(sums).join(all_others, on="ds", how="left").filter(Y.is_not_null())
    alike = both.filter((Y - pl.col("others")).abs() <= SLIP * Y.abs()).height
    line = (
        f"{where}: {named(names)}, {counted(len(names), 'item')} by the name of a line of sums: on "
        f"{alike:,} of {counted(both.height, 'day')} what all other items add up to. Take such "
        "lines out of the file."
    )
    return [line]


def _frequency(where: str, survey: DemandSurvey, request: ReadingRequest) -> Inferred:
    """The frequency asked for, else what the days of the usable items show."""
    if request.forced is None:
        return infer(survey.rhythm, survey.days, kind="demand", where=where)
    weekdays = survey.days.dt.weekday().unique()
    anchor = weekdays[0] - 1 if len(weekdays) == 1 else MONDAY
    statement = f"{where}: demand was summed to {request.forced.word} periods, as asked for."
    return Inferred(request.forced, anchor, statement)
