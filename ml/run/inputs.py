"""What goes into a run: panels and tables, out of the tables of the user's data."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ml.contracts.demand import (
    DEMAND,
    INVENTORY,
    ITEMS,
    OPEN_ORDERS,
    RECEIPTS,
    SITE_DEMAND,
    STOCK_BY_LOCATION,
    SUPPLIERS,
    DemandParts,
    in_parts,
)
from ml.contracts.outside import AS_PUBLISHED_KEY, PRICES
from ml.contracts.price_outlook import EXPOSURE
from ml.errors import ConfigError, DataError, first_few
from ml.frequency import period_end
from ml.gate.facts import TableFacts, describe_tables, remark_ids
from ml.inventory.locations import SiteMatch, match_sites
from ml.panel import Panel, dataset_id
from ml.panel_tables import Prepared, Refusal, price_panels
from ml.processed import (
    SYNTHETIC,
    known_by,
    outside_tables,
    processed_folder,
    read_demand_parts,
    read_table,
    reading,
)
from ml.run.kept_reading import prepare_demand
from ml.run.request import RunRequest

_VALUES = ("value", "preliminary", "estimated")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInputs:
    """Everything that a run knows."""

    panels: tuple[Panel, ...]  # usable series until `as_of`, one panel a kind and frequency
    refusals: tuple[Refusal, ...] = ()  # series that cannot be forecast, with reasons
    items: pa.Table | None = None  # ITEMS table, or `None`
    inventory: pa.Table | None = None  # INVENTORY table, or `None`
    open_orders: pa.Table | None = None  # OPEN_ORDERS table, or `None`
    source: Mapping[str, str]  # who the data of each kind is from
    # outside tables (`climate`, `economic`, `anatel_5g`, `prices`) by name, of which the
    # drivers are made; only rows that were available in time
    outside: Mapping[str, pa.Table] = field(default_factory=dict)
    region: str = ""  # city, and by its last two letters state, whose outside series move panels
    drivers: bool = False  # whether drivers may take part at all, the calendar among them
    statements: tuple[str, ...] = ()  # plain sentences about what was read and decided
    quality_flags: tuple[str, ...] = ()  # what a reader of the results should know of the inputs
    tables: Mapping[str, TableFacts] = field(default_factory=dict)  # what the gate is told of each
    receipts: pa.Table | None = None  # RECEIPTS table, or `None`
    exposure: pa.Table | None = None  # EXPOSURE table, or `None`
    # of each price series, forecast or not, its currency; `None` where nothing says it
    currencies: Mapping[str, str | None] = field(default_factory=dict)
    stock_by_location: pa.Table | None = None  # STOCK_BY_LOCATION table, or `None`
    # which items can be told apart by location; `None` without stock or demand by location
    sites: SiteMatch | None = None
    suppliers: pa.Table | None = None  # SUPPLIERS table, or `None`
    # names of contents that were asked for: a run asks again and again
    _named: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def dataset_id(self) -> str:
        """Name of all that models learn from: the panels, and the outside rows known in time."""
        if "dataset" not in self._named:
            self._named["dataset"] = dataset_id(self.panels, self.outside_id())
        return self._named["dataset"]

    def outside_id(self) -> str:
        """Name of the outside rows by their content; ``none`` where drivers take no part."""
        if "outside" not in self._named:
            self._named["outside"] = self._name_outside() if self.drivers else "none"
        return self._named["outside"]

    def _name_outside(self) -> str:
        digest = hashlib.sha256(self.region.encode())
        for name, table in sorted(self.outside.items()):
            digest.update(name.encode())
            ordered = table.sort_by([(key, "ascending") for key in AS_PUBLISHED_KEY])
            rows = pa.BufferOutputStream()  # as text: buffers of equal tables may differ
            csv.write_csv(ordered.select([*AS_PUBLISHED_KEY, *_VALUES]), rows)
            digest.update(rows.getvalue())
        return digest.hexdigest()[:12]


def read_processed(
    request: RunRequest, *, rows: Mapping[str, tuple[int, int]] | None = None
) -> RunInputs:
    """Panels and tables of what is processed; rows read and set aside where they were just read.

    Raises:
        DataError: Nothing is there, or nothing of it is usable.
        ConfigError: An item is asked for that no series has.
    """
    data_dir = request.settings.data_dir
    contracts = (
        *(PRICES, ITEMS, INVENTORY, OPEN_ORDERS, RECEIPTS, EXPOSURE),
        *(SITE_DEMAND, STOCK_BY_LOCATION, SUPPLIERS),
    )
    with reading(data_dir):
        tables: dict[str, Any] = {one.name: read_table(data_dir, one) for one in contracts}
        tables[DEMAND.name] = read_demand_parts(data_dir)
        outside = outside_tables(data_dir)
    if tables[DEMAND.name] is None and tables[PRICES.name] is None:
        raise DataError(
            f"{processed_folder(data_dir)}: no demand.parquet and no prices.parquet. Put your "
            f"files into {data_dir / 'raw' / 'user'} and run python pipelines/demand_etl.py, "
            f"or run generate_ml_results, which makes a sample."
        )
    return inputs_of(tables, request, outside, request.settings.home_region, rows=rows)


def inputs_of(
    tables: Mapping[str, Any],
    request: RunRequest,
    outside: Mapping[str, pa.Table],
    region: str,
    *,
    statements: tuple[str, ...] = (),
    quality_flags: tuple[str, ...] = (),
    rows: Mapping[str, tuple[int, int]] | None = None,
) -> RunInputs:
    """Panels out of contract tables (those of the user that there are, demand perhaps in parts).

    ``rows`` says of each table how many rows its files had, and how many were set aside. Outside
    rows that came out too late for the request are left out here.

    Raises:
        DataError: Nothing is usable, or an id stands for two series.
        ConfigError: An item is asked for that no series has.
    """
    demand, prices = tables.get(DEMAND.name), tables.get(PRICES.name)
    demand = None if demand is None else in_parts(demand)
    tables = {**tables, DEMAND.name: demand}
    prepared = _prepare(demand, prices, request)
    panels = tuple(one.panel for one in prepared if one.panel is not None and one.panel.items)
    refusals = tuple(refusal for one in prepared for refusal in one.refusals)
    _check_ids(panels, refusals, request.items)
    source = {}
    if demand is not None and demand.num_rows:
        source["demand"] = "+".join(demand.sources)
    if prices is not None and prices.num_rows:
        source["price"] = "+".join(sorted(prices["source"].unique().to_pylist()))
    synthetic = SYNTHETIC in source.values()
    lacking = "demand" in source and tables.get(INVENTORY.name) is None
    facts = describe_tables(tables, rows or {})
    last_day = max(period_end(panel.cutoff, panel.frequency) for panel in panels)
    sites, on_sites = _match_sites(tables, None if request.as_of is None else last_day)
    return RunInputs(
        panels=panels,
        refusals=refusals,
        items=tables.get(ITEMS.name),
        inventory=tables.get(INVENTORY.name),
        open_orders=tables.get(OPEN_ORDERS.name),
        receipts=tables.get(RECEIPTS.name),
        exposure=tables.get(EXPOSURE.name),
        currencies=_currencies(tables.get(PRICES.name)),
        suppliers=tables.get(SUPPLIERS.name),
        source=source,
        outside=known_by(outside, last_day) if request.drivers else {},
        region=region,
        drivers=request.drivers,
        statements=(
            *statements,
            *(text for one in prepared for text in one.statements),
            *remark_ids(facts),
            *_remark_unknown(tables),
            *_remark_priceless(tables),
            *on_sites,
            *_remark_suppliers(tables),
        ),
        quality_flags=(*quality_flags, *[SYNTHETIC] * synthetic, *["inventory_absent"] * lacking),
        tables=facts,
        stock_by_location=tables.get(STOCK_BY_LOCATION.name),
        sites=sites,
    )


def _prepare(
    demand: DemandParts | None, prices: pa.Table | None, request: RunRequest
) -> list[Prepared]:
    """Panels of the tables of demand and prices."""
    prepared: list[Prepared] = []
    if demand is not None and demand.num_rows:
        prepared.append(prepare_demand(demand, request))
    if prices is not None and prices.num_rows:
        prepared += price_panels(prices, as_of=request.as_of, today=request.today)
    return prepared


def _remark_unknown(tables: Mapping[str, Any]) -> Iterator[str]:
    """A remark on each table of stock and orders with ids that no demand has."""
    demand = tables.get(DEMAND.name)
    known = pa.nulls(0, pa.string()) if demand is None else in_parts(demand).ids
    for contract in (INVENTORY, OPEN_ORDERS, RECEIPTS):
        table = tables.get(contract.name)
        if table is None or demand is None:
            continue
        ids = pc.unique(table["item_id"])
        strange = ids.filter(pc.invert(pc.is_in(ids, value_set=known))).to_pylist()
        if strange:
            yield (
                f"{contract.name}: {len(strange)} of {len(ids)} ids are in no demand, nothing is "
                f"recommended for them: {first_few(strange)}."
            )


def _currencies(prices: pa.Table | None) -> dict[str, str | None]:
    """The currency of each series of a PRICES table."""
    if prices is None:
        return {}
    named = prices.group_by("series").aggregate([("currency", "max")]).to_pylist()
    return {row["series"]: row["currency_max"] for row in named}


def _remark_priceless(tables: Mapping[str, Any]) -> Iterator[str]:
    """A remark on exposures to series that no price is of."""
    exposure, prices = tables.get(EXPOSURE.name), tables.get(PRICES.name)
    if exposure is None:
        return
    ids = pc.unique(exposure["item_id"]).to_pylist()
    strange = sorted(set(ids) - _currencies(prices).keys())
    if strange:
        yield (
            f"exposure: {len(strange)} of {len(ids)} series are in no prices, nothing is computed "
            f"for them: {first_few(strange)}."
        )


def _match_sites(
    tables: Mapping[str, Any], last_day: np.datetime64 | None
) -> tuple[SiteMatch | None, list[str]]:
    """Stock and demand by location matched, and what to say of it.

    Shares of demand after ``last_day``, if there is one, are of a time that the run must not know.
    """
    stock, demand = (tables.get(one.name) for one in (STOCK_BY_LOCATION, SITE_DEMAND))
    if stock is None or demand is None or tables.get(INVENTORY.name) is None or not len(demand):
        return None, []
    until = np.datetime64(demand["until"][0].as_py(), "D")
    if last_day is not None and until > last_day:
        late = (
            f"locations: {SITE_DEMAND.name} was counted until {until}, after the end of the run's "
            "data: no rows a location. Name the demand file, so that it is read as of that day."
        )
        return None, [late]
    match = match_sites(stock, demand)
    told, of = len(match.sites), match.scattered
    said = f"locations: rows a location for {told} of {of} items with stock in several"
    if told < of:
        since = demand["since"][0].as_py()
        said += (
            f"; of the others, demand since {since:%Y-%m-%d} is none, or not all of places where "
            "stock lies"
        )
    unmatched = {"sites without stock": match.strange, "locations without demand": match.idle}
    for words, names in unmatched.items():
        said += f"; {words} ({len(names)}): {first_few(names)}" if names else ""
    return match, [f"{said}."]


def _remark_suppliers(tables: Mapping[str, Any]) -> Iterator[str]:
    """A remark on suppliers that only the file of suppliers names, and on those that it lacks."""
    if (suppliers := tables.get(SUPPLIERS.name)) is None:
        return
    rows = [table for one in (ITEMS, INVENTORY) if (table := tables.get(one.name)) is not None]
    named = {name for table in rows for name in pc.unique(table["supplier"]).to_pylist() if name}
    known = set(suppliers["supplier"].to_pylist())
    for strange, total, what in (
        (known - named, known, "deliver no item; write them as the files of items and stock do"),
        (named - known, named, "of items are not in the file: nothing is known of their orders"),
    ):
        if strange:
            some = first_few(sorted(strange))
            yield f"suppliers: {len(strange)} of {len(total)} suppliers {what}: {some}."


def _check_ids(
    panels: tuple[Panel, ...], refusals: tuple[Refusal, ...], wanted: tuple[str, ...] | None
) -> None:
    """Check that there is something to forecast, under ids that stand for one series each."""
    if not panels:
        reasons = first_few([f"{one.item_id}: {one.reason}" for one in refusals])
        raise DataError(f"inputs: no usable series among {len(refusals)}: {reasons or 'no rows'}.")
    ids = Counter(item for panel in panels for item in panel.items)
    ids.update(one.item_id for one in refusals)
    twice = sorted(item for item, count in ids.items() if count > 1)
    if twice:
        raise DataError(
            f"inputs: {len(twice)} ids name two series, of demand and prices or of two "
            f"frequencies: {first_few(twice)}. Rename them in one of the files."
        )
    unknown = [item for item in wanted or () if item not in ids]
    if unknown:
        raise ConfigError(
            f"--items: {len(unknown)} of {len(wanted or ())} ids are in no series: "
            f"{first_few(unknown)}. Known are for example {first_few(sorted(ids))}."
        )
    refused = {one.item_id: f"{one.item_id}: {one.reason}" for one in refusals}
    if wanted and refused.keys() >= set(wanted):
        reasons = first_few([refused[item] for item in refused if item in wanted])
        raise DataError(
            f"--items: none of {len(wanted)} items can be forecast: {reasons}. "
            f"Correct the file, or name others."
        )
