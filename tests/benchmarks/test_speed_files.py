"""What changes in the user's files from case to case, and nothing else does."""

import pandas as pd
import pytest

from benchmarks.speed import files
from benchmarks.speed.files import LAST, draw_inputs

ITEMS = 25


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Two batches of a dozen items over 80 days."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "BATCH", 13)
        folder = tmp_path_factory.mktemp("speed") / "files"
        return draw_inputs(folder, items=ITEMS, days=80, seed=1)


def read(drawn, case, option):
    return pd.read_csv(drawn.cases[case].files[option], dtype=str, keep_default_na=False)


def test_every_batch_has_items_of_its_own(drawn):
    assert read(drawn, "cold", "--items-file")["item_id"].nunique() == ITEMS


def test_the_next_night_has_one_more_day_and_nothing_else_is_new(drawn):
    before, after = (read(drawn, case, "--demand") for case in ("cold", "next night"))
    assert set(after["date"]) - set(before["date"]) == {str(LAST + 1)}
    same = after[after["date"] != str(LAST + 1)].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, before)
    days = [drawn.cases[case].today for case in ("cold", "next night")]
    assert (days[1] - days[0]).days == 1


def test_a_revision_adds_units_to_some_lines_of_one_item_in_twenty_of_a_batch(drawn):
    before, after = (read(drawn, case, "--demand") for case in ("cold", "revised"))
    lines = before.index[before["quantity"] != after["quantity"]]
    more = after["quantity"][lines].astype(int) - before["quantity"][lines].astype(int)
    assert set(more) == {1}
    assert before["item_id"][lines].nunique() == 2  # one of each batch of a dozen
    rest = ["item_id", "date", "site_id", "is_stockout"]
    pd.testing.assert_frame_equal(before[rest], after[rest])


def test_where_only_the_stock_changes_it_does_so_in_counts_of_the_same_day(drawn):
    cold, changed = drawn.cases["cold"], drawn.cases["stock only"]
    assert {name for name in cold.files if cold.files[name] != changed.files[name]} == {
        "--inventory"
    }
    before, after = (read(drawn, case, "--inventory") for case in ("cold", "stock only"))
    assert (before["on_hand"] != after["on_hand"]).mean() > 0.5
    pd.testing.assert_frame_equal(before.drop(columns="on_hand"), after.drop(columns="on_hand"))


def test_peers_are_given_the_days_until_the_cold_run(drawn):
    assert (drawn.series.index[-1], len(drawn.series)) == (str(LAST), 80)
