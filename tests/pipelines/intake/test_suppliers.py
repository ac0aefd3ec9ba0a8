"""The user's suppliers."""

import pytest

from ml.contracts.demand import SUPPLIERS
from ml.errors import DataError
from pipelines.intake.items import read_suppliers
from pipelines.intake.quarantine import IntakeError

HEADER = "Fornecedor;Pedido mínimo;Custo do pedido;Moeda"


def test_names_in_portuguese_are_understood(csv, options):
    read = read_suppliers(csv("Beta;1.500,00;80,5;brl", "ACME;;30;", header=HEADER), options())
    assert read.table.schema.equals(SUPPLIERS.schema)
    assert read.table.to_pylist() == [
        {"supplier": "ACME", "min_order_value": None, "order_cost": 30.0, "currency": None},
        {"supplier": "Beta", "min_order_value": 1500.0, "order_cost": 80.5, "currency": "BRL"},
    ]


def test_amounts_below_zero_and_texts_are_set_aside_and_their_row_stays(csv, options):
    read = read_suppliers(csv("ACME;-5;much;BRL", ";7;;", header=HEADER), options())
    assert [one["min_order_value"] for one in read.table.to_pylist()] == [None]
    cells = set(read.quarantine.select("line", "column", "reason").iter_rows())
    assert cells == {
        (2, "Pedido mínimo", "out_of_range"), (2, "Custo do pedido", "unparsable_number"),
        (3, "Fornecedor", "empty_id"),
    }  # fmt: skip
    assert (read.count.read, read.count.used, read.count.aside) == (2, 1, 1)


def test_the_first_row_of_a_supplier_counts(csv, options):
    path = csv("ACME;5;;", "ACME;5;;", "ACME;6;;", header=HEADER)
    read = read_suppliers(path, options())
    assert read.table["min_order_value"].to_pylist() == [5.0]
    assert read.quarantine.select("line", "column", "reason").rows() == [
        (4, "Fornecedor", "repeated_key")
    ]
    with pytest.raises(DataError, match=r"2 rows of 3 repeat a supplier\. First: 'ACME'"):
        read_suppliers(path, options(duplicates="error"))


def test_a_file_without_names_or_rows_is_refused(csv, options):
    with pytest.raises(DataError, match="no column for 'supplier'"):
        read_suppliers(csv("5;6", header="moq;custo"), options())
    with pytest.raises(IntakeError, match="none of 1 row can be used"):
        read_suppliers(csv(";5;;", header=HEADER), options())
