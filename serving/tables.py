"""One table of a version as it is served: memory-mapped Arrow with an index of its items.

The Parquet file is read once, a row group at a time, into Arrow batches in a file without a name
beside the mirror, which the system takes back when nothing uses it any more. What is mapped is no
memory of this process that others could not have: pages are the system's to drop.
"""

import mmap
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from serving.columns import Reader, Values, column_reader

ITEM = "item_id"
_ALIGNMENT = 64
_FEW = 0.5  # share of distinct values up to which texts are kept once each
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ServedBatch:
    """The rows of one row group."""

    start: int  # number of its first row in the table
    data: pa.RecordBatch  # the rows, in buffers that are mapped
    readers: Mapping[str, Reader]  # of the columns


@dataclass(frozen=True, slots=True)
class ItemIndex:
    """Where the rows of each item are; an item is known by its number in the version."""

    starts: Sequence[int]  # first row of the item, -1 where it has none
    stops: Sequence[int]  # row after its last one
    more: Mapping[int, Sequence[Span]]  # further rows, where an item's are not all together

    def spans(self, number: int) -> Sequence[Span]:
        """The rows of an item, none where the table does not name it."""
        if number >= len(self.starts) or self.starts[number] < 0:
            return ()
        return ((self.starts[number], self.stops[number]), *self.more.get(number, ()))


@dataclass(frozen=True, slots=True)
class ServedTable:
    """A table, ready to be read by rows and by items."""

    name: str  # of the dataset
    schema: pa.Schema  # as in the Parquet file, units and descriptions included
    names: tuple[str, ...]  # of its columns
    rows: int  # in all
    batches: Sequence[ServedBatch]  # in the order of the file
    firsts: Sequence[int]  # their first rows
    index: ItemIndex | None  # where the table has items
    files: Sequence[mmap.mmap]  # the stored bytes, one a part
    mapped: mmap.mmap | None = field(repr=False)  # what the batches lie in

    def columns(self, span: Span, names: Sequence[str]) -> list[Values]:
        """Values of columns from one row to before another one."""
        start, stop = span
        place = bisect_right(self.firsts, start) - 1
        batch = self.batches[place]
        if stop <= batch.start + batch.data.num_rows:  # nearly always
            first, last = start - batch.start, stop - batch.start
            return [batch.readers[name](first, last) for name in names]
        found: list[Values] = [[] for _ in names]
        for batch, first, last in self._pieces(start, stop):
            for values, name in zip(found, names, strict=True):
                values.extend(batch.readers[name](first, last))
        return found

    def rows_of(self, span: Span, names: Sequence[str]) -> list[dict[str, Any]]:
        """Rows as mappings from column to value."""
        rows = zip(*self.columns(span, names), strict=True)
        return [*map(dict, map(zip, repeat(names), rows))]  # without a step of Python for each row

    def arrow(self, spans: Sequence[Span], names: Sequence[str]) -> pa.Table:
        """Rows in the types of the Parquet file."""
        schema = pa.schema([self.schema.field(name) for name in names])
        pieces = [
            batch.data.select(list(names)).slice(first, last - first)
            for start, stop in spans
            for batch, first, last in self._pieces(start, stop)
        ]
        plain = [pa.Table.from_batches([piece]).cast(schema) for piece in pieces]
        return pa.concat_tables([schema.empty_table(), *plain])

    def spans_of(self, number: int | None) -> Sequence[Span]:
        """The rows of an item by its number in the version; all rows without one."""
        if number is None:
            return ((0, self.rows),) if self.rows else ()
        return self.index.spans(number) if self.index else ()

    def find(self, span: Span, wanted: Mapping[str, Any], most: int) -> list[int]:
        """Numbers of the first rows in a span whose columns have these values."""
        found: list[int] = []
        for batch, first, last in self._pieces(*span):
            piece = batch.data.slice(first, last - first)
            hits = pc.indices_nonzero(_matches(piece, wanted)).to_pylist()
            found += [batch.start + first + hit for hit in hits[: most - len(found)]]
            if len(found) >= most:
                break
        return found

    def forget_pages(self) -> None:
        """Give mapped pages back; they come again from the system's cache when they are read."""
        for mapped in (*self.files, *([self.mapped] if self.mapped else [])):
            mapped.madvise(mmap.MADV_DONTNEED)

    def _pieces(self, start: int, stop: int) -> Iterator[tuple[ServedBatch, int, int]]:
        for batch in self.batches[max(bisect_right(self.firsts, start) - 1, 0) :]:
            if batch.start >= stop:
                return
            end = min(stop - batch.start, batch.data.num_rows)
            if (first := max(start - batch.start, 0)) < end:
                yield batch, first, end


def _matches(piece: pa.RecordBatch, wanted: Mapping[str, Any]) -> pa.BooleanArray:
    hits = None
    for name, value in wanted.items():
        column = piece.column(name)
        if pa.types.is_dictionary(column.type):
            code = pc.index(column.dictionary, value).as_py()
            same = pc.equal(column.indices, pa.scalar(code, column.indices.type))
        else:
            same = pc.equal(column, pa.scalar(value, column.type))
        same = pc.fill_null(same, fill_value=False)
        hits = same if hits is None else pc.and_(hits, same)
    return hits


def load_table(
    name: str, paths: Sequence[Path], numbers: dict[str, int], scratch: Path
) -> ServedTable:
    """Read the Parquet files of a table.

    Args:
        name: Of the dataset.
        paths: Its files, whose hashes were checked.
        numbers: Numbers of the items of the version; those not met before are added.
        scratch: Folder on the disk that the Arrow batches are to lie on.

    Raises:
        pyarrow.ArrowException: A file cannot be read.
        OSError: The disk refused.
    """
    schema = pq.read_schema(paths[0])
    ends = []
    with tempfile.TemporaryFile(dir=scratch) as file:
        for batch in _read_batches(paths, schema):
            with pa.ipc.new_stream(file, batch.schema) as stream:
                stream.write_batch(batch)
            file.write(bytes(-file.tell() % _ALIGNMENT))
            ends.append(file.tell())
        file.flush()
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if ends else None
    batches = _map_batches(mapped, ends)
    return ServedTable(
        name=name,
        schema=schema.remove_metadata(),
        names=tuple(schema.names),
        rows=sum(batch.data.num_rows for batch in batches),
        batches=batches,
        firsts=[batch.start for batch in batches],
        index=_index(batches, numbers) if ITEM in schema.names else None,
        files=[_map_file(path) for path in paths],
        mapped=mapped,
    )


def _read_batches(paths: Sequence[Path], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    texts = [one.name for one in schema if pa.types.is_string(one.type)]
    for path in paths:
        with pq.ParquetFile(path, read_dictionary=texts) as parquet:
            for group in range(parquet.num_row_groups):
                table = parquet.read_row_group(group).combine_chunks()
                if table.num_rows:
                    yield _with_plain_texts(table.to_batches()[0], texts)


def _with_plain_texts(batch: pa.RecordBatch, texts: Sequence[str]) -> pa.RecordBatch:
    """The batch with texts that hardly repeat written out, for those the dictionary only costs."""
    for name in texts:
        column = batch.column(name)
        if pa.types.is_dictionary(column.type) and len(column.dictionary) > _FEW * len(column):
            place = batch.schema.get_field_index(name)
            batch = batch.set_column(place, name, column.dictionary_decode())
    return batch


def _map_batches(mapped: mmap.mmap | None, ends: Sequence[int]) -> list[ServedBatch]:
    batches: list[ServedBatch] = []
    if mapped is None:
        return batches
    buffer, start, row = pa.py_buffer(mapped), 0, 0
    for end in ends:
        with pa.ipc.open_stream(buffer.slice(start, end - start)) as stream:
            data = stream.read_next_batch()
        readers = {
            name: column_reader(column)
            for name, column in zip(data.schema.names, data.columns, strict=True)
        }
        batches.append(ServedBatch(row, data, readers))
        start, row = end, row + data.num_rows
    return batches


def _index(batches: Sequence[ServedBatch], numbers: dict[str, int]) -> ItemIndex:
    starts, stops, more = array("q"), array("q"), dict[int, list[Span]]()
    for batch in batches:
        first = 0
        for item, end in _runs(batch.data.column(ITEM)):
            span, first = (batch.start + first, batch.start + end), end
            if item is None:  # of a row about all items
                continue
            number = numbers.setdefault(item, len(numbers))
            missing = number + 1 - len(starts)
            if missing > 0:
                starts.extend([-1] * missing)
                stops.extend([-1] * missing)
            if starts[number] < 0:
                starts[number], stops[number] = span
            elif stops[number] == span[0]:  # goes on from the batch before
                stops[number] = span[1]
            else:
                more.setdefault(number, []).append(span)
    return ItemIndex(starts, stops, more)


def _runs(column: pa.Array) -> Iterator[tuple[str | None, int]]:
    """Items of a column and the row after each one's run."""
    codes = column.indices if pa.types.is_dictionary(column.type) else column
    runs = pc.run_end_encode(codes)
    values = runs.values
    if pa.types.is_dictionary(column.type):
        values = column.dictionary.take(values)
    return zip(values.to_pylist(), runs.run_ends.to_pylist(), strict=True)


def _map_file(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
