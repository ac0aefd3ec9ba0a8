"""The user's exposures to prices."""

import pytest

from ml.contracts.price_outlook import EXPOSURE
from ml.errors import DataError
from pipelines.intake.exposure import read_exposure
from pipelines.intake.find_files import collect_user_files
from pipelines.intake.quarantine import IntakeError

HEADER = "serie,contrato,quantidade,parcela_fixada,vencimento,moeda,orcamento,cotacao"


def test_an_exposure_is_read_by_portuguese_names(csv, options):
    path = csv("Brent,D1,400,0.25,2024-09-30,usd,80,82.5", header=HEADER)
    read = read_exposure(path, options())  # the day of the run is 30 June
    assert read.table.schema.equals(EXPOSURE.schema)
    (row,) = read.table.to_pylist()
    due = row.pop("due_at")
    assert f"{due:%Y-%m-%d}" == "2024-09-30"
    assert row == {
        "item_id": "Brent", "exposure_id": "D1", "volume": 400.0, "hedged_share": 0.25,
        "horizon": None, "currency": "USD", "budget_price": 80.0, "fixed_quote": 82.5,
        "risk_aversion": None, "supplier": None,
    }  # fmt: skip


def test_without_names_exposures_are_counted_within_their_series(csv, options):
    read = read_exposure(csv("B,1", "A,2", "B,3", header="series,volume"), options())
    keys = [(row["item_id"], row["exposure_id"], row["volume"]) for row in read.table.to_pylist()]
    assert keys == [("A", "1", 2.0), ("B", "1", 1.0), ("B", "2", 3.0)]


def test_an_exposure_without_name_takes_the_name_of_no_other(csv, options):
    path = csv("B,1,10", "B,,20", "B,2,30", "A,,40", header="series,contract,volume")
    read = read_exposure(path, options(duplicates="error"))
    keys = [(row["item_id"], row["exposure_id"], row["volume"]) for row in read.table.to_pylist()]
    assert keys == [("A", "1", 40.0), ("B", "#2", 20.0), ("B", "1", 10.0), ("B", "2", 30.0)]
    assert read.quarantine.is_empty()


def test_rows_that_would_cost_something_else_are_set_aside_whole(csv, options):
    path = csv(
        "A,0,,,",
        "A,-3,,,",
        "A,,,,",
        "A,5,1.2,,",
        "A,5,-0.1,,",
        "A,5,x,,",
        "A,5,,,2",
        "A,5,1,,1",
        header="series,volume,hedged_share,due,risk_aversion",
    )
    read = read_exposure(path, options())
    assert [row["volume"] for row in read.table.to_pylist()] == [5.0]
    cells = list(read.quarantine.select("line", "column", "reason").iter_rows())
    assert cells == [
        (2, "volume", "out_of_range"), (3, "volume", "out_of_range"), (4, "volume", "empty_number"),
        (5, "hedged_share", "out_of_range"), (6, "hedged_share", "out_of_range"),
        (7, "hedged_share", "unparsable_number"), (8, "risk_aversion", "out_of_range"),
    ]  # fmt: skip
    assert (read.count.read, read.count.used, read.count.aside) == (8, 1, 7)


def test_an_unreadable_day_or_offer_leaves_an_exposure_without_one(csv, options):
    path = csv("A,5,soon,x,", "A,6,,,0", header="series,volume,due_date,fixed_quote,horizon")
    read = read_exposure(path, options())
    rows = [(row["due_at"], row["fixed_quote"], row["horizon"]) for row in read.table.to_pylist()]
    assert rows == [(None, None, None), (None, None, None)]
    reasons = ["unparsable_date", "unparsable_number", "out_of_range"]
    assert read.quarantine["reason"].to_list() == reasons


def test_of_two_exposures_of_one_name_the_first_counts_unless_they_are_refused(csv, options):
    path = csv("A,D1,5", "A,D1,6", "B,D1,7", header="series,exposure_id,volume")
    read = read_exposure(path, options())
    assert [row["volume"] for row in read.table.to_pylist()] == [5.0, 7.0]
    assert list(read.quarantine.select("line", "value", "reason").iter_rows()) == [
        (3, "D1", "repeated_key")
    ]
    with pytest.raises(DataError, match=r"1 row of 3 repeat an exposure\. First: 'D1'"):
        read_exposure(path, options(duplicates="error"))


def test_a_file_without_volumes_or_usable_rows_is_refused(csv, options):
    with pytest.raises(DataError, match="no column for 'volume'"):
        read_exposure(csv("A,2024-07-01", header="series,due"), options())
    with pytest.raises(IntakeError, match="none of 1 row can be used"):
        read_exposure(csv("A,0", header="series,volume"), options())


@pytest.mark.parametrize("name", ["exposure.csv", "Exposição.csv", "compras_2025.csv"])
def test_the_file_is_found_by_its_name(name, file):
    path = file("series,volume\nA,1\n", name)
    assert collect_user_files(path.parent) == {"exposure": path}
