"""Numbers from text: decimal point or comma, thousands separators where they are beyond doubt.

A cell that shows by its own shape which sign is the decimal one is read that way: ``1.234,56``,
``3,5``, ``1,234,567``. A cell such as ``1.234`` or ``1,234`` is open: it follows the cells of its
column that are not. Where there are none its sign is taken as the decimal one, and where they
disagree, or both kinds of open cells meet, it is a fault.
"""

import polars as pl

from pipelines.intake.cells import NOTHING, TEXT, ParsedTexts, is_one_of, matches, parsed_texts
from pipelines.intake.quarantine import Reason
from pipelines.intake.sentences import counted

_POWER = r"(?:[eE][+-]?[0-9]+)?"
_BLANK = r"[ \x{a0}\x{202f}]"
_CLEAR_MAJORITY = 9  # times the evidence against; what is against it then is a typing error
_NOWHERE = pl.lit(value=False)
_COMMA, _POINT = pl.col("comma"), pl.col("point")  # the shape tells the decimal sign
_OPEN_COMMA, _OPEN_POINT = pl.col("open_comma"), pl.col("open_point")  # it may be thousands
_OPEN = _OPEN_COMMA | _OPEN_POINT


def parse_numbers(texts: pl.DataFrame, where: str, *, typed: bool = False) -> ParsedTexts:
    """Parse numbers: null where the text says that there is no value and where there is a fault.

    ``typed`` texts were made from numbers: a point is the decimal sign.
    """
    remarks: tuple[str, ...] = ()
    plain, readable, unclear = TEXT, pl.lit(value=True), _NOWHERE
    if not typed:
        texts = texts.with_columns(bare=_bare()).with_columns(
            comma=_shape(",", r"\."),
            point=_shape(r"\.", ","),
            open_comma=_may_be_thousands(","),
            open_point=_may_be_thousands(r"\."),
        )
        decimal_comma, unclear, remarks = _decide(texts, where)
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


def _decide(texts: pl.DataFrame, where: str) -> tuple[pl.Expr, pl.Expr, tuple[str, ...]]:
    """Where the comma is the decimal sign, where nobody can tell, and the sentences on it."""
    shapes = (_COMMA, _POINT, _OPEN_COMMA, _OPEN_POINT)
    comma, point, *either = (texts.filter(shape)["weight"].sum() for shape in shapes)
    if comma > _CLEAR_MAJORITY * point:
        return _COMMA | _OPEN, _NOWHERE, (f"{where}: the comma was read as the decimal sign.",)
    if point > _CLEAR_MAJORITY * comma:
        return _COMMA, _NOWHERE, ()
    if comma or all(either):
        return _COMMA, _OPEN, ()
    seen = texts.filter(_OPEN, pl.col("weight") > 0)
    numbers = counted(int(seen["weight"].sum()), "number")
    remark = (
        f"{where}: {numbers} such as {seen['text'].min()!r} read with a decimal sign; if it "
        "separates thousands there, write them without it."
    )
    return _COMMA | _OPEN_COMMA, _NOWHERE, (remark,) if seen.height else ()
