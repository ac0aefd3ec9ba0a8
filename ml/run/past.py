"""What is kept of the past from version to version: what was said, and what came true of it.

Each version starts from what the one before held: actuals that are known now, or known otherwise
than before, make new rows; then it adds what it says itself. What became known is also written to a
file of its own that is never removed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.base import Contract
from ml.contracts.history import PAST_FORECASTS, SCORES
from ml.evaluation.scores import past_column, past_flag
from ml.panel import Bools, Floats, Ints, Panel
from ml.reporting.past_scores import score_past
from ml.run.said import MONTHS, followed_items

FORECAST = ("item_id", "ds", "span", "lag")  # what a row of PAST_FORECASTS is a state of
SCORED = tuple(name for name in SCORES.key if name != "known_at")
PLACE = SCORED.index("ds")
Source = Mapping[str, str]
"""Whose the data of each kind are."""


@dataclass(frozen=True, slots=True)
class KeptTable:
    """A table of the past."""

    held: pa.Table  # the rows that the version holds
    fresh: pa.Table  # those that became known by it


@dataclass(frozen=True, slots=True)
class CameTrue:
    """What is known now of forecasts, each array (R,)."""

    y: Floats  # NaN = not observed
    is_stockout: Bools  # whether stock ran out meanwhile
    is_over: Bools  # whether the periods are among those of a panel that has the item


def renew_past(
    before: pa.Table, said: pa.Table, panels: Sequence[Panel], source: Source, today: date
) -> KeptTable:
    """Rows of PAST_FORECASTS by what the panels know.

    ``before`` are those of the version before, as they lie in it; ``said`` is what this one says:
    what was said of the same forecast before stays. What others' data were said to become goes.
    """
    now = np.datetime64(today, "us")
    table = _drop_old(before, panels, source)
    table = table.filter(pa.array(_is_followed(table, panels)))
    first, last = _ends_of_runs(table, FORECAST)
    came, old, known_at = (
        _what_came(table, panels),
        past_column(table, "y"),
        past_column(table, "known_at"),
    )
    was_short = past_flag(table, "is_stockout")
    differs = (came.y != old) | (came.is_stockout != was_short)
    differs = np.where(np.isnan(came.y), ~np.isnan(old), differs)
    changed = last & came.is_over & differs
    nothing = np.isnan(came.y[changed])
    fresh = _with(
        table.filter(pa.array(changed)),
        y=pa.array(came.y[changed], mask=nothing),
        is_stockout=pa.array(came.is_stockout[changed], mask=nothing),
        known_at=pa.array(np.maximum(known_at[changed], now)),
    )
    # A row that waited for its actual makes room, and so does another state of the same day.
    gone = changed & ((first & np.isnan(old)) | (known_at >= now))
    new = _without(said, table)
    new = _with(new, known_at=pa.array(np.full(new.num_rows, now)))
    held = pa.concat_tables([table.filter(pa.array(~gone)), fresh, new])
    return KeptTable(_sort(held, PAST_FORECASTS), fresh)


def renew_scores(
    before: pa.Table, past: pa.Table, panels: Sequence[Panel], source: Source, today: date
) -> KeptTable:
    """Rows of SCORES by what is known of the past; what is as it was keeps its ``known_at``.

    ``before`` are those of the version before, ``past`` the rows of PAST_FORECASTS of this one. Of
    scores of all periods together only the newest state is held, of those of one period every one.
    """
    now = np.datetime64(today, "us")
    table = _drop_old(before, panels, source)
    ends = {(one.kind, one.frequency.value): one.cutoff for one in panels}
    found = score_past(past.filter(pa.array(_ends_of_runs(past, FORECAST)[1])), ends)
    values = [name for name in SCORES.names if name not in SCORES.key]
    keys, states = _tuples(found, SCORED), _tuples(found, values)
    known = dict(zip(_tuples(table, SCORED), _tuples(table, values), strict=True))  # the newest
    is_new = [known.get(key) != state for key, state in zip(keys, states, strict=True)]
    fresh = found.filter(pa.array(is_new, pa.bool_()))
    days = pa.array(np.full(fresh.num_rows, now))
    fresh = fresh.append_column("known_at", days).select(SCORES.names).cast(SCORES.schema)
    renewed = {key for key, new in zip(keys, is_new, strict=True) if new}
    current = set(keys) - renewed
    kept = [
        key in current if key[PLACE] is None else key not in renewed or not late
        for key, late in zip(
            _tuples(table, SCORED), past_column(table, "known_at") >= now, strict=True
        )
    ]
    held = pa.concat_tables([table.filter(pa.array(kept, pa.bool_())), fresh])
    return KeptTable(_sort(held, SCORES), fresh)


def _drop_old(table: pa.Table, panels: Sequence[Panel], source: Source) -> pa.Table:
    """Rows of the last months, of nobody else's data."""
    newest = max(panel.cutoff for panel in panels).astype("datetime64[M]")
    since = pa.scalar((newest - (MONTHS - 1)).astype("datetime64[us]"))
    kept = pc.or_kleene(pc.is_null(table["ds"]), pc.greater_equal(table["ds"], since))
    for kind, name in source.items():
        other = pc.and_(pc.equal(table["kind"], kind), pc.not_equal(table["source"], name))
        kept = pc.and_(kept, pc.invert(other))
    return table.filter(kept)


def _is_followed(table: pa.Table, panels: Sequence[Panel]) -> Bools:
    """Rows of items that are followed still, or that no panel has any more."""
    left_out = {item for one in panels for item in set(one.items) - set(followed_items(one))}
    found = pc.is_in(table["item_id"], value_set=pa.array(sorted(left_out), pa.string()))
    return np.asarray(~found.to_numpy())


def _what_came(table: pa.Table, panels: Sequence[Panel]) -> CameTrue:
    """What the panels know of the periods that rows of PAST_FORECASTS are of."""
    y, short = np.full(table.num_rows, np.nan), np.zeros(table.num_rows, bool)
    over = short.copy()
    days, lags = past_column(table, "ds").astype("datetime64[D]"), past_column(table, "lag")
    is_sum = past_column(table, "span") == "protection"
    for panel in panels:
        own = (past_column(table, "kind") == panel.kind) & (
            past_column(table, "frequency") == panel.frequency.value
        )
        rows = pc.fill_null(pc.index_in(table["item_id"], pa.array(panel.items)), -1).to_numpy()
        ends = np.minimum(np.searchsorted(panel.periods, days), len(panel.periods) - 1)
        starts = np.where(is_sum, ends - lags + 1, ends)
        here = own & (rows >= 0) & (panel.periods[ends] == days) & (starts >= 0)
        at = rows[here], starts[here], ends[here]
        # Of all items a grid would be as large as the panel.
        chosen, own_rows = np.unique(at[0], return_inverse=True)
        some, at = panel.rows(chosen.tolist()), (own_rows, *at[1:])
        # Rounded, for a sum of sums depends on where the history begins.
        y[here] = np.round(_sum_over(some.recorded, *at), 6)
        if some.shortages is not None:
            short[here] = _sum_over((some.exposure < 1).astype(np.float64), *at) > 0
        over |= here
    return CameTrue(y, short, over)


def _sum_over(values: Floats, rows: Ints, starts: Ints, ends: Ints) -> Floats:
    """Sums of values (N, T) of rows from starts to ends, both included; NaN if one of them is."""
    sums = np.zeros((values.shape[0], values.shape[1] + 1))
    gaps = sums.copy()
    np.cumsum(np.nan_to_num(values), axis=1, out=sums[:, 1:])
    np.cumsum(np.isnan(values), axis=1, out=gaps[:, 1:])
    found = sums[rows, ends + 1] - sums[rows, starts]
    return np.where(gaps[rows, ends + 1] > gaps[rows, starts], np.nan, found)


def _ends_of_runs(table: pa.Table, names: tuple[str, ...]) -> tuple[Bools, Bools]:
    """Which rows are the first, and which the last, of those that agree in columns sorted by."""
    differs = np.ones(table.num_rows + 1, bool)
    if table.num_rows:
        differs[1:-1] = False
        for name in names:
            codes = table[name].combine_chunks().dictionary_encode()
            places = pc.fill_null(codes.indices, -1).to_numpy()
            differs[1:-1] |= places[1:] != places[:-1]
    return differs[:-1], differs[1:]


def _without(said: pa.Table, table: pa.Table) -> pa.Table:
    """Rows of forecasts that another table has no state of."""
    there = table.select(FORECAST).group_by(list(FORECAST)).aggregate([])
    places = pa.array(np.arange(said.num_rows))
    own = said.select(FORECAST).append_column("place", places)
    return said.take(own.join(there, list(FORECAST), join_type="left anti")["place"])


def _with(table: pa.Table, **columns: pa.Array) -> pa.Table:
    """A table with other values in some columns."""
    for name, values in columns.items():
        place = table.column_names.index(name)
        table = table.set_column(place, table.schema.field(name), values)
    return table


def _tuples(table: pa.Table, names: Sequence[str]) -> list[tuple[object, ...]]:
    """Rows as tuples."""
    columns = [table[name].to_pylist() for name in names]
    return list(zip(*columns, strict=True))


def _sort(table: pa.Table, contract: Contract) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in contract.key])
