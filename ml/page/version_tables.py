"""The tables and documents of one version, wherever it lies: being written, or in a store."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ml.artifacts import keys
from ml.artifacts.manifest import Manifest
from ml.artifacts.reading import read_checked
from ml.artifacts.staging import StagedVersion
from ml.artifacts.store import Store
from ml.contracts import PUBLISHED

TYPES = {one.name: one.schema for one in PUBLISHED}
WORDS = ("item_id", "model", "kind", "frequency", "unit", "model_used")  # few values, many rows


@dataclass(frozen=True, slots=True)
class VersionTables:
    """What a version holds, read column by column."""

    version_id: str  # of the version
    as_of: str  # ISO day that it is as of
    partial: bool  # whether it holds forecasts alone
    run: Mapping[str, Any]  # what the manifest says of how it was made
    files: Sequence[Mapping[str, Any]]  # its tables: dataset, rows, bytes, content_sha256
    # columns of a table, some rows at a time; nothing of a table that is not there
    fetch: Callable[[str, Sequence[str]], Iterable[pa.Table]]
    load: Callable[[str], dict[str, Any] | None]  # a JSON document by its name in the version

    def read(self, dataset: str, columns: Sequence[str]) -> pa.Table:
        """Columns of a table; what an older version lacks is null, a missing table empty."""
        return pa.concat_tables(self.scan(dataset, columns))

    def scan(self, dataset: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The same some rows at a time, in one table at least."""
        part = None
        for part in self.fetch(dataset, columns):
            yield _complete(part, dataset, columns)
        if part is None:
            yield _complete(pa.table({}), dataset, columns)


def _complete(table: pa.Table, dataset: str, columns: Sequence[str]) -> pa.Table:
    known = TYPES.get(dataset, pa.schema([]))
    for name in columns:
        if name not in table.column_names:
            kind = known.field(name).type if name in known.names else pa.null()
            table = table.append_column(name, pa.nulls(table.num_rows, kind))
    return table.select(list(columns))


def _columns(source: Path | pa.BufferReader, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Columns of a file, those that it has, some rows at a time; words are read as codes."""
    with pq.ParquetFile(source) as parquet:
        names, metadata = parquet.schema_arrow.names, parquet.metadata
    words = [name for name in WORDS if name in names]
    with pq.ParquetFile(source, metadata=metadata, read_dictionary=words) as parquet:
        own = [name for name in columns if name in names]
        for group in range(metadata.num_row_groups):
            yield parquet.read_row_group(group, columns=own)


def tables_of_store(store: Store, manifest: Manifest) -> VersionTables:
    """The tables of a committed version; every byte read is checked.

    Reading raises a VerificationError where a file is missing or damaged.
    """
    held = manifest.datasets

    @cache  # a file is fetched once, however many times its columns are read
    def content(dataset: str) -> tuple[bytes, ...]:
        return tuple(read_checked(store, file) for file in held[dataset])

    def fetch(dataset: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        for data in content(dataset) if dataset in held else ():
            yield from _columns(pa.BufferReader(data), columns)

    def load(name: str) -> dict[str, Any] | None:
        key = keys.version_key(manifest.version_id, name)
        file = next((one for one in manifest.files if one.path == key), None)
        return None if file is None else json.loads(read_checked(store, file))

    return VersionTables(
        version_id=manifest.version_id,
        as_of=manifest.as_of,
        partial=manifest.partial,
        run=manifest.run,
        files=[_describe(file) for _, files in sorted(held.items()) for file in files],
        fetch=fetch,
        load=load,
    )


def tables_of_staged(
    staged: StagedVersion,
    files: Sequence[Any],
    *,
    as_of: str,
    partial: bool,
    run: Mapping[str, Any],
) -> VersionTables:
    """The tables of a version that is being written; ``files`` are its tables so far."""

    def fetch(dataset: str, columns: Sequence[str]) -> Iterable[pa.Table]:
        path = staged.data_path(dataset)
        return _columns(path, columns) if path.exists() else ()

    def load(name: str) -> dict[str, Any] | None:
        path: Path = staged.folder / name
        return json.loads(path.read_bytes()) if path.exists() else None

    return VersionTables(
        version_id=staged.version_id,
        as_of=as_of,
        partial=partial,
        run=run,
        files=[_describe(one) for one in sorted(files, key=lambda one: one.dataset)],
        fetch=fetch,
        load=load,
    )


def _describe(file: Any) -> dict[str, Any]:
    return {name: getattr(file, name) for name in ("dataset", "rows", "bytes", "content_sha256")}
