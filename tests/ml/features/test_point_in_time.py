"""The one rule over every feature: nothing that came later changes what was known."""

import time
from dataclasses import astuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ml.features.compute import features_at
from ml.features.declarations import FEATURES
from tests.ml.features.outside_tables import months, published, world

FIRST, LAST = np.datetime64("2022-01-01"), np.datetime64("2024-12-31")
CUTOFFS = [np.datetime64(day) for day in ("2022-03-01", "2023-02-20", "2023-12-31", "2024-05-04")]
cutoffs = pytest.mark.parametrize("cutoff", CUTOFFS, ids=str)


@pytest.fixture(scope="module")
def tables():
    return world()


def frame_at(tables, cutoff, region="salvador_ba", first=FIRST, last=LAST):
    return features_at(tables, cutoff, first, last, region=region)


def same(one, other):
    assert one.names == other.names
    np.testing.assert_array_equal(one.values, other.values)
    assert astuple(one)[3:] == astuple(other)[3:]


def instant(moment):
    return pa.scalar(moment.astype("datetime64[us]"), pa.timestamp("us"))


def known_mask(table, cutoff):
    return pc.less(table["available_at"], instant(cutoff + 1))


def with_later_changed(table, cutoff):
    later = pc.invert(known_mask(table, cutoff))
    values = pc.if_else(later, pc.add(pc.multiply(table["value"], -3.0), 1e6), table["value"])
    return table.set_column(table.column_names.index("value"), "value", values)


def with_later_deleted(table, cutoff):
    return table.filter(known_mask(table, cutoff))


def with_later_added(table, cutoff):
    """Every row again a day after the cutoff with another value, and a region never seen."""
    again = table.drop_columns(["available_at", "value"])
    after = pa.repeat(instant(cutoff + 1), table.num_rows)
    again = again.append_column("available_at", after)
    again = again.append_column("value", pa.repeat(777.0, table.num_rows))
    again = again.select(table.column_names).cast(table.schema)
    new = again.set_column(1, "region", pa.repeat("manaus_am", table.num_rows))
    return pa.concat_tables([table, again, new.cast(table.schema)])


@cutoffs
@pytest.mark.parametrize("region", ["salvador_ba", "natal_rn"], ids=["a city", "the mean"])
@pytest.mark.parametrize("later", [with_later_changed, with_later_deleted, with_later_added])
def test_rows_that_came_after_the_cutoff_change_no_feature(tables, cutoff, later, region):
    other = {name: later(table, cutoff) for name, table in tables.items()}
    assert any(not other[name].equals(tables[name]) for name in tables)
    same(frame_at(tables, cutoff, region), frame_at(other, cutoff, region))


def test_the_rule_above_is_put_to_every_feature(tables):
    frame = frame_at(tables, CUTOFFS[-1])
    assert frame.names == tuple(feature.name for feature in FEATURES)
    never = [x.name for x, v in zip(FEATURES, frame.values.T, strict=True) if np.isnan(v).all()]
    assert not never
    constant = [n for n, v in zip(frame.names, frame.values.T, strict=True) if np.nanstd(v) == 0]
    assert not constant


def test_rows_known_at_the_cutoff_do_change_the_features(tables):
    # Else the rule above would hold of features that look at nothing.
    cutoff = CUTOFFS[2]
    other = {name: with_later_changed(table, cutoff - 200) for name, table in tables.items()}
    ours, theirs = frame_at(tables, cutoff), frame_at(other, cutoff)
    equal = {
        x: np.array_equal(ours.column(x), theirs.column(x), equal_nan=True) for x in ours.names
    }
    assert equal == {feature.name: feature.group == "calendar" for feature in FEATURES}


@cutoffs
def test_the_order_of_rows_changes_nothing(tables, cutoff):
    rng = np.random.default_rng(0)
    other = {name: t.take(pa.array(rng.permutation(t.num_rows))) for name, t in tables.items()}
    same(frame_at(tables, cutoff), frame_at(other, cutoff))


@cutoffs
def test_past_only_features_end_at_the_cutoff_and_the_calendar_does_not(tables, cutoff):
    frame = frame_at(tables, cutoff)
    for feature in FEATURES:
        ahead = frame.column(feature.name)[frame.days > cutoff]
        known = ~np.isnan(ahead)
        assert known.all() if feature.role == "future_known" else not known.any(), feature.name


def test_weather_of_a_day_is_not_known_before_the_next(tables):
    frame = frame_at(tables, CUTOFFS[1])
    for name in ("precipitation_mm", "storm_load", "humidity_load_60d", "rain_30d"):
        known = frame.days[~np.isnan(frame.column(name))]
        assert known[-1] == CUTOFFS[1] - 1, name


def test_a_value_does_not_depend_on_the_days_asked_for(tables):
    cutoff = CUTOFFS[3]
    whole = frame_at(tables, cutoff)
    part = frame_at(tables, cutoff, first=np.datetime64("2024-04-01"), last=cutoff)
    days = np.isin(whole.days, part.days)
    np.testing.assert_array_equal(whole.values[days], part.values)
    before = frame_at(tables, cutoff, first=np.datetime64("2019-01-01"))
    np.testing.assert_array_equal(before.values[before.days >= FIRST], whole.values)


def test_a_revision_changes_features_from_the_day_on_which_it_was_served():
    rain = np.tile([0.0, 3.0, 9.0], 100)
    days = ("precipitation_mm", "salvador_ba", "2024-01-01", rain, 1)
    late = ("precipitation_mm", "salvador_ba", ["2024-03-05"], [200.0], ["2024-09-02"])
    day = np.datetime64("2024-09-01")
    for cutoff, rain_known in ((day, 3.0), (day + 1, 200.0), (day + 2, 200.0)):
        plain = frame_at({"climate": published("climate", days)}, cutoff)
        revised = frame_at({"climate": published("climate", days, late)}, cutoff)
        at = np.flatnonzero(revised.days == np.datetime64("2024-03-05"))[0]
        assert revised.column("precipitation_mm")[at] == rain_known
        if cutoff == day:
            same(plain, revised)
        else:
            assert revised.column("rain_30d")[at] > plain.column("rain_30d")[at]


def test_the_last_moment_of_the_cutoff_counts_and_the_next_does_not():
    for moment, known in (("2024-01-05T23:59:59.999999", 1), ("2024-01-06T00:00:00", 0)):
        table = published("economic", ("selic", None, ["2024-01-01"], [10.0], ["2024-01-01"]))
        at = table.column_names.index("available_at")
        available = pa.array([np.datetime64(moment, "us")])
        table = table.set_column(at, "available_at", available)
        frame = frame_at({"economic": table}, np.datetime64("2024-01-05"))
        assert (~np.isnan(frame.column("selic"))).sum() == 5 * known


def test_a_day_that_its_publisher_withdraws_is_unknown_from_then_on():
    table = published(
        "climate",
        ("humidity_percent", "salvador_ba", "2024-01-01", [70.0, 71.0, 72.0], 1),
        ("humidity_percent", "salvador_ba", ["2024-01-02"], [np.nan], ["2024-01-08"]),
    )
    day = np.datetime64("2024-01-01")
    for cutoff, expected in (("2024-01-07", 71.0), ("2024-01-08", np.nan)):
        frame = frame_at({"climate": table}, np.datetime64(cutoff), first=day, last=day + 9)
        assert frame.column("humidity_percent")[1] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("region", ["salvador_ba", "recife_pe"])
def test_the_values_of_another_region_change_nothing(tables, region):
    rng = np.random.default_rng(1)
    own = {region, region[-2:].upper()}
    other = dict(tables)
    for name in ("climate", "anatel_5g"):
        table = tables[name]
        foreign = ~np.isin(table["region"].to_pylist(), list(own))
        values = table["value"].to_numpy().copy()
        values[foreign] = rng.permutation(values[foreign])
        other[name] = table.set_column(4, "value", pa.array(values))
    assert not other["climate"].equals(tables["climate"])
    same(frame_at(tables, CUTOFFS[3], region), frame_at(other, CUTOFFS[3], region))


def test_regions_have_values_of_their_own(tables):
    one, two = (frame_at(tables, CUTOFFS[3], region) for region in ("salvador_ba", "recife_pe"))
    assert not np.array_equal(one.column("is_storm"), two.column("is_storm"), equal_nan=True)
    assert dict(zip(one.names, one.regions, strict=True))["fiveg_share"] == "BA"
    assert dict(zip(two.names, two.regions, strict=True))["storm_load"] == "recife_pe"


def test_the_mean_of_regions_stands_in_for_one_that_is_missing_and_that_is_said():
    table = published(
        "climate",
        ("humidity_percent", "recife_pe", "2024-01-01", [60.0, 70.0, np.nan], 1),
        ("humidity_percent", "fortaleza_ce", "2024-01-01", [80.0, np.nan, np.nan], 1),
    )
    frame = frame_at({"climate": table}, np.datetime64("2024-02-01"), "natal_rn")
    values = frame.column("humidity_percent")[frame.days >= np.datetime64("2024-01-01")][:3]
    assert values.tolist()[:2] == [70.0, 70.0]  # half of the regions are enough for weather
    assert np.isnan(values[2])
    assert frame.regions[-1] == "mean"
    assert any("nothing of 'natal_rn'" in said and "2 regions" in said for said in frame.statements)


def test_a_mean_of_states_waits_for_all_of_them():
    # A newest month that one state alone has would make the mean jump.
    table = published(
        "anatel_5g",
        ("fiveg_accesses", "BA", months("2024-01", 3), [10.0, 12.0, 14.0], 40),
        ("fiveg_accesses", "SP", months("2024-01", 2), [100.0, 120.0], 40),
    )
    frame = frame_at({"anatel_5g": table}, np.datetime64("2024-05-01"), "natal_rn")
    assert frame.column("fiveg_accesses")[frame.days == np.datetime64("2024-05-01")] == 66.0


def test_features_of_a_missing_table_are_left_out(tables):
    assert {f.group for f in frame_at({}, CUTOFFS[0]).features} == {"calendar"}
    some = frame_at({"prices": tables["prices"]}, CUTOFFS[0])
    assert {f.group for f in some.features} == {"calendar", "prices"}


def test_a_table_of_which_nothing_was_known_yet_gives_missing_values_and_a_sentence(tables):
    frame = frame_at(tables, np.datetime64("2021-06-01"))
    assert len(frame.features) == len(FEATURES)
    past = [i for i, feature in enumerate(FEATURES) if feature.role == "past_only"]
    assert np.isnan(frame.values[:, past]).all()
    assert "climate: nothing was known by 2021-06-01" in " ".join(frame.statements)


def test_a_region_outside_brazil_keeps_the_national_holidays_and_says_so():
    frame = frame_at({}, CUTOFFS[0], "lisboa_pt")
    assert "'PT' is no Brazilian state" in frame.statements[0]
    second_of_july = frame.days == np.datetime64("2023-07-02")
    assert frame.column("is_holiday")[second_of_july].tolist() == [0.0]


def test_a_frame_that_ends_before_it_begins_is_refused(tables):
    with pytest.raises(ValueError, match="must not lie before first, got 2024-12-31 to 2022"):
        frame_at(tables, CUTOFFS[0], first=LAST, last=FIRST)


def test_six_years_of_days_are_computed_in_half_a_second():
    tables = world(days=6 * 365)
    cutoff = np.datetime64("2027-12-01")
    features_at(tables, cutoff, FIRST, cutoff, region="salvador_ba")  # libraries load once
    start = time.process_time()
    features_at(tables, cutoff, FIRST, cutoff + 90, region="salvador_ba")
    assert time.process_time() - start < 0.5
