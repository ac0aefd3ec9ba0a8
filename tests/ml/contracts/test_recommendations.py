import pyarrow as pa
import pytest

from ml.contracts.recommendations import FLAGS, RECOMMENDATIONS, join_flags


def test_flags_become_one_sorted_text_without_repeats():
    assert join_flags(["stale_inventory", "few_demands", "stale_inventory"]) == (
        "few_demands;stale_inventory"
    )


def test_no_flags_are_an_empty_text_and_not_null():
    assert join_flags([]) == ""


def test_a_flag_outside_the_vocabulary_is_refused():
    with pytest.raises(ValueError, match="unknown quality flags \\['made_up'\\]"):
        join_flags(["few_demands", "made_up"])


def test_no_flag_contains_the_separator():
    assert not [flag for flag in FLAGS if ";" in flag]


def test_one_row_an_item_and_place_whatever_the_run():
    assert RECOMMENDATIONS.key == ("item_id", "location_id")
    assert RECOMMENDATIONS.volatile == ("run_id",)


def test_columns_are_flat_and_each_says_what_it_is():
    flat = {pa.int64(), pa.float64(), pa.string(), pa.bool_(), pa.timestamp("us")}
    assert {column.dtype for column in RECOMMENDATIONS.columns} <= flat
    assert not [column.name for column in RECOMMENDATIONS.columns if not column.description]
    assert len(set(RECOMMENDATIONS.names)) == len(RECOMMENDATIONS.names)


def test_numbers_that_may_not_be_computable_are_nullable():
    always = {column.name for column in RECOMMENDATIONS.columns if not column.nullable}
    assert always == {
        *("run_id", "item_id", "location_id", "as_of", "data_cutoff", "frequency", "mode"),
        *("action", "reason_code", "reason_text", "confidence", "quality_flags"),
    }
