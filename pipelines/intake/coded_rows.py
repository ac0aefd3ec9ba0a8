"""Rows of a file of any size, in a temporary file: a number stands for each distinct text.

What is held in memory does not grow with the rows, but with the distinct texts of some rows at a
time.
"""

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml.durable import NamelessFile, temporary_errors
from pipelines.intake.data_file import DataFile, group_copies, read_file, whole_ids
from pipelines.intake.names import Choose

Codes = npt.NDArray[np.int32]
Rows = npt.NDArray[np.void]  # records of several columns
Span = tuple[int, int]  # where rows lie in a file, and how many they are


@dataclass(frozen=True, slots=True)
class RowFile:
    """Rows of numbers in a file without a name: it is gone with the last who reads it."""

    dtype: np.dtype[Any]
    file: NamelessFile

    def append(self, rows: Rows) -> Span:
        """Write rows behind the others.

        Raises:
            MachineError: The disk is full, or refuses.
        """
        return self.file.append(rows.view(np.uint8)), len(rows)

    def read(self, spans: Sequence[Span]) -> Rows:
        """The rows of some places, in their order.

        Raises:
            MachineError: The disk refuses.
        """
        found = np.empty(sum(count for _, count in spans), self.dtype)
        into, size = memoryview(found.view(np.uint8).data), self.dtype.itemsize
        at = 0
        with temporary_errors():
            for start, count in spans:
                at += os.preadv(self.file.fileno(), [into[at : at + count * size]], start)
            if at < len(into):
                raise OSError(errno.EIO, "a temporary file has become shorter")
        return found


def row_file(columns: Mapping[str, str]) -> RowFile:
    """An empty one with these columns, by the types that NumPy calls so.

    Raises:
        MachineError: There is no room for temporary files.
    """
    return RowFile(np.dtype([*columns.items()]), NamelessFile())


@dataclass(frozen=True, slots=True)
class CodedFile:
    """A data file whose rows are not in memory."""

    file: DataFile  # without its rows
    texts: Mapping[str, pl.Series]  # distinct texts of each wanted column
    rows: RowFile  # `line`, and of each wanted column the position of a text of its part
    # where the rows of each part are, and by column which of all texts those of the part are
    parts: Sequence[tuple[Span, Mapping[str, Codes]]]

    def read(self) -> Iterator[dict[str, Any]]:
        """The rows in their order, some at a time: ``line``, and codes of the wanted columns."""
        for span, places in self.parts:
            rows = self.rows.read([span])
            yield {"line": rows["line"], **{one: places[one][rows[one]] for one in places}}


def open_coded_files(path: Path, choose: Choose) -> list[CodedFile]:
    """Open all data files of a path, in the order of their names.

    Raises:
        DataError: A file that cannot be read, or lacks a column that is needed.
        MachineError: There is no room for temporary files.
    """
    opened = []
    for file, copies in group_copies(path):
        own = _open_coded(file, choose)
        remarks = (*own.file.remarks, *copies)
        opened.append(replace(own, file=replace(own.file, remarks=remarks)))
    return opened


def _open_coded(path: Path, choose: Choose) -> CodedFile:
    kept: list[RowFile] = []
    parts: list[tuple[Span, dict[str, pl.Series]]] = []

    def keep(part: pl.DataFrame) -> None:
        names = [name for name in part.columns if name != "line"]
        if not kept:
            kept.append(row_file({"line": "<i8", **dict.fromkeys(names, "<i4")}))
        rows = kept[0]
        records, texts = np.empty(part.height, rows.dtype), {}
        records["line"] = part["line"]
        for name in names:
            records[name], texts[name] = _encode(part[name])
        parts.append((rows.append(records), texts))

    file = read_file(path, choose, keep)
    cuts = {name: np.cumsum([len(own[name]) for _, own in parts])[:-1] for name in file.names}
    texts, places = {}, {}
    for name, cut in cuts.items():
        codes, texts[name] = _encode(pl.concat([own.pop(name) for _, own in parts]))
        places[name] = np.split(codes, cut)
    if "item_id" in texts:
        spoilt, whole, said = whole_ids(file.name, texts["item_id"])
        if said:
            codes, texts["item_id"] = _encode(texts["item_id"].replace(spoilt, whole))
            places["item_id"] = [codes[own] for own in places["item_id"]]
            file = replace(file, remarks=(*file.remarks, *said))
    spans = [span for span, _ in parts]
    own = [dict(zip(places, one, strict=True)) for one in zip(*places.values(), strict=True)]
    return CodedFile(file, texts, kept[0], [*zip(spans, own, strict=True)])


def _encode(texts: pl.Series) -> tuple[Codes, pl.Series]:
    """Distinct texts, and the position of each text among them."""
    encoded = texts.to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
    return encoded.indices.to_numpy(), pl.Series(encoded.dictionary, dtype=pl.String)
