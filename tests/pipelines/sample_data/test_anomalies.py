import numpy as np
import pandas as pd

from pipelines.sample_data.ledger import record


def recorded(sample, label):
    """Units in the clean ledger within the dates, and at the site, of an anomaly."""
    rows = sample.clean[sample.clean["item_id"] == label.item_id]
    rows = rows[rows["date"].between(label.first_date, label.last_date)]
    return rows[rows["site_id"] == label.site_id] if isinstance(label.site_id, str) else rows


def test_the_ledger_holds_what_each_label_says(sample):
    for label in sample.anomalies.itertuples():
        if label.kind != "dead_sensor":
            assert recorded(sample, label)["quantity"].sum() == label.units_after, label


def test_the_ledger_differs_from_what_was_served_by_the_anomalies_alone(sample):
    truth = sample.truth
    served = record(truth)
    before, after = served.units.sum(), sample.clean["quantity"].sum()
    labels = sample.anomalies
    planted = labels["units_after"].sum() - labels["units_before"].sum()
    assert after - before == planted
    booked = np.zeros(truth.rate.shape)
    np.add.at(booked, (served.item, served.day), served.units)
    assert np.array_equal(booked, truth.stock.served)


def test_there_is_a_spike_for_every_three_items_and_years(sample):
    spikes = sample.anomalies[sample.anomalies["kind"] == "spike"]
    assert len(spikes) == 72  # 72 items x 3 years / 3


def test_theft_and_flood_hit_many_items_on_one_day(sample):
    for kind in ("theft", "flood"):
        events = sample.anomalies[sample.anomalies["kind"] == kind]
        assert (events.groupby("first_date")["item_id"].nunique() >= 3).all()


def test_a_doubled_week_counts_twice_and_a_dead_sensor_shows_two_weeks_of_zero(sample):
    labels = sample.anomalies
    doubled = labels[labels["kind"] == "doubled_week"]
    assert (doubled["units_after"] == 2 * doubled["units_before"]).all()
    for label in labels[labels["kind"] == "dead_sensor"].itertuples():
        rows = recorded(sample, label)
        assert (rows["quantity"] == 0).all()
        days = pd.Timestamp(label.last_date) - pd.Timestamp(label.first_date)
        assert days.days == 13
        assert label.units_before > 0


def test_every_item_has_a_line_each_day_from_its_launch_on_and_none_before(sample):
    truth = sample.truth
    lines = sample.clean.groupby("item_id")["date"].agg(["min", "nunique"])
    first = np.datetime_as_string(truth.days[truth.life.launch])
    assert lines.loc[list(truth.items.ids), "min"].tolist() == list(first)
    expected = len(truth.days) - truth.life.launch
    assert lines.loc[list(truth.items.ids), "nunique"].tolist() == expected.tolist()
    assert not sample.clean.duplicated(["item_id", "date", "site_id"]).any()
