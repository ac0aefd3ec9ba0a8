"""Opening a data file, whatever its format."""

from pathlib import Path

from pipelines.intake.csv_source import open_csv
from pipelines.intake.parquet_source import open_parquet
from pipelines.intake.source import Choose, Source
from pipelines.intake.text import as_utf8, read_bytes


def open_source(path: Path, choose: Choose) -> Source:
    """Read the wanted columns of a file; its content tells the format, not its name.

    Args:
        path: CSV, packed CSV or Parquet.
        choose: From header and file name to the wanted columns.

    Raises:
        DataError: Not readable, empty, without rows, or in no format that is read here.
    """
    raw = read_bytes(path)
    if raw.startswith(b"PAR1") or path.suffix.lower() == ".parquet":
        return open_parquet(path, raw, choose)
    return open_csv(path, as_utf8(raw, path.name), choose)
