"""The command, as people run it."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.contracts.outside import PRICES
from ml.errors import ConfigError, DataError
from pipelines.intake.quarantine import IntakeError
from pipelines.intake.read_tables import process_files
from pipelines.intake.request import column_mapping
from tests.commands import run_alone, run_here

GOOD = ["A,2024-01-01,1", "A,2024-01-02,0"]


def command(folder, *arguments, run=run_here):
    env = {"DATA_DIR": str(folder), "TODAY": "2024-06-30"}
    return run(folder, env, "pipelines/demand_etl.py", *arguments)


def processed(folder, table):
    return pq.read_table(folder / "processed" / f"{table}.parquet")


def test_the_command_reads_what_lies_in_the_users_folder(csv, tmp_path):
    csv(*GOOD, "A,soon,1", name="raw/user/demanda.csv")
    csv("A,Cabo", header="sku,nome", name="raw/user/itens.csv")
    result = command(tmp_path, run=run_alone)
    assert result.returncode == 0, result.stderr
    assert processed(tmp_path, "demand")["y"].to_pylist() == [1.0, 0.0]
    assert processed(tmp_path, "items")["name"].to_pylist() == ["Cabo"]
    assert "demand.parquet: 2 rows, 1 item, 2024-01-01 to 2024-01-02, D." in result.stdout
    assert "soon" in (tmp_path / "quarantine" / "demand.csv").read_text()
    assert not (tmp_path / "quarantine" / "items.csv").exists()


def test_the_command_ends_with_the_exit_code_of_the_fault(csv, tmp_path):
    csv("A,soon,1")
    bad = command(tmp_path, "--demand", "demand.csv")
    assert (bad.returncode, bad.stderr.count("\n")) == (3, 1)
    assert "error: demand.csv: none of 1 row can be used" in bad.stderr
    wrong = command(tmp_path, "--demand", "nowhere.csv")
    assert (wrong.returncode, "--demand: there is no file" in wrong.stderr) == (2, True)


@pytest.fixture
def process(options, tmp_path):
    return lambda **files: process_files(options(files=files), tmp_path)


def test_nothing_is_written_where_one_table_is_bad(csv, process, tmp_path):
    items = csv(",x", header="sku,name", name="items.csv")
    with pytest.raises(IntakeError, match="none of 1 row"):
        process(demand=csv(*GOOD), items=items)
    assert not (tmp_path / "processed").exists()
    assert "empty_id" in (tmp_path / "quarantine" / "items.csv").read_text()


def test_a_later_clean_run_removes_the_quarantine(csv, process, tmp_path):
    process(demand=csv(*GOOD, "A,soon,1"))
    assert (tmp_path / "quarantine" / "demand.csv").exists()
    process(demand=csv(*GOOD))
    assert not (tmp_path / "quarantine" / "demand.csv").exists()


def test_a_folder_without_files_is_refused(process, tmp_path):
    with pytest.raises(DataError, match=r"raw/user: there are no data files.*--demand"):
        process()


def published(series, source):
    row = {"series": [series], "region": [None], "value": [5.0], "unit": [None], "currency": [None]}
    day = pa.array([0], pa.timestamp("us"))
    rest = {"ref_date": day, "available_at": day, "source": [source], "preliminary": [False],
            "estimated": [False]}  # fmt: skip
    return pa.table({**row, **rest}).select(PRICES.names).cast(PRICES.schema)


def test_prices_of_other_sources_are_kept(csv, process, tmp_path):
    (tmp_path / "processed").mkdir()
    before = pa.concat_tables([published("usd", "bcb"), published("old", "user_files")])
    pq.write_table(before, tmp_path / "processed" / "prices.parquet")
    process(prices=csv("2024-01-01,80", header="Date,Brent"))
    table = processed(tmp_path, "prices")
    assert table["series"].to_pylist() == ["Brent", "usd"]
    assert table["source"].to_pylist() == ["user_files", "bcb"]


def test_a_series_of_another_source_is_not_overwritten(csv, process, tmp_path):
    (tmp_path / "processed").mkdir()
    pq.write_table(published("Brent", "eia"), tmp_path / "processed" / "prices.parquet")
    with pytest.raises(DataError, match="'Brent'"):
        process(prices=csv("2024-01-01,80", header="Date,Brent"))
    assert processed(tmp_path, "prices")["source"].to_pylist() == ["eia"]


def test_an_id_in_demand_and_prices_is_refused(csv, process, tmp_path):
    prices = csv("2024-01-01,80", header="Date,A", name="prices.csv")
    with pytest.raises(DataError, match="1 id in both demand and prices: 'A'"):
        process(demand=csv(*GOOD), prices=prices)


def test_files_are_written_as_the_design_says(csv, process, tmp_path):
    process(demand=csv(*GOOD))
    file = pq.ParquetFile(tmp_path / "processed" / "demand.parquet")
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert file.schema_arrow.field("ds").type == pa.timestamp("us")
    assert [path.name for path in (tmp_path / "processed").glob("[!.]*")] == ["demand.parquet"]


def test_column_options_become_a_mapping():
    assert column_mapping(["item_id=Código", "y = Qtd = total"]) == {
        "item_id": "Código",
        "y": "Qtd = total",
    }


@pytest.mark.parametrize("pair", ["item_id", "=x", "y="])
def test_a_column_option_without_both_sides_is_refused(pair):
    with pytest.raises(ConfigError, match="write --column item_id=NAME_IN_THE_FILE"):
        column_mapping([pair])
