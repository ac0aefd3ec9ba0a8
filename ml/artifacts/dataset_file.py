"""What is known of a finished Parquet file; free of Arrow, so that manifests are too."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DatasetFile:
    """A finished Parquet file.

    Attributes:
        path: Where it lies.
        dataset: Name of its contract.
        rows: Number of rows.
        bytes: Size of the file.
        sha256: Of the file's bytes.
        content_sha256: Of what it says; equal for equal inputs and seed.
        schema_sha256: Of its columns.
        items: Different ``item_id``; ``None`` if the key has none.
        min_ds: First ``ds``, an ISO day; ``None`` without rows or without that column.
        max_ds: Last ``ds``.
    """

    path: Path
    dataset: str
    rows: int
    bytes: int
    sha256: str
    content_sha256: str
    schema_sha256: str
    items: int | None
    min_ds: str | None
    max_ds: str | None
