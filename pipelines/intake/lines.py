"""From the records of a CSV file to the physical lines that they start on."""

import csv
import io
import sys

import numpy as np
import numpy.typing as npt

Lines = npt.NDArray[np.int64]


def line_starts(body: memoryview, delimiter: str, records: int) -> Lines:
    """The 1-based line on which each record starts, (records,); blank lines are no records.

    Args:
        body: UTF-8 text without its header.
        delimiter: Between fields; a quote only opens a field right after it.
        records: How many records a parser has found in it.
    """
    starts = _filled_lines(body)
    if len(starts) != records:  # a record starts on each filled line, unless quotes hold newlines
        starts = _read_starts(body, delimiter)
    if len(starts) != records:  # read in two ways: the record's number is the best that is known
        starts = np.arange(records, dtype=np.int64)
    return starts + 1


def _filled_lines(body: memoryview) -> Lines:
    characters = np.frombuffer(body, np.uint8)
    breaks = np.flatnonzero(characters == ord("\n"))
    starts = np.concatenate([[0], breaks + 1])
    ends = np.concatenate([breaks, [len(characters)]])
    returned = (ends > starts) & (characters[np.maximum(ends - 1, 0)] == ord("\r"))
    return np.flatnonzero(ends - returned > starts)


def _read_starts(body: memoryview, delimiter: str) -> Lines:
    limit = csv.field_size_limit(sys.maxsize)
    starts, before = [], 0
    try:
        text = io.TextIOWrapper(io.BytesIO(body), encoding="utf-8", newline="")
        reader = csv.reader(text, delimiter=delimiter)
        for row in reader:
            if row:
                starts.append(before)
            before = reader.line_num
    finally:
        csv.field_size_limit(limit)
    return np.array(starts, np.int64)
