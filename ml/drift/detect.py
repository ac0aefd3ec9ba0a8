"""Finding drift in the series of one kind: the tests, what is believed of them, and the rows.

A night calls, each where it has the data, and puts the tables together with
:func:`ml.drift.rows.join_rows`:

    find_drift(watch_panel(panel, name), groups=families)         demand and prices
    find_drift(one) for one in watch_outside(tables, today)        outside series, as they are known
    history_rows(...) of ml.drift.history                          new, vanished, rewritten

and opens the condition `drift` where :func:`ml.drift.rows.tell_drift` has something to say.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from ml.drift.false_alarms import judge_groups, judge_items
from ml.drift.item_tests import (
    ItemTests,
    count_packs,
    negative_binomial_shape,
    try_changes,
    try_demand,
)
from ml.drift.rows import make_rows, measure_both
from ml.drift.windows import LENGTHS, MOST_PERIODS, Windows, choose_windows
from ml.features.point_in_time import KnownSeries, known_at
from ml.frequency import Days, Frequency, as_datetime, period_range, weekday
from ml.panel import Floats, Panel
from ml.panel_tables import infer_frequency

RATE = 0.02  # share of nights without a change on which anything may be found
FALSE_SHARE = 0.05  # share of the items found that may be false
ALL = "ALL"
CHUNK = 1000  # items whose tests are in memory at once
LEAST_HISTORY = 2  # windows of observations before the last one that an item needs


@dataclass(frozen=True, slots=True)
class Watched:
    """Series whose last periods are compared with those before."""

    panel: str  # what they are called together
    subject: str  # `item` or `feature`, see the contract
    items: tuple[str, ...]  # N names
    periods: Days  # T
    values: Floats  # (N, T), NaN = not observed
    frequency: Frequency
    wander: bool = False  # whether only their changes can be compared, as of prices

    @property
    def window(self) -> int:
        """Periods that are tested."""
        return LENGTHS[self.frequency.value]


def watch_panel(panel: Panel, name: str) -> Watched:
    """A panel as it is compared: without periods in which stock ran out.

    A price that is published some days late is compared until its own last value.
    """
    values, wander = panel.with_stock().values, not panel.is_demand
    if wander:
        values = end_together(values, LENGTHS[panel.frequency.value] // 2)
    return Watched(name, "item", panel.items, panel.periods, values, panel.frequency, wander)


def end_together(values: Floats, most: int) -> Floats:
    """Rows moved to the right until each has a value in its last period, by so many at most."""
    moved = values.copy()
    for row, known in enumerate(~np.isnan(values)):
        late = int(np.argmax(known[::-1])) if known.any() else 0
        if 0 < late <= most:
            moved[row] = np.concatenate([np.full(late, np.nan), values[row, :-late]])
    return moved


def find_drift(
    watched: Watched,
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    rate: float = RATE,
    false_share: float = FALSE_SHARE,
    seed: int = 0,
) -> pa.Table:
    """What the last periods say against the history, one row an item, group and panel.

    Items that are observed too briefly have no row; where the whole history is too short, there
    are none at all. ``groups`` are names of items, for instance by family; those with fewer than
    two are none. On a share ``rate`` of nights anything may be found although nothing has changed:
    half of it is for items, half for groups and the panel as a whole; ``false_share`` of the items
    found may be false ones.
    """
    most = MOST_PERIODS[watched.frequency.value]
    values, periods = watched.values[:, -most:], watched.periods[-most:]
    windows = choose_windows(len(periods), watched.window, seed=seed, name=watched.panel)
    if windows is None:
        return make_rows(watched.panel, [])
    known = (~np.isnan(values) & windows.outside[:, 0]).sum(axis=1)
    enough = [row for row in sorted(range(len(known)), key=watched.items.__getitem__)
              if known[row] >= LEAST_HISTORY * windows.length]  # fmt: skip
    values, names = values[enough], [watched.items[row] for row in enough]
    found = _judge_each(watched, names, values, windows, rate / 2, false_share)
    found += _judge_together(watched, names, values, windows, groups or {}, rate / 2)
    same = {"as_of": as_datetime(periods[-1]), "since": as_datetime(periods[-windows.length])}
    return make_rows(watched.panel, [same | {"periods": windows.length} | one for one in found])


def _judge_each(
    watched: Watched,
    names: Sequence[str],
    values: Floats,
    windows: Windows,
    rate: float,
    false_share: float,
) -> list[dict[str, Any]]:
    """What is found of single items."""
    history = windows.outside[:, 0]
    shape = negative_binomial_shape(count_packs(values)[:, history], ~np.isnan(values[:, history]))
    p_values, told = [np.empty((0, len(windows.ends)))], []
    for start in range(0, len(names), CHUNK):
        chunk = slice(start, start + CHUNK)
        tests = _try(watched, values[chunk], windows, shape[chunk])
        p_values.append(tests.combined())
        telling = tests.telling()
        measures = np.stack([measure_both(name, values[chunk], windows) for name in tests.names])
        both = measures[telling, :, np.arange(len(telling))].tolist()
        told += [(tests.names[test], *ends) for test, ends in zip(telling, both, strict=True)]
    judged = judge_items(
        np.concatenate(p_values), windows.whole, rate=rate, false_share=false_share
    )
    columns = (judged.p_values.tolist(), judged.q_values.tolist(), judged.found.tolist())
    return [
        {"subject": watched.subject, "name": name, "test": test, "before": before,
         "recent": recent, "p_value": p, "q_value": q, "found": found}
        for name, (test, before, recent), p, q, found in zip(names, told, *columns, strict=True)
    ]  # fmt: skip


def _try(watched: Watched, values: Floats, windows: Windows, shape: Floats) -> ItemTests:
    if watched.wander or watched.subject == "feature":
        return try_changes(values, windows)
    return try_demand(values, windows, shape)


def _judge_together(
    watched: Watched,
    names: Sequence[str],
    values: Floats,
    windows: Windows,
    groups: Mapping[str, Sequence[str]],
    rate: float,
) -> list[dict[str, Any]]:
    """What is found of groups and of all items; of series that wander there is no common mean."""
    if watched.wander or watched.subject != "item" or not names:
        return []
    place = {name: row for row, name in enumerate(names)}
    wanted = {ALL: list(names)} | {
        name: [i for i in own if i in place] for name, own in groups.items()
    }
    wanted = {name: own for name, own in wanted.items() if name == ALL or len(own) > 1}
    members = np.zeros((len(wanted), len(names)), bool)
    for row, own in enumerate(wanted.values()):
        members[row, [place[item] for item in own]] = True
    p_values, before, recent = judge_groups(values, members, windows)
    q_values = stats.false_discovery_control(p_values)
    return [
        {"subject": "panel" if name == ALL else "group", "name": name, "test": "mean",
         "before": old, "recent": new, "p_value": p, "q_value": q, "found": bool(q <= rate)}
        for name, old, new, p, q in zip(wanted, before, recent, p_values, q_values, strict=True)
    ]  # fmt: skip


LEAST_VALUES = 3  # that tell how often a series comes


def watch_outside(tables: Mapping[str, pa.Table], today: np.datetime64) -> list[Watched]:
    """Series of outside tables as they are known at the end of a day, those of one rhythm together.

    They are published with lags of their own, so each is watched until its own last value. One
    that has no more of them is not found here: whoever fetches it says so. The ``tables`` hold
    rows as published; prices that are forecast are watched as a panel is.
    """
    rhythms: dict[tuple[Frequency, int], dict[str, KnownSeries]] = defaultdict(dict)
    for table, rows in sorted(tables.items()):
        for name, series in _known_series(table, rows, today):
            if len(series.days) >= LEAST_VALUES:
                frequency = infer_frequency(series.days)
                anchor = int(weekday(series.days[:1])[0]) if frequency is Frequency.WEEKLY else -1
                rhythms[frequency, anchor][name] = series
    return [_watch(frequency, rhythms[frequency, anchor]) for frequency, anchor in sorted(rhythms)]


def _known_series(
    table: str, rows: pa.Table, today: np.datetime64
) -> Iterator[tuple[str, KnownSeries]]:
    """Each series of each region, by a name of its own."""
    for region in sorted(pc.unique(rows["region"]).to_pylist(), key=lambda one: one or ""):
        known = known_at(rows, today, name=table, region=region, least_share=1.0)
        if known.region == region:  # else nothing of it is known yet
            for name, series in sorted(known.series.items()):
                yield f"{name} ({region})" if region else name, series


def _watch(frequency: Frequency, found: Mapping[str, KnownSeries]) -> Watched:
    first = min(series.days[0] for series in found.values())
    last = max(series.days[-1] for series in found.values())
    periods = period_range(first, last, frequency)
    values: Floats = np.full((len(found), len(periods)), np.nan)
    for row, series in enumerate(found.values()):
        own = np.isin(series.days, periods)
        values[row, np.searchsorted(periods, series.days[own])] = series.values[own]
    values = end_together(values, len(periods))
    name = f"outside_{frequency.value.lower()}"
    return Watched(name, "feature", tuple(found), periods, values, frequency)
