"""Orders are sized together once, over curves that were found chunk by chunk; rows say so."""

from dataclasses import replace
from datetime import datetime
from functools import cache

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.contracts.demand import INVENTORY, SUPPLIERS
from ml.errors import ConfigError
from ml.inventory.recommendations import recommend
from ml.run.order_together import order_together
from ml.run.recommend import order_context, recommend_panel
from ml.run.request import RunRequest
from ml.run.saved_paths import read_paths
from ml.settings import Settings
from tests.ml.inventory.builders import make_history
from tests.ml.run.test_saved_paths import ACHIEVED, ITEMS, Job

FINAL = (
    *("order_qty", "order_value", "p_stockout_with_order", "expected_fill_rate_with_order"),
    "p_stockout_no_order",
)


def stock_table(on_hand):
    rows = [{"item_id": item, "location_id": "ALL", "snapshot_at": datetime(2025, 12, 31),
             "on_hand": float(units), "on_order": 0.0, "backorders": 0.0, "reserved": 0.0}
            for item, units in zip(ITEMS, on_hand, strict=True)]  # fmt: skip
    return pa.Table.from_pylist(rows, INVENTORY.schema)


def supplier_table(**columns):
    rows = {"supplier": ["ACME"], "min_order_value": [None], "order_cost": [None],
            "currency": ["BRL"]} | columns  # fmt: skip
    return pa.table(rows, SUPPLIERS.schema)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """Eight items, slow to fast, of two suppliers; some are full, most are empty."""
    made = Job(tmp_path_factory.mktemp("job"), stock=stock_table([0, 0, 5, 0, 3, 40, 4, 30]))
    made.forecast()
    costs = [40.0, 30.0, 20.0, 10.0, 8.0, 4.0, 2.0, 1.0]
    made.plan = replace(made.plan, policies={
        item: replace(made.plan.policies[item], unit_cost=costs[at], currency="BRL",
                      supplier="ACME" if at % 2 else "Other", criticality="A" if at == 3 else None)
        for at, item in enumerate(ITEMS)
    })  # fmt: skip
    return made


def run(job, *, suppliers=None, budget="", plan=None):
    """The plan, the rows and the joint orders, all of one run."""
    request = replace(job.request, settings=Settings(budget=budget))
    inputs = replace(job.inputs, suppliers=suppliers)
    work = job.work / f"run-{budget}-{None if suppliers is None else suppliers.to_pylist()}"
    plan, joint = order_together(plan or job.plan, job.find(), ACHIEVED, inputs, request, work)
    files = recommend_panel(plan, job.find(), ACHIEVED, None, inputs, request, work)
    rows = [row for path in files["recommendations"] for row in pq.read_table(path).to_pylist()]
    table = [
        row for path in joint.get("joint_orders", ()) for row in pq.read_table(path).to_pylist()
    ]
    return plan, {row["item_id"]: row for row in rows}, table


@pytest.fixture(scope="module")
def alone(job):
    return run(job)[1]


@pytest.fixture(scope="module")
def spend(job, alone):
    """Rows by a budget that is a share of what all orders come to."""

    @cache
    def rows_of(share):
        return run(job, budget=f"{share * total(alone):.2f}")[1]

    return rows_of


def total(rows):
    return sum(row["order_value"] for row in rows.values())


def test_without_suppliers_or_a_budget_the_plan_stays(job):
    plan, rows, table = run(job, suppliers=supplier_table())
    assert plan is job.plan
    assert table == []
    assert all(row["order_qty"] == row["order_qty_alone"] for row in rows.values())


def test_a_limit_that_does_not_bind_changes_no_row(job, alone):
    assert run(job, budget="1000000BRL")[1] == alone
    assert run(job, suppliers=supplier_table(min_order_value=[1.0], order_cost=[0.01]))[1] == alone


def test_a_supplier_gets_at_least_its_smallest_order(job, alone, capsys):
    own = [row for row in alone.values() if row["supplier"] == "ACME"]
    before = sum(row["order_value"] for row in own)
    _, rows, (told,) = run(job, suppliers=supplier_table(min_order_value=[before + 50.0]))
    after = sum(row["order_value"] for row in rows.values() if row["supplier"] == "ACME")
    assert told["order_value_alone"] == pytest.approx(before)
    assert told["order_value"] == pytest.approx(after)
    assert before + 50.0 <= after <= before + 50.0 + 40.0
    more = [row for row in rows.values() if row["binding_constraint"] == "joint_order"]
    assert {row["item_id"] for row in more} >= set(told["first_added"].split(";"))
    assert len(more) == told["items_added"] > 0
    for row in rows.values():
        if row not in more:
            assert row == alone[row["item_id"]]
    for row in more:
        assert row["supplier"] == "ACME"
        assert row["order_qty"] > row["order_qty_alone"] == alone[row["item_id"]]["order_qty"]
        if row["action"] == "order_now":
            assert row["reason_code"] == "joint_order"


def test_a_smallest_order_that_nobody_can_use_is_flagged_and_not_forced(job, alone):
    _, rows, (told,) = run(job, suppliers=supplier_table(min_order_value=[1e7]))
    assert told["is_below_minimum"]
    for item, row in rows.items():
        assert row["order_qty"] == alone[item]["order_qty"]
        ordered = row["supplier"] == "ACME" and row["order_qty"] > 0.0
        assert ("below_supplier_minimum" in row["quality_flags"]) == ordered


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_budget_is_never_exceeded_and_cuts_say_so(alone, spend, share):
    rows = spend(share)
    assert total(rows) <= share * total(alone) + 0.01
    cut = {item: row for item, row in rows.items() if row["order_qty"] < alone[item]["order_qty"]}
    assert cut
    for item, row in rows.items():
        assert row["order_qty_alone"] == alone[item]["order_qty"]
        assert row["net_requirement_qty"] == alone[item]["net_requirement_qty"]
        if item not in cut:
            assert row == alone[item]
            continue
        assert row["binding_constraint"] == "budget"
        assert row["p_stockout_with_order"] >= alone[item]["p_stockout_with_order"]
        if row["order_qty"] == 0.0:
            assert (row["action"], row["reason_code"]) == ("review", "budget_cut")
            assert row["p_stockout_with_order"] == row["p_stockout_no_order"]


def test_numbers_of_a_row_are_those_of_the_quantity_that_is_ordered(job, alone, spend):
    """Beside the row of the same item whose own limit is that quantity."""
    rows = spend(0.5)
    known = read_paths(job.find(), ITEMS)
    checked = 0
    for item, row in rows.items():
        if 0.0 < row["order_qty"] < alone[item]["order_qty"]:
            limited = replace(job.plan.policies[item], max_order_qty=row["order_qty"])
            at = ITEMS.index(item)
            table = recommend(
                known.paths[at : at + 1], [make_history(item, whole_units=True)], {item: limited},
                job.inputs.inventory, order_context(job.plan, job.inputs, job.request),
            )  # fmt: skip
            (same,) = table.to_pylist()
            assert {name: same[name] for name in FINAL} == {name: row[name] for name in FINAL}
            checked += 1
    assert checked


def test_more_money_serves_more(alone, spend):
    def served(rows):
        return sum((row["expected_fill_rate_with_order"] or 0.0) * row["ltd_mean"]
                   for row in rows.values())  # fmt: skip

    assert served(spend(0.0)) < served(spend(0.5)) < served(spend(0.9)) < served(alone)


def test_chunks_and_the_order_of_items_change_no_row(job, alone):
    asked = supplier_table(min_order_value=[60.0], order_cost=[5.0])
    budget = f"{0.8 * total(alone):.2f}"
    _, rows, table = run(job, suppliers=asked, budget=budget)
    chunks = (tuple(reversed(ITEMS[:5])), tuple(reversed(ITEMS[5:])))
    job.work.joinpath("other").mkdir(exist_ok=True)
    other = replace(job.plan, order_chunks=chunks, name="demand_other")
    request = replace(job.request, settings=Settings(budget=budget))
    inputs = replace(job.inputs, suppliers=asked)
    plan, files = order_together(other, job.find(), ACHIEVED, inputs, request, job.work / "other")
    assert {item: one.given_order for item, one in plan.policies.items()} == {
        item: row["order_qty"] if row["order_qty"] != row["order_qty_alone"] else None
        for item, row in rows.items()
    }
    assert pq.read_table(files["joint_orders"][0]).to_pylist() == table


def test_an_order_that_a_budget_makes_impossible_is_dropped_and_told(job, alone, capsys):
    own = {item: row for item, row in alone.items() if row["supplier"] == "ACME"}
    asked = supplier_table(min_order_value=[total(own)])
    capsys.readouterr()
    _, rows, (told,) = run(job, suppliers=asked, budget=f"{0.5 * total(alone):.2f}")
    assert (told["lines"], told["order_value"]) == (0, 0.0)
    assert "budget: of 'ACME' nothing is ordered" in capsys.readouterr().err
    for item, row in own.items():
        if row["order_qty"] > 0.0:
            found = rows[item]
            assert (found["order_qty"], found["reason_code"]) == (0.0, "budget_cut")
            assert "its supplier's order is below the minimum" in found["reason_text"]
            assert "below_supplier_minimum" in found["quality_flags"].split(";")


def test_items_outside_the_budget_are_counted_and_keep_their_orders(job, alone, capsys):
    first = next(item for item, row in alone.items() if row["order_qty"] > 0.0)
    policies = job.plan.policies | {first: replace(job.plan.policies[first], currency="USD")}
    plan = replace(job.plan, policies=policies)
    capsys.readouterr()
    _, rows, _ = run(job, budget="0BRL", plan=plan)
    ordered = {item for item, row in rows.items() if row["order_qty"] > 0.0}
    assert ordered == {first}
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("budget: ")]
    assert line.startswith("budget: 0 of 0 BRL are spent on ")
    assert line.endswith("1 items without a cost or of another currency are outside the budget")
    with pytest.raises(ConfigError, match="costs are in 'BRL', 'USD'"):
        run(job, budget="5", plan=plan)


def test_without_a_stock_file_there_is_nothing_to_size(tmp_path, capsys):
    made = Job(tmp_path)
    made.forecast()
    capsys.readouterr()
    plan, rows, _ = run(made, budget="10")
    assert "budget: there is no stock file" in capsys.readouterr().err
    assert plan is made.plan
    assert {row["order_qty"] for row in rows.values()} == {None}


def test_a_wrong_budget_is_refused_before_anything_is_computed():
    with pytest.raises(ConfigError, match="'lots': write an amount"):
        RunRequest(command="test", settings=Settings(budget="lots"))
