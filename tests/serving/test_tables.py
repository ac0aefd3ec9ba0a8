"""The index of a table whose items lie across row groups, or in several places."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from serving.query import cut_page
from serving.tables import load_table

GROUPED = [f"I{number // 5}" for number in range(50)]
SCATTERED = [f"I{number % 4}" if number % 9 else None for number in range(50)]


@pytest.mark.parametrize("items", [GROUPED, SCATTERED], ids=["grouped", "scattered"])
@pytest.mark.parametrize("group", [1, 7, 50])
def test_rows_of_an_item_are_found_wherever_row_groups_end(tmp_path, items, group):
    values = [None if row % 11 == 0 else row / 7 for row in range(50)]
    flags = [row % 3 == 0 for row in range(50)]
    table = pa.table({"item_id": items, "value": values, "flag": flags})
    path = tmp_path / "table.parquet"
    pq.write_table(table, path, row_group_size=group)
    numbers = {}
    loaded = load_table("table", [path], numbers, tmp_path)
    assert set(numbers) == set(items) - {None}
    for item, number in numbers.items():
        expected = [row for row in table.to_pylist() if row["item_id"] == item]
        spans = loaded.spans_of(number)
        found = [row for span in spans for row in loaded.rows_of(span, loaded.names)]
        assert found == expected
        assert loaded.arrow(spans, loaded.names).to_pylist() == expected
        first = cut_page(spans, 0, 3)
        rest = cut_page(spans, first.following, 100)
        again = [row for span in (*first.spans, *rest.spans)
                 for row in loaded.rows_of(span, loaded.names)]  # fmt: skip
        assert again == expected
    flagged = [row for row in range(50) if flags[row] and row >= 5]
    assert loaded.find((5, 50), {"flag": True}, 100) == flagged
    if group < 50 and items is GROUPED:  # one span each, wherever the groups end
        assert all(len(loaded.spans_of(number)) == 1 for number in numbers.values())
