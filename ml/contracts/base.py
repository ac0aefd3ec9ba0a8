"""What a contract is, and the check that every table passes at every edge."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from ml.errors import ContractError

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str  # column name, `[a-z][a-z0-9_]*`
    # arrow type; only int64, float64, string, bool, timestamp[us] and date32 are used
    dtype: pa.DataType
    unit: str = "1"  # unit of the values, `1` where they have none
    description: str = ""  # what the value means
    lower: float = -math.inf  # smallest plausible value
    upper: float = math.inf  # largest plausible value
    nullable: bool = False  # whether null (unknown) is allowed
    # the closed list of a text column's values with their meanings; empty = free
    vocabulary: Mapping[str, str] = field(default_factory=dict, hash=False)


def text(
    name: str,
    description: str,
    vocabulary: Mapping[str, str] | None = None,
    *,
    nullable: bool = False,
) -> Column:
    """A column of texts, free or out of a closed list."""
    return Column(
        name, pa.string(), description=description, nullable=nullable, vocabulary=vocabulary or {}
    )


def number(
    name: str,
    unit: str,
    description: str,
    lower: float = -math.inf,
    upper: float = math.inf,
    *,
    nullable: bool = True,
) -> Column:
    """A column of numbers that may be unknown, unless said otherwise."""
    return Column(name, pa.float64(), unit, description, lower, upper, nullable)


def count(
    name: str, unit: str, description: str, lower: int = 0, *, nullable: bool = False
) -> Column:
    """A column of whole numbers from ``lower`` on."""
    return Column(name, pa.int64(), unit, description, lower, nullable=nullable)


def day(name: str, description: str, *, nullable: bool = False) -> Column:
    """A column of days, without time zone."""
    return Column(name, pa.timestamp("us"), "day", description, nullable=nullable)


def flag(name: str, description: str, *, nullable: bool = False) -> Column:
    """A column of yes and no."""
    return Column(name, pa.bool_(), description=description, nullable=nullable)


@dataclass(frozen=True, slots=True)
class Contract:
    """A named table: the key that identifies one row, and the columns."""

    name: str  # name of the table, also of its file and folder
    key: tuple[str, ...]  # columns that together identify a row; rows are sorted by them
    # All columns in order. Later versions only ever add nullable columns.
    columns: tuple[Column, ...]
    version: int = 1  # raised when columns are added
    # columns that `content_sha256` leaves out (clock and run identity)
    volatile: tuple[str, ...] = field(default=("generated_at", "run_id"))

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema with unit and description of each column in its field metadata."""
        return pa.schema(
            pa.field(c.name, c.dtype, c.nullable, {"unit": c.unit, "description": c.description})
            for c in self.columns
        )


def check(table: pa.Table, contract: Contract, *, where: str = "") -> pa.Table:
    """Check a table and return the same rows, columns in contract order, in its exact schema.

    The error names ``where``, a file or stage; else the table's name.

    Raises:
        ContractError: Missing or extra columns, a wrong type, null, NaN or infinity, a value
            outside its range or vocabulary, or a repeated key. The message names the column,
            the count and the first bad rows.
    """
    place = where or contract.name
    found = table.column_names
    missing = [name for name in contract.names if name not in found]
    extra = [name for name in found if name not in contract.names or found.count(name) > 1]
    if missing or extra:
        raise ContractError(
            f"{place}: table '{contract.name}' must have exactly the columns of its contract; "
            f"missing: {missing or 'none'}, not known: {extra or 'none'}."
        )
    arrays = [_check_column(table, column, contract, place) for column in contract.columns]
    checked = pa.Table.from_arrays(arrays, schema=contract.schema)
    if contract.key:
        _check_key(checked, contract, place)
    return checked


def _check_column(
    table: pa.Table, column: Column, contract: Contract, place: str
) -> pa.ChunkedArray:
    values = table[column.name]
    if values.type != column.dtype:
        values = _convert(values, column, contract, place)
    for problem, bad in _find_problems(values, column):
        if not (wrong := pc.sum(bad).as_py()):
            continue
        shown = table.filter(pc.fill_null(bad, fill_value=False)).slice(0, SHOWN)
        shown = shown.select([*dict.fromkeys([*contract.key, column.name])])
        raise ContractError(
            f"{place}: table '{contract.name}': {wrong} of {table.num_rows} values of "
            f"'{column.name}' {problem}. First: {shown.to_pylist()}"
        )
    return values


def _find_problems(
    values: pa.ChunkedArray, column: Column
) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """What can be wrong with the values of a column, and where it is."""
    if not column.nullable:
        yield "is null", pc.is_null(values)
    if pa.types.is_floating(column.dtype):
        yield "is not finite", pc.invert(pc.is_finite(values))
    limits = f"is outside [{column.lower:g}, {column.upper:g}] {column.unit}"
    outside = []
    if column.lower > -math.inf:
        outside.append(pc.less(values, pa.scalar(column.lower).cast(column.dtype)))
    if column.upper < math.inf:
        outside.append(pc.greater(values, pa.scalar(column.upper).cast(column.dtype)))
    if outside:
        yield limits, reduce(pc.or_, outside)
    if column.vocabulary:
        known = pc.is_in(values, value_set=pa.array([*column.vocabulary, None], column.dtype))
        yield f"is not one of {tuple(column.vocabulary)}", pc.invert(known)


def _convert(
    values: pa.ChunkedArray, column: Column, contract: Contract, place: str
) -> pa.ChunkedArray:
    """The same values in another width or encoding; never another kind of value."""
    reason = ""
    if _is_same_kind(values.type, column.dtype):
        try:
            return values.cast(column.dtype)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            reason = f": {str(error).splitlines()[0]}"
    raise ContractError(
        f"{place}: column '{column.name}' of table '{contract.name}' is {values.type}, "
        f"must be {column.dtype}{reason}"
    )


def _is_same_kind(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of one type are values of the other, written differently."""
    kind = pa.types
    if kind.is_dictionary(found):
        found = found.value_type
    if kind.is_null(found):
        return True
    if kind.is_timestamp(wanted) and wanted.tz is not None:
        return kind.is_timestamp(found) and found.tz is not None
    if kind.is_temporal(wanted):
        return kind.is_date(found) or (kind.is_timestamp(found) and found.tz is None)
    if kind.is_string(wanted):
        return kind.is_string(found) or kind.is_large_string(found) or kind.is_string_view(found)
    if kind.is_floating(wanted):
        return kind.is_floating(found) or kind.is_integer(found)
    return kind.is_integer(wanted) and kind.is_integer(found)


def is_ordered(rows: pa.Table, key: Sequence[str]) -> bool:
    """Whether the keys of rows ascend, so that none is null or occurs twice."""
    if any(rows[name].null_count for name in key):
        return False
    later: pa.ChunkedArray | None = None
    for name in reversed(key):
        before, after = rows[name].slice(0, max(rows.num_rows - 1, 0)), rows[name].slice(1)
        greater = pc.greater(after, before)
        if later is not None:
            greater = pc.or_(greater, pc.and_(pc.equal(after, before), later))
        later = greater
    return later is None or bool(pc.all(later, min_count=0).as_py())


def _check_key(table: pa.Table, contract: Contract, place: str) -> None:
    if is_ordered(table, contract.key):  # most are, and that is soon seen
        return
    groups = table.select(list(contract.key)).group_by(list(contract.key))
    counts = groups.aggregate([([], "count_all")])
    repeated = counts.filter(pc.greater(counts["count_all"], 1))
    if repeated.num_rows:
        raise ContractError(
            f"{place}: table '{contract.name}': {repeated.num_rows} keys {contract.key} occur more "
            f"than once. First: {repeated.slice(0, SHOWN).to_pylist()}"
        )
