"""The faults of the files are exactly those that the truth lists."""

import numpy as np
import pandas as pd
import pytest

from pipelines.sample_data.dirt import CHANGED, plant_dirt, plant_item_dirt
from pipelines.sample_data.items import FAMILIES

COLUMNS = ["item_id", "date", "site_id", "quantity", "is_stockout"]


def undone(file, truth, clean):
    """The file with every listed fault taken back: the ledger, if the list is complete."""
    rows = file.astype(object).set_axis(np.arange(len(file)) + 2)
    for kind, field in CHANGED.items():
        part = truth[truth["kind"] == kind]
        rows.loc[part["line"].astype(int), field] = part[field].to_numpy()
    extra = truth.loc[truth["kind"].isin(["duplicate", "return"]), "line"].astype(int)
    late = truth.loc[truth["kind"] == "late_posting", ["item_id", "date", "site_id", "quantity"]]
    rows = pd.concat([rows.drop(index=extra), late])[COLUMNS[:4]]
    rows["quantity"] = rows["quantity"].astype(float)
    return rows.sort_values(COLUMNS[:3], ignore_index=True)


def test_taking_back_every_listed_fault_gives_the_ledger_and_nothing_else_differs(sample):
    restored = undone(sample.observed, sample.dirt, sample.clean)
    expected = sample.clean[COLUMNS[:4]].sort_values(COLUMNS[:3], ignore_index=True)
    pd.testing.assert_frame_equal(restored, expected, check_dtype=False)


def test_every_listed_fault_is_written_in_the_file(sample):
    for kind, field in CHANGED.items():
        part = sample.dirt[sample.dirt["kind"] == kind]
        written = sample.observed[field].iloc[part["line"].astype(int) - 2]
        same = (written.to_numpy() == part["written"].to_numpy()) | written.isna().to_numpy()
        assert same.all(), kind
        assert (written.to_numpy() != part[field].to_numpy()).all(), kind


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        pytest.param("duplicate", 0.018, 0.022, id="duplicates are 2 % of the lines"),
        pytest.param("no_site", 0.10, 0.20, id="no site on 10 to 20 %"),
        pytest.param("missing_quantity", 0.010, 0.020, id="1 to 2 % missing at random"),
        pytest.param("date_typo", 0.0001, 0.0003, id="one date in 5,000"),
    ],
)
def test_each_kind_of_fault_has_its_share(sample, kind, low, high):
    share = (sample.dirt["kind"] == kind).sum() / len(sample.clean)
    assert low <= share <= high


def test_a_system_outage_leaves_every_item_empty_for_days_on_end(sample):
    down = sample.dirt.loc[sample.dirt["kind"] == "erp_outage", "date"].unique()
    day = pd.to_datetime(sample.observed["date"], errors="coerce")
    on_down_days = sample.observed[day.isin(pd.to_datetime(down))]
    assert on_down_days["quantity"].isna().all()
    assert 3 * 3 <= len(down) <= 10 * 6


def test_mistyped_dates_are_far_in_the_future_or_no_dates_at_all(sample):
    typos = sample.dirt.loc[sample.dirt["kind"] == "date_typo", "written"].astype(str)
    assert typos.str.endswith("-02-31").sum() == 1
    assert set(typos[~typos.str.endswith("-02-31")].str[:4]) == {"2099", "2202"}


def test_a_third_of_the_last_three_days_is_not_yet_in(sample):
    late = sample.dirt[sample.dirt["kind"] == "late_posting"]
    assert set(late["date"]) <= {"2026-10-29", "2026-10-30", "2026-10-31"}
    items = late.drop_duplicates(["item_id", "date"])
    assert 0.15 < len(items) / (3 * 72) < 0.45


def test_duplicates_stand_below_their_original_in_every_field(sample):
    lines = sample.dirt.loc[sample.dirt["kind"] == "duplicate", "line"].astype(int).to_numpy()
    text = sample.observed.astype(object).fillna("")
    copies, originals = text.iloc[lines - 2], text.iloc[lines - 3]
    assert (copies.to_numpy() == originals.to_numpy()).all()
    # Two movements of one day that both lost their site may look alike, too; nothing else does.
    repeated = set(np.flatnonzero(text.duplicated().to_numpy()) + 2)
    assert repeated >= set(lines)
    assert (text["site_id"].iloc[[line - 2 for line in repeated - set(lines)]] == "").all()


def test_returns_are_the_only_negative_quantities(sample):
    negative = np.flatnonzero(sample.observed["quantity"] < 0) + 2
    listed = sample.dirt.loc[sample.dirt["kind"] == "return", "line"].astype(int)
    assert set(negative) == set(listed)
    assert 0.005 <= len(listed) / (sample.clean["quantity"] > 0).sum() <= 0.02


def test_another_seed_plants_other_faults(sample):
    again, _ = plant_dirt(sample.clean, 0)
    pd.testing.assert_frame_equal(again, sample.observed)
    other, _ = plant_dirt(sample.clean, 1)
    assert not other.equals(sample.observed)


def test_changed_cells_of_the_item_file_are_all_listed(sample):
    restored = sample.items.copy()
    for row in sample.item_dirt.itertuples():
        where = restored["item_id"] == row.item_id
        assert restored.loc[where, row.column].item() == row.written
        restored.loc[where, row.column] = row.true
    assert set(restored["family"]) == set(FAMILIES["name"])
    again, _ = plant_item_dirt(restored, 0)
    pd.testing.assert_frame_equal(again, sample.items)


def test_some_items_have_names_that_differ_by_an_underscore_only(sample):
    names = sample.items["name"]
    twins = [name for name in names if "_" in name and name.replace("_", " ") in set(names)]
    assert twins
