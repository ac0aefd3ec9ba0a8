"""Numbers from text: decimal point or comma, thousands separators where they are beyond doubt.

A cell that shows by its own shape which sign is the decimal one is read that way: ``1.234,56``,
``3,5``, ``1,234,567``. A cell such as ``1.234`` or ``1,234`` is open: it follows the cells of its
column that are not. Where there are none its sign is taken as the decimal one, and where they
disagree, or both kinds of open cells meet, it is a fault.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake.parsed import Parsed, faults_of, is_one_of, matches
from pipelines.intake.quarantine import Reason
from pipelines.intake.wording import counted

NOTHING = ("", "nan", "na", "n/a", "#n/a", "null", "none", "<na>", "nat", ".")
_POWER = r"(?:[eE][+-]?\d+)?"
_BLANK = r"[ \x{a0}\x{202f}]"
_CLEAR_MAJORITY = 9  # times the evidence against; what is against it then is a typing error
Mask = npt.NDArray[np.bool_]
Weights = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Shapes:
    """What the shapes of U texts say about their decimal sign, each mask (U,)."""

    comma: Mask
    point: Mask
    open_comma: Mask
    open_point: Mask

    @property
    def open(self) -> Mask:
        return self.open_comma | self.open_point


def parse_numbers(texts: pa.Array, weights: Weights, *, typed: bool, where: str) -> Parsed:
    """Parse numbers.

    Args:
        texts: U distinct texts.
        weights: (U,) on how many rows each text counts as evidence.
        typed: The texts were made from numbers: a point is the decimal sign.
        where: File and column for the remarks.

    Returns:
        float64, NaN where the text says that there is no value and where there is a fault.
    """
    count = len(texts)
    if typed:
        plain, readable, unclear = texts, np.ones(count, bool), np.zeros(count, bool)
        remarks: tuple[str, ...] = ()
    else:
        bare = _bare(texts)
        shapes = _shapes(bare)
        decimal_comma, unclear, remarks = _decide(shapes, texts, weights, where)
        plain = _with_point(bare, decimal_comma)
        readable = ~matches(bare, r".*[.,].*") | shapes.comma | shapes.point | shapes.open
    number = readable & matches(plain, rf"[+-]?(?:\d+\.?\d*|\.\d+){_POWER}")
    values = pc.if_else(pa.array(number), plain, "nan").cast(pa.float64()).to_numpy()
    faults = faults_of(
        count,
        (matches(plain, r"(?i)[+-]?inf(?:inity)?") | np.isinf(values), Reason.INFINITE_NUMBER),
        (~is_one_of(texts, NOTHING) & ~number, Reason.UNPARSABLE_NUMBER),
        (unclear, Reason.AMBIGUOUS_NUMBER),
    )
    return Parsed(np.where(faults > 0, np.nan, values), faults, remarks)


def _with_point(bare: pa.Array, decimal_comma: Mask) -> pa.Array:
    """Every text with a point as its decimal sign and without thousands separators."""
    of_comma = pc.replace_substring(pc.replace_substring(bare, ".", ""), ",", ".")
    return pc.if_else(pa.array(decimal_comma), of_comma, pc.replace_substring(bare, ",", ""))


def _bare(texts: pa.Array) -> pa.Array:
    """Without blanks between thousands, the sign in front (SAP writes ``5,00-``)."""
    texts = pc.replace_substring(texts, "\u2212", "-")
    texts = pc.replace_substring_regex(texts, r"^(\d.*)-$", r"-\1")
    spaced = matches(texts, rf"[+-]?\d{{1,3}}(?:{_BLANK}\d{{3}})+(?:[.,]\d+)?")
    return pc.if_else(pa.array(spaced), pc.replace_substring_regex(texts, _BLANK, ""), texts)


def _shapes(bare: pa.Array) -> _Shapes:
    comma, open_comma = _shape(bare, ",", r"\.")
    point, open_point = _shape(bare, r"\.", ",")
    return _Shapes(comma, point, open_comma, open_point)


def _shape(bare: pa.Array, sign: str, thousands: str) -> tuple[Mask, Mask]:
    """Where ``sign`` must be the decimal sign, and where it may also separate thousands."""
    undecided = matches(bare, rf"[+-]?[1-9]\d{{0,2}}{sign}\d{{3}}")
    one = rf"[+-]?\d*{sign}\d*{_POWER}"
    both = rf"[+-]?\d{{1,3}}(?:{thousands}\d{{3}})+{sign}\d*"
    repeated = rf"[+-]?\d{{1,3}}(?:{thousands}\d{{3}}){{2,}}"
    return matches(bare, f"{one}|{both}|{repeated}") & ~undecided, undecided


def _decide(
    shapes: _Shapes, texts: pa.Array, weights: Weights, where: str
) -> tuple[Mask, Mask, tuple[str, ...]]:
    """Where the comma is the decimal sign, where nobody can tell, and the sentences on it."""
    comma, point = int(weights[shapes.comma].sum()), int(weights[shapes.point].sum())
    nobody = np.zeros(len(texts), bool)
    if comma > _CLEAR_MAJORITY * point:
        remark = f"{where}: the comma was read as the decimal sign."
        return shapes.comma | shapes.open, nobody, (remark,)
    if point > _CLEAR_MAJORITY * comma:
        return shapes.comma, nobody, ()
    clash = weights[shapes.open_comma].any() and weights[shapes.open_point].any()
    if comma or clash:
        return shapes.comma, shapes.open, ()
    return shapes.comma | shapes.open_comma, nobody, _doubt(shapes, texts, weights, where)


def _doubt(shapes: _Shapes, texts: pa.Array, weights: Weights, where: str) -> tuple[str, ...]:
    seen = np.flatnonzero(shapes.open & (weights > 0))
    if not len(seen):
        return ()
    example = min(texts.take(pa.array(seen)).to_pylist())
    remark = (
        f"{where}: {counted(int(weights[seen].sum()), 'number')} such as {example!r} read with a "
        "decimal sign; if it separates thousands there, write them without it."
    )
    return (remark,)
