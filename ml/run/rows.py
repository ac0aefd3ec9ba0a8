"""Forecast paths as rows of the published tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from ml.contracts.base import Contract
from ml.contracts.forecasts import CUMULATIVE_QUANTILES, FORECAST_MODELS, FORECASTS, QUANTILES
from ml.contracts.forecasts import quantile_name as q_name
from ml.evaluation.origins import path_quantiles
from ml.forecasters.base import Forecast, Paths
from ml.frequency import periods_after
from ml.panel import Floats, Panel

DIGITS = 6
Columns = dict[str, object]


@dataclass(frozen=True, slots=True)
class RowOrigin:
    """What every row of a run says of where it comes from."""

    model_version: str  # derived from data, settings and code
    dataset_id: str  # derived from the content of the inputs
    source: Mapping[str, str]  # who the data is from
    generated_at: datetime  # when the run started

    def columns(self, panel: Panel, count: int) -> Columns:
        """What each of so many rows on a panel says of itself."""
        return {
            "frequency": [panel.frequency.value] * count,
            "as_of": np.repeat(stamp(panel.cutoff), count),
            "model_version": [self.model_version] * count,
            "dataset_id": [self.dataset_id] * count,
            "source": [self.source[panel.kind]] * count,
            "generated_at": [self.generated_at.astimezone(UTC)] * count,
        }


def distribution_columns(paths: Paths, *, cumulative: bool) -> Columns:
    """Mean, quantiles and cumulative quantiles of paths (N, S, H) as columns of N x H values.

    The cumulative ones are null where sums over steps mean nothing (prices).
    """
    cuts = np.moveaxis(path_quantiles(paths, QUANTILES), -1, 0)
    columns: Columns = {"forecast": _flat(paths.mean(axis=1, dtype=np.float64))}
    named = {q_name(level): _flat(cut) for level, cut in zip(QUANTILES, cuts, strict=True)}
    columns |= {"lower": named["q10"], "upper": named["q90"], **named}
    empty = pa.nulls(paths.shape[0] * paths.shape[2], pa.float64())
    names = [f"cum_{q_name(level)}" for level in CUMULATIVE_QUANTILES]
    if not cumulative:
        return columns | dict.fromkeys(("cum_mean", *names), empty)
    sums = np.cumsum(paths, axis=2, dtype=np.float64)
    columns["cum_mean"] = _flat(sums.mean(axis=1))
    totals = np.moveaxis(path_quantiles(sums, CUMULATIVE_QUANTILES), -1, 0)
    return columns | {name: _flat(cut) for name, cut in zip(names, totals, strict=True)}


def forecast_rows(
    panel: Panel,
    paths: Paths,
    models: Sequence[str],
    reasons: Sequence[str | None],
    origin: RowOrigin,
    fitted_at: np.datetime64 | None = None,
) -> pa.Table:
    """Rows of the FORECASTS contract for the N items of a panel, out of their paths (N, S, H).

    Of each item the model behind its rows, and the reason why not every wanted one took part.
    What they rest on was fitted until ``fitted_at``, ``None`` = the panel's cutoff.
    """
    horizon = paths.shape[2]
    columns = keys_of(panel, horizon) | distribution_columns(paths, cumulative=panel.is_demand)
    count = len(panel.items) * horizon
    columns |= origin.columns(panel, count) | {
        "unit": np.repeat(np.asarray(panel.units, dtype=object), horizon),
        "model_used": np.repeat(np.asarray(models, dtype=object), horizon),
        "is_fallback": np.repeat([reason is not None for reason in reasons], horizon),
        "fallback_reason": np.repeat(np.asarray(reasons, dtype=object), horizon),
        "n_train": np.repeat(panel.observed().sum(axis=1), horizon),
        "train_end": np.repeat(stamp(panel.periods[last_seen(panel)]), horizon),
        "fitted_at": np.repeat(stamp(panel.cutoff if fitted_at is None else fitted_at), count),
    }
    return as_table(columns, FORECASTS)


def last_seen(panel: Panel) -> np.ndarray:
    """Place of the last observed period of each series, (N,)."""
    seen = panel.observed()
    return seen.shape[1] - 1 - np.argmax(seen[:, ::-1], axis=1)


def model_rows(
    panel: Panel,
    components: Mapping[str, Forecast],
    weights: Sequence[Mapping[str, float]],
    horizon: int,
) -> pa.Table:
    """Rows of the FORECAST_MODELS contract, sorted by item, period and model.

    Of every model the items that it was run for and could forecast, with their shares in each
    item's weights, as far as they are published.
    """
    tables = []
    for model, one in components.items():
        rows = [row for row, item in enumerate(panel.items) if one.has(item)]
        if not rows:
            continue
        part = panel.rows(rows)
        paths = np.stack([one.of(item)[:, :horizon] for item in part.items])
        share = [weights[row].get(model, 0.0) for row in rows]
        columns = keys_of(part, horizon) | distribution_columns(paths, cumulative=panel.is_demand)
        columns |= {"model": [model] * len(rows) * horizon, "weight": np.repeat(share, horizon)}
        tables.append(as_table(columns, FORECAST_MODELS))
    if not tables:
        return FORECAST_MODELS.schema.empty_table()
    return sort_models(tables)


def sort_models(tables: Sequence[pa.Table]) -> pa.Table:
    """Rows of the FORECAST_MODELS contract in their order."""
    order = [("item_id", "ascending"), ("ds", "ascending"), ("model", "ascending")]
    return pa.concat_tables(tables).sort_by(order)


def keys_of(panel: Panel, horizon: int) -> Columns:
    """What identifies the rows of a panel's forecasts of so many steps."""
    count = len(panel.items)
    days = periods_after(panel.cutoff, horizon, panel.frequency)
    return {
        "item_id": np.repeat(np.asarray(panel.items, dtype=object), horizon),
        "ds": np.tile(stamp(days), count),
        "horizon_step": np.tile(np.arange(1, horizon + 1), count),
        "kind": [panel.kind] * (count * horizon),
    }


def stamp(days: np.ndarray | np.datetime64) -> np.ndarray | np.datetime64:
    """Days as they stand in tables."""
    return days.astype("datetime64[us]")


def as_table(columns: Columns, contract: Contract) -> pa.Table:
    """Columns in the order and with the types of a contract."""
    arrays = [pa.array(columns[field.name], field.type) for field in contract.schema]
    return pa.Table.from_arrays(arrays, schema=contract.schema)


def _flat(values: Floats) -> Floats:
    return significant(np.asarray(values, np.float64), DIGITS).reshape(-1)


def significant(values: Floats, digits: int) -> Floats:
    """Values rounded to so many significant digits; keeps their order.

    >>> significant(np.array([123456.7, 0.00123456789, 0.0]), 3)
    array([1.23e+05, 1.23e-03, 0.00e+00])
    """
    safe = np.where(values == 0, 1.0, np.abs(values))
    places = digits - 1 - np.floor(np.log10(safe))
    # Powers of ten of whole numbers are exact; multiplying by 10**-n is not.
    up, down = 10.0 ** np.maximum(places, 0), 10.0 ** np.maximum(-places, 0)
    return np.round(values * up / down) * down / up
