"""Values of one column between two rows, straight out of Arrow's buffers.

Arrow's own ``to_pylist`` makes an object for each value on the way; a view of the buffer gives the
same Python values ten times as fast, which is most of what a look-up costs.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

import pyarrow as pa

Values = list[Any]
Reader = Callable[[int, int], Values]
"""Gives the values from one row to before another one, both counted within the batch."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BITS = 8


@lru_cache(maxsize=65_536)  # few instants are asked for again and again
def _instant(microseconds: int, suffix: str) -> str:
    moment = (_EPOCH + timedelta(microseconds=microseconds)).replace(tzinfo=None)
    return moment.isoformat() + suffix


def column_reader(array: pa.Array) -> Reader:
    """What reads a column of a batch that begins where its buffers do.

    Instants become ISO texts: with ``Z`` where the column is of UTC, without where it has no zone.
    A type that is not known here is read by Arrow, so that newer versions can add columns.
    """
    if array.null_count == len(array):
        return lambda start, stop: [None] * (stop - start)
    if pa.types.is_dictionary(array.type):
        return _read_dictionary(array)
    read = None if array.offset else _plain_reader(array)
    if read is None:
        return lambda start, stop: array[start:stop].to_pylist()
    return _with_nulls(read, array)


def _plain_reader(array: pa.Array) -> Reader | None:
    """What reads the values as if none were null; ``None`` for a type that is not known here."""
    kind = pa.types
    if kind.is_string(array.type):
        return _read_texts(array)
    if kind.is_float64(array.type) or kind.is_int64(array.type):
        numbers = memoryview(array.buffers()[1]).cast("d" if kind.is_float64(array.type) else "q")
        return lambda start, stop: numbers[start:stop].tolist()
    if kind.is_boolean(array.type):
        bits = memoryview(array.buffers()[1])
        return lambda start, stop: _unpack(bits, start, stop)
    if kind.is_timestamp(array.type) and array.type.unit == "us":
        return _read_instants(array)
    return None


def _read_dictionary(array: pa.DictionaryArray) -> Reader:
    """Texts that repeat; null has a place of its own behind the others."""
    known: Values = []
    codes = column_reader(array.indices)
    dictionary = array.dictionary

    def read(start: int, stop: int) -> Values:
        if not known:  # only what is asked for is held as Python's texts
            known.extend(dictionary.to_pylist())
        return [None if code is None else known[code] for code in codes(start, stop)]

    def read_whole(start: int, stop: int) -> Values:
        if not known:
            known.extend(dictionary.to_pylist())
        return [known[code] for code in numbers[start:stop]]

    if array.indices.null_count or not pa.types.is_int32(array.indices.type):
        return read
    numbers = memoryview(array.indices.buffers()[1]).cast("i")
    return read_whole


def _read_texts(array: pa.Array) -> Reader:
    _, offsets, data = array.buffers()
    bounds, content = memoryview(offsets).cast("i"), memoryview(data or b"")

    def read(start: int, stop: int) -> Values:
        ends = bounds[start : stop + 1].tolist()
        return [str(content[first:last], "utf-8") for first, last in pairwise(ends)]

    return read


def _read_instants(array: pa.Array) -> Reader:
    numbers = memoryview(array.buffers()[1]).cast("q")
    suffix = "" if array.type.tz is None else "Z"

    def read(start: int, stop: int) -> Values:
        return [_instant(number, suffix) for number in numbers[start:stop].tolist()]

    return read


def _with_nulls(read: Reader, array: pa.Array) -> Reader:
    """The same reader where nothing is null, else one that puts ``None`` where it is."""
    if not array.null_count:
        return read
    bits = memoryview(array.buffers()[0])

    def read_known(start: int, stop: int) -> Values:
        valid = _unpack(bits, start, stop)
        if not any(valid):
            return [None] * (stop - start)
        found = read(start, stop)
        return [value if known else None for value, known in zip(found, valid, strict=True)]

    return read_known


def _unpack(bits: memoryview, start: int, stop: int) -> list[bool]:
    return [bool(bits[row // _BITS] >> row % _BITS & 1) for row in range(start, stop)]
