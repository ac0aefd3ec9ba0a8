"""Where a run's data comes from: files named, the user's folder, processed tables, the sample."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ml.errors import ConfigError
from ml.processed import (
    SYNTHETIC,
    has_processed,
    inputs_of,
    outside_tables,
    read_processed,
)
from ml.run.inputs import RunInputs
from pipelines.intake.files import collect_user_files
from pipelines.intake.read_tables import USER_FILES, process_files, read_tables
from pipelines.intake.request import ReadingRequest
from pipelines.sample_data import ensure_sample

SAMPLE_REGION = "salvador_ba"


@dataclass(frozen=True, slots=True)
class Named:
    """Files named on the command line, and how to read them.

    Attributes:
        demand: File or folder.
        prices: File or folder.
        items: File or folder.
        inventory: File or folder.
        columns: Wanted column to its name in the files.
        gaps: ``auto``, ``missing`` or ``zero``.
        duplicates: ``sum`` or ``error``.
        frequency: D, W or MS, ``None`` = infer.
        drivers: Whether outside tables and the calendar may take part.
    """

    demand: Path | None = None
    prices: Path | None = None
    items: Path | None = None
    inventory: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    gaps: str = "auto"
    duplicates: str = "sum"
    frequency: str | None = None
    drivers: bool = True

    @property
    def series(self) -> bool:
        """Whether any file with series is named."""
        return self.demand is not None or self.prices is not None


@dataclass(frozen=True, slots=True)
class Occasion:
    """When and where a run happens.

    Attributes:
        data_dir: ``DATA_DIR``.
        today: Day on which the run happens.
        as_of: Day that it is as of, or ``None``.
        seed: Of the sample.
        region: Home region of the outside tables.
    """

    data_dir: Path
    today: date
    as_of: date | None
    seed: int
    region: str = ""


def find_inputs(named: Named, occasion: Occasion) -> RunInputs:
    """Read what the run is on: the files named; else the user's folder; else the sample.

    Named files leave ``processed/`` alone. The user's folder goes through the ETL into
    ``processed/`` first, and what is there already is used where that folder is empty.

    Raises:
        ConfigError: Stock or items are named without demand.
        DataError: Nothing usable.
    """
    if named.series:
        return _from_files(named, occasion, "user_files", outside_tables(occasion.data_dir))
    if named.items is not None or named.inventory is not None:
        raise ConfigError("--items-file and --inventory go with --demand: name the demand as well.")
    if collect_user_files(occasion.data_dir / USER_FILES):
        statements = process_files(_request(named, occasion, "user_files"), occasion.data_dir)
        inputs = _from_processed(named, occasion)
        return replace(inputs, statements=(*statements, *inputs.statements))
    if has_processed(occasion.data_dir):
        return _from_processed(named, occasion)
    return _from_sample(named, occasion)


def _from_processed(named: Named, occasion: Occasion) -> RunInputs:
    inputs = read_processed(
        occasion.data_dir, as_of=occasion.as_of, today=occasion.today, region=occasion.region
    )
    return inputs if named.drivers else replace(inputs, outside={}, drivers=False)


def _from_sample(named: Named, occasion: Occasion) -> RunInputs:
    files = ensure_sample(occasion.data_dir / "sample", seed=occasion.seed)
    outside = {path.stem: pq.read_table(path) for path in sorted(files.outside.glob("*.parquet"))}
    own = Named(files.demand, files.prices, files.items, files.inventory, drivers=named.drivers)
    return _from_files(own, replace(occasion, region=SAMPLE_REGION), SYNTHETIC, outside)


def _request(named: Named, occasion: Occasion, source: str) -> ReadingRequest:
    paths = {"demand": named.demand, "prices": named.prices, "items": named.items,
             "inventory": named.inventory}  # fmt: skip
    return ReadingRequest(
        files={table: path for table, path in paths.items() if path is not None},
        today=occasion.today, columns=named.columns, gaps=named.gaps,
        duplicates=named.duplicates, frequency=named.frequency, source=source,
        as_of=occasion.as_of,
    )  # fmt: skip


def _from_files(
    named: Named, occasion: Occasion, source: str, outside: Mapping[str, pa.Table]
) -> RunInputs:
    read = read_tables(_request(named, occasion, source), occasion.data_dir / "quarantine")
    inputs = inputs_of(
        read.tables, as_of=occasion.as_of, today=occasion.today, region=occasion.region,
        outside=outside if named.drivers else {}, statements=read.statements,
        quality_flags=read.quality_flags,
    )  # fmt: skip
    return inputs if named.drivers else replace(inputs, drivers=False)
