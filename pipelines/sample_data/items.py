"""The item master: which parts there are, how often they move, and where they leave from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from pipelines.sample_data.streams import PARAMETERS, Bools, Floats, Ints, stream

TIERS = ("fast", "medium", "slow", "insurance")
TIER_RATES = ((0.25, 0.80), (0.05, 0.25), (0.010, 0.05), (0.002, 0.010))
"""Arrivals on a plain Monday, lowest and highest of each tier [1/day]; log-uniform between."""
FAMILIES = pd.DataFrame(PARAMETERS["families"])
SIZE_DIAL = 0.70  # share of the family's size spread found within an item: the lumpiness dial
SIZE_MEAN_SPREAD, SIZE_SPREAD_SPREAD, SMALLEST_SPREAD = 0.5, 0.12, 0.05
SITE_CONCENTRATION, SMALLEST_SITE_SHARE = 0.3, 0.06
COST_SPREAD = 0.5
QUANTILE_POINTS = 400


@dataclass(frozen=True, slots=True)
class Items:
    """N items in the order of their ids, as arrays of shape (N,) unless said otherwise."""

    ids: tuple[str, ...]  # part numbers such as `CAB-0012`
    family: Ints  # position in :data:`FAMILIES`
    tier: Ints  # position in :data:`TIERS`
    rate: Floats  # arrivals on a plain Monday [1/day]
    log_size: Floats  # mean of the logarithm of an arrival's units
    size_spread: Floats  # its standard deviation
    pack: Ints  # units in a pack
    unit_cost: Floats  # [BRL]
    imported: Bools  # whether it comes from abroad
    site_share: Floats  # (N, K) share of the arrivals at each site, rows sum to 1

    def size_moments(self) -> tuple[Floats, Floats]:
        """Mean [units] and mean square [units^2] of one arrival, packs included, each (N,)."""
        points = norm.ppf((np.arange(QUANTILE_POINTS) + 0.5) / QUANTILE_POINTS)
        logs = self.log_size[:, None] + self.size_spread[:, None] * points
        sizes = whole_packs(np.exp(logs), self.pack[:, None])
        return sizes.mean(axis=1), (sizes**2).mean(axis=1)


def whole_packs(sizes: Floats, pack: Ints) -> Floats:
    """Whole units, at least one; whole packs from one pack on."""
    units = np.maximum(np.round(sizes), 1.0)
    return np.where(units >= pack, np.round(units / pack) * pack, units)


def draw_items(n_items: int, seed: int) -> Items:
    """``n_items`` items, families and tiers in their shares to the nearest item."""
    rng = stream(seed, "items")
    counts = _apportion(n_items, FAMILIES["share"])
    family = np.repeat(np.arange(len(FAMILIES)), counts)
    shares = zip(FAMILIES["tiers"], counts, strict=True)
    tiers = [np.repeat(np.arange(len(TIERS)), _apportion(count, own)) for own, count in shares]
    tier = np.concatenate([rng.permutation(one) for one in tiers])
    order = np.argsort(FAMILIES["prefix"].to_numpy(str)[family], kind="stable")
    family, tier = family[order], tier[order]
    own = FAMILIES.iloc[family]
    low, high = np.log(np.asarray(TIER_RATES)[tier]).T
    mean, spread = np.array(own["log_size"].to_list()).T
    spread = SIZE_DIAL * spread + rng.normal(0, SIZE_SPREAD_SPREAD, n_items)
    cost = own["unit_cost"].to_numpy()
    number = own.groupby(level=0).cumcount() + 1
    return Items(
        ids=tuple(f"{prefix}-{n:04d}" for prefix, n in zip(own["prefix"], number, strict=True)),
        family=family,
        tier=tier,
        rate=np.exp(rng.uniform(low, high)),
        log_size=mean + rng.normal(0, SIZE_MEAN_SPREAD, n_items),
        size_spread=np.maximum(spread, SMALLEST_SPREAD),
        pack=own["pack"].to_numpy(),
        unit_cost=(cost * np.exp(rng.normal(0, COST_SPREAD, n_items))).round(2),
        imported=rng.random(n_items) < own["imported"].to_numpy(),
        site_share=_draw_site_shares(n_items, rng),
    )


def item_table(items: Items) -> pd.DataFrame:
    """What a planner knows of each item without its lead time: id, name, family, cost, order."""
    own = FAMILIES.iloc[items.family]
    insurance = items.tier == TIERS.index("insurance")
    return pd.DataFrame(
        {
            "item_id": items.ids,
            "name": [_name(*pair) for pair in zip(own["nouns"], items.ids, strict=True)],
            "family": own["name"].to_list(),
            "criticality": np.where(insurance, "insurance", own["criticality"]),
            "unit_cost": items.unit_cost,
            "currency": "BRL",
            "moq": items.pack,
            "order_multiple": items.pack,
        }
    )


def _name(nouns: Sequence[str], item_id: str) -> str:
    model, noun = divmod(int(item_id.split("-")[1]) - 1, len(nouns))
    return f"{nouns[noun]} mod. {model + 1}" if model else nouns[noun]


def _apportion(total: int, shares: Sequence[float] | pd.Series) -> Ints:
    """Whole numbers in the given shares that add to ``total`` (largest remainders)."""
    exact = np.asarray(shares) / np.sum(shares) * total
    counts = np.floor(exact).astype(np.int64)
    order = np.argsort(counts - exact, kind="stable")
    counts[order[: total - counts.sum()]] += 1
    return counts


def _draw_site_shares(n_items: int, rng: np.random.Generator) -> Floats:
    weights = np.array([site["weight"] for site in PARAMETERS["sites"]])
    alpha = SITE_CONCENTRATION * weights / weights.mean()
    shares = rng.dirichlet(alpha, n_items)
    shares[shares < SMALLEST_SITE_SHARE] = 0.0
    return shares / shares.sum(axis=1, keepdims=True)
