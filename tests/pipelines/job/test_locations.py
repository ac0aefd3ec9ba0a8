"""A company with two depots: rows a location from files that name them."""

import shutil

import pytest

from tests.pipelines.job.conftest import RATES, Workspace, demand_rows, write_csv, write_stock

pytestmark = pytest.mark.slow
DEPOTS = ("NORTE", "SUL")


def write_by_depot(workspace, *, on_hand):
    """The same demand by depot, the north asking in all months but May, and stock in both."""
    rows = [
        (item, day, y, "SUL" if day[5:7] == "05" else "NORTE") for item, day, y in demand_rows()
    ]
    demand = write_csv(workspace.folder / "demand.csv", ["item_id", "ds", "y", "site"], rows)
    lines = [(item, depot, "2025-10-31", units, "0", "45", "10", "5", "5", "12.5", "BRL")
             for item in RATES for depot, units in zip(DEPOTS, on_hand, strict=True)]  # fmt: skip
    header = ["item_id", "location", "snapshot_at", "on_hand", "on_order", "lead_time_days_mean",
              "lead_time_days_std", "moq", "order_multiple", "unit_cost", "currency"]  # fmt: skip
    stock = write_csv(workspace.folder / "stock.csv", header, lines)
    return options(workspace, demand, stock)


def options(workspace, demand, stock):
    prices = workspace.folder / "brent.csv"
    files = {"--demand": demand, "--inventory": stock, "--prices": prices}
    return [*(str(part) for pair in files.items() for part in pair), "--only-recommendations"]


@pytest.fixture(scope="module")
def depots(tmp_path_factory, company):
    """New recommendations by depot, from the paths of a run that knew of none; twice."""
    made = Workspace(tmp_path_factory.mktemp("depots"))
    shutil.copytree(company.folder, made.folder, dirs_exist_ok=True)
    done = made.generate(*write_by_depot(made, on_hand=("0", "60")))
    (made.folder / "stderr.txt").write_text(done.stderr)
    made.generate(*write_by_depot(made, on_hand=("2", "60")))
    return made


def versions(workspace):
    return sorted(path.name for path in (workspace.results / "versions").iterdir())


def test_depots_have_rows_beside_those_of_all(depots):
    said = (depots.folder / "stderr.txt").read_text()
    assert "forecasting: " not in said
    assert "locations: rows a location for " in said
    rows = depots.table("recommendations", versions(depots)[-2]).to_pylist()
    whole = [row for row in rows if row["location_id"] == "ALL"]
    assert {row["item_id"] for row in whole} == set(RATES)
    assert {row["on_hand"] for row in whole} == {60.0}
    apart = {(row["item_id"], row["location_id"]): row for row in rows if row not in whole}
    north, south = (apart["fast", depot] for depot in DEPOTS)
    # A year has twelve months with demand, of which the south asked in May alone.
    assert north["location_share"] + south["location_share"] == pytest.approx(1.0)
    assert north["location_share"] > 0.8
    assert north["order_qty"] > 0.0 == south["order_qty"]
    assert sorted(one["priority_rank"] for one in whole) == [1, 2, 3, 4, 5, 6]
    assert {one["priority_rank"] for one in apart.values()} == {None}


def test_units_are_moved_to_the_depot_that_would_order(depots):
    before = versions(depots)[-2]
    moves = depots.table("transfers", before).to_pylist()
    rows = {(row["item_id"], row["location_id"]): row
            for row in depots.table("recommendations", before).to_pylist()}  # fmt: skip
    (move,) = [one for one in moves if one["item_id"] == "fast"]
    north, south = (rows["fast", depot] for depot in DEPOTS)
    assert (move["from_location"], move["to_location"]) == ("SUL", "NORTE")
    assert move["quantity"] == min(north["net_requirement_qty"], south["excess_qty"]) > 0.0
    assert move["purchase_avoided"] == 12.5 * move["quantity"]
    assert move["p_stockout_after"] < move["p_stockout_before"]
    said = (depots.folder / "stderr.txt").read_text()
    assert f"{len(moves)} transfers between locations are proposed" in said


def test_no_transfer_is_worth_more_than_it_costs(depots, tmp_path):
    dear = Workspace(tmp_path / "dear")
    shutil.copytree(depots.folder, dear.folder)
    given = options(dear, dear.folder / "demand.csv", dear.folder / "stock.csv")
    dear.generate(*given, TRANSFER_COST="1e9")
    assert depots.table("transfers").num_rows > 0 == dear.table("transfers").num_rows


def test_rows_of_all_are_those_of_a_file_that_names_no_depot(depots, tmp_path):
    alone = Workspace(tmp_path / "alone")
    shutil.copytree(depots.folder, alone.folder)
    stock = write_stock(alone.folder / "stock.csv")
    lines = stock.read_text().splitlines()
    lines[1:] = [",".join([*line.split(",")[:2], "62", *line.split(",")[3:]]) for line in lines[1:]]
    stock.write_text("\n".join(lines) + "\n")
    demand = write_csv(alone.folder / "demand.csv", ["item_id", "ds", "y"], demand_rows())
    alone.generate(*options(alone, demand, stock))
    tables = [
        [row | {"run_id": None} for row in one.table("recommendations").to_pylist()
         if row["location_id"] == "ALL"] for one in (depots, alone)
    ]  # fmt: skip
    assert tables[0] == tables[1]
    assert alone.table("recommendations").num_rows == len(RATES)


def test_changes_and_the_gate_look_at_rows_of_all(depots):
    changes = depots.table("changes").to_pylist()
    assert [row["item_id"] for row in changes] == sorted(RATES)
    assert {row["location_id"] for row in changes} == {"ALL"}
    assert {row["driver"] for row in changes} <= {"stock", "none"}
    for row in changes:
        assert row["order_qty_before"] is not None
    whole = [row for row in depots.table("recommendations").to_pylist()
             if row["location_id"] == "ALL"]  # fmt: skip
    verdict = (depots.results / "metadata" / "gate.json").read_text()
    assert f'"items": {len(whole)}' in verdict.partition('"orders"')[2]
