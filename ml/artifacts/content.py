"""What a table says, as one hash: the same however its bytes are cut up or encoded."""

import hashlib
import json

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.base import Contract

FORMAT = "previsor-content-1"  # raise it when the hash of an unchanged table changes


class _ColumnHash:
    """Running hash of one column: what is null, the values, and for text their lengths.

    Each of the three is one stream over all chunks, so where a chunk ends leaves no mark.
    """

    def __init__(self) -> None:
        self._nulls, self._values, self._lengths = (hashlib.sha256() for _ in range(3))

    def update(self, values: pa.Array) -> None:
        if not len(values):
            return
        self._nulls.update(_bytes(pc.is_null(values), np.uint8))
        if pa.types.is_string(values.type):
            texts = values.fill_null("") if values.null_count else values
            _, starts, text = texts.buffers()
            offsets = np.frombuffer(starts, dtype=np.int32)
            offsets = offsets[texts.offset : texts.offset + len(texts) + 1]
            self._lengths.update(np.diff(offsets).astype("<i8").data)
            if text is not None:
                self._values.update(memoryview(text)[int(offsets[0]) : int(offsets[-1])])
        else:
            self._values.update(_fixed_width(values))

    def digest(self) -> bytes:
        return b"".join(part.digest() for part in (self._nulls, self._lengths, self._values))


def _bytes(values: pa.Array, dtype: npt.DTypeLike) -> memoryview:
    return np.ascontiguousarray(values.to_numpy(zero_copy_only=False), dtype).data


def _fixed_width(values: pa.Array) -> memoryview:
    """Values as little-endian bytes, null as zero and -0.0 as 0.0."""
    if pa.types.is_floating(values.type):
        filled = values.fill_null(0.0) if values.null_count else values
        numbers = filled.to_numpy(zero_copy_only=False).astype("<f8")
        return np.ascontiguousarray(numbers + 0.0).data
    if pa.types.is_boolean(values.type):
        return _bytes(values.fill_null(False) if values.null_count else values, np.uint8)
    width = values.type.bit_width
    integers = values.view(pa.int32() if width == 32 else pa.int64())
    return _bytes(integers.fill_null(0) if values.null_count else integers, f"<i{width // 8}")


class ContentHash:
    """Running ``content_sha256`` of a table that comes in chunks, rows in the order of the key.

    It is of what the table says in all columns but the contract's volatile ones. Chunks, buffer
    offsets and dictionary encoding make no difference, nor does the sign of zero; null differs
    from every value, and names, types and the order of rows count.
    """

    def __init__(self, contract: Contract) -> None:
        self._columns = [c for c in contract.columns if c.name not in contract.volatile]
        self._hashes = [_ColumnHash() for _ in self._columns]
        self._rows = 0

    def update(self, chunk: pa.Table) -> None:
        """Add rows; columns of another encoding than the contract's are cast to it."""
        self._rows += chunk.num_rows
        for column, running in zip(self._columns, self._hashes, strict=True):
            for part in chunk[column.name].cast(column.dtype).chunks:
                running.update(part)

    def hexdigest(self) -> str:
        """The hash of all rows so far."""
        heading = [FORMAT, self._rows, [[c.name, str(c.dtype)] for c in self._columns]]
        whole = hashlib.sha256(json.dumps(heading).encode())
        for running in self._hashes:
            whole.update(running.digest())
        return whole.hexdigest()


def schema_sha256(contract: Contract) -> str:
    """Hash of names, types and nullability: tells a reader whether two files fit together."""
    fields = [[c.name, str(c.dtype), c.nullable] for c in contract.columns]
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()
