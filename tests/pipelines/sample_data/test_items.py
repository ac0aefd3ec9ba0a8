import numpy as np
import pandas as pd
import pytest

from pipelines.sample_data.items import FAMILIES
from pipelines.sample_data.sample import generate


def test_families_and_tiers_have_their_shares_to_the_nearest_item(truth):
    counts = np.bincount(truth.items.family, minlength=10)
    assert counts == pytest.approx(600 * FAMILIES["share"].to_numpy(), abs=1)
    antennas = truth.items.tier[truth.items.family == 4]
    # 60 antennas: none fast, 9 medium, 39 slow, 12 insurance; successors take their parent's tier
    assert np.bincount(antennas, minlength=4) == pytest.approx([0, 9, 39, 12], abs=3)


def test_the_default_sample_has_all_ten_families(sample):
    assert len(set(sample.truth.items.family)) == 10
    assert len(set(sample.truth.items.ids)) == 72


def test_ids_look_like_part_numbers_and_are_sorted(sample):
    ids = list(sample.items["item_id"])
    assert ids == sorted(ids)
    assert all(pd.Series(ids).str.fullmatch(r"[A-Z]{3}-\d{4}"))


def test_size_moments_are_those_of_drawn_sizes(truth):
    arrivals, items = truth.arrivals, truth.items
    mean, square = items.size_moments()
    counts = np.bincount(arrivals.item, minlength=600)
    often = counts > 400
    drawn = np.bincount(arrivals.item, arrivals.units, 600)[often] / counts[often]
    drawn_square = np.bincount(arrivals.item, arrivals.units**2, 600)[often] / counts[often]
    assert np.median(drawn / mean[often]) == pytest.approx(1, abs=0.02)
    assert np.median(drawn_square / square[often]) == pytest.approx(1, abs=0.05)


def test_most_items_leave_from_one_to_four_sites(truth):
    active = (truth.items.site_share > 0).sum(axis=1)
    assert 1 <= np.median(active) <= 4
    assert truth.items.site_share.sum(axis=1) == pytest.approx(np.ones(600))


def test_arrivals_are_spread_over_the_sites_in_their_shares(truth):
    drawn = np.bincount(truth.arrivals.site, minlength=truth.items.site_share.shape[1])
    counts = np.bincount(truth.arrivals.item, minlength=600)
    expected = counts @ truth.items.site_share
    assert drawn / drawn.sum() == pytest.approx(expected / expected.sum(), abs=0.01)


def test_a_successor_takes_over_on_the_day_its_predecessor_ends(sample):
    truth, events = sample.truth, sample.truth.life.events
    old = events[events["event"] == "superseded"]
    assert len(old) == 2  # 3 % of 72
    for event in old.itertuples():
        a, b = truth.items.ids.index(event.item_id), truth.items.ids.index(event.other_item_id)
        assert truth.rate[a, event.day :].max() == 0
        assert truth.rate[b, : event.day].max() == 0
        assert truth.items.rate[a] == truth.items.rate[b]
        assert np.isnan(truth.demand[b, : event.day]).all()
        assert (truth.demand[a, event.day :] == 0).all()
    status = sample.items.set_index("item_id")["status"]
    assert set(status[list(old["item_id"])]) == {"obsolete"}


def test_every_kind_of_life_has_its_share(truth):
    counts = truth.life.events["event"].value_counts()
    # of 600: 10 % obsolescence, 7 % new, 3 % supersessions (two items each), 3 % level shifts
    assert counts.to_dict() == {
        "obsolete": 60,
        "new": 42,
        "superseded": 18,
        "successor": 18,
        "level_shift": 18,
    }
    assert not truth.life.events["item_id"].duplicated().any()


def test_a_level_shift_changes_the_rate_at_once_and_by_its_factor(truth):
    events = truth.life.events
    for event in events[events["event"] == "level_shift"].itertuples():
        row = truth.rate[truth.items.ids.index(event.item_id)]
        weeks = np.array([row[event.day - 7 : event.day].sum(), row[event.day :][:7].sum()])
        usual = np.exp(truth.drivers.log_calendar)
        base = np.array([usual[event.day - 7 : event.day].sum(), usual[event.day :][:7].sum()])
        change = (weeks / base)[1] / (weeks / base)[0]
        assert np.log(change) == pytest.approx(np.log(event.factor), abs=0.45)


def test_items_do_not_depend_on_the_number_of_days():
    few, many = (generate(20, np.datetime64("2025-01-01"), days, 4).truth for days in (60, 120))
    assert few.items.ids == many.items.ids
    assert np.array_equal(few.items.rate, many.items.rate)
    assert np.array_equal(few.items.site_share, many.items.site_share)


@pytest.mark.parametrize(
    ("n_items", "days"), [pytest.param(9, 100, id="items"), pytest.param(20, 59, id="days")]
)
def test_too_small_a_sample_is_refused(n_items, days):
    with pytest.raises(ValueError, match="needs 10 items and 60 days"):
        generate(n_items, np.datetime64("2025-01-01"), days, 0)
