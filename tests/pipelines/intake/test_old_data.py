"""What earlier code kept of a user's files is read and made again; no power cut splits it."""

import shutil
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ml.errors import DataError
from ml.processed import outside_tables, reading
from pipelines.intake.read_tables import process_files
from pipelines.intake.request import ReadingRequest
from tests.power_cut import survive_power_cuts

ARCHIVE = Path(__file__).parents[2] / "fixtures" / "old_intake.tar.gz"
TODAY = date(2024, 6, 30)


@pytest.fixture
def old(tmp_path):
    shutil.unpack_archive(ARCHIVE, tmp_path)
    return tmp_path


def tables(data_dir):
    return {
        path.stem: pq.read_table(path) for path in (data_dir / "processed").glob("[!.]*.parquet")
    }


def lists(data_dir):
    return {path.name: path.read_bytes() for path in (data_dir / "quarantine").glob("[!.]*.csv")}


def read_again(place):
    process_files(ReadingRequest(today=TODAY), Path(place))


def test_the_same_files_give_the_same_tables_and_lists_as_before_and_say_no_less(old):
    before, quarantine = tables(old / "data"), lists(old / "data")
    assert sorted(before) == ["demand", "inventory", "items", "prices"]
    assert outside_tables(old / "data")["prices"]["series"].to_pylist() == ["Brent"]
    lines = process_files(ReadingRequest(today=TODAY), old / "data").statements
    said = "\n".join(lines).replace(str(old), "old") + "\n"
    before_said = (old / "lines.txt").read_text().splitlines()
    assert [line for line in before_said if line not in said.splitlines()] == []
    after = tables(old / "data")
    # What has been added since says nothing here.
    assert {after["demand"][name].null_count for name in ("stockout_share", "stockout_y")} == {8}
    assert after.keys() - before.keys() <= {"site_demand", "stock_by_location"}
    assert {name: after[name].select(one.column_names) for name, one in before.items()} == before
    assert lists(old / "data") == quarantine


def test_a_later_reading_leaves_what_it_was_not_given(old):
    before = tables(old / "data")
    (old / "new.csv").write_text("item_id,ds,y\nZ,2024-03-01,5\n")
    process_files(ReadingRequest(files={"demand": old / "new.csv"}, today=TODAY), old / "data")
    after = tables(old / "data")
    assert after.pop("demand")["item_id"].to_pylist() == ["Z"]
    assert after == {name: table for name, table in before.items() if name != "demand"}


def test_a_file_that_is_gone_while_others_stayed_is_an_error_that_removes_nothing(old):
    (old / "data/raw/user/estoque.csv").unlink()
    with pytest.raises(DataError, match=r"no file of inventory any more.*remove inventory.parquet"):
        process_files(ReadingRequest(today=TODAY), old / "data")
    assert sorted(tables(old / "data")) == ["demand", "inventory", "items", "prices"]
    (old / "data/processed/inventory.parquet").unlink()
    process_files(ReadingRequest(today=TODAY), old / "data")
    assert sorted(tables(old / "data")) == ["demand", "items", "prices"]


def test_prices_of_the_users_folder_that_are_gone_are_missed_and_others_are_not(old):
    process_files(ReadingRequest(today=TODAY), old / "data")  # notes where the tables are from
    (old / "data/raw/user/precos/cobre.csv").unlink()
    with pytest.raises(DataError, match="no file of prices any more"):
        process_files(ReadingRequest(today=TODAY), old / "data")


@pytest.mark.parametrize("sample", [4, pytest.param(12, marks=pytest.mark.slow)])
def test_after_a_power_cut_at_any_write_a_reading_is_made_again(old, sample):
    # other files than those that the tables were made of: each one changes
    user = old / "data" / "raw" / "user"
    (user / "estoque.csv").write_text("sku,local,data,saldo\nNA,S1,2024-02-20,9\n")
    (user / "itens.csv").write_text("sku,nome\n00123,Fio\n")
    (user / "consumo.csv").write_text("sku,data,qtd\nNA,2024-02-01,7\nNA,never,7\n")

    def what_is_there(place):
        found = tables(place)
        return (
            found["items"]["name"].to_pylist(),
            len(found["demand"]),
            found["inventory"]["on_hand"].to_pylist(),
        )

    def expect_all_or_nothing(place):
        with reading(place):
            assert what_is_there(place) in ((["Cabo", "Antena"], 8, [5.0]), (["Fio"], 1, [9.0]))

    job = "tests.pipelines.intake.test_old_data:read_again"
    cuts = survive_power_cuts(
        job,
        old / "data",
        lambda place: (tables(place), lists(place)),
        meanwhile=expect_all_or_nothing,
        sample=sample,
    )
    assert cuts == sample or cuts > 20
    assert what_is_there(old / "data") == (["Fio"], 1, [9.0])
