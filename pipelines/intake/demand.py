"""The user's demand: rows of any frequency and origin to the dense table of the contract."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from ml.contracts.demand import DEMAND
from ml.frequency import Frequency, weekday
from pipelines.intake.gaps import fill_gaps, gap_rule, gap_statement
from pipelines.intake.grid import checked_by_items, dense, id_column, on_periods, timestamps
from pipelines.intake.inference import MONDAY, Inferred, infer
from pipelines.intake.interface import Intake
from pipelines.intake.movements import Movements, read_movements
from pipelines.intake.repeats import refuse_repeated, repeated_rows
from pipelines.intake.request import ReadingRequest
from pipelines.intake.series import Rows, summed
from pipelines.intake.wording import counted
from pipelines.intake.words import UNKNOWN


@dataclass(frozen=True, slots=True)
class _Periods:
    """Demand on periods: one row an item and period, with what was said about the making."""

    rows: Rows
    inferred: Inferred
    statements: tuple[str, ...]


def read_demand(path: Path, options: ReadingRequest) -> Intake:
    """Read demand from a file or a folder of files.

    Rows of an item and a period are added up over sites and repeated lines, returns (negative
    demand) netted. Absent periods between the first and the last row of an item are made
    explicit. Items without any observed value, or with an absurd one, keep their rows and days as
    they are, and take part in no decision about the others.

    Returns:
        Rows in the demand contract; the frequency; what was found and done, in sentences.

    Raises:
        DataError: Files that cannot be read, lack a column or mix frequencies, or repeated rows
            where they are to be refused.
        IntakeError: No row, or no item, is usable.
    """
    movements = read_movements(path, options)
    repeats = _settle_repeats(movements, options)
    periods = _on_periods(movements, options)
    made = dense(periods.rows, periods.inferred.frequency, apart=~movements.usable)
    rule = gap_rule(options.gaps, movements.usable_rows, made, usable=movements.usable)
    rows = fill_gaps(made, rule)
    statements = (
        *movements.statements,
        *repeats,
        *periods.statements,
        gap_statement(made, rule, usable=movements.usable, where=movements.where),
    )
    frequency = periods.inferred.frequency
    table = _table(movements.ids, rows, frequency, options.source)
    table = checked_by_items(table, rows.items, DEMAND, where=movements.where)
    return Intake(table, frequency, statements, movements.quarantine)


def _settle_repeats(movements: Movements, options: ReadingRequest) -> list[str]:
    """Count, or refuse, rows that repeat the item, site and day of another."""
    rows, sites = movements.usable_rows, movements.sites[movements.is_usable]
    repeated = repeated_rows(rows, sites)
    if options.duplicates == "error":
        key = "item, site and day"
        refuse_repeated(rows, repeated, movements.ids, key=key, where=movements.where)
    count = int(repeated.sum())
    if not count:
        return []
    statement = (
        f"{movements.where}: {counted(count, 'row')} repeated the item, site and day of another "
        "and were added to it; --duplicates error refuses them."
    )
    return [statement]


def _on_periods(movements: Movements, options: ReadingRequest) -> _Periods:
    """Sum to items and periods, and net the returns."""
    inferred = _frequency(movements, options)
    starts = on_periods(movements.rows.days, inferred.frequency, inferred.anchor)
    days = np.where(movements.is_usable, starts, movements.rows.days)
    rows = summed(replace(movements.rows, days=days))
    usable = movements.usable[rows.items]
    returns = int((movements.usable_rows.values < 0).sum())
    below = int((rows.values[usable] < 0).sum())
    statements = [inferred.statement]
    if returns:
        statements.append(
            f"{movements.where}: {counted(returns, 'row')} below zero are returns and were netted "
            f"within item and period; {counted(below, 'period')} stayed below zero and became 0."
        )
    # the sum with 0 turns a negative zero into a zero
    return _Periods(
        replace(rows, values=np.maximum(rows.values, 0.0) + 0.0), inferred, tuple(statements)
    )


def _frequency(movements: Movements, options: ReadingRequest) -> Inferred:
    days, where = movements.usable_days, movements.where
    if options.forced is None:
        return infer(
            days.items, days.days, kind="demand", names=movements.ids.to_pylist(), where=where
        )
    weekdays = np.unique(weekday(days.days))
    anchor = int(weekdays[0]) if len(weekdays) == 1 else MONDAY
    statement = f"{where}: demand was summed to {options.forced.word} periods, as asked for."
    return Inferred(options.forced, anchor, statement)


def _table(ids: pa.Array, rows: Rows, frequency: Frequency, source: str) -> pa.Table:
    count = len(rows.items)
    return pa.table(
        {
            "item_id": id_column(ids, rows.items),
            "ds": timestamps(rows.days),
            "y": pa.array(rows.values, mask=np.isnan(rows.values)),
            "is_stockout": pa.array(rows.flags == 1, mask=rows.flags == UNKNOWN),
            "frequency": pa.repeat(pa.scalar(str(frequency)), count),
            "source": pa.repeat(pa.scalar(source), count),
        }
    )
