"""The user's items."""

from datetime import datetime

import pytest

from ml.contracts.demand import ITEMS
from ml.errors import DataError
from pipelines.intake.items import read_items
from pipelines.intake.quarantine import IntakeError


def given(read, row=0):
    return {name: value for name, value in read.table.to_pylist()[row].items() if value is not None}


def test_usual_names_are_understood(csv, options):
    header = (
        "Código;Nome;Família;lead_time;min_order_qty;Custo;Moeda;Criticidade;active;"
        "nível de serviço;cor"
    )
    path = csv("A;Cabo;Cabos;7,5;10;1.234,56;brl;9;true;95;azul", header=header)
    read = read_items(path, options())
    assert given(read) == {
        "item_id": "A",
        "name": "Cabo",
        "family": "Cabos",
        "lead_time_days_mean": 7.5,
        "moq": 10.0,
        "unit_cost": 1234.56,
        "currency": "BRL",
        "criticality": "A",
        "status": "active",
        "service_target": 0.95,
    }
    assert read.frequency is None
    assert read.table.schema.equals(ITEMS.schema)
    assert any("1 column not used: 'cor'" in statement for statement in read.statements)
    assert any("7 or more = A, 4 or more = B" in statement for statement in read.statements)
    assert any("read as percentages" in statement for statement in read.statements)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [("a", "A"), ("Insurance", "insurance"), ("média", "B"), ("10", "A"), ("7", "A"), ("6.9", "B"),
     ("4", "B"), ("3", "C"), ("0", "C"), ("", None)],
)  # fmt: skip
def test_criticality_becomes_one_of_its_words(csv, options, text, meaning):
    read = read_items(csv(f"A,{text}", header="item_id,criticality"), options())
    assert read.table["criticality"].to_pylist() == [meaning]
    assert read.quarantine.height == 0


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [("criticality", "11", "out_of_range"), ("criticality", "huge", "unknown_word"),
     ("status", "asleep", "unknown_word"), ("lead_time", "x", "unparsable_number"),
     ("unit_cost", "-1", "out_of_range"), ("unit_cost", "inf", "infinite_number"),
     ("service_level", "100", "out_of_range"), ("service_level", "0", "out_of_range"),
     ("service_level", "101", "out_of_range"), ("service_level", "2", "out_of_range"),
     ("moq", "1e12", "out_of_range"), ("max_stock", "9999999999", "out_of_range")],
)  # fmt: skip
def test_a_bad_cell_is_set_aside_and_counts_as_not_given(csv, options, column, text, reason):
    read = read_items(csv(f"A,Cabo,{text}", header=f"item_id,name,{column}"), options())
    assert given(read) == {"item_id": "A", "name": "Cabo"}
    cells = read.quarantine.to_dicts()
    assert [(cell["line"], cell["column"], cell["value"], cell["reason"]) for cell in cells] == [
        (2, column, text, reason)
    ]


def test_a_cost_of_zero_is_not_given_and_said(csv, options):
    path = csv("A,0.00,0,0", "B,2.5,0,0", header="item_id,unit_cost,stockout_cost,moq")
    read = read_items(path, options())
    assert read.table["unit_cost"].to_pylist() == [None, 2.5]
    assert read.table["stockout_cost"].null_count == 2
    assert given(read)["moq"] == 0.0
    said = [one for one in read.statements if "taken as not given" in one]
    assert [("1 cell" in said[0], "2 cells" in said[1])] == [(True, True)]
    assert read.quarantine.is_empty()


def test_the_first_row_of_an_item_counts(csv, options):
    path = csv("B,x", "A,one", "A,one", "A,two", header="sku,name")
    read = read_items(path, options())
    assert read.table["item_id"].to_pylist() == ["A", "B"]
    assert read.table["name"].to_pylist() == ["one", "x"]
    assert read.quarantine["line"].to_list() == [5]
    assert read.quarantine["reason"].to_list() == ["repeated_key"]


def test_repeated_items_are_refused_on_demand(csv, options):
    with pytest.raises(DataError, match=r"1 row of 2 repeat an item\. First: 'A'"):
        read_items(csv("A,one", "A,one", header="sku,name"), options(duplicates="error"))


def test_a_row_without_an_id_is_set_aside(csv, options):
    read = read_items(csv(",x", "NA,y", header="sku,name"), options())
    assert given(read) == {"item_id": "NA", "name": "y"}
    assert read.quarantine["reason"].to_list() == ["empty_id"]


def test_a_file_without_any_id_is_refused(csv, options):
    with pytest.raises(IntakeError, match=r"none of 1 row can be used \(1 empty_id\)"):
        read_items(csv(",x", header="sku,name"), options())


def test_files_of_different_columns_are_put_together(file, options):
    file("sku,name\nA,Cabo\n", "items/a.csv")
    path = file("sku,moq\nB,5\n", "items/b.csv").parent
    read = read_items(path, options())
    assert [given(read, 0), given(read, 1)] == [
        {"item_id": "A", "name": "Cabo"},
        {"item_id": "B", "moq": 5.0},
    ]


def test_supplier_and_shelf_life_are_read_by_their_usual_names(csv, options):
    read = read_items(csv("A;ACME Ltda;180", header="sku;fornecedor;validade"), options())
    assert given(read) == {"item_id": "A", "supplier": "ACME Ltda", "shelf_life_days": 180.0}


def test_terms_of_an_item_are_read_by_their_usual_names(csv, options):
    header = "sku;custo_pedido;situacao;fim_de_suporte;substituto"
    read = read_items(csv("A;35,50;última compra;31/12/2031;B-7", header=header), options())
    assert given(read) == {
        "item_id": "A", "order_cost": 35.5, "status": "last_buy",
        "needed_until": datetime(2031, 12, 31), "successor_item_id": "B-7",
    }  # fmt: skip
