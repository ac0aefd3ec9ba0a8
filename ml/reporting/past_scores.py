"""How right forecasts were in life: rows of SCORES out of what was said and what came true."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.history import SCORES
from ml.evaluation.scores import came_below, interval_parts, past_column, past_flag, past_pinball
from ml.panel import Bools

CENTRAL = 0.8  # what q10 to q90 promise
COVERED = {"coverage_80": 0.8, "coverage_90": 0.9, "coverage_95": 0.95, "coverage_99": 0.99}
GROUPS: tuple[tuple[str, ...], ...] = (
    (), ("demand_class",), ("item_id",), ("ds",), ("demand_class", "ds"),
)  # fmt: skip
"""What scores are told by, beside kind, frequency, span and lag."""
_ALWAYS = ("kind", "frequency", "span", "lag")
_MEANS = (
    *("pinball", "interval_score", "interval_width", "interval_below", "interval_above"),
    *COVERED, "coverage_80_interval", "service_achieved", "service_target", "reference_pinball",
)  # fmt: skip
_COUNTS = {"n_obs": "pinball", "n_service": "service_achieved", "n_reference": "reference_pinball"}
Ends = Mapping[tuple[str, str], np.datetime64]
"""Last period that is known, by kind and frequency; what is later has not come true."""


def score_past(latest: pa.Table, ends: Ends) -> pa.Table:
    """Rows of SCORES but ``known_at``, in no order: one a group that has a scored forecast.

    ``latest`` are rows of PAST_FORECASTS, of each forecast the newest state. All losses are over
    the item's scale, so items count alike in the scores of a class.
    """
    losses = _measure_rows(latest.filter(pa.array(_came_true(latest, ends))))
    return pa.concat_tables([_score_group(losses, group) for group in GROUPS])


def _came_true(table: pa.Table, ends: Ends) -> Bools:
    days = past_column(table, "ds").astype("datetime64[D]")
    found = np.zeros(table.num_rows, bool)
    for (kind, frequency), end in ends.items():
        own = (past_column(table, "kind") == kind) & (past_column(table, "frequency") == frequency)
        found |= own & (days <= end)
    return found


def _measure_rows(table: pa.Table) -> pa.Table:
    """What scores are means and sums of, row by row; null where nothing is to be scored."""
    y, mean, level = (past_column(table, name) for name in ("y", "forecast", "stock_level"))
    is_sum = past_column(table, "span") == "protection"
    scored = ~np.isnan(y) & ~past_flag(table, "is_stockout")
    # A sum of n periods varies as its root.
    over = past_column(table, "scale") * np.sqrt(np.where(is_sum, past_column(table, "lag"), 1))
    own, rival = (past_pinball(table, prefix) / over for prefix in ("", "reference_"))
    parts = interval_parts(past_column(table, "q10"), past_column(table, "q90"), y, CENTRAL)
    width, below, above = (part / over for part in parts)
    inside = came_below(table, 0.9) & ~came_below(table, 0.1)
    measured = {
        "pinball": own,
        "interval_score": width + below + above,
        "interval_width": width,
        "interval_below": below,
        "interval_above": above,
        **{name: came_below(table, level) for name, level in COVERED.items()},
        "coverage_80_interval": inside,
        "service_achieved": np.where(np.isnan(level), np.nan, y <= level),
        "service_target": np.where(np.isnan(level), np.nan, past_column(table, "service_target")),
        "reference_pinball": rival,
        "rivalled": np.where(np.isnan(rival), np.nan, own),
        "error": mean - y,
        "size": np.abs(y),
    }
    known = {name: np.where(scored, values, np.nan) for name, values in measured.items()}
    columns = {name: pa.array(values, from_pandas=True) for name, values in known.items()}
    columns["left_out"] = pa.array((~scored).astype(np.int64))
    columns |= {name: table[name] for name in ("item_id", "demand_class", "ds", "source")}
    columns |= {name: table[name] for name in _ALWAYS}
    columns["lag"] = pa.array(past_column(table, "lag"), pa.int64(), mask=is_sum)
    return pa.table(columns)


def _score_group(losses: pa.Table, group: tuple[str, ...]) -> pa.Table:
    """Rows of SCORES of one grouping, rounded so that the order of a sum is no news."""
    wanted = [(name, "mean") for name in (*_MEANS, "rivalled")]
    wanted += [(name, "count") for name in _COUNTS.values()]
    wanted += [(name, "sum") for name in ("error", "size", "left_out")]
    grouped = losses.group_by([*_ALWAYS, *group], use_threads=False)
    found = grouped.aggregate([*wanted, ("source", "max")])
    found = found.filter(pc.greater(found["pinball_count"], 0))
    columns = {name: _round(found[f"{name}_mean"]) for name in _MEANS}
    columns |= {name: found[f"{of}_count"] for name, of in _COUNTS.items()}
    columns |= {name: found[name] for name in (*_ALWAYS, *group)}
    columns["n_left_out"] = found["left_out_sum"]
    columns["source"] = found["source_max"]
    columns["bias"] = _round(_ratio(found["error_sum"], found["size_sum"]))
    saved = pc.subtract(1.0, _ratio(found["rivalled_mean"], found["reference_pinball_mean"]))
    columns["value_added"] = _round(saved)
    fields = [field for field in SCORES.schema if field.name != "known_at"]
    blank = {field.name: pa.nulls(found.num_rows, field.type) for field in fields}
    return pa.table([(blank | columns)[field.name].cast(field.type) for field in fields],
                    schema=pa.schema(fields))  # fmt: skip


def _ratio(above: pa.ChunkedArray, below: pa.ChunkedArray) -> pa.ChunkedArray:
    """A quotient, null where the divisor is zero."""
    return pc.divide(above, pc.if_else(pc.equal(below, 0.0), None, below))


def _round(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.round(values, 9)
