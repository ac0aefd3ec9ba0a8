"""One Parquet file, written chunk by chunk and checked against its contract on the way."""

import io
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.artifacts.content import ContentHash, schema_sha256
from ml.artifacts.staging import DatasetFile
from ml.contracts.base import Contract, check
from ml.durable import BLOCK, NewFile, disk_errors, make_folder, sync_folder
from ml.errors import ContractError

ROW_GROUP_ROWS = 122_880  # DuckDB's own; a query for one item then reads few pages
_Place = tuple[tuple[bool, Any], ...]
_LAYOUT = {
    "version": "2.6",
    "compression": "zstd",
    "compression_level": 3,
    "write_page_index": True,
    "write_page_checksum": True,
    "store_schema": True,
}


def footer(contract: Contract, *, version_id: str, as_of: str, generator: str) -> dict[str, str]:
    """What a Parquet file says about itself in its footer, and about the version it is made for.

    Its generator is named by the versions of package and code.
    """
    return {
        "forecast.schema_version": str(contract.version),
        "forecast.version_id": version_id,
        "forecast.as_of": as_of,
        "forecast.dataset": contract.name,
        "forecast.generator": generator,
    }


class DatasetWriter:
    """Writes one Parquet file; memory holds one row group and one chunk, however many come.

    Use it in a ``with`` block: a file that was not closed by its end is removed if the block
    failed, and finished otherwise.

    Args:
        path: Of the file, which must not exist; its folder is made.
        contract: Checked on every chunk.
        footer: Key-value metadata of the file, see :func:`footer`.
    """

    def __init__(self, path: Path, contract: Contract, footer: Mapping[str, str]) -> None:
        self._path, self._contract = path, contract
        self._content = ContentHash(contract)
        self._tally = _Tally(contract)
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._done: DatasetFile | None = None
        with disk_errors(f"writing {path.name}"):
            make_folder(path.parent)
            self._file = NewFile(path)
            self._sink = io.BufferedWriter(self._file, BLOCK)
            order = [(name, "ascending") for name in contract.key]
            sorting = pq.SortingColumn.from_ordering(contract.schema, order)
            self._parquet = pq.ParquetWriter(
                self._sink, contract.schema, sorting_columns=sorting or None, **_LAYOUT
            )
        self._parquet.add_key_value_metadata(dict(footer))

    def append(self, table: pa.Table) -> None:
        """Add rows whose keys all follow those of the chunks before; within a chunk any order.

        Raises:
            ContractError: The chunk breaks the contract, or its keys do not follow.
            PublishError: The disk refused, for instance because it is full.
        """
        if self._done is not None:
            raise ValueError(f"{self._path.name} is closed")
        chunk = check(table, self._contract, where=self._path.name)
        if not chunk.num_rows:
            return
        if keys := [(name, "ascending") for name in self._contract.key]:  # null comes last
            chunk = chunk.take(pc.sort_indices(chunk, sort_keys=keys))
        self._tally.add(chunk, where=self._path.name)
        self._content.update(chunk)
        self._pending.append(chunk)
        self._pending_rows += chunk.num_rows
        if self._pending_rows >= ROW_GROUP_ROWS:
            self._write_groups(self._pending_rows // ROW_GROUP_ROWS * ROW_GROUP_ROWS)

    def _write_groups(self, rows: int) -> None:
        """Write the first pending rows. One contiguous copy: pages do not depend on the chunks."""
        pending = pa.concat_tables(self._pending).combine_chunks()
        with disk_errors(f"writing {self._path.name}"):
            for start in range(0, rows, ROW_GROUP_ROWS):
                group = pending.slice(start, min(ROW_GROUP_ROWS, rows - start))
                self._parquet.write_table(group, row_group_size=ROW_GROUP_ROWS)
        self._pending_rows -= rows
        self._pending = [pending.slice(rows)] if self._pending_rows else []

    def close(self) -> DatasetFile:
        """Finish the file and flush it to the disk.

        Raises:
            PublishError: The disk refused.
        """
        if self._done is None:
            if self._pending_rows:
                self._write_groups(self._pending_rows)
            with disk_errors(f"writing {self._path.name}"):
                self._parquet.close()
                self._sink.close()
                sync_folder(self._path.parent)
            tally = self._tally
            self._done = DatasetFile(
                path=self._path,
                dataset=self._contract.name,
                rows=tally.rows,
                bytes=self._file.size,
                sha256=self._file.sha256,
                content_sha256=self._content.hexdigest(),
                schema_sha256=schema_sha256(self._contract),
                items=tally.items,
                min_ds=tally.first_ds,
                max_ds=tally.last_ds,
            )
        return self._done

    def discard(self) -> None:
        """Give the file up and remove it."""
        self._file.discard()
        self._parquet.close()  # into the void: pyarrow would otherwise try again when collected
        self._sink.close()

    def __enter__(self) -> Self:
        """The writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Finish the file, or remove it where the block failed."""
        if kind is None:
            self.close()
        elif self._done is None:
            self.discard()


class _Tally:
    """Rows, items (null is none) and days of the chunks so far; needs only their last key."""

    def __init__(self, contract: Contract) -> None:
        self.rows = 0
        self.items = 0 if "item_id" in contract.key else None
        self.first_ds: str | None = None
        self.last_ds: str | None = None
        self._contract = contract
        self._last: _Place = ()

    def add(self, chunk: pa.Table, *, where: str) -> None:
        """Count a chunk that has rows and is sorted by the key, null last.

        Raises:
            ContractError: Its first key does not come after the last one of the chunk before.
        """
        keys = chunk.select(list(self._contract.key))
        # Keys as something that Python orders the way the file is sorted, null last.
        first, last = (
            tuple((value is None, value) for value in keys.slice(row, 1).to_pylist()[0].values())
            for row in (0, keys.num_rows - 1)
        )
        if self._last and first <= self._last:
            start, before = (tuple(str(v) for _, v in place) for place in (first, self._last))
            raise ContractError(
                f"{where}: chunks of table '{self._contract.name}' must ascend by "
                f"{self._contract.key}: one starts with {start} after {before}. Append the chunks "
                f"in the order of their keys."
            )
        if self.items is not None:
            self.items += self._new_items(keys, first)
        if "ds" in chunk.column_names and chunk["ds"].null_count < chunk.num_rows:
            bounds = pc.min_max(chunk["ds"]).as_py()
            first_ds, last_ds = (bounds[end].date().isoformat() for end in ("min", "max"))
            self.first_ds = min(self.first_ds or first_ds, first_ds)
            self.last_ds = max(self.last_ds or last_ds, last_ds)
        self.rows += chunk.num_rows
        self._last = last

    def _new_items(self, keys: pa.Table, first: _Place) -> int:
        """Items of a chunk, less the one that went on from the chunk before.

        An item is told by the key up to ``item_id``: those rows are next to each other.
        """
        prefix = self._contract.key[: self._contract.key.index("item_id") + 1]
        groups = keys.select(list(prefix)).group_by(list(prefix)).aggregate([])
        known = pc.sum(pc.is_valid(groups["item_id"])).as_py()
        width = len(prefix)
        goes_on = first[:width] == self._last[:width] and first[width - 1][1] is not None
        return known - int(goes_on)
