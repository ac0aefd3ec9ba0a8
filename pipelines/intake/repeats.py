"""Rows of one key: counted, and refused where the user wants that."""

from datetime import date
from typing import cast

import numpy as np
import pyarrow as pa

from ml.errors import DataError
from pipelines.intake.series import Ints, Rows
from pipelines.intake.source import Mask
from pipelines.intake.wording import counted


def repeated_rows(rows: Rows, groups: Ints) -> Mask:
    """Rows whose item, day and group (a site) occurred on a row before, (R,).

    Args:
        rows: Any rows.
        groups: (R,) number of the group, below 2^63 / rows.
    """
    if not len(rows.items):
        return np.zeros(0, bool)
    _, key = np.unique(rows.key, return_inverse=True)
    key = key * (groups.max() + 1) + groups
    order = np.argsort(key, kind="stable")
    again = np.zeros(len(key), bool)
    again[order[1:]] = key[order[1:]] == key[order[:-1]]
    return again


def refuse_repeated(rows: Rows, repeated: Mask, ids: pa.Array, *, key: str, where: str) -> None:
    """Refuse rows of one key.

    Raises:
        DataError: With the count and the first offenders.
    """
    count = int(repeated.sum())
    if not count:
        return
    found = rows.where(repeated)
    first = found.where(np.argsort(found.key, kind="stable")[:3])
    offenders = ", ".join(
        f"{ids[int(item)].as_py()[:60]!r} on {cast(date, day.item()).isoformat()}"
        for item, day in zip(first.items, first.days, strict=True)
    )
    raise DataError(
        f"{where}: {counted(count, 'row')} of {len(rows.items):,} repeat the {key} of another. "
        f"First: {offenders}. Remove them, or add them up with --duplicates sum."
    )


def contradicting_rows(rows: Rows) -> Mask:
    """Rows whose item and day also have another value; null contradicts nothing, (R,)."""
    order = np.lexsort((rows.values, rows.key))  # nulls are last within their key
    key, values = rows.key[order], rows.values[order]
    differs = (key[1:] == key[:-1]) & (values[1:] != values[:-1]) & ~np.isnan(values[1:])
    bad = np.isin(rows.key, key[1:][differs])
    return bad & ~np.isnan(rows.values)


def one_of_each(rows: Rows) -> Rows:
    """One row of each item and day, sorted; a value goes before null."""
    order = np.lexsort((rows.values, rows.key))
    key = rows.key[order]
    return rows.where(order[np.diff(key, prepend=key[:1] - 1) != 0])
