"""Finding the user's files by their names."""

from pathlib import Path

import pytest

from ml.errors import ConfigError, DataError
from pipelines.intake.find_files import collect_user_files
from pipelines.intake.options import existing_files


def put(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


@pytest.mark.parametrize(
    ("name", "table"),
    [("demand.csv", "demand"), ("Demanda_2024.CSV", "demand"), ("consumo.parquet", "demand"),
     ("demand/part-0.parquet", "demand"), ("items.txt", "items"), ("itens.csv.gz", "items"),
     ("inventory.csv", "inventory"), ("inventário.csv", "inventory"), ("stock.csv", "inventory"),
     ("estoque_2024/a.csv", "inventory"), ("prices.csv", "prices"), ("Preços.csv", "prices"),
     ("suppliers.csv", "suppliers"), ("Fornecedores.csv", "suppliers")],
)  # fmt: skip
def test_a_table_is_found_by_its_name(tmp_path, name, table):
    put(tmp_path, name)
    assert collect_user_files(tmp_path) == {table: tmp_path / name.split("/")[0]}


def test_a_missing_or_empty_folder_holds_no_files(tmp_path):
    (tmp_path / "demand").mkdir()
    put(tmp_path, "README.md", ".hidden.csv", "_SUCCESS")
    assert collect_user_files(tmp_path) == {}
    assert collect_user_files(tmp_path / "nowhere") == {}


@pytest.mark.parametrize("name", ["sales.csv", "more/part.parquet"])
def test_data_of_unknown_name_are_named(tmp_path, name):
    put(tmp_path, "demand.csv", name)
    with pytest.raises(DataError, match=f"cannot tell which table '{name.split('/')[0]}' is"):
        collect_user_files(tmp_path)


def test_two_files_of_one_table_are_named(tmp_path):
    put(tmp_path, "demand.csv", "consumo.csv")
    with pytest.raises(DataError, match=r"2 entries are named as the table 'demand'.*'demand/'"):
        collect_user_files(tmp_path)


def test_a_spreadsheet_is_not_passed_over(tmp_path):
    put(tmp_path, "demand.csv", "items.xlsx")
    with pytest.raises(DataError, match=r"spreadsheets are not read: 'items\.xlsx'"):
        collect_user_files(tmp_path)


def test_files_of_the_command_line_are_those_named_relative_to_the_working_directory(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    stock = Path("stock.csv")
    stock.touch()
    assert existing_files(demand=None, inventory=stock) == {"inventory": stock}
    with pytest.raises(ConfigError, match=r"--items-file: there is no file or folder 'gone\.csv'"):
        existing_files(items=Path("gone.csv"), inventory=stock)
