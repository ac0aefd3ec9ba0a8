"""What each site asked for, out of the rows that name one."""

import numpy as np
import pytest

from ml.contracts.demand import SITE_DEMAND, STOCK_BY_LOCATION
from pipelines.intake.demand import read_demand
from pipelines.intake.inventory import read_inventory
from pipelines.intake.read_tables import process_files

HEADER = "item_id,ds,y,site_id"


def asked(read):
    table = read.beside["site_demand"]
    assert table.schema.equals(SITE_DEMAND.schema)
    return {(row["item_id"], row["location_id"]): row for row in table.to_pylist()}


def test_units_and_periods_with_demand_are_counted_by_site_with_returns_netted(csv, options):
    rows = [
        "A,2024-01-01,3,S1", "A,2024-01-01,2,S1", "A,2024-01-02,-1,S1", "A,2024-01-03,4,S1",
        "A,2024-01-03,-1,S1", "A,2024-01-02,1,S2", "A,2024-01-03,0,S3", "A,2024-01-03,,S4",
        "B,2024-01-02,7,",
    ]  # fmt: skip
    found = asked(read_demand(csv(*rows, header=HEADER), options()))
    told = {key: (row["units"], row["demands"]) for key, row in found.items()}
    # S1: 3 + 2 on the first, a return that stays below zero on the second, 4 - 1 on the third.
    assert told == {
        ("A", "S1"): (8.0, 2), ("A", "S2"): (1.0, 1), ("A", "S3"): (0.0, 0), ("B", ""): (7.0, 1),
    }  # fmt: skip


def test_only_the_year_until_the_last_day_counts(csv, options):
    rows = ["A,2023-01-02,9,S1", "A,2023-01-03,5,S1", "A,2024-01-02,1,S2", "B,2023-06-01,2,S2"]
    found = asked(read_demand(csv(*rows, header=HEADER), options()))
    # 2 January 2024 and the 364 days before it, of which the first is 3 January 2023.
    assert {key: row["units"] for key, row in found.items()} == {
        ("A", "S1"): 5.0, ("A", "S2"): 1.0, ("B", "S2"): 2.0,
    }  # fmt: skip
    spans = {(str(row["since"])[:10], str(row["until"])[:10]) for row in found.values()}
    assert spans == {("2023-01-03", "2024-01-02")}


def test_nothing_after_as_of_is_counted_and_no_unusable_item(csv, options):
    rows = ["A,2024-01-01,3,S1", "A,2024-01-05,9,S2", "X,2024-01-01,1e12,S1"]
    read = read_demand(csv(*rows, header=HEADER), options(as_of=np.datetime64("2024-01-03").item()))
    assert [(key, row["units"]) for key, row in asked(read).items()] == [(("A", "S1"), 3.0)]


def test_there_is_no_such_table_without_sites(csv, options):
    assert read_demand(csv("A,2024-01-01,3"), options()).beside == {"site_demand": None}
    empty = csv("A,2024-01-01,3,", header=HEADER)
    assert read_demand(empty, options()).beside == {"site_demand": None}


@pytest.mark.parametrize("lot", [1, 6])
def test_units_that_go_together_are_found_in_the_spread_of_the_division(csv, options, lot):
    # Lots of so many units, each to one of three sites by chance, two thousand of them on 300 days.
    rng = np.random.default_rng(5)
    days = np.datetime64("2024-01-01") - 200 + np.arange(300)
    lots = rng.multinomial(rng.poisson(7, len(days)), [0.6, 0.3, 0.1])
    rows = [f"A,{day},{lot * n},S{site}" for day, own in zip(days, lots, strict=True)
            for site, n in enumerate(own)]  # fmt: skip
    found = asked(read_demand(csv(*rows, header=HEADER), options()))
    # The statistic over its 598 degrees of freedom has a standard error of sqrt(2 / 598) = 6 %.
    assert found["A", "S0"]["units_together"] == pytest.approx(lot, rel=0.15)


def test_one_period_or_one_site_tells_nothing_of_lots(csv, options):
    rows = ["A,2024-01-01,3,S1", "A,2024-01-01,3,S2", "B,2024-01-01,3,S1", "B,2024-01-02,3,S1"]
    found = asked(read_demand(csv(*rows, header=HEADER), options()))
    assert {row["units_together"] for row in found.values()} == {None}


def test_the_order_of_rows_changes_nothing(csv, options):
    rng = np.random.default_rng(1)
    rows = [f"A,2024-01-{day:02d},{rng.random():.3f},S{site}" for day in range(1, 29)
            for site in rng.integers(0, 4, 3)]  # fmt: skip
    first = read_demand(csv(*rows, header=HEADER), options()).beside["site_demand"]
    rng.shuffle(rows)
    again = read_demand(csv(*rows, header=HEADER), options()).beside["site_demand"]
    assert again.equals(first)


STOCK = "item_id,location,date,current_stock,on_order,lead_time"


def test_the_stock_of_each_location_is_kept_beside_the_sum(csv, options):
    rows = [
        "A,S1,2024-06-01,5,1,10", "A,S2,2024-06-03,7,,20", "A,S2,2024-06-03,1,,",
        "A,S2,2024-05-01,99,,", "B,S1,2024-06-01,2,0,",
    ]  # fmt: skip
    table = read_inventory(csv(*rows, header=STOCK), options()).beside["stock_by_location"]
    assert table.schema.equals(STOCK_BY_LOCATION.schema)
    shown = ("item_id", "location_id", "on_hand", "on_order", "lead_time_days_mean")
    assert [tuple(row[name] for name in shown) for row in table.to_pylist()] == [
        ("A", "S1", 5.0, 1.0, 10.0),
        ("A", "S2", 8.0, None, 20.0),  # the newest count, repeated rows added up
        ("B", "S1", 2.0, 0.0, None),
    ]


def test_one_location_is_no_table(csv, options):
    read = read_inventory(csv("A,S1,2024-06-01,5,1,10", header=STOCK), options())
    assert read.beside == {"stock_by_location": None}


def test_tables_beside_go_when_the_files_no_longer_make_them(csv, options, tmp_path):
    sites = csv("A,2024-01-01,3,S1", "A,2024-01-02,1,S2", header=HEADER)
    done = process_files(options(files={"demand": sites}), tmp_path)
    path = tmp_path / "processed" / "site_demand.parquet"
    assert path.exists()
    assert any(f"{path}: 2 rows, 1 item, 2 locations." in line for line in done.statements)
    process_files(options(files={"demand": csv("A,2024-01-01,3")}), tmp_path)
    assert not path.exists()
