"""How numbers are shown: a second implementation, by decimals as they are written."""

from decimal import ROUND_HALF_UP, Decimal


def shorten(number, shown):
    """Half away from zero, of the number as it is written, as browsers do."""
    exact = Decimal(repr(float(number))).quantize(Decimal(1).scaleb(-shown), ROUND_HALF_UP)
    return exact + 0


def as_quantity(number):
    size = abs(number)
    return shorten(number, 0 if size >= 100 else 1 if size >= 10 else 2)
