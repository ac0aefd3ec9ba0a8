"""One data file as distinct texts: the same picture of CSV and Parquet, before anything is parsed.

A column is held as its distinct texts and one code a row, so that parsing costs what is
different in a column and not what is long, and every cell can still be named with its line.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake.names import Found

Choose = Callable[[Sequence[str], str], Found]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A column as text.

    Attributes:
        name: Its name in the file.
        texts: U texts without surrounding blanks; null and empty are both ''.
        codes: (R,) position of each row's text in ``texts``.
        typed: The file stored numbers, so a point is the decimal sign and nothing else.
    """

    name: str
    texts: pa.Array
    codes: npt.NDArray[np.int32]
    typed: bool = False

    @property
    def cells(self) -> pa.Array:
        """The column as a dictionary array, (R,)."""
        return pa.DictionaryArray.from_arrays(pa.array(self.codes), self.texts)

    def weights(self, rows: Mask | None = None) -> npt.NDArray[np.int64]:
        """How often each text occurs, (U,); only among some rows where a mask (R,) is given."""
        codes = self.codes if rows is None else self.codes[rows]
        return np.bincount(codes, minlength=len(self.texts))


@dataclass(frozen=True, slots=True)
class Source:
    """One data file.

    Attributes:
        name: File name.
        stem: File name without its endings.
        rows: R.
        columns: The chosen columns by wanted name.
        found: Which columns were chosen and which ignored.
        broken: Quarantine of the lines with a wrong number of fields.
        lines: From rows to the 1-based lines that they start on.
    """

    name: str
    stem: str
    rows: int
    columns: Mapping[str, TextColumn]
    found: Found
    broken: pa.Table
    lines: Callable[[Rows], Rows]


def stem(path: Path) -> str:
    """File name without the endings that are read here.

    >>> stem(Path("raw/brent.csv.gz"))
    'brent'
    """
    name = path.name
    for suffix in (".gz", ".csv", ".txt", ".parquet"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return name or path.name


def text_column(
    values: pa.ChunkedArray,
    name: str,
    *,
    typed: bool = False,
    as_text: Callable[[pa.Array], pa.Array] | None = None,
) -> TextColumn:
    """A column of any plain type as a :class:`TextColumn`.

    Args:
        values: (R,); distinct values are found first and made text then, as casting a long
            column would cost as much as reading it.
        name: Name of the column in the file.
        typed: The values are numbers.
        as_text: From distinct values to texts; a cast when not given.

    Raises:
        ArrowNotImplementedError: The type has no text.
    """
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    values = values.unify_dictionaries()
    distinct = values.chunk(0).dictionary if values.num_chunks else pa.array([], pa.string())
    texts = as_text(distinct) if as_text else distinct.cast(pa.string())
    texts = pc.utf8_trim_whitespace(pa.concat_arrays([texts, pa.array([""])]))
    null = len(distinct)  # nulls take the empty text at the end
    chunks = [chunk.indices.fill_null(null).to_numpy() for chunk in values.chunks]
    codes = np.concatenate(chunks) if chunks else np.empty(0, np.int32)
    return TextColumn(name, texts, codes.astype(np.int32), typed)
