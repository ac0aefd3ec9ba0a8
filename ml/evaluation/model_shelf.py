"""What the models of a backtest said, in a temporary file: each is read when it is asked for.

All that all models said of all items at an origin is the largest thing of a run that stands still:
150 MiB of 500 items and 30 steps. Whoever weighs or measures looks at a few models at a time.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.durable import NamelessFile

Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ModelShelf:
    """Stands in for an array (M, N, S, K) whose first axis is that of models."""

    books: tuple[Callable[[], Float32s], ...]  # what reads each model's (N, S, K)
    every: tuple[int, ...]  # N, S, K

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return (len(self.books), *self.every)

    def __len__(self) -> int:
        """Number of models."""
        return len(self.books)

    def __getitem__(self, key: Any) -> Float32s:
        """As of an array, of which only the chosen models are read."""
        first, *rest = key if isinstance(key, tuple) else (key,)
        chosen = np.arange(len(self.books))[first]
        if not chosen.ndim:
            return self.books[chosen]()[tuple(rest)]
        if not len(chosen):
            return np.empty(self.shape, np.float32)[key]
        return np.stack([self.books[place]()[tuple(rest)] for place in chosen])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """All of it."""
        del copy  # there is no other way
        return self[:].astype(dtype or np.float32, copy=False)


def shelve(chunks: Iterable[Sequence[Float32s]]) -> list[ModelShelf]:
    """Put chunks of items on shelves, each of some arrays (M, n, S, K); a shelf an array.

    The file has no name, so whatever happens nothing is left of it; it is gone with the shelves.

    Raises:
        MachineError: The disk is full, or refuses.
    """
    shelves: list[list[tuple[int, tuple[int, ...]]]] = []
    kept = NamelessFile()
    for chunk in chunks:
        for place, values in enumerate(chunk):
            if place == len(shelves):
                shelves.append([])
            shelves[place].append((kept.append(np.ascontiguousarray(values)), values.shape))
    found = []
    for parts in shelves:
        (models, _, *last) = parts[0][1]
        books = tuple(partial(_read_model, kept, parts, model) for model in range(models))
        found.append(ModelShelf(books, (sum(shape[1] for _, shape in parts), *last)))
    return found


def join_models(one: Any, other: Any) -> Any:
    """Arrays of two sets of models as one; a shelf where one of them is."""
    if isinstance(one, ModelShelf) or isinstance(other, ModelShelf):
        return ModelShelf((*_books_of(one), *_books_of(other)), one.shape[1:])
    return np.concatenate([one, other])


def _books_of(values: Any) -> tuple[Callable[[], Float32s], ...]:
    if isinstance(values, ModelShelf):
        return values.books
    return tuple(partial(np.asarray, own) for own in values)


def _read_model(
    file: NamelessFile, parts: Sequence[tuple[int, tuple[int, ...]]], model: int
) -> Float32s:
    """What one model said of all items, (N, S, K), from the chunks that start at these places."""
    found = []
    for start, (_, *shape) in parts:
        size = 4 * int(np.prod(shape))
        raw = os.pread(file.fileno(), size, start + model * size)
        found.append(np.frombuffer(raw, np.float32).reshape(shape))
    return np.concatenate(found)
