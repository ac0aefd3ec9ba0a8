"""History that was over and is another one now: new, vanished and rewritten, found by hashes.

Of each item the observations of every stretch (a calendar month, of months a year) are hashed when
a night has read them. The next night hashes the same periods again, up to the last one in which the
night before had observed the item: whatever differs was rewritten. What came after that is new, if
it came late.

    before = read_state(path)                     None on the first night, and where it is damaged
    table = history_rows(name, panel, before)     rows for the table of drift; before may be None
    write_state(path, hash_history(panel))        once the night has used the panel
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml.drift.rows import make_rows
from ml.durable import write_file
from ml.frequency import Days, Frequency, as_datetime
from ml.logs import logger
from ml.panel import Panel

SCHEMA = pa.schema(
    [("item_id", pa.string()), ("stretch", pa.timestamp("us")), ("hash", pa.int64())],
    metadata={"format": "1"},
)
Hashes = dict[tuple[str, np.datetime64], int]


@dataclass(frozen=True, slots=True)
class HistoryState:
    """What a night knew of history."""

    as_of: np.datetime64  # last period that it saw
    items: Mapping[str, np.datetime64]  # all of them, and the last period observed; NaT = none
    hashes: Hashes  # by item and first day of the stretch; stretches without observations have none


def hash_history(panel: Panel, until: Mapping[str, np.datetime64] | None = None) -> HistoryState:
    """Hashes of all that was recorded in a panel, of items of ``until`` up to that period."""
    starts, bounds = _stretches(panel.periods, panel.frequency)
    values = np.ascontiguousarray(panel.recorded + 0.0, dtype="<f8")  # no negative zero
    known = ~np.isnan(values)
    if until is not None:
        ends = np.array([until.get(item, panel.cutoff) for item in panel.items], "datetime64[D]")
        known &= panel.periods <= ends[:, None]
    days = panel.periods.astype("datetime64[D]").astype("<i8")
    hashes: Hashes = {}
    for row, item in enumerate(panel.items):
        for start, (first, last) in zip(starts, bounds, strict=True):
            seen = known[row, first:last]
            if seen.any():
                digest = blake2b(days[first:last][seen].tobytes(), digest_size=8)
                digest.update(values[row, first:last][seen].tobytes())
                hashes[item, start] = int.from_bytes(digest.digest(), "big", signed=True)
    ends = np.where(known, panel.periods.astype("datetime64[D]"), np.datetime64("NaT"))
    last = np.fmax.reduce(ends, axis=1)
    return HistoryState(panel.cutoff, dict(zip(panel.items, last, strict=True)), hashes)


def history_rows(name: str, panel: Panel, before: HistoryState | None) -> pa.Table:
    """Rows of DRIFT, one an item: what of the periods that a night before saw is another one now.

    Every one of them is found; there are none where nothing is known of ``before``.
    """
    if before is None:
        return make_rows(name, [])
    then = panel.until(before.as_of) if panel.periods[0] <= before.as_of else None
    now = hash_history(then, before.items).hashes if then is not None else {}
    changed: dict[str, list[np.datetime64]] = {}
    for item, start in sorted(before.hashes.keys() | now.keys()):
        if before.hashes.get((item, start)) != now.get((item, start)):
            changed.setdefault(item, []).append(start)
    current, past = frozenset(panel.items), before.items.keys()
    as_of = as_datetime(panel.cutoff)
    rows = []
    for item in sorted(changed.keys() | (current - past) | (past - current)):
        told = "new" if item not in before.items else (
            "rewritten" if item in current else "vanished")  # fmt: skip
        since = min(changed.get(item, [panel.cutoff]))
        stretches = float(len(changed.get(item, [])))
        rows.append(
            {"subject": "history", "name": item, "as_of": as_of, "since": as_datetime(since),
             "periods": 0, "test": told, "before": None, "recent": stretches,
             "p_value": None, "q_value": None, "found": True}
        )  # fmt: skip
    return make_rows(name, rows)


def write_state(path: Path, state: HistoryState) -> None:
    """Keep what a night knew, as a small Parquet file, whole or not at all."""
    keys = [*state.hashes, *((item, None) for item in state.items)]
    table = pa.table(
        {
            "item_id": [item for item, _ in keys],
            "stretch": pa.array(
                [None if s is None else as_datetime(s) for _, s in keys], SCHEMA.types[1]
            ),
            # of an item's own row its last period, in days
            "hash": pa.array(
                [*state.hashes.values(), *(int(last.astype(int)) for last in state.items.values())],
                pa.int64(),
            ),
        },
        schema=SCHEMA.with_metadata({"format": "1", "as_of": str(state.as_of)}),
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    write_file(path, sink.getvalue())


def read_state(path: Path) -> HistoryState | None:
    """What :func:`write_state` kept; ``None`` where there is none, or it is damaged (logged)."""
    try:
        table = pq.read_table(path)
        metadata = table.schema.metadata
        as_of = np.datetime64(metadata[b"as_of"].decode(), "D")
        rows = zip(*(table[name].to_pylist() for name in SCHEMA.names), strict=True)
    except FileNotFoundError:
        return None
    except (pa.ArrowException, KeyError, TypeError, ValueError, OSError) as error:
        logger().warning("history_state_is_damaged", file=str(path), reason=str(error))
        return None
    hashes: Hashes = {}
    items = {}
    for item, start, own in rows:
        if start is None:  # written by older code: without its last period
            items[item] = as_of if own is None else np.datetime64(own, "D")
        else:
            hashes[item, np.datetime64(start, "D")] = own
    return HistoryState(as_of, items, hashes)


def _stretches(
    periods: Days, frequency: Frequency
) -> tuple[Sequence[np.datetime64], Sequence[tuple[int, int]]]:
    """First days of the calendar months or years, and their periods' places."""
    unit = "datetime64[Y]" if frequency is Frequency.MONTHLY else "datetime64[M]"
    starts, firsts = np.unique(periods.astype(unit), return_index=True)
    ends = np.append(firsts[1:], len(periods)).tolist()
    return list(starts.astype("datetime64[D]")), list(zip(firsts.tolist(), ends, strict=True))
