"""One data file as a frame of text: the same picture of CSV and Parquet, before parsing."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
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
from pipelines.intake.read_text import INVISIBLE, MOST_PACKED, read_bytes, read_text
from pipelines.intake.records import BLANKS, find_header, find_lines, read_records

_HARMLESS_ROWS = 10_000_000  # in memory whatever they were packed to
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
    remarks: tuple[str, ...] = ()  # what was decided or left out in reading

    @property
    def height(self) -> int:
        """Rows, those with a wrong number of fields among them."""
        return self.rows.height + self.broken.height


def open_files(path: Path, choose: Choose) -> list[DataFile]:
    """Open all data files of a path, in the order of their names.

    A file that is another one over again, byte for byte, is left out with a remark: its rows would
    be added to themselves.

    Raises:
        DataError: A file that cannot be read, or lacks a column that is needed.
    """
    opened = []
    for file, *copies in _group_copies(data_files(path)):
        own = open_file(file, choose)
        if copies:
            names = first_few([one.name for one in copies])
            said = f"{file.name}: {names} is the same file again, left out."
            own = replace(own, remarks=(*own.remarks, said))
        opened.append(own)
    return opened


def _group_copies(files: Sequence[Path]) -> list[list[Path]]:
    """Files with those that hold the same bytes, in their order."""
    sizes = {file: file.stat().st_size for file in files}
    counts = Counter(sizes.values())
    groups: dict[object, list[Path]] = {}
    for file in files:
        is_alone = counts[sizes[file]] == 1
        key = file if is_alone else hashlib.sha256(read_bytes(file)).digest()
        groups.setdefault(key, []).append(file)
    return list(groups.values())


def open_file(path: Path, choose: Choose) -> DataFile:
    """Read the wanted columns of a CSV, packed CSV or Parquet file, told apart by its content.

    Raises:
        DataError: Not readable, empty, without rows, or in no format that is read here.
    """
    refuse_odd_name(path)
    raw = read_bytes(path)
    is_parquet = raw.startswith(b"PAR1") or path.suffix.lower() == ".parquet"
    file = (_open_parquet if is_parquet else _open_csv)(path, raw, choose)
    return _with_whole_ids(file)


def stem(path: Path) -> str:
    """File name without the endings that are read here.

    >>> stem(Path("raw/brent.csv.gz"))
    'brent'
    """
    name = path.name
    for suffix in (".gz", ".csv", ".txt", ".parquet"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return name or path.name


def _open_csv(path: Path, raw: bytes, choose: Choose) -> DataFile:
    text, remarks = read_text(raw, path.name)
    lines = find_lines(text)
    header = find_header(lines, path.name)
    chosen = choose(header.names, path.name)
    rows, broken, said = read_records(lines, header, chosen.positions, path.name)
    if not rows.height + broken.height:
        raise DataError(f"{path.name}: has a header but no rows.")
    rows = rows.with_columns(pl.exclude("line").str.strip_chars(BLANKS))
    names = {name: header.names[at] for name, at in chosen.positions.items()}
    decimal = _USUAL_DECIMAL.get(header.delimiter, "")
    return DataFile(path.name, rows, names, frozenset(), decimal, chosen, broken, (*remarks, *said))


def _with_whole_ids(file: DataFile) -> DataFile:
    """Ids ``123.0`` as ``123``: whole numbers become so where a table once had a gap among them.

    That is, where all ids are such, or one is there in both spellings.
    """
    ids = file.rows.get_column("item_id", default=pl.Series(dtype=pl.String))
    given = ids.filter(ids != "").unique().sort()
    spoilt = given.filter(given.str.contains(r"^[0-9]+\.0$"))
    whole = spoilt.str.strip_suffix(".0")
    if not len(spoilt) or (len(spoilt) < len(given) and not whole.is_in(given.implode()).any()):
        return file
    mended = pl.col("item_id").replace(spoilt, whole)
    remark = f"{file.name}: {len(spoilt):,} ids such as {spoilt[0]!r} were read as {whole[0]!r}."
    return replace(file, rows=file.rows.with_columns(mended), remarks=(*file.remarks, remark))


def _open_parquet(path: Path, raw: bytes, choose: Choose) -> DataFile:
    try:
        file = pq.ParquetFile(pa.BufferReader(raw))
        if file.metadata.num_rows > max(_HARMLESS_ROWS, MOST_PACKED * len(raw)):
            raise DataError(
                f"{path.name}: has {file.metadata.num_rows:,} rows in {len(raw):,} bytes: that is "
                "no table. Nothing of it was kept; if it is one, save it as several files."
            )
        header = file.schema_arrow.names
        chosen = choose(header, path.name)
        names = {wanted: header[position] for wanted, position in chosen.positions.items()}
        table = file.read(columns=[*dict.fromkeys(names.values())])
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path.name}: is no readable Parquet file: {str(error).splitlines()[0]}"
        ) from None
    if not table.num_rows:
        raise DataError(f"{path.name}: has columns but no rows.")
    texts = {wanted: _as_text(table[name], name, path.name) for wanted, name in names.items()}
    rows = pl.DataFrame(texts).select(pl.all().fill_null("").str.strip_chars(BLANKS))
    rows = rows.with_row_index("line", offset=1).cast({"line": pl.Int64})
    kinds = {wanted: table[name].type for wanted, name in names.items()}
    bare = {one: getattr(kinds[one], "value_type", kinds[one]) for one in kinds}  # of dictionaries
    tests = (pa.types.is_floating, pa.types.is_decimal, pa.types.is_integer)
    typed = frozenset(one for one, kind in bare.items() if any(test(kind) for test in tests))
    return DataFile(path.name, rows, names, typed, "", chosen, CELLS)


def _as_text(values: pa.ChunkedArray, name: str, file: str) -> pl.Series:
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
