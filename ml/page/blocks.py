"""Columns of numbers and words as small blocks of text, which the page's script unpacks.

A number is a whole number of its last decimal place: ``12.5`` with one place is ``125``. Numbers of
a row are stored as differences to their left neighbour, low bytes of all of them before high ones,
because gzip finds more in that. Null is the lowest whole number of its width.
"""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.mapped import let_go, map_array

Floats = npt.NDArray[np.float64]
WIDTHS = (1, 2, 4)  # bytes that a whole number may take; others are stored as floats
LEVEL = 6  # of gzip; 9 takes 20 times as long for 6 % less
TOGETHER = 4096  # items that are scaled at once, to bound memory
FAST = 1  # of what is opened piece by piece: a third of the time for a quarter more
_NULL, _HIGHEST = -(2**31), 2**31 - 1  # of whole numbers of four bytes


@dataclass(frozen=True, slots=True)
class PackedColumn:
    """A column of one or more values an item, as bytes."""

    data: bytes  # the values
    about: Mapping[str, Any] = field(default_factory=dict)  # what it takes to unpack them


def pack_numbers(values: Floats, places: int | None) -> PackedColumn:
    """Numbers, shape (items,) or (items, values), rounded to ``places`` decimals; NaN is null.

    Without ``places`` they keep all digits.

    The smallest width that holds them all is taken; what not even four bytes hold stays float.
    """
    if _are_whole(values):
        places = 0
    scaled = values if places is None else round_fairly(values * 10.0**places)
    largest = np.nanmax(np.abs(scaled), initial=0.0) if scaled.size else 0.0
    width = next((one for one in WIDTHS if largest < 2 ** (8 * one - 1)), 8)
    if places is None or width == 8:
        data = _planes(np.ascontiguousarray(values, "<f8"))
        return PackedColumn(data, _about(values, kind="floats", bytes=8))
    codes = np.where(np.isnan(scaled), -(2 ** (8 * width - 1)), scaled).astype(f"<i{width}")
    if values.ndim == 2:
        codes[:, 1:] -= codes[:, :-1].copy()  # may wrap round
    data = _planes(codes)
    return PackedColumn(data, _about(values, kind="numbers", bytes=width, places=places))


@dataclass(frozen=True, slots=True)
class ScaledMatrix:
    """Numbers of items as whole numbers, rounded, ready to be packed in parts."""

    places: npt.NDArray[np.int8]  # decimal places of each item, shape (items,)
    codes: npt.NDArray[np.int32]  # the numbers, shape (items, values); null is the lowest
    along: bool  # whether differences along each row are stored, best for what changes little

    def columns(self, start: int, stop: int | None = None) -> "ScaledMatrix":
        """Some values of each row alone, by their places in it."""
        return ScaledMatrix(self.places, self.codes[:, start:stop], self.along)

    def shorten(self) -> "ScaledMatrix":
        """The numbers with two digits of each item's largest one, or a little more."""
        null = self.codes == _NULL
        units = 10.0**-self.places
        largest = np.max(np.abs(np.where(null, 0, self.codes)), axis=1, initial=0) * units
        kept = np.minimum(self.places, np.where(largest >= 10, 0, np.where(largest >= 1, 1, 2)))
        step = 10 ** (self.places - kept)[:, None].astype(np.int32)
        codes = np.where(null, _NULL, (self.codes + step // 2) // step)
        return ScaledMatrix(kept.astype(np.int8), codes, self.along)

    def pack(self, items: slice = slice(None)) -> PackedColumn:
        """The numbers of some items: first their decimal places, a byte each.

        A number takes the fewest bytes that hold those of all these items.
        """
        places, codes = self.places[items], self.codes[items]
        null = codes == _NULL
        largest = np.max(np.abs(np.where(null, 0, codes)), initial=0)
        width = next(one for one in WIDTHS if largest < 2 ** (8 * one - 1))
        steps = np.where(null, -(2 ** (8 * width - 1)), codes).astype(f"<i{width}")
        if self.along:
            steps[:, 1:] -= steps[:, :-1].copy()  # may wrap round
        about = {"kind": "scaled", "width": codes.shape[1], "along": self.along, "bytes": width}
        return PackedColumn(places.tobytes() + _planes(steps), about)


def scale(values: Floats, most: int, *, along: bool = True) -> ScaledMatrix:
    """Numbers of items, shape (items, values), null as NaN, cut off by :func:`round_fairly`.

    An item's decimal places are those that its largest number leaves room for, at most ``most``,
    and none where all its numbers are whole. Below zero they mean tens, hundreds and so on. What
    ``along`` means is told by :class:`ScaledMatrix`.
    """
    parts = [slice(first, first + TOGETHER) for first in range(0, len(values), TOGETHER)]
    places = np.concatenate([np.zeros(0), *(find_places(values[own], most) for own in parts)])
    codes = map_array(values.shape, np.int32)

    def scaled() -> Iterator[tuple[slice, Floats]]:
        for own in parts:
            yield own, values[own] * 10.0 ** places[own, None]
            let_go(values, codes)

    exact = all(_are_whole(part) for _, part in scaled())
    for own, part in scaled():
        codes[own] = _code(part if exact else _cut_off(part))
    return ScaledMatrix(places.astype(np.int8), codes, along)


def scale_as_shown(values: Floats, *, along: bool = True) -> ScaledMatrix:
    """The same, each number as the page shows quantities, so that of what is shown nothing is lost.

    That is whole from 100 on, to tenths from 10 on and to hundredths below, halves away from zero.
    """
    size = np.abs(values)
    shown = np.where(size >= 100, 1.0, np.where(size >= 10, 10.0, 100.0))
    below = np.floor(size * shown)
    # The half above it as it is written: 1.005 is below 1.005 as a number and is 1.01 nonetheless.
    below += size >= (2 * below + 1) / (2 * shown)
    hundredths = np.copysign(below * (100 / shown), values)
    none = np.isnan(values)
    needed = np.select(
        [np.all(_divides(step, hundredths) | none, axis=1) for step in (100, 10)], [0, 1], 2
    )
    places = np.minimum(needed, find_places(hundredths / 100, 2))
    return _matrix(places, np.trunc(hundredths / 10.0 ** (2 - places[:, None])), along)


def _divides(step: int, whole: Floats) -> npt.NDArray[np.bool_]:
    shares = whole / step  # a tenth of the time that the rest of a division takes
    return np.floor(shares) == shares


def _matrix(places: Floats, scaled: Floats, along: bool) -> ScaledMatrix:
    return ScaledMatrix(places.astype(np.int8), _code(scaled), along)


def _code(scaled: Floats) -> npt.NDArray[np.int32]:
    return np.where(np.isnan(scaled), _NULL, scaled).astype(np.int32)


def round_fairly(values: Floats) -> Floats:
    """Whole numbers beside values, from which a shorter number is rounded as from the values.

    Rounding twice can err: 1.4996 is 1.500 with three decimals, which is 2 without any, though
    1.4996 is 1. So digits are cut off, and a number that is not exact never ends in 0 or 5.
    """
    return values if _are_whole(values) else _cut_off(values)


def _are_whole(values: Floats) -> bool:
    return bool(np.all((np.rint(values) == values) | np.isnan(values)))


def _cut_off(values: Floats) -> Floats:
    size = np.abs(values) * (1 + 1e-12)  # what lacks a hair to a whole number is one
    whole = np.floor(size)
    whole += _divides(5, whole) & (size - whole > 1e-6)
    return np.copysign(whole, values)


def find_places(values: Floats, most: int) -> Floats:
    """Decimal places of each row for whole numbers of four bytes, shape (items,)."""
    if not values.size:
        return np.zeros(len(values))
    largest = np.nanmax(np.abs(values), axis=1, initial=1e-9)  # all of less is rounded to 0
    room = np.floor(np.log10(_HIGHEST / largest))
    whole = np.all((np.rint(values) == values) | np.isnan(values), axis=1)
    return np.minimum(room, np.where(whole, 0, most))


def pack_days(days: npt.NDArray[np.datetime64]) -> PackedColumn:
    """Days, shape (items,), as days since 1970; NaT is null."""
    since = days.astype("datetime64[D]").astype("int64").astype(float)
    since[np.isnat(days)] = np.nan
    packed = pack_numbers(since, 0)
    return PackedColumn(packed.data, {**packed.about, "kind": "days"})


def pack_words(values: pa.Array | pa.ChunkedArray) -> PackedColumn:
    """Texts by the list of those that occur, in the order in which they come first."""
    coded = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_null(coded.type):
        coded = coded.cast(pa.string())
    if not pa.types.is_dictionary(coded.type):
        coded = coded.dictionary_encode()
    codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(float) + 1
    packed = pack_numbers(codes, 0)
    words = coded.dictionary.to_pylist()
    return PackedColumn(packed.data, {**packed.about, "kind": "words", "words": words})


def _about(values: Floats, **more: Any) -> dict[str, Any]:
    return {"width": 1 if values.ndim == 1 else values.shape[1], **more}


def pack_places(places: npt.NDArray[np.int64]) -> PackedColumn:
    """Ascending whole numbers, shape (items,), as one row: their differences say least."""
    return pack_numbers(places[None, :].astype(float), 0)


def _planes(values: npt.NDArray[Any]) -> bytes:
    return values.reshape(-1).view(np.uint8).reshape(-1, values.itemsize).T.tobytes()


def to_block(
    items: int, columns: Mapping[str, PackedColumn], *, level: int = LEVEL, **about: Any
) -> str:
    """Columns of so many items as one text: a description, the bytes, gzip, base64.

    ``level`` is that of gzip, ``about`` anything else to say of them that JSON can hold. Equal
    columns give equal texts.
    """
    start, described = 0, {}
    for name, column in columns.items():
        described[name] = {**column.about, "start": start}
        start += len(column.data)
    header = json.dumps({**about, "items": items, "columns": described}, ensure_ascii=False)
    head = header.encode()
    parts = (len(head).to_bytes(4, "little"), head, *(one.data for one in columns.values()))
    return base64.b64encode(gzip.compress(b"".join(parts), level, mtime=0)).decode()


def to_document(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """JSON as a text of the same kind."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), LEVEL, mtime=0)).decode()
