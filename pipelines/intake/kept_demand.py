"""The user's demand as it was read before, where its files and all wishes are the very same."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import date
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from ml.contracts.demand import DemandParts, in_parts
from ml.durable import sha256_of
from ml.errors import DataError
from ml.frequency import Frequency
from ml.run.kept_reading import KeptReading, find_reading, keep_reading
from ml.run.plan import fingerprint
from ml.seeds import code_version
from pipelines.intake.demand import read_demand
from pipelines.intake.find_files import data_files
from pipelines.intake.quarantine import to_arrow
from pipelines.intake.request import Intake, ReadingRequest, RowCount

KIND = "demand"


def read_demand_again(path: Path, request: ReadingRequest, data_dir: Path) -> Intake:
    """Demand as :func:`read_demand` reads it, taken from ``DATA_DIR/read/`` where it is there.

    What is taken from there reads the files only if somebody asks for its rows.

    Raises:
        DataError: As reading does.
        MachineError: The disk is full, or refuses.
    """
    name = name_demand(path, request)
    kept = find_reading(data_dir, KIND, name) if name else None
    if kept is not None:
        return _intake_of(kept, name, _rows_of(path, request, name))
    found = read_demand(path, request)
    if not name or not isinstance(found.rows, DemandParts) or name_demand(path, request) != name:
        return found  # a file that changed meanwhile
    rows = replace(found.rows, name=name)
    days = None if rows.days is None else [one.isoformat() for one in rows.days]
    tables = {
        "ids": [pa.table({"item_id": rows.ids})],
        "quarantine": [to_arrow(found.quarantine)],
        **{one: [table] for one, table in found.beside.items() if table is not None},
    }
    keep_reading(
        data_dir, KIND, name, tables, rows=rows.num_rows, sources=rows.sources, days=days,
        frequency=found.frequency, count=asdict(found.count), statements=found.statements,
        beside=list(found.beside),
    )  # fmt: skip
    return replace(found, rows=rows)


def name_demand(path: Path, request: ReadingRequest) -> str:
    """Name of all that decides what is read: bytes and names of files, wishes and code.

    Files that cannot be read have none.

    Raises:
        DataError: There are no files.
    """
    try:
        files = [(one.name, sha256_of(one)) for one in data_files(path)]
    except OSError:  # who reads them says so
        return ""
    wishes = replace(request, files={})
    return fingerprint(KIND, path.name, files, repr(wishes), code_version(), _intake_code())


@cache
def _intake_code() -> str:
    """Digits that change with any edit of the code that reads the user's files."""
    digest = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _intake_of(kept: KeptReading, name: str, read: Callable[[], Iterator[pa.Table]]) -> Intake:
    facts, tables = kept.facts, {one: table.read() for one, table in kept.tables.items()}
    days: Any = facts["days"] and tuple(date.fromisoformat(one) for one in facts["days"])
    ids = tables["ids"]["item_id"].combine_chunks()
    return Intake(
        DemandParts(facts["rows"], ids, tuple(facts["sources"]), days, read, name),
        Frequency(facts["frequency"]),
        RowCount(**facts["count"]),
        tuple(facts["statements"]),
        pl.DataFrame(pl.from_arrow(tables["quarantine"])),
        {one: tables.get(one) for one in facts["beside"]},
    )


def _rows_of(path: Path, request: ReadingRequest, name: str) -> Callable[[], Iterator[pa.Table]]:
    """What reads the rows themselves: the files are read at the first call alone.

    It raises a DataError where they are no more those that all else was kept of.
    """

    @cache
    def read() -> pa.Table | DemandParts:
        found = read_demand(path, request).rows
        if name_demand(path, request) != name:
            raise DataError(f"{path.name}: changed while it was read. Run again.")
        return found

    return lambda: in_parts(read()).parts()
