"""What prices may do, from the paths of their forecast: chances and ranges by the last close."""

import math
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from ml.contracts.price_outlook import PRICE_OUTLOOK
from ml.ensemble.fitting import weights_for
from ml.ensemble.mixture import ENSEMBLE
from ml.evaluation.origins import path_quantiles
from ml.forecasters.base import Paths
from ml.frequency import Frequency
from ml.panel import Floats, Panel
from ml.run.plan import PanelPlan
from ml.run.rows import as_table, keys_of, last_seen, stamp
from ml.run.saved_paths import SavedPaths, read_paths

Weights = Mapping[str, Mapping[str, float]]

PERIODS_A_YEAR = {
    Frequency.DAILY: 365.25,
    Frequency.BUSINESS: 260.9,
    Frequency.WEEKLY: 52.18,
    Frequency.MONTHLY: 12.0,
}
TAIL = 0.95
RANDOM_WALK = ("naive", "volatility")
"""Models whose direction is no change at all."""


def look_out(
    plan: PanelPlan, saved: SavedPaths, weights: Weights, risk_aversion: float
) -> pa.Table:
    """Rows of PRICE_OUTLOOK for the wanted series of a panel of prices, from their saved paths."""
    known = read_paths(saved, plan.wanted)
    if not known.items:
        return PRICE_OUTLOOK.schema.empty_table()
    shares = weights_for(weights, "price")
    moves = any(weight > 0.0 and name not in RANDOM_WALK for name, weight in shares.items())
    directed = [moves and model == ENSEMBLE for model in known.models]
    panel = plan.panel.select(known.items)
    return outlook_rows(panel, known.until(plan.horizon), directed, risk_aversion)


def outlook_rows(
    panel: Panel, paths: Paths, directed: list[bool], risk_aversion: float
) -> pa.Table:
    """Rows of PRICE_OUTLOOK for N series of a panel, out of their paths (N, S, H).

    ``directed`` says of which a model beside the random walk has weight. The break-even price is
    m + r (ES - m) with the mean m, the expected shortfall ES of the dearest twentieth of the paths
    and ``risk_aversion`` r: 0 pays the mean, 1 what the worst cases cost on average.
    """
    prices = np.asarray(paths, np.float64)
    last = last_seen(panel)
    reference = panel.values[np.arange(len(last)), last]
    means = prices.mean(axis=1)
    tails = path_quantiles(prices, (TAIL,))[..., 0]
    shortfall = mean_of_dearest(prices)
    steps = prices.shape[2]
    above = (prices > reference[:, None, None]).mean(axis=1)
    above += (prices == reference[:, None, None]).mean(axis=1) / 2.0
    columns = keys_of(panel, steps) | {
        "run_id": [""] * means.size,
        "frequency": [panel.frequency.value] * means.size,
        "as_of": np.repeat(stamp(panel.cutoff), means.size),
        "unit": np.repeat(np.asarray(panel.units, dtype=object), steps),
        "reference_price": np.repeat(reference, steps),
        "reference_day": np.repeat(stamp(panel.periods[last]), steps),
        "expected_price": means.reshape(-1),
        "p_above_reference": above.reshape(-1),
        "price_at_risk_95": (tails - reference[:, None]).reshape(-1),
        "expected_shortfall_95": shortfall.reshape(-1),
        "break_even_price": (means + risk_aversion * (shortfall - means)).reshape(-1),
        "volatility_annual": _volatility(prices, reference, panel.frequency),
        "decision_support": np.repeat(
            np.where(directed, "risk_only", "none").astype(object), steps
        ),
    }
    return as_table(columns, PRICE_OUTLOOK)


def mean_of_dearest(prices: Floats) -> Floats:
    """Mean of the dearest 5 % of the paths (N, S, H), at least one, (N, H)."""
    count = max(1, math.ceil(round((1.0 - TAIL) * prices.shape[1], 9)))
    dearest: Floats = np.partition(prices, -count, axis=1)[:, -count:].mean(axis=1)
    return dearest


def _volatility(prices: Floats, reference: Floats, frequency: Frequency) -> list[float | None]:
    """Standard deviation of the log change until each step, on a year, N times H.

    ``None`` where a price is not above 0.
    """
    sound = (prices > 0.0).all(axis=1) & (reference > 0.0)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        changes = np.log(prices / reference[:, None, None])
        spread = np.where(sound[:, None], changes, 0.0).std(axis=1)
    years = np.arange(1, prices.shape[2] + 1) / PERIODS_A_YEAR[frequency]
    values = (spread / np.sqrt(years)).reshape(-1).tolist()
    return [one if known else None for one, known in zip(values, sound.reshape(-1), strict=True)]
