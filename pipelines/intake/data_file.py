"""One data file as a frame of text: the same picture of CSV and Parquet, before parsing."""

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.errors import DataError, first_few
from pipelines.intake.find_files import data_files, refuse_odd_name
from pipelines.intake.names import Choose, ChosenColumns
from pipelines.intake.quarantine import CELLS
from pipelines.intake.read_text import INVISIBLE, MOST_PACKED, open_bytes, read_text
from pipelines.intake.records import BLANKS, find_header, read_records

_HARMLESS_ROWS = 10_000_000  # in memory whatever they were packed to
BATCH = 1 << 17  # rows of a Parquet file that are looked at together
_EXACT = 2.0**53  # whole numbers above it are not exact in a float64
# who separates fields by semicolons mostly does so because the comma is the decimal sign
_USUAL_DECIMAL = {",": ".", ";": ","}


@dataclass(frozen=True, slots=True)
class DataFile:
    """One data file."""

    name: str  # file name
    # the chosen columns as text, without surrounding blanks, null as '', by wanted name; and
    # the 1-based `line` that each row starts on (of Parquet its number)
    rows: pl.DataFrame
    names: Mapping[str, str]  # wanted name to the column's name in the file
    # wanted names of columns of numbers: a point is the decimal sign and nothing else
    typed: frozenset[str]
    decimal: str  # the sign that a number is expected to have, by the delimiter; "" = either
    chosen: ChosenColumns  # which columns were chosen and which ignored
    broken: pl.DataFrame  # quarantine of the rows with a wrong number of fields
    height: int  # rows, those with a wrong number of fields among them
    remarks: tuple[str, ...] = ()  # what was decided or left out in reading


Keep = Callable[[pl.DataFrame], object]
"""What takes the next rows of a file."""


def open_files(path: Path, choose: Choose) -> list[DataFile]:
    """Open all data files of a path, in the order of their names.

    Raises:
        DataError: A file that cannot be read, or lacks a column that is needed.
    """
    opened = []
    for file, copies in group_copies(path):
        own = open_file(file, choose)
        opened.append(replace(own, remarks=(*own.remarks, *copies)))
    return opened


def group_copies(path: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The data files of a path in the order of their names, each with what to say of its copies.

    A file that is another one over again, byte for byte, is left out with a remark: its rows would
    be added to themselves.

    Raises:
        DataError: A file that cannot be read.
    """
    files = data_files(path)
    sizes = {file: file.stat().st_size for file in files}
    counts = Counter(sizes.values())
    groups: dict[object, list[Path]] = {}
    for file in files:
        groups.setdefault(file if counts[sizes[file]] == 1 else _digest(file), []).append(file)
    for file, *copies in groups.values():
        names = first_few([one.name for one in copies])
        said = f"{file.name}: {names} is the same file again, left out."
        yield file, (said,) if copies else ()


def _digest(path: Path) -> bytes:
    """Of the bytes of a file, unpacked."""
    with open_bytes(path) as file:
        try:
            return hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            raise DataError(f"{path.name}: cannot be read: {error}") from None


def open_file(path: Path, choose: Choose) -> DataFile:
    """Read the wanted columns of a CSV, packed CSV or Parquet file, told apart by its content.

    Raises:
        DataError: Not readable, empty, without rows, or in no format that is read here.
    """
    parts: list[pl.DataFrame] = []
    file = read_file(path, choose, parts.append)
    rows = pl.concat([file.rows, *parts])
    spoilt, whole, said = whole_ids(file.name, rows.get_column("item_id", default=None))
    if said:
        rows = rows.with_columns(pl.col("item_id").replace(spoilt, whole))
    return replace(file, rows=rows, remarks=(*file.remarks, *said))


def read_file(path: Path, choose: Choose, keep: Keep) -> DataFile:
    """The same of a file of any size: its rows go to ``keep``, some at a time, and nowhere else.

    Ids stay as they are written, see :func:`whole_ids`.

    Raises:
        DataError: Not readable, empty, without rows, or in no format that is read here.
    """
    refuse_odd_name(path)
    with open_bytes(path) as file:
        magic = file.read(4)
        file.seek(0)
        is_parquet = magic == b"PAR1" or path.suffix.lower() == ".parquet"
        return (_read_parquet if is_parquet else _read_csv)(file, path.name, choose, keep)


def stem(path: Path) -> str:
    """File name without the endings that are read here.

    >>> stem(Path("raw/brent.csv.gz"))
    'brent'
    """
    name = path.name
    for suffix in (".gz", ".csv", ".txt", ".parquet"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return name or path.name


def _read_csv(raw: io.FileIO, name: str, choose: Choose, keep: Keep) -> DataFile:
    text, remarks = read_text(raw, name)
    with text.file:
        header = find_header(text)
        chosen = choose(header.names, name)
        broken, height, blank, continued = [CELLS], 0, 0, 0
        none = pl.DataFrame(schema={"line": pl.Int64, **dict.fromkeys(chosen.positions, pl.String)})
        for part in read_records(text, header, chosen.positions):
            keep(part.rows)
            broken.append(part.broken)
            height += part.rows.height + part.broken.height
            blank, continued = blank + part.blank, continued + part.continued
    if blank or continued:
        said = f"{blank:,} are blank, {continued:,} continue a quoted cell."
        remarks.append(f"{name}: of {text.lines:,} lines {said}")
    if not height:
        raise DataError(f"{name}: has a header but no rows.")
    names = {one: header.names[at] for one, at in chosen.positions.items()}
    decimal = _USUAL_DECIMAL.get(header.delimiter, "")
    return DataFile(
        name, none, names, frozenset(), decimal, chosen, pl.concat(broken), height, tuple(remarks)
    )


def whole_ids(name: str, ids: pl.Series | None) -> tuple[pl.Series, pl.Series, tuple[str, ...]]:
    """Ids ``123.0`` as ``123``: whole numbers become so where a table once had a gap among them.

    That is, where all ids are such, or one is there in both spellings.

    Returns:
        The ids that are such, what they are read as, and the remark on them, if they are.
    """
    ids = pl.Series(dtype=pl.String) if ids is None else ids
    given = ids.filter(ids != "").unique().sort()
    spoilt = given.filter(given.str.contains(r"^[0-9]+\.0$"))
    whole = spoilt.str.strip_suffix(".0")
    if not len(spoilt) or (len(spoilt) < len(given) and not whole.is_in(given.implode()).any()):
        return spoilt, whole, ()
    remark = f"{name}: {len(spoilt):,} ids such as {spoilt[0]!r} were read as {whole[0]!r}."
    return spoilt, whole, (remark,)


def _read_parquet(raw: io.FileIO, name: str, choose: Choose, keep: Keep) -> DataFile:
    size = raw.seek(0, io.SEEK_END)
    raw.seek(0)
    try:
        file = pq.ParquetFile(raw)
        if file.metadata.num_rows > max(_HARMLESS_ROWS, MOST_PACKED * size):
            raise DataError(
                f"{name}: has {file.metadata.num_rows:,} rows in {size:,} bytes: that is "
                "no table. Nothing of it was kept; if it is one, save it as several files."
            )
        header = file.schema_arrow.names
        chosen = choose(header, name)
        names = {wanted: header[position] for wanted, position in chosen.positions.items()}
        kinds = {wanted: file.schema_arrow.field(column).type for wanted, column in names.items()}
        none = pl.DataFrame(schema={"line": pl.Int64, **dict.fromkeys(names, pl.String)})
        before = 0
        for batch in file.iter_batches(BATCH, columns=[*dict.fromkeys(names.values())]):
            texts = {one: _as_text(batch[own], own, name) for one, own in names.items()}
            rows = pl.DataFrame(texts).select(pl.all().fill_null("").str.strip_chars(BLANKS))
            rows = rows.with_row_index("line", offset=before + 1).cast({"line": pl.Int64})
            keep(rows)
            before += rows.height
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{name}: is no readable Parquet file: {str(error).splitlines()[0]}"
        ) from None
    if not before:
        raise DataError(f"{name}: has columns but no rows.")
    bare = {one: getattr(kinds[one], "value_type", kinds[one]) for one in kinds}  # of dictionaries
    tests = (pa.types.is_floating, pa.types.is_decimal, pa.types.is_integer)
    typed = frozenset(one for one, kind in bare.items() if any(test(kind) for test in tests))
    return DataFile(name, none, names, typed, "", chosen, CELLS, before)


def _as_text(values: pa.Array, name: str, file: str) -> pl.Series:
    """A Parquet column of any plain type as the text that a CSV would hold."""
    kind = values.type
    try:
        if pa.types.is_dictionary(kind):
            values = values.cast(kind.value_type)
        if pa.types.is_timestamp(values.type):
            # an instant is of the day that the clock on the wall showed in its time zone
            values = values.cast(pa.date32())
        if pa.types.is_floating(values.type):
            # the shortest text that reads back as the same number; whole ones without a point
            values = values.cast(pa.float64())
            whole = pc.and_(pc.less(pc.abs(values), _EXACT), pc.equal(values, pc.trunc(values)))
            units = pc.if_else(whole, values, 0).cast(pa.int64()).cast(pa.string())
            texts = pc.if_else(whole, units, values.cast(pa.string()))
            return pl.Series(name, pc.if_else(pc.is_nan(values), None, texts), pl.String)
        texts = values.cast(pa.string())
        texts = pc.replace_substring_regex(texts, f"[{INVISIBLE}]", "")
        texts = pc.utf8_normalize(texts, form="NFC")
        if pa.types.is_decimal(values.type):
            texts = pc.replace_substring_regex(texts, r"\.0+$", "")
    except pa.ArrowException:
        raise DataError(
            f"{file}: column '{name}' is of type {kind}, which is no text, day or number."
        ) from None
    return pl.Series(name, texts, pl.String)
