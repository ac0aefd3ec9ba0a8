from datetime import datetime

import numpy as np
import pytest

from ml.contracts.base import check
from ml.contracts.outside import FEATURES_TABLE, GROUPS
from ml.features.compute import FeatureFrame, features_at
from ml.features.declarations import BY_NAME
from ml.features.output import JUDGED_BY, LEAST_DAYS, features_table, outlier_days, summary
from tests.ml.features.outside_tables import published, world

FIRST, CUTOFF = np.datetime64("2022-01-01"), np.datetime64("2024-05-04")


def weather(days=800, seed=1):
    rng = np.random.default_rng(seed)
    names = JUDGED_BY["climate"]
    values = rng.normal([25, 29, 78, 5, 20], [1.5, 1.5, 6, 3, 4], (days, 5))
    return FeatureFrame(tuple(BY_NAME[name] for name in names), FIRST + np.arange(days), values)


def with_values(frame, changes):
    values = frame.values.copy()
    for day, column, value in changes:
        values[day, column] = value
    return FeatureFrame(frame.features, frame.days, values)


def test_days_with_planted_faults_are_flagged():
    # -999 as a temperature, 430 mm of rain, humidity 0: faults seen in real files.
    planted = [(100, 0, -999.0), (300, 3, 430.0), (500, 2, 0.0)]
    flags = outlier_days(with_values(weather(), planted), seed=0)["climate"]
    assert flags[[100, 300, 500]].tolist() == [1, 1, 1]
    assert flags.sum() == 4  # half a percent of 800 days


def test_the_same_seed_flags_the_same_days_and_another_may_not():
    frame = weather()
    one, two = (outlier_days(frame, seed=0)["climate"] for _ in range(2))
    np.testing.assert_array_equal(one, two)
    others = [outlier_days(frame, seed=seed)["climate"] for seed in range(1, 4)]
    assert any(not np.array_equal(one, other) for other in others)


def test_a_day_with_a_gap_is_not_judged():
    flags = outlier_days(with_values(weather(), [(7, 1, np.nan)]), seed=0)["climate"]
    assert np.flatnonzero(np.isnan(flags)).tolist() == [7]


def test_a_short_history_is_not_judged():
    assert np.isnan(outlier_days(weather(LEAST_DAYS - 1), seed=0)["climate"]).all()
    assert not np.isnan(outlier_days(weather(LEAST_DAYS), seed=0)["climate"]).any()


def test_a_series_without_any_value_does_not_keep_the_others_from_being_judged():
    frame = with_values(weather(), [(day, 4, np.nan) for day in range(800)])
    assert not np.isnan(outlier_days(frame, seed=0)["climate"]).any()


@pytest.fixture(scope="module")
def frame():
    return features_at(world(), CUTOFF, FIRST, CUTOFF + 30, region="salvador_ba")


def test_the_table_keeps_its_contract_and_every_known_value(frame):
    flags = outlier_days(frame, seed=0)
    table = features_table(frame, CUTOFF, flags)
    check(table, FEATURES_TABLE)
    known = (~np.isnan(frame.values)).sum()
    assert table.num_rows - table["value"].null_count == known
    rows = {(r["feature"], r["ds"]): r for r in table.to_pylist()}
    for name, region, publisher in (
        ("storm_load", "salvador_ba", "salvador_ba office"),
        ("fiveg_share", "BA", "BA office"),
        ("selic", None, "national office"),
        ("is_carnival", "BA", None),
    ):
        row = rows[name, datetime(2023, 6, 1)]
        at = np.flatnonzero(frame.days == np.datetime64("2023-06-01"))[0]
        assert row["value"] == frame.column(name)[at]
        assert (row["region"], row["published_by"]) == (region, publisher)
        assert row["unit"] == BY_NAME[name].unit


def test_rows_after_the_cutoff_are_of_the_calendar_alone(frame):
    table = features_table(frame, CUTOFF, {})
    after = table["ds"].to_numpy() > CUTOFF
    assert set(table.filter(after)["feature_group"].to_pylist()) == {"calendar"}
    assert after.sum() == 30 * 10
    assert table["is_outlier"].null_count == table.num_rows


def test_the_flag_of_a_day_is_on_all_features_of_its_group(frame):
    flags = outlier_days(frame, seed=0)
    table = features_table(frame, CUTOFF, flags)
    flagged = table.filter(table["is_outlier"])
    assert set(flagged["feature_group"].to_pylist()) == set(JUDGED_BY)
    days = {str(day)[:10] for day in flagged["ds"].to_numpy()}
    expected = {str(d) for group in flags.values() for d in frame.days[group == 1]}
    assert days == expected


def test_the_summary_has_a_line_a_group(frame):
    lines = summary(frame, CUTOFF, outlier_days(frame, seed=0))
    words = [line.split() for line in lines]
    assert [line[0] for line in words[1:]] == list(GROUPS)
    # 855 days from 1 January 2022 to 4 May 2024, 30 more of the calendar.
    assert words[1][1:] == ["10", "885", "2022-01-01", "2024-06-03", "100%", "-"]
    assert words[2][1:5] == ["16", "855", "2022-01-01", "2024-05-03"]


def test_the_summary_shows_a_group_of_which_nothing_is_known():
    late = {"economic": published("economic", ("selic", None, "2025-01-01", [10.0], 0))}
    empty = features_at(late, CUTOFF, FIRST, CUTOFF, region="salvador_ba")
    assert summary(empty, CUTOFF, {})[2].split() == ["economy", "9", "855", "-", "-", "0%", "-"]
