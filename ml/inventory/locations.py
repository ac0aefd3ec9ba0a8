"""Several locations: whose the demand of an item is, and what each of them would order for itself.

An item's sample paths are divided over its locations by their recent shares of its demand, so that
what the locations ask for adds up, path by path, to what the item does. A row a location comes out
of the same rules as that of the whole company, with the location's own stock and parameters.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml.contracts.demand import INVENTORY
from ml.frequency import Frequency
from ml.inventory.item_case import ItemCase, OrderContext, own_steps
from ml.inventory.items import (
    WHOLE_COMPANY,
    DemandSummary,
    ItemPolicy,
    Row,
    divide_rows,
    resolve_policies,
    rows_by_item,
)
from ml.inventory.labels import FEW_DEMANDS
from ml.inventory.lead_times import learn_lead_times
from ml.inventory.stock import Stock, read_stock
from ml.inventory.terms import add_economic_lot, plan_last_buy
from ml.seeds import generator
from ml.setting_groups import PolicySettings

UNNAMED = frozenset({"", WHOLE_COMPANY})  # no name that a place can be told by
LIMITS = ("min_stock", "max_stock")  # of all locations together, where the item's row gives them
Paths = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class ItemSites:
    """The locations of one item."""

    names: tuple[str, ...]  # K, sorted: those with stock of it, and those that ask for it
    shares: tuple[float, ...]  # of its demand, they add up to 1
    demands: int  # periods and sites with demand that the shares rest on
    together: float  # units that go to one location together, at least 1


@dataclass(frozen=True, slots=True)
class SiteMatch:
    """Which items can be told apart by location."""

    sites: Mapping[str, ItemSites]  # the locations of those that can, by item
    scattered: int  # items with stock in several locations
    strange: tuple[str, ...]  # sites of the demand where no stock of anything lies, sorted
    idle: tuple[str, ...]  # locations of stock that no demand names, sorted


@dataclass(frozen=True, slots=True)
class Locations:
    """What items are recommended from, location by location."""

    sites: Mapping[str, ItemSites]  # by item
    policies: Mapping[str, Mapping[str, ItemPolicy]]  # by location, then by item
    stock: pa.Table  # in the STOCK_BY_LOCATION contract

    def select(self, items: Collection[str]) -> "Locations":
        """What there is of these items."""
        return next(self.divide([list(items)]))

    def divide(self, chunks: Sequence[Sequence[str]]) -> Iterator["Locations"]:
        """What there is of one chunk of items after the other."""
        own = [[item for item in chunk if item in self.sites] for chunk in chunks]
        for items, stock in zip(own, divide_rows(self.stock, own), strict=True):
            sites = {item: self.sites[item] for item in items}
            places = sorted({name for one in sites.values() for name in one.names})
            policies = {
                place: {item: self.policies[place][item] for item in items
                        if item in self.policies[place]}
                for place in places
            }  # fmt: skip
            yield Locations(sites, policies, self.stock if stock is None else stock)


def match_sites(stock: pa.Table, demand: pa.Table) -> SiteMatch:
    """Match STOCK_BY_LOCATION with SITE_DEMAND by the names of places.

    An item can be told apart that lies in several locations, all of them named, and was asked for
    within the window of the demand by none but locations of stock. Of any other nobody can say
    which stock serves whom.
    """
    places: dict[str, set[str]] = {}
    for item, name in zip(*(stock[one].to_pylist() for one in ("item_id", "location_id")),
                          strict=True):  # fmt: skip
        places.setdefault(item, set()).add(name)
    known = set().union(*places.values()) - UNNAMED
    asked: dict[str, list[Row]] = {}
    for row in demand.to_pylist():
        if row["units"] > 0.0:
            asked.setdefault(row["item_id"], []).append(row)
    scattered = {item: own for item, own in places.items() if len(own) > 1}
    sites = {}
    for item in sorted(scattered.keys() & asked.keys()):
        sure = {row["location_id"] for row in asked[item]} <= known
        if sure and not scattered[item] & UNNAMED:
            sites[item] = _share_demand(scattered[item], asked[item])
    named = set(demand["location_id"].to_pylist())
    return SiteMatch(sites, len(scattered), tuple(sorted(named - known)),
                     tuple(sorted(known - named)))  # fmt: skip


def _share_demand(places: Collection[str], rows: Sequence[Row]) -> ItemSites:
    """The shares of an item's locations: those of its units, after one demand more, of all alike.

    So a location that was never asked keeps a small share, and few demands say less than many
    (Perks 1947: the mean of a Dirichlet distribution that began with 1/K for each of K).
    """
    names = tuple(sorted({*places, *(row["location_id"] for row in rows)}))
    units = {row["location_id"]: row["units"] for row in rows}
    total, demands = math.fsum(units.values()), sum(row["demands"] for row in rows)
    shares = tuple(
        (demands * units.get(name, 0.0) / total + 1.0 / len(names)) / (demands + 1)
        for name in names
    )
    return ItemSites(names, shares, demands, rows[0]["units_together"] or 1.0)


def resolve_locations(
    match: SiteMatch,
    stock: pa.Table,
    inventory: pa.Table | None,
    items_table: pa.Table | None,
    frequency: Frequency,
    settings: PolicySettings,
    ordered: Collection[str] = (),
) -> Locations:
    """Parameters of each item at each of its locations: what its own stock row gives wins.

    Else they are those of the item, but its ``min_stock`` and ``max_stock``, which are of all
    locations together. ``ordered`` items have open orders, whose location nobody knows.
    """
    apart = stock.filter(pc.is_in(stock["item_id"], pa.array(list(match.sites), pa.string())))
    own = {(row["item_id"], row["location_id"]): row for row in apart.to_pylist()}
    whole = rows_by_item(inventory)
    at: dict[str, list[str]] = {}
    for item, sites in match.sites.items():
        for name in sites.names:
            at.setdefault(name, []).append(item)
    if items_table is not None:
        items_table = items_table.select(
            [name for name in items_table.column_names if name not in LIMITS]
        )
    policies = {}
    for name, items in at.items():
        rows = [_merge(item, own.get((item, name), {}), whole.get(item, {})) for item in items]
        table = pa.Table.from_pylist(rows, INVENTORY.schema)
        about = items_table
        if about is not None:
            about = about.filter(pc.is_in(about["item_id"], pa.array(items, pa.string())))
        found = resolve_policies(items, about, table, frequency, settings)
        policies[name] = {
            item: replace(policy, flags=(*policy.flags, *_flags(item, match, ordered)))
            for item, policy in found.items()
        }
    return Locations(match.sites, policies, apart)


def learn_at_locations(
    locations: Locations, receipts: pa.Table | None, known_by: np.datetime64
) -> Locations:
    """Put the lead times that receipts tell where a location's own row gives none.

    Past orders name no location; ``known_by`` is the last day whose receipts are known.
    """
    if receipts is None:
        return locations
    stated = locations.stock.filter(pc.greater(locations.stock["lead_time_days_mean"], 0.0))
    own = set(zip(*(stated[one].to_pylist() for one in ("item_id", "location_id")), strict=True))
    policies = {}
    for name, at in locations.policies.items():
        open_to = pa.array([item for item in at if (item, name) not in own], pa.string())
        taken = receipts.filter(pc.is_in(receipts["item_id"], open_to))
        policies[name] = learn_lead_times(at, taken, known_by)
    return replace(locations, policies=policies)


def add_terms_at_locations(
    locations: Locations,
    whole: Mapping[str, ItemPolicy],
    rates: Mapping[str, float],
    decided_on: np.datetime64,
) -> Locations:
    """The policies of locations with their economic lots and last buys.

    ``whole`` are the policies of the items in all locations together, ``rates`` their demand
    [units a year], of which a location has its share.
    """
    policies: dict[str, dict[str, ItemPolicy]] = {name: {} for name in locations.policies}
    for item, sites in locations.sites.items():
        for name, share in zip(sites.names, sites.shares, strict=True):
            policy = add_economic_lot(locations.policies[name][item], rates[item] * share)
            policy = replace(policy, is_successor=whole[item].is_successor)
            policies[name][item] = plan_last_buy(policy, decided_on)
    return replace(locations, policies=policies)


def _merge(item: str, own: Row, whole: Row) -> Row:
    """The parameters of a location's stock row, gaps filled from the row of the whole company."""
    merged = {name: value for name, value in whole.items() if name not in LIMITS}
    given = {name: one for name, one in own.items() if one is not None}
    # A cost never changes its currency.
    if "unit_cost" in given:
        merged["currency"] = None
    elif merged.get("unit_cost") is not None:
        given.pop("currency", None)
    return merged | given | {"item_id": item}


def _flags(item: str, match: SiteMatch, ordered: Collection[str]) -> Iterator[str]:
    if match.sites[item].demands < FEW_DEMANDS:
        yield "few_site_demands"
    if item in ordered:
        yield "open_orders_of_all"


def location_cases(
    paths: Sequence[Paths],
    histories: Sequence[DemandSummary],
    locations: Locations,
    context: OrderContext,
) -> Iterator[tuple[ItemCase, Paths]]:
    """A case for each item and location that can be told apart, with its part of the paths.

    ``paths`` are N of (S, H), in the order of ``histories``; the parts are (S, H'). Recorded demand
    since a count is divided by the shares as well; levels at a location were never backtested.
    """
    stocks = {
        name: read_stock(
            locations.stock.filter(pc.equal(locations.stock["location_id"], name)),
            None, list(policies.values()), context.decision_day,
        )
        for name, policies in locations.policies.items()
    }  # fmt: skip
    for history, demand in zip(histories, paths, strict=True):
        item = history.item_id
        sites = locations.sites.get(item)
        if sites is None:
            continue
        policies = {name: locations.policies[name][item] for name in sites.names}
        steps = max(own_steps(one, context, demand.shape[1]) for one in policies.values())
        rng = generator(context.seed, "location", item)
        parts = divide_paths(demand[:, :steps], sites, rng)
        for name, share, part in zip(sites.names, sites.shares, parts, strict=True):
            stock = replace(stocks[name].get(item, Stock()), location_id=name)
            yield ItemCase(context, policies[name], _history_at(history, share), stock), part


def _history_at(history: DemandSummary, share: float) -> DemandSummary:
    recent = tuple(share * value for value in history.recent)
    return replace(history, recent=recent, backtest_csl=None, backtest_n=0, location_share=share)


def divide_paths(demand: Paths, sites: ItemSites, rng: np.random.Generator) -> Iterator[Paths]:
    """(S, H) paths as those of K locations, each (S, H), which add up to them.

    Counts are divided by chance: as many units as went to one location together go so again, each
    such lot to a location with the chance of its share (multinomial, drawn location by location as
    a binomial part of what is left). Demand that is no count is divided linearly.
    """
    units = np.asarray(demand, np.float64)
    counts = units.astype(np.int64)
    if (counts != units).any():
        yield from (units * share for share in sites.shares)
        return
    size = max(1, round(sites.together))
    lots, rest = np.divmod(counts, size)
    odd = np.sign(rest)  # a lot that is smaller than the others
    for place, share in enumerate(sites.shares):
        chance = min(share / math.fsum(sites.shares[place:]), 1.0)
        some, one = (_take_part(left, chance, rng) for left in (lots, odd))
        yield some * size + one * rest
        lots, odd = lots - some, odd - one


def _take_part(
    counts: npt.NDArray[np.int64], chance: float, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """How many of each count are taken, each with a chance."""
    taken = np.zeros_like(counts)
    some = counts > 0
    taken[some] = rng.binomial(counts[some], chance)
    return taken
