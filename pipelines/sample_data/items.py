"""The items: how often they move, where they leave from, and what becomes of single ones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import expit
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
OBSOLETE_SHARE, NEW_SHARE, SUPERSEDED_SHARE, SHIFT_SHARE = 0.10, 0.07, 0.03, 0.03
DECLINE_TO = 0.03
DECLINE_SCALES = (30.0, 60.0)  # [days]
SHIFT_FACTORS = (0.35, 0.45, 2.0, 2.6)
MIDDLE_OF_WINDOW = (0.25, 0.80)
EVENT_COLUMNS = ("item_id", "event", "day", "scale_days", "factor", "other_item_id")


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


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What happens to the items over the window."""

    launch: Ints  # first day on which an item exists, as a position in the window, shape (N,)
    log_factor: Floats  # logarithm of the multiplier of the rate, shape (N, T); -inf = retired
    # one line an event: item, `obsolete`, `new`, `superseded`, `successor` or `level_shift`,
    # day, and its parameters
    events: pd.DataFrame


def draw_lifecycle(items: Items, days: int, seed: int) -> tuple[Items, Lifecycle]:
    """Give some items an event each; a successor takes over its predecessor's parameters."""
    rng = stream(seed, "life cycle")
    pairs = _draw_pairs(items, rng)
    taken = {i for pair in pairs for i in pair}
    n = len(items.ids)
    order = [int(i) for i in rng.permutation(n) if i not in taken]
    shifted = [i for i in order if _is_moving(items, i)][: max(round(SHIFT_SHARE * n), 1)]
    order = [i for i in order if i not in shifted]
    end_obsolete = round(OBSOLETE_SHARE * n)
    end_new = end_obsolete + round(NEW_SHARE * n)
    launch, log_factor = np.zeros(n, dtype=np.int64), np.zeros((n, days))
    events: list[dict[str, object]] = []

    def draw_day() -> int:
        return int(days * rng.uniform(*MIDDLE_OF_WINDOW))

    def note(item: int, event: str, day: int, **about: object) -> None:
        events.append({"item_id": items.ids[item], "event": event, "day": day, **about})

    for i in order[:end_obsolete]:
        day, scale = draw_day(), rng.uniform(*DECLINE_SCALES)
        gone = expit((np.arange(days) - day) / scale)
        log_factor[i] = np.log(1 - (1 - DECLINE_TO) * gone)
        note(i, "obsolete", day, scale_days=scale, factor=DECLINE_TO)
    for i in order[end_obsolete:end_new]:
        launch[i] = draw_day()
        note(i, "new", int(launch[i]))
    for i in shifted:
        day, factor = draw_day(), float(rng.choice(SHIFT_FACTORS))
        log_factor[i, day:] += np.log(factor)
        note(i, "level_shift", day, factor=factor)
    for old, new in pairs:
        day = draw_day()
        log_factor[old, day:] = -np.inf
        launch[new] = day
        note(old, "superseded", day, other_item_id=items.ids[new])
        note(new, "successor", day, other_item_id=items.ids[old])
    table = pd.DataFrame(events, columns=list(EVENT_COLUMNS)).sort_values("item_id")
    source = np.arange(n)
    for old, new in pairs:
        source[new] = old
    inherited = ("tier", "rate", "log_size", "size_spread", "imported", "site_share")
    heirs = replace(items, **{name: getattr(items, name)[source] for name in inherited})
    return heirs, Lifecycle(launch, log_factor, table.reset_index(drop=True))


def _is_moving(items: Items, item: int) -> bool:
    """Whether a change of the item would show within months."""
    return bool(items.tier[item] <= TIERS.index("medium"))


def _draw_pairs(items: Items, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Pairs (old, successor) of one family; a moving part first, so that the change shows."""
    wanted = round(SUPERSEDED_SHARE * len(items.ids))
    free = [int(i) for i in rng.permutation(len(items.ids))]
    pairs: list[tuple[int, int]] = []
    for old in [i for i in free if _is_moving(items, i)]:
        partners = [j for j in free if j != old and items.family[j] == items.family[old]]
        if len(pairs) == wanted or old not in free or not partners:
            continue
        pairs.append((old, partners[0]))
        free = [j for j in free if j not in pairs[-1]]
    return pairs
