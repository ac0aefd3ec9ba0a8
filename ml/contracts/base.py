"""What a contract is, and the check that every table passes at every edge."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from ml.errors import ContractError

SHOWN = 3


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: Column name, ``[a-z][a-z0-9_]*``.
        dtype: Arrow type; only int64, float64, string, bool, timestamp[us] and date32 are used.
        unit: Unit of the values, ``1`` where they have none.
        description: What the value means.
        lower: Smallest plausible value.
        upper: Largest plausible value.
        nullable: Whether null (unknown) is allowed.
        allowed: The closed vocabulary of a text column; empty = free text.
    """

    name: str
    dtype: pa.DataType
    unit: str = "1"
    description: str = ""
    lower: float = -math.inf
    upper: float = math.inf
    nullable: bool = False
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """A named table: the key that identifies one row, and the columns.

    Attributes:
        name: Name of the table, also of its file and folder.
        key: Columns that together identify a row; rows are sorted by them.
        columns: All columns in order. Later versions only ever add nullable columns.
        version: Raised when columns are added.
        volatile: Columns that ``content_sha256`` leaves out (clock and run identity).
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    version: int = 1
    volatile: tuple[str, ...] = field(default=("generated_at", "run_id"))

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema with unit and description of each column in its field metadata."""
        return pa.schema([_arrow_field(column) for column in self.columns])


def _arrow_field(column: Column) -> pa.Field:
    notes = {"unit": column.unit, "description": column.description}
    return pa.field(column.name, column.dtype, column.nullable, notes)


def check(table: pa.Table, contract: Contract, *, where: str = "") -> pa.Table:
    """Check a table against its contract and return it with the contract's exact schema.

    Args:
        table: Any Arrow table.
        contract: What it has to be.
        where: File or stage to name in the error; the table's name when empty.

    Returns:
        The same rows, columns in contract order, with the contract's schema.

    Raises:
        ContractError: Missing or extra columns, a wrong type, null, NaN or infinity, a value
            outside its range or vocabulary, or a repeated key. The message names the column,
            the count and the first bad rows.
    """
    place = where or contract.name
    _check_columns(table, contract, place)
    arrays = [_checked_column(table, column, contract, place) for column in contract.columns]
    checked = pa.Table.from_arrays(arrays, schema=contract.schema)
    _check_key(checked, contract, place)
    return checked


def _check_columns(table: pa.Table, contract: Contract, place: str) -> None:
    found = table.column_names
    missing = [name for name in contract.names if name not in found]
    extra = [name for name in found if name not in contract.names or found.count(name) > 1]
    if missing or extra:
        raise ContractError(
            f"{place}: table '{contract.name}' must have exactly the columns of its contract; "
            f"missing: {missing or 'none'}, not known: {extra or 'none'}."
        )


def _checked_column(
    table: pa.Table, column: Column, contract: Contract, place: str
) -> pa.ChunkedArray:
    values = table[column.name]
    if values.type != column.dtype:
        values = _converted(values, column, contract, place)
    for what, bad in _problems(values, column):
        _refuse(table, bad, column, contract, (place, what))
    return values


def _problems(values: pa.ChunkedArray, column: Column) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """What can be wrong with the values of a column, and where it is."""
    if not column.nullable:
        yield "is null", pc.is_null(values)
    if pa.types.is_floating(column.dtype):
        yield "is not finite", pc.invert(pc.is_finite(values))
    outside = []
    if column.lower > -math.inf:
        outside.append(pc.less(values, pa.scalar(column.lower).cast(column.dtype)))
    if column.upper < math.inf:
        outside.append(pc.greater(values, pa.scalar(column.upper).cast(column.dtype)))
    if outside:
        limits = f"is outside [{column.lower:g}, {column.upper:g}] {column.unit}"
        yield limits, reduce(pc.or_, outside)
    if column.allowed:
        known = pc.is_in(values, value_set=pa.array([*column.allowed, None], column.dtype))
        yield f"is not one of {column.allowed}", pc.invert(known)


def _converted(
    values: pa.ChunkedArray, column: Column, contract: Contract, place: str
) -> pa.ChunkedArray:
    """The same values in another width or encoding; never another kind of value."""
    reason = ""
    if _same_kind(values.type, column.dtype):
        try:
            return values.cast(column.dtype)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            reason = f": {str(error).splitlines()[0]}"
    raise ContractError(
        f"{place}: column '{column.name}' of table '{contract.name}' is {values.type}, "
        f"must be {column.dtype}{reason}"
    )


def _same_kind(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of one type are values of the other, written differently."""
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_null(found):
        return True
    kinds = (
        ((pa.string(),), (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)),
        ((pa.float64(),), (pa.types.is_floating, pa.types.is_integer)),
        ((pa.int64(),), (pa.types.is_integer,)),
        ((pa.timestamp("us"), pa.date32()), (pa.types.is_date, _is_naive)),
        ((pa.timestamp("us", tz="UTC"),), (_is_instant,)),
    )
    return any(wanted in types and any(test(found) for test in tests) for types, tests in kinds)


def _is_naive(found: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(found)) and found.tz is None


def _is_instant(found: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(found)) and found.tz is not None


def _refuse(
    table: pa.Table,
    bad: pa.ChunkedArray,
    column: Column,
    contract: Contract,
    problem: tuple[str, str],
) -> None:
    count = pc.sum(bad).as_py() or 0
    if not count:
        return
    place, what = problem
    shown = table.filter(pc.fill_null(bad, fill_value=False)).slice(0, SHOWN)
    shown = shown.select([*dict.fromkeys([*contract.key, column.name])])
    raise ContractError(
        f"{place}: table '{contract.name}': {count} of {table.num_rows} values of "
        f"'{column.name}' {what}. First: {shown.to_pylist()}"
    )


def _check_key(table: pa.Table, contract: Contract, place: str) -> None:
    if not contract.key:
        return
    groups = table.select(list(contract.key)).group_by(list(contract.key))
    counts = groups.aggregate([([], "count_all")])
    repeated = counts.filter(pc.greater(counts["count_all"], 1))
    if repeated.num_rows:
        raise ContractError(
            f"{place}: table '{contract.name}': {repeated.num_rows} keys {contract.key} occur more "
            f"than once. First: {repeated.slice(0, SHOWN).to_pylist()}"
        )
