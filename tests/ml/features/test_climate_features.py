import numpy as np
import pytest

from ml.features.climate import wet_bulb
from ml.features.compute import features_at
from ml.features.windows import any_of, carry, exceeds, fading_sum, rolling_mean, stand
from tests.ml.features.outside_tables import published

FIRST = np.datetime64("2023-01-01")


def climate(cutoff_after=None, **series):
    """Features of one city whose values are all known on their own day."""
    rows = [(name, "salvador_ba", str(FIRST), values, 0) for name, values in series.items()]
    days = len(next(iter(series.values())))
    cutoff = FIRST + (days - 1 if cutoff_after is None else cutoff_after)
    table = published("climate", *rows)
    return features_at({"climate": table}, cutoff, FIRST, FIRST + days - 1, region="salvador_ba")


def test_wet_bulb_matches_the_published_example():
    # Stull (2011), below eq. 1: 20 deg C and 50 % give 13.7 deg C.
    assert wet_bulb(np.array([20.0]), np.array([50.0])) == pytest.approx([13.7], abs=0.05)


def test_wet_bulb_stays_between_dew_point_and_temperature():
    # Second way: the Magnus dew point, which lies below the wet bulb.
    temperature, humidity = np.meshgrid(np.arange(10.0, 41, 5), np.arange(20.0, 100, 10))
    found = wet_bulb(temperature, humidity)
    gamma = np.log(humidity / 100) + 17.625 * temperature / (243.04 + temperature)
    dew_point = 243.04 * gamma / (17.625 - gamma)
    assert (found < temperature + 0.3).all()
    assert (found > dew_point - 0.3).all()


def test_saturated_air_is_taken_at_the_end_of_the_formulas_range():
    air = np.array([25.0, 25.0])
    at_end, saturated = wet_bulb(air, np.array([99.0, 100.0]))
    assert at_end == saturated == pytest.approx(25.0, abs=0.5)


def test_a_storm_is_rain_above_the_citys_own_quantile():
    # 200 days with 1 to 200 mm: the 98 % quantile lies at position 0.98 * 199 = 195.02, that is
    # 196.02 mm, so 197, 198, 199 and 200 mm are storms.
    rain = np.random.default_rng(0).permutation(np.arange(1.0, 201))
    found = climate(precipitation_mm=rain)
    assert sorted(rain[found.column("is_storm") == 1]) == [197, 198, 199, 200]


def test_the_quantile_is_of_what_was_known_then():
    rain = np.concatenate([np.arange(200) % 50 + 1.0, np.full(30, 500.0)])
    before = climate(cutoff_after=199, precipitation_mm=rain)
    after = climate(precipitation_mm=rain)
    day = int(np.argmax(rain[:200] == 50))
    assert before.column("is_storm")[day] == 1
    assert after.column("is_storm")[day] == 0


def test_a_short_history_has_no_quantile():
    found = climate(precipitation_mm=np.arange(179.0))
    assert np.isnan(found.column("is_storm")).all()
    assert not np.isnan(found.column("precipitation_mm")).any()
    assert any("is_storm" in said for said in found.statements)


def test_storms_fade_by_six_tenths_a_day():
    storms = np.zeros(10)
    storms[[3, 5]] = 1
    # day 3: 1, day 4: .6, day 5: .36 + 1, day 6: .816, day 7: .4896, ...
    found = fading_sum(storms, 0.6)
    assert np.isnan(found[:2]).all()  # too little of the past is known
    assert found[2:8] == pytest.approx([0, 1, 0.6, 1.36, 0.816, 0.4896])


def test_an_unknown_day_has_no_load_and_the_next_one_has():
    storms = np.zeros(12)
    storms[6] = 1
    storms[8] = np.nan
    found = fading_sum(storms, 0.6)
    # day 9: the storm of day 6 weighs .6 ** 3; the unknown day hides .24 of the weight.
    assert np.isnan(found[8])
    assert found[9] == pytest.approx(0.216)


def test_the_load_of_the_frame_adds_up_the_storms_of_the_frame():
    rain = np.random.default_rng(1).gamma(0.3, 12, 400)
    found = climate(precipitation_mm=rain)
    storms, loads = found.column("is_storm"), found.column("storm_load")
    day = int(np.flatnonzero(storms)[-1])
    by_hand = sum(0.6**back * storms[day - back] for back in range(60))
    assert loads[day] == pytest.approx(by_hand)


def test_humidity_loads_are_means_of_their_days():
    # Humidity 1, 2, 3, ... %: the mean of the 30 days up to day number n is n - 14.5.
    humid = np.arange(1.0, 101)
    found = climate(humidity_percent=humid)
    assert found.column("humidity_load_30d")[99] == pytest.approx(85.5)
    assert found.column("humidity_load_60d")[99] == pytest.approx(70.5)
    assert found.column("humidity_load_90d")[99] == pytest.approx(55.5)


def test_a_window_needs_eight_tenths_of_its_days():
    values = np.ones(40)
    values[10:16] = np.nan
    found = rolling_mean(values, 30)
    # 24 of 30 known: first on day 29 (30 days less the 6 unknown ones), and before the window
    # is full never with more than 6 missing.
    assert np.flatnonzero(~np.isnan(found))[0] == 29
    values[16] = np.nan
    assert np.isnan(rolling_mean(values, 30)[29:40]).all()


def test_rain_of_thirty_days_fills_gaps_by_their_mean():
    # A sum over gaps would report 25 * 4 = 100 mm where 30 * 4 = 120 mm fell.
    rain = np.full(60, 4.0)
    rain[35:40] = np.nan
    found = climate(precipitation_mm=rain)
    assert found.column("rain_30d")[45] == pytest.approx(120.0)
    assert np.isnan(found.column("precipitation_mm")[37])


def test_a_drought_is_a_month_drier_than_nineteen_of_twenty():
    rain = np.full(400, 5.0)
    rain[300:330] = 0.0
    found = climate(precipitation_mm=rain)
    dry = np.flatnonzero(found.column("is_drought") == 1)
    # 371 known months; below the 5 % quantile lie the driest 18 or so around day 329.
    assert 15 <= len(dry) <= 19
    assert {320, 329, 335} <= set(dry)


def test_rain_or_wind_alone_keep_crews_at_home():
    rng = np.random.default_rng(2)
    rain, wind = rng.uniform(0, 10, 300), rng.uniform(5, 30, 300)
    rain[150], wind[150] = 99.0, 6.0
    rain[160], wind[160] = 0.0, 99.0
    rain[170], wind[170] = 0.0, 6.0
    rain[180], wind[180] = np.nan, 99.0
    rain[190], wind[190] = np.nan, 6.0
    found = climate(precipitation_mm=rain, wind_max_kmh=wind).column("field_work_disruption")
    assert found[[150, 160, 170, 180]].tolist() == [1, 1, 0, 1]
    assert np.isnan(found[190])  # it may have rained
    rain_alone = climate(precipitation_mm=rain).column("field_work_disruption")
    assert rain_alone[[150, 160]].tolist() == [1, 0]


def test_high_values_are_flagged_and_gaps_stay_unknown():
    rng = np.random.default_rng(3)
    humid, hot = rng.uniform(50, 90, 365), rng.normal(30, 2, 365)
    humid[100] = hot[100] = np.nan
    found = climate(humidity_percent=humid, temperature_max_c=hot)
    assert np.nansum(found.column("is_high_humidity")) == 37  # 10 % of 364
    assert np.nansum(found.column("is_heat")) == 8  # 2 % of 364
    assert np.isnan(found.column("is_heat")[100])
    assert np.isnan(found.column("is_high_humidity")[100])


def test_flags_join_only_where_they_can_be_told():
    yes, no, unknown = np.ones(1), np.zeros(1), np.full(1, np.nan)
    assert any_of([no, yes])[0] == any_of([unknown, yes])[0] == 1
    assert any_of([no, no])[0] == 0
    assert np.isnan(any_of([no, unknown])[0])


def test_equal_values_never_exceed_their_quantile():
    assert exceeds(np.full(365, 3.0), 0.98).sum() == 0


def test_a_value_is_carried_for_so_many_days():
    values = np.array([np.nan, 2.0, np.nan, np.nan, np.nan, 5.0])
    expected = [np.nan, 2, 2, 2, np.nan, 5]
    np.testing.assert_array_equal(carry(values, 2), expected)
    assert carry(np.empty(0), 2).shape == (0,)


def test_a_newer_figure_ends_an_older_one_even_where_it_came_out_first():
    days = FIRST + np.arange(6)
    since = FIRST + np.array([2, 1])  # the older period came out late
    found = stand(np.array([7.0, 8.0]), since, days, 2)
    np.testing.assert_array_equal(found, [np.nan, 8, 8, 8, np.nan, np.nan])
