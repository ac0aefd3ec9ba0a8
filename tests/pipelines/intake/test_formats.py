"""Every format that a user may bring gives the same table."""

import csv as csv_module
import io
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.contracts.demand import DEMAND
from ml.errors import ConfigError, DataError
from pipelines.intake.demand import read_demand
from pipelines.intake.read_text import INVISIBLE
from pipelines.intake.request import ReadingRequest

ROWS = [
    ('Conexão, 5"', "2024-01-01", 1.5),
    ('Conexão, 5"', "2024-01-02", 1234.25),
    ('Conexão, 5"', "2024-01-03", None),
    ("NA", "2024-01-01", 0.0),
    ("NA", "2024-01-02", 1000000.0),
    ("NA", "2024-01-03", 7.0),
]
EXPECTED = {
    "item_id": ['Conexão, 5"'] * 3 + ["NA"] * 3,
    "ds": [f"2024-01-0{day} 00:00:00" for day in (1, 2, 3)] * 2,
    "y": [1.5, 1234.25, None, 0.0, 1000000.0, 7.0],
}


def shown(table):
    return {
        "item_id": table["item_id"].to_pylist(),
        "ds": [str(day) for day in table["ds"].to_pylist()],
        "y": table["y"].to_pylist(),
    }


def number(value, style):
    if value is None:
        return ""
    text = f"{value:,.2f}" if "thousands" in style else f"{value:.2f}"
    return text.translate(str.maketrans(",.", ".,")) if "comma" in style else text


def day(iso, style):
    return "/".join(reversed(iso.split("-"))) if "slashes" in style else iso


def as_csv(delimiter, style, newline="\n"):
    text = io.StringIO()
    writer = csv_module.writer(text, delimiter=delimiter, lineterminator=newline)
    writer.writerow(["Código", "Data", "Quantidade"])
    writer.writerows([item, day(ds, style), number(y, style)] for item, ds, y in ROWS)
    return text.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
@pytest.mark.parametrize("style", ["point", "comma", "comma thousands slashes", "point thousands"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_every_way_to_write_a_csv_gives_the_same_table(file, options, delimiter, style, encoding):
    path = file(as_csv(delimiter, style).encode(encoding))
    assert shown(read_demand(path, options()).table) == EXPECTED


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old mac"])
def test_line_ends_make_no_difference(file, options, newline):
    path = file(as_csv(";", "comma", newline))
    assert shown(read_demand(path, options()).table) == EXPECTED


def test_the_byte_order_mark_is_no_part_of_a_name(file, options):
    path = file("\ufeffsku,ds,y\nA,2024-01-01,1\n,2024-01-01,1\n")
    assert read_demand(path, options()).quarantine["column"].to_list() == ["sku"]


ITEMS, DAYS, VALUES = ([row[i] for row in ROWS] for i in range(3))
NUMPY_DAYS = np.array(DAYS, "datetime64[s]")
PARQUET = {
    "text": (pa.array(DAYS), pa.array(["" if y is None else str(y) for y in VALUES])),
    "date32": (pa.array(DAYS).cast(pa.date32()), pa.array(VALUES)),
    "nanoseconds, NaN": (
        pa.array(NUMPY_DAYS.astype("datetime64[ns]")),
        pa.array(VALUES).fill_null(float("nan")),
    ),
    "time zone": (
        # midnight in Bahia is three in the morning UTC: the day is the one on the wall
        pa.array(NUMPY_DAYS + np.timedelta64(3, "h")).cast(pa.timestamp("us", "America/Bahia")),
        pa.array(VALUES, pa.float64()),
    ),
    "evening in UTC": (
        # midnight in Berlin is 23:00 UTC of the day before
        pa.array(NUMPY_DAYS - np.timedelta64(1, "h")).cast(pa.timestamp("ms", "Europe/Berlin")),
        pa.array(VALUES).cast(pa.decimal128(20, 4)),
    ),
    "dictionary": (pa.array(DAYS).dictionary_encode(), pa.array(VALUES, pa.float32())),
}


@pytest.mark.parametrize("kind", list(PARQUET))
def test_every_parquet_type_gives_the_same_table(tmp_path, options, kind):
    ds, y = PARQUET[kind]
    table = pa.table({"SKU": pa.array(ITEMS), "date": ds, "qty": y})
    pq.write_table(table, tmp_path / "demand.parquet")
    assert shown(read_demand(tmp_path / "demand.parquet", options()).table) == EXPECTED


@pytest.mark.parametrize(
    "ids",
    [pa.array([10055165, 7], pa.int64()), pa.array([10055165.0, 7.0]),
     pa.array(["10055165", "7"]).cast(pa.decimal128(12, 2)),
     pa.array(["10055165", "7"], pa.large_string())],
    ids=lambda values: str(values.type),
)  # fmt: skip
def test_numbers_as_ids_become_plain_text(tmp_path, options, ids):
    table = pa.table({"item": ids, "date": ["2024-01-01"] * 2, "qty": [1, 2]})
    pq.write_table(table, tmp_path / "demand.parquet")
    read = read_demand(tmp_path / "demand.parquet", options()).table
    assert read["item_id"].to_pylist() == ["10055165", "7"]


def test_a_folder_is_read_as_one_table(file, options):
    file("item_id,ds,y\nA,2024-01-01,1\n", "demand/b.csv")
    file("sku;data;qtd\nA;02/01/2024;2,5\n", "demand/a.txt")
    file("not data", "demand/.hidden.csv")
    path = file("not data", "demand/readme.md").parent
    read = read_demand(path, options())
    assert read.table["y"].to_pylist() == [1.0, 2.5]
    assert "2 rows read from 2 files" in read.statements[0]


def test_the_table_keeps_its_contract(file, options):
    read = read_demand(file(as_csv(",", "point")), options(source="user_files"))
    assert read.table.schema.equals(DEMAND.schema)
    assert set(read.table["source"].to_pylist()) == {"user_files"}
    assert set(read.table["frequency"].to_pylist()) == {str(read.frequency)}


def test_a_mapped_column_goes_before_the_usual_names(csv, options):
    path = csv("A,X,2024-01-01,1", header="sku,Peça,ds,y")
    read = read_demand(path, options(columns={"item_id": "Peça"}))
    assert read.table["item_id"].to_pylist() == ["X"]
    assert any("not used: 'sku'" in said for said in read.statements)


def test_a_mapped_column_that_is_not_there_is_said(csv, options):
    read = read_demand(csv("A,2024-01-01,1"), options(columns={"y": "Menge"}))
    assert any("has no column 'Menge'" in said for said in read.statements)


def test_an_unknown_name_in_a_mapping_is_refused(csv, options):
    with pytest.raises(ConfigError, match="no table has a column 'itemid'"):
        read_demand(csv("A,2024-01-01,1"), options(columns={"itemid": "x"}))


def test_missing_columns_name_what_was_found_and_looked_for(csv, options):
    with pytest.raises(DataError, match=r"no column for 'item_id'.*'peca'.*sku.*--column item_id="):
        read_demand(csv("A,2024-01-01,1", header="peca,ds,y"), options())


def test_a_name_written_exactly_goes_before_one_that_is_alike(csv, options):
    read = read_demand(csv("A,never,2024-01-01,1", header="item,Date,date,y"), options())
    assert read.quarantine.height == 0


def test_two_columns_of_one_name_are_refused(csv, options):
    with pytest.raises(DataError, match="2 columns are named 'Date'"):
        read_demand(csv("A,2024-01-01,2024-01-01,1", header="item,Date,DATE,y"), options())


@pytest.mark.parametrize(("name", "words"), [("", "no data file"), ("nowhere.csv", "no such file")])
def test_a_path_without_data_files_is_refused(tmp_path, options, name, words):
    with pytest.raises(DataError, match=words):
        read_demand(tmp_path / name, options())


IDS = st.text(
    st.characters(exclude_characters=f"\0{INVISIBLE}", exclude_categories=["Cs"]),
    min_size=1,
    max_size=300,
).filter(lambda text: text.strip() == text)


@settings(max_examples=60, deadline=None)
@given(ids=st.lists(IDS, min_size=1, max_size=8, unique=True), parquet=st.booleans())
def test_hostile_ids_come_back_exactly(tmp_path_factory, ids, parquet):
    path = tmp_path_factory.mktemp("ids") / "demand.csv"
    if parquet:
        rows = {"item_id": ids, "ds": ["2024-01-01"] * len(ids), "y": [1] * len(ids)}
        pq.write_table(pa.table(rows), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv_module.writer(handle)
            writer.writerows([("item_id", "ds", "y"), *((item, "2024-01-01", 1) for item in ids)])
    read = read_demand(path, ReadingRequest(today=date(2024, 6, 30)))
    assert read.table["item_id"].to_pylist() == sorted(ids)


@pytest.mark.parametrize(
    "item",
    ["NA", "null", "nan", "../../etc", "a/b", '"', "line\nbreak", "🔧", "x" * 300, "007", "1e5"],
)  # fmt: skip
def test_texts_that_look_like_something_else_stay_ids(file, options, item):
    quoted = item.replace('"', '""')
    path = file(f'item_id,ds,y\n" {quoted} ",2024-01-01,1\n')
    assert read_demand(path, options()).table["item_id"].to_pylist() == [item]
