"""What the sample's planner is told, by a simple model of demand: something of everything."""

from collections import Counter
from dataclasses import asdict
from datetime import date

import numpy as np
import pandas as pd
import pytest

from ml.contracts.recommendations import ACTIONS
from ml.forecasters.base import predict
from ml.forecasters.registry import forecaster
from ml.frequency import Frequency, period_end
from ml.inventory.item_case import OrderContext
from ml.inventory.items import DemandSummary, resolve_policies
from ml.inventory.joint_orders import join_orders, usable_terms
from ml.inventory.lead_times import learn_lead_times
from ml.inventory.locations import location_cases, match_sites, resolve_locations
from ml.inventory.order_curves import order_curves
from ml.inventory.recommendations import recommend, recommend_cases
from ml.inventory.stock import read_stock
from ml.inventory.terms import add_terms
from ml.inventory.transfers import propose_transfers
from ml.panel_tables import demand_panel
from ml.setting_groups import PolicySettings
from pipelines.intake.read_tables import read_tables
from pipelines.intake.request import TABLES, ReadingRequest

TODAY = date(2026, 11, 1)
ON_ORDER = {"reduce_or_cancel_po", "review"}  # of critical items a person decides


@pytest.fixture(scope="module")
def planned(sample_files):
    """Tables, and what a plan is made from: paths, histories, policies, context."""
    files = {name: path for name, path in asdict(sample_files).items() if name in TABLES}
    tables = read_tables(ReadingRequest(files=files, today=TODAY)).tables
    panel = demand_panel(tables["demand"], as_of=None, today=TODAY).panel
    day = period_end(panel.cutoff, Frequency.DAILY)
    stated = resolve_policies(
        panel.items, tables["items"], tables["inventory"], panel.frequency, PolicySettings()
    )
    policies = add_terms(learn_lead_times(stated, tables["receipts"], day), panel, day)
    drawn = predict(forecaster("empirical").fit(panel), panel.items, 120, seed=0, n_paths=200)
    seen = np.sum(np.nan_to_num(panel.values) > 0, axis=1)
    histories = [
        DemandSummary(item, n_nonzero=int(count), last_demand=panel.cutoff, whole_units=True)
        for item, count in zip(panel.items, seen, strict=True)
    ]
    context = OrderContext(frequency=panel.frequency, as_of=panel.cutoff, seed=0)
    return tables, np.nan_to_num(drawn.paths), histories, policies, context


@pytest.fixture(scope="module")
def rows(planned):
    tables, *about, context = planned
    found = recommend(*about, tables["inventory"], context, open_orders=tables["open_orders"])
    return {row["item_id"]: row for row in found.to_pylist()}


def test_every_action_is_recommended_for_some_item(rows):
    assert set(Counter(row["action"] for row in rows.values())) == set(ACTIONS)


@pytest.mark.parametrize(
    ("kind", "actions"),
    [
        pytest.param("surplus", {"review_excess", *ON_ORDER}, id="too much in stock"),
        pytest.param("surplus_order", ON_ORDER, id="too much on order"),
        pytest.param("undated", {"review"}, id="on order without a date"),
        pytest.param("uncounted", {"set_parameters"}, id="a count without a day"),
    ],
)
def test_what_is_planted_in_the_stock_is_told(rows, sample_files, kind, actions):
    planted = pd.read_csv(sample_files.truth / "stock_dirt.csv", dtype={"item_id": str})
    items = planted["item_id"][planted["kind"] == kind].tolist()
    assert items
    assert {rows[item]["action"] for item in items} <= actions


def test_each_action_is_explained_by_the_numbers_of_its_row(rows):
    for row in rows.values():
        text, position = row["reason_text"], row["inventory_position"]
        if row["action"] == "order_now":
            assert f"order {row['order_qty']:,.0f}" in text
            if "due later" not in text:
                assert position <= row["reorder_point"]
        elif row["action"] == "expedite":
            assert f"{row['p_stockout_before_receipt']:.0%} chance" in text
        elif row["action"] in {"review_excess", "reduce_or_cancel_po"}:
            assert f"{row['excess_qty']:,.0f} above need" in text
        elif row["action"] in {"hold", "order_soon"}:
            assert f"reorder point {row['reorder_point']:,.0f}" in text
            assert position >= row["reorder_point"]
        elif row["action"] == "set_parameters":
            assert row["order_qty"] is None


def test_depots_that_have_too_much_are_asked_to_send_some_to_others(planned):
    tables, paths, histories, _, context = planned
    match = match_sites(tables["stock_by_location"], tables["site_demand"])
    assert match.sites  # of the others some demand names no site
    locations = resolve_locations(
        match, tables["stock_by_location"], tables["inventory"], tables["items"],
        context.frequency, PolicySettings(),
    )  # fmt: skip
    made_from = (paths, histories, locations, context)
    moves = propose_transfers(recommend_cases(location_cases(*made_from)), *made_from, 0.0)
    assert moves.num_rows > 0


def test_some_supplier_is_sent_more_than_its_items_need_by_themselves(planned):
    tables, *about, context = planned
    _, histories, policies = about
    terms, remarks = usable_terms(tables["suppliers"], policies)
    assert len(terms) == tables["suppliers"].num_rows / 2  # the others ask for nothing
    assert not remarks
    stocks = read_stock(
        tables["inventory"], tables["open_orders"],
        [policies[one.item_id] for one in histories], context.decision_day,
    )  # fmt: skip
    curves = order_curves(*about, stocks, context)
    places, added = join_orders(curves, terms)
    assert any(added.values())
    assert any(at > one.alone for one, at in zip(curves, places, strict=True))
