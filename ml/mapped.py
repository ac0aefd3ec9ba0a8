"""Large arrays in files that no folder lists, instead of in the heap.

Their pages are the system's: it writes them out where memory is short, workers of this machine look
at the same ones instead of at copies, and whoever has looked at a part lets go of it. What is in
them stays in the file, which is gone with its last reader.
"""

import mmap
import os
import sys
import weakref
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.durable import NamelessFile, temporary_errors

LARGE = 1 << 24  # bytes; what takes less stays in the heap
WRITTEN = 1 << 22  # bytes that are written at a time


def map_array(shape: tuple[int, ...], dtype: npt.DTypeLike, fill: float = 0) -> npt.NDArray[Any]:
    """An array of one number, which is mapped where it is large.

    Raises:
        MachineError: There is no room for temporary files.
    """
    size = prod(shape) * np.dtype(dtype).itemsize
    if size < LARGE or sys.platform != "linux":
        return np.full(shape, fill, dtype)
    file = NamelessFile()
    with temporary_errors():  # a full disk would end the process later
        os.posix_fallocate(file.fileno(), 0, size)
    held = np.memmap(file, dtype, "r+", shape=shape)
    name = Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")
    if name.exists():  # by it joblib lets workers map the file, where it would send them a copy
        held.filename, held.mode = str(name), "r"
    weakref.finalize(held, file.close)
    for part in _parts(held) if fill else ():
        part[:] = fill
        let_go(held)
    return np.asarray(held)


def keep(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same values, mapped where they are large."""
    if values.nbytes < LARGE:
        return values
    held = map_array(values.shape, values.dtype)
    held[:] = values
    let_go(held)
    return held


def let_go(*arrays: npt.NDArray[Any]) -> None:
    """Let the system have the pages of those arrays that are mapped; they are read again if asked.

    A worker is given a panel by its file, so this is done wherever a part of one was looked at.
    """
    for one in arrays:
        base: Any = one
        while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
            base = base.base
        if isinstance(base, np.memmap) and base.mode != "c" and sys.platform == "linux":
            while isinstance(base, np.ndarray):
                base = base.base
            if isinstance(base, mmap.mmap):
                base.madvise(mmap.MADV_DONTNEED)


def write_array(path: Path, values: npt.NDArray[Any]) -> None:
    """Write an array as ``np.save`` does, a part at a time; ``values`` lie row by row."""
    with path.open("wb") as stream:
        header = np.lib.format.header_data_from_array_1_0(values)
        np.lib.format.write_array_header_1_0(stream, header)
        for part in _parts(values):
            part.tofile(stream)
            let_go(values)


def _parts(values: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    rows = max(1, WRITTEN // max(1, values[:1].nbytes))
    for first in range(0, len(values), rows):
        yield values[first : first + rows]
