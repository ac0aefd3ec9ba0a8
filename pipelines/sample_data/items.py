"""The item master: which parts there are, how often they move, and where they leave from."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.sample_data.families import FAMILIES, TIER_RATES, TIERS
from pipelines.sample_data.rollout import SITES
from pipelines.sample_data.streams import Bools, Floats, Ints, stream

SIZE_DIAL = 0.70  # share of the family's size spread found within an item: the lumpiness dial
SIZE_MEAN_SPREAD, SIZE_SPREAD_SPREAD, SMALLEST_SPREAD = 0.5, 0.12, 0.05
SITE_CONCENTRATION, SMALLEST_SITE_SHARE = 0.3, 0.06
COST_SPREAD = 0.5
QUANTILE_POINTS = 400


@dataclass(frozen=True, slots=True)
class Items:
    """N items in the order of their ids, as arrays of shape (N,) unless said otherwise.

    Attributes:
        ids: Part numbers such as ``CAB-0012``.
        family: Position in :data:`FAMILIES`.
        tier: Position in :data:`TIERS`.
        rate: Arrivals on a plain Monday [1/day].
        log_size: Mean of the logarithm of an arrival's units.
        size_spread: Its standard deviation.
        pack: Units in a pack.
        unit_cost: [BRL].
        imported: Whether it comes from abroad.
        site_share: (N, K) share of the arrivals at each site, rows sum to 1.
    """

    ids: tuple[str, ...]
    family: Ints
    tier: Ints
    rate: Floats
    log_size: Floats
    size_spread: Floats
    pack: Ints
    unit_cost: Floats
    imported: Bools
    site_share: Floats

    @property
    def main_site(self) -> Ints:
        """The site with the largest share, shape (N,)."""
        return self.site_share.argmax(axis=1)

    def size_moments(self) -> tuple[Floats, Floats]:
        """Mean [units] and mean square [units^2] of one arrival, packs included, each (N,)."""
        from scipy.stats import norm

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
    family = np.repeat(np.arange(len(FAMILIES)), _apportion(n_items, [f.share for f in FAMILIES]))
    tier = np.concatenate(
        [_family_tiers(f, int((family == f).sum()), rng) for f in range(len(FAMILIES))]
    )
    order = np.argsort([FAMILIES[f].prefix for f in family], kind="stable")
    family, tier = family[order], tier[order]
    low, high = np.log(np.asarray(TIER_RATES)[tier]).T
    mean, spread = np.array([FAMILIES[f].log_size for f in family]).T
    spread = SIZE_DIAL * spread + rng.normal(0, SIZE_SPREAD_SPREAD, n_items)
    cost = np.array([FAMILIES[f].unit_cost for f in family])
    return Items(
        ids=tuple(_part_numbers(family)),
        family=family,
        tier=tier,
        rate=np.exp(rng.uniform(low, high)),
        log_size=mean + rng.normal(0, SIZE_MEAN_SPREAD, n_items),
        size_spread=np.maximum(spread, SMALLEST_SPREAD),
        pack=np.array([FAMILIES[f].pack for f in family]),
        unit_cost=(cost * np.exp(rng.normal(0, COST_SPREAD, n_items))).round(2),
        imported=rng.random(n_items) < np.array([FAMILIES[f].imported for f in family]),
        site_share=_site_shares(n_items, rng),
    )


def item_table(items: Items) -> pd.DataFrame:
    """What a planner knows of each item without its lead time: id, name, family, cost, order."""
    families = [FAMILIES[f] for f in items.family]
    insurance = TIERS.index("insurance")
    numbers = [int(item.split("-")[1]) for item in items.ids]
    return pd.DataFrame(
        {
            "item_id": items.ids,
            "name": [_name(f.nouns, n) for f, n in zip(families, numbers, strict=True)],
            "family": [f.name for f in families],
            "criticality": [
                "insurance" if tier == insurance else f.criticality
                for f, tier in zip(families, items.tier, strict=True)
            ],
            "unit_cost": items.unit_cost,
            "currency": "BRL",
            "moq": items.pack,
            "order_multiple": items.pack,
        }
    )


def _name(nouns: tuple[str, ...], number: int) -> str:
    model = (number - 1) // len(nouns)
    noun = nouns[(number - 1) % len(nouns)]
    return noun if model == 0 else f"{noun} mod. {model + 1}"


def _part_numbers(family: Ints) -> list[str]:
    seen: dict[str, int] = {}
    ids = []
    for f in family:
        prefix = FAMILIES[f].prefix
        seen[prefix] = seen.get(prefix, 0) + 1
        ids.append(f"{prefix}-{seen[prefix]:04d}")
    return ids


def _apportion(total: int, shares: list[float]) -> Ints:
    """Whole numbers in the given shares that add to ``total`` (largest remainders)."""
    exact = np.asarray(shares) / np.sum(shares) * total
    counts = np.floor(exact).astype(np.int64)
    order = np.argsort(counts - exact, kind="stable")
    counts[order[: total - counts.sum()]] += 1
    return counts


def _family_tiers(family: int, count: int, rng: np.random.Generator) -> Ints:
    counts = _apportion(count, list(FAMILIES[family].tiers))
    return rng.permutation(np.repeat(np.arange(len(TIERS)), counts))


def _site_shares(n_items: int, rng: np.random.Generator) -> Floats:
    weights = np.array([site.weight for site in SITES])
    alpha = SITE_CONCENTRATION * weights / weights.mean()
    shares = rng.dirichlet(alpha, n_items)
    shares[shares < SMALLEST_SITE_SHARE] = 0.0
    return shares / shares.sum(axis=1, keepdims=True)
