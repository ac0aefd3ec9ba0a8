"""One half-year of mobile accesses: hundreds of megabytes of CSV, summed while they stream by.

Memory does not grow with the file but with the rows of the states asked for, at 20 bytes a row:
a 64-bit hash of the whole row, by which exact repeats are told, and its state, month and count.
"""

import csv
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import TextIOWrapper
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from pipelines.sources.headers import plain

KEYS = ("ANO", "MES", "UF", "TECNOLOGIA GERACAO")
COUNT = "ACESSOS"
NOTHING = ("N/I", "N/A", "-", "")
BLOCK = 1 << 20  # bytes of CSV parsed at once; 8 MiB took 250 MB more and no less time
_ODD = np.uint64(0x9E3779B97F4A7C15)  # spreads the columns' hashes; odd, so that no bit is lost

Group = tuple[str, str, str, str]
"""Year, month, state and generation as the file writes them."""


class FormatError(Exception):
    """A file that does not hold accesses by state, month and generation, or not any more."""


@dataclass(slots=True)
class _Seen:
    """What was read so far, a row each: hash, group and accesses."""

    groups: dict[Group, int] = field(default_factory=dict)
    hashes: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    codes: list[npt.NDArray[np.int32]] = field(default_factory=list)
    counts: list[npt.NDArray[np.int64]] = field(default_factory=list)


def accesses(
    archive: zipfile.ZipFile, member: str, states: Sequence[str], faults: Counter[str]
) -> dict[Group, int]:
    """Sum the accesses of a file by year, month, state and generation, exact repeats once.

    Args:
        archive: The open ZIP.
        member: Name of the file in it.
        states: Two letters each; rows of others are passed over.
        faults: Counts what is left out, by reason.

    Raises:
        FormatError: A column is missing, it is no UTF-8 CSV, or most rows cannot be read.
    """
    names = _names(archive, member)
    if lacking := [name for name in (*KEYS, COUNT) if name not in names]:
        raise FormatError(f"changed format: no column {', '.join(lacking)}")
    seen, own = _Seen(), Counter[str]()
    try:
        for batch in _batches(archive, member, len(names), own):
            _take(seen, batch, names, states, own)
    except pa.ArrowInvalid as error:
        raise FormatError(str(error)) from None
    left_out = own["rows have another number of columns"] + own["rows have no readable count"]
    if left_out > sum(len(codes) for codes in seen.codes):
        raise FormatError(", ".join(f"{count} {what}" for what, count in own.items()))
    faults.update(own)
    return _summed(seen, faults)


def _names(archive: zipfile.ZipFile, member: str) -> list[str]:
    with archive.open(member) as raw, TextIOWrapper(raw, "utf-8-sig", "replace") as lines:
        header = next(csv.reader([lines.readline()], delimiter=";"), [])
    return [plain(name) for name in header]


def _batches(
    archive: zipfile.ZipFile, member: str, width: int, faults: Counter[str]
) -> Iterator[pa.RecordBatch]:
    """Rows as text, in blocks; those with more or fewer columns are counted."""

    def skipped(row: Any) -> str:
        del row
        faults["rows have another number of columns"] += 1
        return "skip"

    columns = [str(at) for at in range(width)]  # names may repeat, positions do not
    with archive.open(member) as raw:
        yield from arrow_csv.open_csv(
            raw,
            read_options=arrow_csv.ReadOptions(
                column_names=columns, skip_rows=1, block_size=BLOCK, use_threads=False
            ),
            parse_options=arrow_csv.ParseOptions(delimiter=";", invalid_row_handler=skipped),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
            ),
        )


def _take(
    seen: _Seen,
    batch: pa.RecordBatch,
    names: Sequence[str],
    states: Sequence[str],
    faults: Counter[str],
) -> None:
    """Add the rows of the states asked for."""
    state = pc.utf8_trim_whitespace(batch[names.index("UF")])
    _count(faults, "rows have no state", pc.is_in(state, pa.array(NOTHING)))
    batch = batch.filter(pc.is_in(state, pa.array(states, pa.string())))
    text = pc.utf8_trim_whitespace(batch[names.index(COUNT)])
    readable = pc.match_substring_regex(text, r"^\d{1,12}$")
    _count(faults, "rows have no readable count", pc.invert(readable))
    batch = batch.filter(readable)
    group = pc.binary_join_element_wise(
        *(pc.utf8_trim_whitespace(batch[names.index(name)]) for name in KEYS), "|"
    ).dictionary_encode()
    codes = [_code(seen, text) for text in group.dictionary.to_pylist()]
    seen.codes.append(np.array(codes, np.int32)[group.indices.to_numpy(zero_copy_only=False)])
    seen.counts.append(text.filter(readable).cast(pa.int64()).to_numpy())
    seen.hashes.append(_hashes(batch))


def _count(faults: Counter[str], what: str, mask: pa.Array) -> None:
    if count := mask.true_count:
        faults[what] += count


def _code(seen: _Seen, text: str) -> int:
    year, month, state, generation = text.split("|", 3)
    return seen.groups.setdefault((year, month, state, plain(generation)), len(seen.groups))


def _hashes(batch: pa.RecordBatch) -> npt.NDArray[np.uint64]:
    """A hash of each row over all its columns; equal rows have equal ones in every block."""
    total = np.zeros(batch.num_rows, np.uint64)
    for column in batch.columns:
        coded = column.dictionary_encode()
        words = coded.dictionary.to_numpy(zero_copy_only=False).astype(object)
        hashed = pd.util.hash_array(words, categorize=False)
        total = total * _ODD + hashed[coded.indices.to_numpy(zero_copy_only=False)]
    return total


def _summed(seen: _Seen, faults: Counter[str]) -> dict[Group, int]:
    if not seen.hashes:
        return {}
    hashes = np.concatenate(seen.hashes)
    first = np.unique(hashes, return_index=True)[1]
    if repeats := len(hashes) - len(first):
        faults["rows are exact repeats"] += repeats
    sums = np.zeros(len(seen.groups), np.int64)
    np.add.at(sums, np.concatenate(seen.codes)[first], np.concatenate(seen.counts)[first])
    return {group: int(sums[code]) for group, code in seen.groups.items()}
