"""Which columns of a price file hold values, and what their series are called."""

from collections.abc import Mapping, Sequence

from ml.errors import DataError
from pipelines.intake.names import PRICE_NAMES, Found, find_columns, plain, position_of
from pipelines.intake.source import Choose, Source, TextColumn
from pipelines.intake.wording import named

CLOSES = ("close", "price", "ultimo", "fechamento")  # the first that is there is the price
MARKET = (
    *CLOSES, "open", "high", "low", "adj_close", "volume", "vol", "change", "change_percent", "var",
    "dividends", "stock_splits", "abertura", "maxima", "minima",
)  # fmt: skip
LONG_VALUES = ("value", "valor", "preco", *CLOSES)
NAMELESS = ("price", "close", "value")  # a series of this name is called after its file
VALUE = "value:"


def choose_price_columns(mapped: Mapping[str, str]) -> Choose:
    """A chooser for price files: one value column, market data, or one column a series."""

    def choose(header: Sequence[str], where: str) -> Found:
        base = find_columns(header, PRICE_NAMES, needed=("ds",), mapped=mapped, where=where)
        free = [i for i in range(len(header)) if i not in base.positions.values() and header[i]]
        values = _mapped_value(header, free, mapped, where) or _value_columns(header, free)
        if "series" in base.positions:
            values = _one_value(header, values, where)
        if not values:
            raise DataError(
                f"{where}: no column of values. Columns found: {named(list(header))}. "
                "Say which one it is: --column value=NAME."
            )
        positions = {**base.positions, **{f"{VALUE}{i}": i for i in values}}
        ignored = tuple(name for i, name in enumerate(header) if i not in positions.values())
        return Found(positions, ignored, base.remarks)

    return choose


def value_columns(source: Source) -> list[tuple[str, TextColumn]]:
    """The value columns of an opened file: their keys in ``source.columns`` and the columns."""
    return [(key, column) for key, column in source.columns.items() if key.startswith(VALUE)]


def series_name(source: Source, column: TextColumn) -> str:
    """Name of the series of a value column where the file has no column of names."""
    return source.stem if plain(column.name) in NAMELESS else column.name


def _mapped_value(
    header: Sequence[str], free: list[int], mapped: Mapping[str, str], where: str
) -> list[int]:
    if "value" not in mapped:
        return []
    position = position_of(header, (mapped["value"],), where)
    return [position] if position in free else []


def _value_columns(header: Sequence[str], free: list[int]) -> list[int]:
    names = {i: plain(header[i]) for i in free}
    close = next((i for close in CLOSES for i in free if names[i] == close), None)
    if close is None:
        return free
    return [i for i in free if i == close or names[i] not in MARKET]


def _one_value(header: Sequence[str], values: list[int], where: str) -> list[int]:
    """The value column of a file with a column of names."""
    if len(values) > 1:
        usual = [i for name in LONG_VALUES for i in values if plain(header[i]) == name]
        values = usual[:1] or values
    if len(values) > 1:
        raise DataError(
            f"{where}: {len(values)} columns may hold the values: "
            f"{named([header[i] for i in values])}. Say which one: --column value=NAME."
        )
    return values
