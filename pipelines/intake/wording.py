"""Words for the sentences that the intake shows."""

from collections.abc import Sequence

from ml.errors import first_few


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun.

    >>> counted(1, "row"), counted(1200, "row"), counted(2, "series", "series")
    ('1 row', '1,200 rows', '2 series')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def named(names: Sequence[str]) -> str:
    """The first few names in quotes, each cut to a readable length."""
    return first_few([name if len(name) <= 60 else f"{name[:59]}…" for name in names])
