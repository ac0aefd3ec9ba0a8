"""Numbers from text: decimal point or comma, thousands separators where they are beyond doubt.

A cell that shows by its own shape which sign is the decimal one is read that way: ``1.234,56``,
``3,5``, ``1,234,567``. A cell such as ``1.234`` or ``1,234`` is open: it follows the cells of its
column that are not, else those of the other columns of its file, else whole numbers and the
delimiter of the file. Where these do not tell either, and where cells disagree, it is a fault.
"""

from collections.abc import Sequence

import polars as pl

from pipelines.intake.cells import NOTHING, TEXT, ParsedTexts, is_one_of, matches, parsed_texts
from pipelines.intake.quarantine import Reason
from pipelines.intake.sentences import UNCLEAR_NUMBERS, counted

_POWER = r"(?:[eE][+-]?[0-9]+)?"
_BLANK = r"[ \x{a0}\x{202f}]"
_CLEAR_MAJORITY = 9  # times the evidence against; what is against it then is a typing error
EITHER = ".,"
_GROUP = 3  # digits between signs of thousands
_NOWHERE = pl.lit(value=False)
_COMMA, _POINT = pl.col("comma"), pl.col("point")  # the shape tells the decimal sign
_OPEN_COMMA, _OPEN_POINT = pl.col("open_comma"), pl.col("open_point")  # it may be thousands
_OPEN = _OPEN_COMMA | _OPEN_POINT


def parse_numbers(
    texts: pl.DataFrame, where: str, *, typed: bool = False, usual: str = "", seen: str = ""
) -> ParsedTexts:
    """Parse numbers: null where the text says that there is no value and where there is a fault.

    ``typed`` texts were made from numbers: a point is the decimal sign. ``usual`` is the decimal
    sign that goes with the delimiter of the file (``EITHER``: no thousands are expected), ``seen``
    the one that other columns of it have.
    """
    remarks: tuple[str, ...] = ()
    plain, readable, unclear = TEXT, pl.lit(value=True), _NOWHERE
    if not typed:
        texts = _with_shapes(texts)
        decimal_comma, unclear, remarks = _decide(texts, where, usual, seen)
        # a point as the decimal sign, and no thousands separators
        bare = pl.col("bare").str
        of_comma = bare.replace_all(".", "", literal=True).str.replace_all(",", ".", literal=True)
        of_point = bare.replace_all(",", "", literal=True)
        plain = pl.when(decimal_comma).then(of_comma).otherwise(of_point)
        readable = ~pl.col("bare").str.contains("[.,]") | _COMMA | _POINT | _OPEN
    texts = texts.with_columns(plain=plain, readable=readable)
    plain = pl.col("plain")
    number = pl.col("readable") & matches(plain, rf"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+){_POWER}")
    value = pl.when(number).then(plain).cast(pl.Float64, strict=False)
    return parsed_texts(
        texts,
        value,
        (matches(plain, r"(?i)[+-]?inf(?:inity)?") | value.is_infinite(), Reason.INFINITE_NUMBER),
        (~is_one_of(NOTHING) & ~number, Reason.UNPARSABLE_NUMBER),
        (unclear, Reason.AMBIGUOUS_NUMBER),
        remarks=remarks,
    )


def find_decimal(columns: Sequence[pl.Series]) -> str:
    """The decimal sign that columns of texts leave no doubt about; "" where there is none."""
    texts = pl.concat([column.rename("text") for column in columns]).value_counts(name="weight")
    comma, point, *_ = _evidence(_with_shapes(texts))
    return (
        "," if comma > _CLEAR_MAJORITY * point else "." if point > _CLEAR_MAJORITY * comma else ""
    )


def _with_shapes(texts: pl.DataFrame) -> pl.DataFrame:
    return texts.with_columns(bare=_bare()).with_columns(
        comma=_shape(",", r"\."),
        point=_shape(r"\.", ","),
        open_comma=_may_be_thousands(","),
        open_point=_may_be_thousands(r"\."),
    )


def _evidence(texts: pl.DataFrame) -> list[int]:
    """How many cells are of each shape."""
    shapes = (_COMMA, _POINT, _OPEN_COMMA, _OPEN_POINT)
    return [int(texts.filter(shape)["weight"].sum()) for shape in shapes]


def _bare() -> pl.Expr:
    """Without blanks between thousands, the sign in front (SAP writes ``5,00-``)."""
    signed = TEXT.str.replace_all("\u2212", "-", literal=True)
    signed = signed.str.replace(r"^([0-9].*)-$", "-${1}")
    spaced = matches(signed, rf"[+-]?[0-9]{{1,3}}(?:{_BLANK}[0-9]{{3}})+(?:[.,][0-9]+)?")
    return pl.when(spaced).then(signed.str.replace_all(_BLANK, "")).otherwise(signed)


def _shape(sign: str, thousands: str) -> pl.Expr:
    """Where ``sign`` must be the decimal sign."""
    one = rf"[+-]?[0-9]*{sign}[0-9]*{_POWER}"
    both = rf"[+-]?[0-9]{{1,3}}(?:{thousands}[0-9]{{3}})+{sign}[0-9]*"
    repeated = rf"[+-]?[0-9]{{1,3}}(?:{thousands}[0-9]{{3}}){{2,}}"
    return matches(pl.col("bare"), f"{one}|{both}|{repeated}") & ~_may_be_thousands(sign)


def _may_be_thousands(sign: str) -> pl.Expr:
    return matches(pl.col("bare"), rf"[+-]?[1-9][0-9]{{0,2}}{sign}[0-9]{{3}}")


def _decide(
    texts: pl.DataFrame, where: str, usual: str, seen: str
) -> tuple[pl.Expr, pl.Expr, tuple[str, ...]]:
    """Where the comma is the decimal sign, where nobody can tell, and the sentences on it."""
    comma, point, *either = _evidence(texts)
    if comma > _CLEAR_MAJORITY * point:
        return _COMMA | _OPEN, _NOWHERE, (f"{where}: the comma was read as the decimal sign.",)
    if point > _CLEAR_MAJORITY * comma:
        return _COMMA, _NOWHERE, ()
    given = texts.filter(_OPEN, pl.col("weight") > 0)
    if not given.height:
        return _COMMA, _OPEN, ()
    numbers = f"{counted(int(given['weight'].sum()), 'number')} such as {given['text'].min()!r}"
    found = "" if comma else seen
    if not (found or comma or all(either)):
        found = _decimal_of_open(texts, "," if either[0] else ".", usual)
    if found:
        said = f"{where}: {numbers} read with {found!r} as the decimal sign. If that is wrong: "
        return _COMMA | _OPEN if found == "," else _COMMA, _NOWHERE, (said + UNCLEAR_NUMBERS,)
    said = f"{where}: {numbers} set aside, as nothing tells thousands from decimals. "
    return _COMMA, _OPEN, (said + UNCLEAR_NUMBERS,)


def _decimal_of_open(texts: pl.DataFrame, sign: str, usual: str) -> str:
    """The decimal sign of a column where only open cells have one; "" where nothing tells.

    ``sign`` is the one that they have. It is the decimal one where whole numbers of four digits
    do without. Where there are smaller ones only, it is between thousands if the delimiter speaks
    for that too; where there are none at all, it is the decimal one if the delimiter does.
    """
    whole = texts.filter(matches(pl.col("bare"), r"[+-]?[1-9][0-9]*"), pl.col("weight") > 0)
    if usual == EITHER or (whole["bare"].str.strip_chars("+-").str.len_bytes() > _GROUP).any():
        return sign
    return usual if (sign == usual) != bool(whole.height) else ""
