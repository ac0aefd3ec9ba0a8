"""Series and region: what a row is of, whatever its period."""

import pyarrow as pa
import pyarrow.compute as pc

Key = tuple[str, str | None]
"""Series and region; a region of ``None`` is the whole country."""


def keys_of(rows: pa.Table) -> list[Key]:
    """What a table has rows of, in order."""
    pairs = rows.group_by(["series", "region"]).aggregate([]).to_pylist()
    return sorted(((one["series"], one["region"]) for one in pairs), key=order)


def order(key: Key) -> tuple[str, str]:
    """Sorts the country before its regions."""
    return key[0], key[1] or ""


def rows_of(rows: pa.Table, key: Key) -> pa.Table:
    """The rows of one series and region."""
    series, region = key
    regions = rows["region"]
    is_region = pc.is_null(regions) if region is None else pc.equal(regions, region)
    return rows.filter(pc.and_kleene(pc.equal(rows["series"], series), is_region))


def named(key: Key) -> str:
    """A key in words.

    >>> named(("humidity_percent", "salvador_ba"))
    'humidity_percent of salvador_ba'
    """
    return key[0] if key[1] is None else f"{key[0]} of {key[1]}"
