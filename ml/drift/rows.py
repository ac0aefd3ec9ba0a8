"""The rows of drift: what each test is about in numbers that people know, with a sentence each.

And the few lines that a message carries.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.base import check
from ml.contracts.drift import DRIFT
from ml.drift.windows import Windows
from ml.panel import Bools, Floats

SHOWN = 3  # findings told of a panel
SAYINGS = {
    "zero_share": "demand in {recent:.0%} of the periods, {before:.0%} before",
    "rate": "{recent:.3g} a period, {before:.3g} before",
    "interval": "no demand for {recent:.0f} periods, one in {before:.3g} before",
    "size": "demands of {recent:.3g} on average, {before:.3g} before",
    "level": "{recent:.3g} on average, {before:.3g} before",
    "change": "changes of {recent:.3g} on average, {before:.3g} before",
    "spread": "changes by {recent:.3g} on average, by {before:.3g} before",
    "observed": "observed in {recent:.0%} of the periods, {before:.0%} before",
    "mean": "{recent:.3g} on average over its items' typical sizes, {before:.3g} before",
    "coverage": "{recent:.0%} inside the 80 % interval, {before:.0%} in the backtest",
    "bias": "forecasts off by {recent:+.0%}",
    "value_added": "{recent:.0%} of the best reference's loss saved, {before:.0%} in the backtest",
    "new": "the item is new",
    "vanished": "its whole history is gone",
    "rewritten": "its history was rewritten, {recent:.0f} stretches from {since:%Y-%m-%d} on",
}
SUBJECT_WORDS = {
    "item": "items", "group": "groups", "panel": "panels", "feature": "outside series",
    "model": "classes and lags", "history": "items' histories",
}  # fmt: skip


def make_rows(panel: str, found: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows of one panel as a table of the contract; numbers that are NaN become null."""
    rows = []
    for one in found:
        row = {"panel": panel, **one}
        row["sentence"] = _say(row)
        for name in ("before", "recent"):
            if row[name] is not None and not math.isfinite(row[name]):
                row[name] = None
        rows.append(row)
    rows.sort(key=lambda row: (row["subject"], row["name"]))
    return check(pa.Table.from_pylist(rows, schema=DRIFT.schema), DRIFT, where="drift")


def join_rows(tables: Iterable[pa.Table]) -> pa.Table:
    """Tables of several panels and subjects as one, in the order of the key."""
    whole = pa.concat_tables([DRIFT.schema.empty_table(), *tables])
    return check(whole.sort_by([(name, "ascending") for name in DRIFT.key]), DRIFT, where="drift")


def tell_drift(table: pa.Table) -> list[str]:
    """One line for each panel and subject in which something was found; none = no message.

    New items are no reason for one: they come every week.
    """
    found = table.filter(pc.field("found") & (pc.field("test") != "new"))
    lines = []
    for subject, word in SUBJECT_WORDS.items():
        for panel in sorted(set(found["panel"].to_pylist())):
            own = (pc.field("panel") == panel) & (pc.field("subject") == subject)
            rows = found.filter(own).sort_by([("p_value", "ascending"), ("name", "ascending")])
            if rows.num_rows:
                of = table.filter(own).num_rows
                told = "; ".join(rows["sentence"].to_pylist()[:SHOWN])
                lines.append(f"{panel}: {rows.num_rows} of {of} {word} changed: {told}")
    return lines


def name_drift(table: pa.Table) -> list[tuple[str, str]]:
    """Sort and name of all that :func:`tell_drift` speaks of, to tell news from what is known.

    A sort is what it is about, and which way it went. An item whose history of another month is
    rewritten is another one.
    """
    found = table.filter(pc.field("found") & (pc.field("test") != "new"))
    return sorted({_name(row) for row in found.to_pylist()})


def _name(row: Mapping[str, Any]) -> tuple[str, str]:
    subject, test = SUBJECT_WORDS[row["subject"]], row["test"]
    if row["subject"] == "history":
        return f"{subject} {test}", f"{row['name']} {row['since']:%Y-%m}"
    if row["before"] is None or row["recent"] is None:
        return f"{subject} {test}", row["name"]
    more = row["recent"] > row["before"]
    way = "more" if more != (test == "interval") else "less"  # longer intervals are less demand
    kept = () if row["subject"] == "item" else (test,)
    return " ".join((subject, *kept, way)), row["name"]


def _say(row: Mapping[str, Any]) -> str:
    before, recent = (math.nan if row[name] is None else row[name] for name in ("before", "recent"))
    what = SAYINGS[row["test"]].format(before=before, recent=recent, since=row["since"])
    if row["subject"] == "history":
        return f"{row['name']}: {what}"
    sure = "a change" if row["found"] else "no change beyond chance"
    return (
        f"{row['name']}: since {row['since']:%Y-%m-%d} {what} "
        f"({row['test']}, p {row['p_value']:.1g}): {sure}"
    )


Measure = Callable[[Floats, Bools], Floats]
"""Makes one number an item (N,) of values (N, T) in some periods (T,)."""


def measure_both(test: str, values: Floats, windows: Windows) -> tuple[Floats, Floats]:
    """A test's number of the history and of the last periods, (N,) each; NaN = there is none."""
    measure = MEASURES[test]
    history, recent = windows.outside[:, 0], windows.inside[:, 0]
    if test == "interval":
        return measure(values, history), _silence(values)
    return measure(values, history), measure(values, recent)


def _mean(values: Floats, periods: Bools) -> Floats:
    known = ~np.isnan(values[:, periods])
    total = np.nansum(values[:, periods], axis=1)
    return _over(total, known.sum(axis=1))


def _size(values: Floats, periods: Bools) -> Floats:
    own = np.nan_to_num(values[:, periods])
    return _over(own.sum(axis=1), (own > 0).sum(axis=1))


def _share(values: Floats, periods: Bools) -> Floats:
    own = values[:, periods]
    return _over((own > 0).sum(axis=1), (~np.isnan(own)).sum(axis=1))


def _interval(values: Floats, periods: Bools) -> Floats:
    own = values[:, periods]
    return _over((~np.isnan(own)).sum(axis=1), (own > 0).sum(axis=1))


def _observed(values: Floats, periods: Bools) -> Floats:
    return np.asarray((~np.isnan(values[:, periods])).mean(axis=1))


def _change(values: Floats, periods: Bools) -> Floats:
    return _mean(np.diff(values, axis=1, prepend=np.nan), periods)


def _spread(values: Floats, periods: Bools) -> Floats:
    return _mean(np.abs(np.diff(values, axis=1, prepend=np.nan)), periods)


def _silence(values: Floats) -> Floats:
    """Observed periods since the last demand, all where there was none."""
    later = np.cumsum((values > 0)[:, ::-1], axis=1)[:, ::-1] == 0
    return np.asarray((later & ~np.isnan(values)).sum(axis=1), np.float64)


def _over(total: Floats, count: Floats) -> Floats:
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


MEASURES: Mapping[str, Measure] = {
    "zero_share": _share,
    "rate": _mean,
    "interval": _interval,
    "size": _size,
    "level": _mean,
    "change": _change,
    "spread": _spread,
    "observed": _observed,
}
