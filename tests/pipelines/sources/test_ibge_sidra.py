import pytest

from pipelines.sources.ibge_sidra import IbgeSidra
from tests.pipelines.sources.conftest import one_line, wrong_bodies
from tests.pipelines.sources.payloads_money import (
    SIDRA_HEADER,
    answered,
    as_json,
    sidra,
    values_of,
    wanted,
)

SOURCE = IbgeSidra("http://x")


def parse(tmp_path, body, **window):
    (call,) = SOURCE.calls([wanted("ipca", "1737/63", **{"first": "2024-12-15", **window})])
    return SOURCE.parse(call, answered(tmp_path, body))


def test_the_request_names_table_and_variable():
    (call,) = SOURCE.calls([wanted("ipca", "1737/63")])
    assert call.url == "http://x/values/t/1737/n1/all/v/63/p/all"


def test_the_header_is_no_month_and_values_are_texts(tmp_path):
    found = parse(tmp_path, sidra({"202412": "0.52", "202501": "0.16", "202502": "1.31"}))
    assert values_of(found) == {"2024-12-01": 0.52, "2025-01-01": 0.16, "2025-02-01": 1.31}
    assert found.notes == ()


@pytest.mark.parametrize("marker", ["..", "...", "-", "X", None, ""])
def test_each_marker_of_a_missing_value_is_left_out_and_counted(tmp_path, marker):
    found = parse(tmp_path, sidra({"202501": "0.16", "202502": marker}))
    assert values_of(found) == {"2025-01-01": 0.16}
    assert found.notes == ("1 of 2 values are null",)


def test_months_before_the_first_and_after_the_run_are_left_out_and_counted(tmp_path):
    months = {"197912": "5.00", "202411": "0.39", "202412": "0.52", "202504": "0.43"}
    found = parse(tmp_path, sidra(months), last="2025-04-30")
    assert values_of(found) == {"2024-12-01": 0.52}
    assert found.notes == (
        "2 of 4 values are of days not asked for",
        "1 of 2 values are of days after 2025-03-10",
    )


@wrong_bodies(
    ("Parâmetro inválido: V".encode(), "plain text instead of JSON"),
    (b"{}", "the answer is dict, not a list"),
    (b"[]", "no months in 0 records: is variable 63 of table 1737 right"),
    (as_json([SIDRA_HEADER]), "no months in 1 records"),
    (sidra({"202501": "1"}, variable="2266"), "not variable 63 of table 1737 but variable 2266"),
    (sidra({"202501": "1", "202502": "2"}, header=False), "the first record is not the header"),
    (sidra({"202501": "1"}).replace(b"D3C", b"D4C"), "a record without D3C"),
    (sidra({"202501": "0,16"}), "1 of 1 values cannot be read"),
    (sidra({"202501": "6710.22"}), r"outside \[-5, 100\]"),
)
def test_what_is_no_data_is_one_line_with_source_series_and_cause(tmp_path, body, cause):
    with one_line(rf"ibge_sidra: ipca: .*{cause}"):
        parse(tmp_path, body)


def test_a_month_that_is_none_is_counted(tmp_path):
    months = sidra({"202501": "0.16", "202502": "1.31", "202403": "9"})
    found = parse(tmp_path, months.replace(b'"202403"', b'"202413"'))
    assert values_of(found) == {"2025-01-01": 0.16, "2025-02-01": 1.31}
    assert found.notes == ("1 of 3 values cannot be read, first: '202413: 9'",)
