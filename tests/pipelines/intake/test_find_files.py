"""Finding the user's files by their names."""

import os
from pathlib import Path

import pytest

from ml.errors import ConfigError, DataError
from pipelines.intake.find_files import collect_user_files, data_files
from pipelines.intake.options import existing_files
from tests.commands import folders_below, run_alone


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


@pytest.mark.parametrize("name", ["demand.tsv", "consumo.json", "estoque.csv.zip"])
def test_a_table_of_an_ending_that_is_not_read_is_not_passed_over(tmp_path, name):
    put(tmp_path, "prices.csv", name, "README.md")
    with pytest.raises(DataError, match=f"files of such endings are not read: '{name}'"):
        collect_user_files(tmp_path)


def a_link_to_nowhere(path):
    path.with_suffix(".csv").symlink_to("gone.csv")


def a_link_to_itself(path):
    path.with_suffix(".csv").symlink_to(path.with_suffix(".csv"))


def a_pipe(path):
    os.mkfifo(path.with_suffix(".csv"))


def a_folder_of_files(path):
    put(path, "2024.csv")


def a_spreadsheet(path):
    path.with_suffix(".xlsx").touch()


@pytest.mark.parametrize(
    "make", [a_link_to_nowhere, a_link_to_itself, a_pipe, a_folder_of_files, a_spreadsheet]
)
def test_no_entry_of_a_folder_of_files_is_lost_in_silence(tmp_path, make):
    put(tmp_path, "demand/2023.csv", "demand/README.md", "demand/_old.xlsx", "demand/.git/x.csv")
    assert data_files(tmp_path / "demand") == [tmp_path / "demand" / "2023.csv"]
    make(tmp_path / "demand" / "part")
    with pytest.raises(DataError, match=r"1 of 5 entries cannot be read and would be lost: 'part"):
        data_files(tmp_path / "demand")


def test_a_table_within_folders_within_its_folder_is_found_missing(tmp_path):
    put(tmp_path, "demand/2024/part-0.parquet")
    found = collect_user_files(tmp_path)["demand"]
    with pytest.raises(DataError, match="1 of 1 entries cannot be read and would be lost: '2024'"):
        data_files(found)


def test_a_pipe_is_not_said_to_be_missing(tmp_path):
    os.mkfifo(tmp_path / "demand.csv")
    with pytest.raises(DataError, match="is a pipe or a device; write what it gives into a file"):
        data_files(tmp_path / "demand.csv")


def test_files_of_the_command_line_are_those_named_relative_to_the_working_directory(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    stock = Path("stock.csv")
    stock.touch()
    assert existing_files(demand=None, inventory=stock) == {"inventory": stock}
    with pytest.raises(ConfigError, match=r"--items-file: there is no file or folder 'gone\.csv'"):
        existing_files(items=Path("gone.csv"), inventory=stock)


def test_a_name_with_an_accent_where_python_was_told_to_read_ascii_blames_no_file(tmp_path):
    (tmp_path / "consumo é.csv").write_text("item_id,ds,y\nA,2024-01-01,1\n")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    env = folders_below(tmp_path) | plain
    done = run_alone(tmp_path, env, "pipelines/demand_etl.py", "--demand", "consumo é.csv")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].endswith(
        "Python reads names of files as ascii here, which this one is not; set PYTHONUTF8=1 and "
        "run again."
    )
