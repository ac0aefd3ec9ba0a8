"""The user's prices: levels of any sign, one row a series and period, to their contract."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from ml.contracts.outside import PRICES
from pipelines.intake.grid import checked_by_items, dense, id_column, on_periods, timestamps
from pipelines.intake.inference import infer
from pipelines.intake.interface import Intake
from pipelines.intake.quotes import Quotes, read_quotes
from pipelines.intake.request import ReadingRequest
from pipelines.intake.series import Rows
from pipelines.intake.wording import counted


def read_prices(path: Path, options: ReadingRequest) -> Intake:
    """Read prices from a file or a folder of files.

    ``options.gaps`` and ``options.frequency`` are for demand: a gap between prices stays missing,
    and levels cannot be summed to a coarser frequency. Where ``options.duplicates`` is ``sum``,
    equal rows of one series and day count once, and rows that disagree go to quarantine.

    Returns:
        Rows in the prices contract, available on the day that they are of; the frequency; what
        was found and done, in sentences.

    Raises:
        DataError: Files that cannot be read, lack a column or mix frequencies, or repeated rows
            where they are to be refused.
        IntakeError: No row, or no series, is usable.
    """
    quotes = read_quotes(path, options)
    usable = quotes.usable[quotes.rows.items]
    own = quotes.rows.where(usable)
    inferred = infer(
        own.items, own.days, kind="price", names=quotes.ids.to_pylist(), where=quotes.where
    )
    starts = on_periods(quotes.rows.days, inferred.frequency, inferred.anchor)
    rows = Rows(
        quotes.rows.items,
        np.where(usable, starts, quotes.rows.days),
        quotes.rows.values,
        quotes.rows.flags,
    )
    made = dense(rows, inferred.frequency, apart=~quotes.usable)
    absent = counted(int(made.absent.sum()), "period")
    statements = (
        *quotes.statements,
        inferred.statement,
        f"{quotes.where}: {absent} without a row between first and last rows stay missing.",
    )
    table = _table(quotes, made.rows, options.source)
    table = checked_by_items(table, made.rows.items, PRICES, where=quotes.where)
    return Intake(table, inferred.frequency, statements, quotes.quarantine)


def _table(quotes: Quotes, rows: Rows, source: str) -> pa.Table:
    count = len(rows.items)
    ref_date = timestamps(rows.days)

    def note(name: str) -> pa.Array:
        return pa.array(quotes.notes[name], pa.string()).take(pa.array(rows.items))

    return pa.table(
        {
            "series": id_column(quotes.ids, rows.items),
            "region": pa.nulls(count, pa.string()),
            "ref_date": ref_date,
            "available_at": ref_date,
            "value": pa.array(rows.values, mask=np.isnan(rows.values)),
            "unit": note("unit"),
            "source": pa.repeat(pa.scalar(source), count),
            "preliminary": pa.repeat(pa.scalar(value=False), count),
            "currency": note("currency"),
        }
    )
