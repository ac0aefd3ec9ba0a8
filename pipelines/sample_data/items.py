"""The item master: which parts there are, how often they move, and where they leave from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.sample_data.streams import Bools, Floats, Ints, stream
from pipelines.sample_data.world import SITES

TIERS = ("fast", "medium", "slow", "insurance")
TIER_RATES = ((0.25, 0.80), (0.05, 0.25), (0.010, 0.05), (0.002, 0.010))
"""Arrivals on a plain Monday, lowest and highest of each tier [1/day]; log-uniform between."""


@dataclass(frozen=True, slots=True)
class Family:
    """One family.

    Attributes:
        name: Plain name, the ``family`` column.
        prefix: First three letters of its item ids.
        share: Share of all items.
        tiers: Share of the family's items in each of :data:`TIERS`.
        log_size: Mean and spread of the logarithm of the units that one arrival asks for.
        pack: Units in a pack; quantities of a pack or more are whole packs.
        storm: Effect of the storm series on the log rate.
        humidity: Effect of the standardised 60-day humidity on the log rate, halved in use.
        fiveg: Effect of the 5G ramp (0 to 1) on the log rate.
        imported: Share of items that come from abroad.
        lead_time: Median [days] and spread of the logarithm of the lead time.
        criticality: A, B or C; items of the insurance tier are ``insurance``.
        unit_cost: Typical cost of one unit [BRL].
        nouns: What its items are called.
    """

    name: str
    prefix: str
    share: float
    tiers: tuple[float, float, float, float]
    log_size: tuple[float, float]
    pack: int
    storm: float
    humidity: float
    fiveg: float
    imported: float
    lead_time: tuple[float, float]
    criticality: str
    unit_cost: float
    nouns: tuple[str, ...]


FAMILIES = (
    Family("cables", "CAB", 0.14, (0.20, 0.45, 0.35, 0.0), (2.8, 1.0), 10, 0.35, 0.10, 0.30, 0.3,
           (8, 0.9), "B", 18.0, ("RF cable 7/8", "Power cable 16 mm2", "Optical cord", "Jumper")),
    Family("connectors", "CON", 0.16, (0.20, 0.45, 0.35, 0.0), (2.0, 0.8), 5, 0.40, 0.45, 0.35, 0.4,
           (10, 0.9), "B", 32.0, ("Connector N male", "Connector 4.3-10", "Adapter 7/16")),
    Family("batteries", "BAT", 0.08, (0.05, 0.45, 0.45, 0.05), (1.1, 0.6), 4, 0.10, 0.15, 0.0, 0.6,
           (25, 0.7), "A", 950.0, ("Battery 12V 100Ah", "Battery 48V lithium", "Battery 9V")),
    Family("rectifiers", "REC", 0.08, (0.0, 0.25, 0.60, 0.15), (0.3, 0.4), 1, 0.45, 0.10, 0.15, 0.9,
           (45, 0.7), "A", 2400.0, ("Rectifier 48V 50A", "Rectifier 48V 30A", "Controller")),
    Family("antennas", "ANT", 0.10, (0.0, 0.15, 0.65, 0.20), (0.5, 0.5), 1, 0.35, 0.10, 0.60, 0.95,
           (60, 0.7), "A", 5200.0, ("Sector antenna", "RRU 3500 MHz", "Microwave dish")),
    Family("breakers", "BRK", 0.10, (0.10, 0.50, 0.40, 0.0), (1.0, 0.7), 1, 0.80, 0.05, 0.05, 0.3,
           (10, 0.8), "A", 120.0, ("Breaker 32A", "Surge protector class II", "Breaker 63A")),
    Family("grounding", "GRD", 0.12, (0.18, 0.47, 0.35, 0.0), (2.2, 1.0), 10, 0.15, 0.50, 0.05, 0.1,
           (6, 1.0), "C", 14.0, ("Ground rod", "Ground clamp", "Cable tie steel", "Fixing kit")),
    Family("beacons", "BCN", 0.06, (0.05, 0.55, 0.40, 0.0), (0.7, 0.5), 1, 0.40, 0.15, 0.0, 0.5,
           (14, 0.8), "A", 310.0, ("Beacon LED red", "Beacon lamp 100W", "Photocell")),
    Family("structural", "STR", 0.08, (0.10, 0.50, 0.40, 0.0), (1.8, 0.9), 1, -0.10, 0.40, 0.05,
           0.05, (8, 1.0), "C", 75.0, ("Galvanised bolt M16", "Zinc paint 3.6 l", "Angle bar")),
    Family("safety", "EPI", 0.08, (0.25, 0.45, 0.30, 0.0), (1.2, 0.7), 1, 0.0, 0.0, 0.05, 0.1,
           (4, 1.0), "C", 60.0, ("Insulating glove", "Helmet", "Fall arrester", "Torque key")),
)  # fmt: skip

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
    counts = _apportion(n_items, [family.share for family in FAMILIES])
    family = np.repeat(np.arange(len(FAMILIES)), counts)
    tier = np.concatenate(
        [
            rng.permutation(np.repeat(np.arange(len(TIERS)), _apportion(count, one.tiers)))
            for one, count in zip(FAMILIES, counts, strict=True)
        ]
    )
    order = np.argsort([FAMILIES[f].prefix for f in family], kind="stable")
    family, tier = family[order], tier[order]
    own = [FAMILIES[f] for f in family]
    low, high = np.log(np.asarray(TIER_RATES)[tier]).T
    mean, spread = np.array([one.log_size for one in own]).T
    spread = SIZE_DIAL * spread + rng.normal(0, SIZE_SPREAD_SPREAD, n_items)
    cost = np.array([one.unit_cost for one in own])
    number = pd.Series(family).groupby(family).cumcount() + 1
    return Items(
        ids=tuple(f"{one.prefix}-{n:04d}" for one, n in zip(own, number, strict=True)),
        family=family,
        tier=tier,
        rate=np.exp(rng.uniform(low, high)),
        log_size=mean + rng.normal(0, SIZE_MEAN_SPREAD, n_items),
        size_spread=np.maximum(spread, SMALLEST_SPREAD),
        pack=np.array([one.pack for one in own]),
        unit_cost=(cost * np.exp(rng.normal(0, COST_SPREAD, n_items))).round(2),
        imported=rng.random(n_items) < np.array([one.imported for one in own]),
        site_share=_draw_site_shares(n_items, rng),
    )


def item_table(items: Items) -> pd.DataFrame:
    """What a planner knows of each item without its lead time: id, name, family, cost, order."""
    families = [FAMILIES[f] for f in items.family]
    insurance = items.tier == TIERS.index("insurance")
    return pd.DataFrame(
        {
            "item_id": items.ids,
            "name": [_name(*pair) for pair in zip(families, items.ids, strict=True)],
            "family": [f.name for f in families],
            "criticality": np.where(insurance, "insurance", [f.criticality for f in families]),
            "unit_cost": items.unit_cost,
            "currency": "BRL",
            "moq": items.pack,
            "order_multiple": items.pack,
        }
    )


def _name(family: Family, item_id: str) -> str:
    model, noun = divmod(int(item_id.split("-")[1]) - 1, len(family.nouns))
    return f"{family.nouns[noun]} mod. {model + 1}" if model else family.nouns[noun]


def _apportion(total: int, shares: Sequence[float]) -> Ints:
    """Whole numbers in the given shares that add to ``total`` (largest remainders)."""
    exact = np.asarray(shares) / np.sum(shares) * total
    counts = np.floor(exact).astype(np.int64)
    order = np.argsort(counts - exact, kind="stable")
    counts[order[: total - counts.sum()]] += 1
    return counts


def _draw_site_shares(n_items: int, rng: np.random.Generator) -> Floats:
    weights = np.array([site.weight for site in SITES])
    alpha = SITE_CONCENTRATION * weights / weights.mean()
    shares = rng.dirichlet(alpha, n_items)
    shares[shares < SMALLEST_SITE_SHARE] = 0.0
    return shares / shares.sum(axis=1, keepdims=True)
