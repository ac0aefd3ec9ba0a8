"""What a contract is, and the check that every table passes at every edge."""

import math
from dataclasses import dataclass, field

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
    missing = [name for name in contract.names if name not in table.column_names]
    extra = [name for name in table.column_names if name not in contract.names]
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
        try:
            values = values.cast(column.dtype)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ContractError(
                f"{place}: column '{column.name}' of table '{contract.name}' is {values.type}, "
                f"must be {column.dtype}: {str(error).splitlines()[0]}"
            ) from None
    if values.null_count and not column.nullable:
        _refuse(table, pc.is_null(values), column, contract, f"{place}|is null")
    if pa.types.is_floating(column.dtype):
        _refuse(table, pc.invert(pc.is_finite(values)), column, contract, f"{place}|is not finite")
    if column.lower > -math.inf or column.upper < math.inf:
        outside = pc.or_(pc.less(values, column.lower), pc.greater(values, column.upper))
        limits = f"is outside [{column.lower:g}, {column.upper:g}] {column.unit}"
        _refuse(table, outside, column, contract, f"{place}|{limits}")
    if column.allowed:
        known = pc.is_in(values, value_set=pa.array([*column.allowed, None], column.dtype))
        _refuse(
            table, pc.invert(known), column, contract, f"{place}|is not one of {column.allowed}"
        )
    return values


def _refuse(
    table: pa.Table, bad: pa.ChunkedArray, column: Column, contract: Contract, problem: str
) -> None:
    count = pc.sum(bad).as_py() or 0
    if not count:
        return
    place, what = problem.split("|", 1)
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
