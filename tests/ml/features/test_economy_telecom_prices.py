import numpy as np
import pytest

from ml.features.compute import features_at
from ml.features.economy import returns
from ml.features.point_in_time import KnownSeries
from tests.ml.features.outside_tables import months, published


def features(table, *series, cutoff, region="salvador_ba", first="2020-01-01"):
    tables = {table: published(table, *series)}
    cutoff = np.datetime64(cutoff)
    return features_at(tables, cutoff, np.datetime64(first), cutoff + 5, region=region)


def on(frame, name, day):
    return frame.column(name)[frame.days == np.datetime64(day)].item()


def test_inflation_stands_from_its_release_until_the_next_one():
    released = ["2024-02-08", "2024-03-12", "2024-04-10"]
    ipca = ("ipca", None, months("2024-01", 3), [0.42, 0.83, 0.16], released)
    found = features("economic", ipca, cutoff="2024-04-30")
    expected = {
        "2024-02-07": np.nan, "2024-02-08": 0.42, "2024-03-11": 0.42, "2024-03-12": 0.83,
        "2024-04-09": 0.83, "2024-04-10": 0.16, "2024-04-30": 0.16, "2024-05-01": np.nan,
    }  # fmt: skip
    for day, value in expected.items():
        assert on(found, "ipca", day) == pytest.approx(value, nan_ok=True), day


def test_history_fetched_years_later_stands_where_it_would_have_stood():
    # All known since one day in 2026; declared: 41 days after the month began.
    ipca = ("ipca", None, months("2024-01", 3), [0.42, 0.83, 0.16], ["2026-01-05"] * 3)
    found = features("economic", ipca, cutoff="2026-01-10")
    assert np.isnan(on(found, "ipca", "2024-02-10"))
    assert on(found, "ipca", "2024-02-11") == 0.42
    assert on(found, "ipca", "2024-03-13") == 0.83  # 41 days after 1 February
    early = features("economic", ipca, cutoff="2026-01-04")
    assert np.isnan(early.column("ipca")).all()


def test_a_revised_figure_stands_from_its_first_release():
    first = ("ibc_br", None, months("2023-01", 13), np.full(13, 100.0), 70)
    revised = ("ibc_br", None, ["2024-01-01"], [110.0], ["2024-04-20"])
    found = features("economic", first, revised, cutoff="2024-04-20")
    days = found.days[~np.isnan(found.column("ibc_br_change_12m"))]
    assert days[0] == np.datetime64("2024-03-11")
    # log(110 / 100) = 0.09531, on the days that had shown 0 before.
    assert on(found, "ibc_br_change_12m", "2024-03-11") == pytest.approx(0.09531, abs=1e-5)
    before = features("economic", first, revised, cutoff="2024-04-19")
    assert on(before, "ibc_br_change_12m", "2024-03-11") == 0


def test_a_release_that_never_came_is_not_carried_for_ever():
    ipca = ("ipca", None, months("2024-01", 1), [0.42], ["2024-02-08"])
    found = features("economic", ipca, cutoff="2024-12-31")
    assert on(found, "ipca", "2024-04-10") == 0.42  # 62 days
    assert np.isnan(on(found, "ipca", "2024-04-11"))


def test_inflation_of_a_year_is_compounded_as_published():
    # IBGE: the monthly changes of 2023 compound to the published 4.62 %.
    changes = [0.53, 0.84, 0.71, 0.61, 0.23, -0.08, 0.12, 0.23, 0.26, 0.24, 0.28, 0.56]
    ipca = ("ipca", None, months("2023-01", 12), changes, 40)
    found = features("economic", ipca, cutoff="2024-02-01")
    assert on(found, "ipca_12m", "2024-01-15") == pytest.approx(4.62, abs=0.01)
    assert np.isnan(on(found, "ipca_12m", "2024-01-05"))
    gap = ("ipca", None, np.delete(months("2023-01", 12), 4), np.delete(changes, 4), 40)
    assert np.isnan(features("economic", gap, cutoff="2024-02-01").column("ipca_12m")).all()


def test_the_dollar_is_carried_over_weekends_and_changes_over_calendar_days():
    days = np.arange(np.datetime64("2024-01-01"), np.datetime64("2024-04-06"))
    days = days[np.is_busday(days)]
    dollar = np.where(days < np.datetime64("2024-03-01"), 5.0, 5.5)
    found = features("economic", ("usd_brl", None, days, dollar, 0), cutoff="2024-04-07")
    assert on(found, "usd_brl", "2024-04-07") == 5.5  # Sunday: Friday's close
    # log(5.5 / 5) = 0.09531
    assert on(found, "usd_brl_change_30d", "2024-03-15") == pytest.approx(0.09531, abs=1e-5)
    assert on(found, "usd_brl_change_60d", "2024-04-07") == pytest.approx(0.09531, abs=1e-5)
    assert on(found, "usd_brl_change_30d", "2024-04-07") == 0
    # 15 February to 15 March has 22 changes, of which one is not 0: 0.09531 / sqrt(22).
    assert on(found, "usd_brl_volatility_30d", "2024-03-15") == pytest.approx(0.02032, abs=1e-5)


def test_a_dollar_that_is_no_longer_quoted_becomes_unknown():
    dollar = ("usd_brl", None, "2024-01-01", np.full(60, 5.0), 0)
    found = features("economic", dollar, cutoff="2024-04-01")
    last = found.days[~np.isnan(found.column("usd_brl"))][-1]
    assert last == np.datetime64("2024-02-29") + 10
    assert found.days[~np.isnan(found.column("usd_brl_volatility_30d"))][-1] == last


def test_the_policy_rate_changes_in_percentage_points():
    selic = np.concatenate([np.full(100, 13.75), np.full(50, 13.25)])
    found = features("economic", ("selic", None, "2023-05-01", selic, 0), cutoff="2023-09-27")
    assert found.column("selic_change_90d")[found.days == np.datetime64("2023-09-01")] == -0.5


def test_rates_of_the_central_bank_beyond_today_are_not_read():
    # Selic's target is published ahead to the next meeting of the committee.
    ahead = ("selic", None, "2024-01-01", np.arange(60.0), ["2024-01-01"] * 60)
    found = features("economic", ahead, cutoff="2024-01-20", first="2024-01-20")
    assert found.column("selic")[0] == 19
    assert np.isnan(found.column("selic")[1:]).all()


def telecom(*series, cutoff="2025-12-31"):
    return features("anatel_5g", *series, cutoff=cutoff)


def test_the_roll_out_never_falls_and_ends_at_one():
    accesses = [10.0, 30.0, 25.0, 40.0]  # March was restated downwards
    found = telecom(("fiveg_accesses", "BA", months("2025-01", 4), accesses, 60))
    values = found.column("fiveg_adoption")
    known = values[~np.isnan(values)]
    assert list(dict.fromkeys(known)) == [0.25, 0.75, 1.0]
    assert (np.diff(known) >= 0).all()
    assert 25.0 in found.column("fiveg_accesses")


def test_months_before_the_first_5g_access_count_as_none():
    everyone = ("mobile_accesses", "BA", months("2025-01", 4), [100.0, 100.0, 100.0, 200.0], 60)
    fiveg = ("fiveg_accesses", "BA", months("2025-03", 2), [10.0, 50.0], 60)
    found = telecom(everyone, fiveg)
    for name, expected in (
        ("fiveg_accesses", [0, 0, 10, 50]),
        ("fiveg_adoption", [0, 0, 0.2, 1]),
        ("fiveg_share", [0, 0, 0.1, 0.25]),
    ):
        middle = [on(found, name, day) for day in months("2025-01", 4) + 70]
        assert middle == expected, name
    alone = telecom(fiveg)
    assert np.isnan(on(alone, "fiveg_adoption", "2025-04-20"))


def test_a_month_that_was_left_out_stands_on_no_day():
    # January came out on 12 March; February never, and nothing was known before 12 March.
    found = telecom(("fiveg_accesses", "BA", ["2025-01-01", "2025-03-01"], [10.0, 20.0], 70))
    known = found.days[~np.isnan(found.column("fiveg_adoption"))]
    assert known[0] == np.datetime64("2025-03-12")


def test_growth_is_over_three_months_and_needs_both():
    accesses = ("fiveg_accesses", "BA", months("2025-01", 6), [1.0, 0, 4, 8, 16, 12], 60)
    found = telecom(accesses)
    # April over January is 8: log 8 = 2.0794; May over February: nothing to compare with.
    for month, growth in (("2025-04-01", 2.0794), ("2025-06-01", 1.0986)):
        day = np.datetime64(month) + 65
        assert on(found, "fiveg_growth_90d", day) == pytest.approx(growth, abs=1e-4)
    stand = found.column("fiveg_growth_90d")
    assert len(set(stand[~np.isnan(stand)])) == 2


def test_stations_stand_from_the_snapshot_that_saw_them():
    stations = ("fiveg_stations", "BA", months("2025-01", 2), [100.0, 130.0], 19)
    found = telecom(stations, cutoff="2025-03-01")
    assert np.isnan(on(found, "fiveg_stations", "2025-01-19"))
    assert on(found, "fiveg_stations", "2025-01-20") == 100
    assert on(found, "fiveg_stations", "2025-02-20") == 130


def sessions(count, first="2024-01-01"):
    return np.busday_offset(first, np.arange(count))


def observed(days, values):
    return KnownSeries(np.asarray(days, "datetime64[D]"), np.asarray(values, float), days)


def test_a_return_is_the_log_of_the_ratio_over_sessions():
    days = sessions(70)
    quote = 80 * 1.01 ** np.arange(70)
    found = features("prices", ("Brent", None, days, quote, 7), cutoff="2024-06-01")
    # 20 sessions of 1 %: 20 * log 1.01 = 0.19901
    assert on(found, "brent_return_20d", days[60]) == pytest.approx(0.19901, abs=1e-5)
    assert on(found, "brent_volatility_60d", days[69]) == pytest.approx(0, abs=1e-12)
    assert np.isnan(found.column("petr4_return_20d")).all()


def test_volatility_is_the_deviation_of_daily_returns():
    rng = np.random.default_rng(4)
    steps = rng.normal(0, 0.02, 4000)
    days = sessions(4000, "2005-01-03")
    quote = ("Brent", None, days, 80 * np.exp(np.cumsum(steps)), 0)
    found = features("prices", quote, cutoff=str(days[-1]), first="2005-01-03")
    assert np.nanmean(found.column("brent_volatility_60d")) == pytest.approx(0.02, abs=5e-4)


def test_a_negative_price_gives_a_finite_return_over_its_usual_size():
    # WTI closed at -36.98 on 20 April 2020, after 18.31 and before 8.91.
    days = np.array(["2020-04-17", "2020-04-20", "2020-04-21"], "datetime64[D]")
    found = returns(observed(days, [18.31, -36.98, 8.91]), 1)
    # Median size 18.31: (-36.98 - 18.31) / 18.31 = -3.0197; (8.91 + 36.98) / 18.31 = 2.5063
    assert found[1:] == pytest.approx([-3.0197, 2.5063], abs=1e-4)
    assert np.isfinite(returns(observed(days, [0.0, 0.0, 0.0]), 1)[1:]).all()


def test_a_hole_in_the_quotes_gives_no_return():
    days = np.array(["2024-01-02", "2024-01-03", "2024-03-01", "2024-03-04"], "datetime64[D]")
    found = returns(observed(days, [1.0, 2.0, 3.0, 4.0]), 1)
    assert np.isnan(found).tolist() == [True, False, True, False]


def test_prices_by_the_month_have_no_daily_returns():
    found = features("prices", ("Brent", None, months("2015-01", 100), np.full(100, 80.0), 0),
                     cutoff="2023-06-01")  # fmt: skip
    assert np.isnan(found.column("brent_return_20d")).all()
    assert "brent_return_20d" in " ".join(found.statements)


def test_the_name_of_a_price_is_found_in_any_case():
    quote = ("BRENT", None, sessions(30), np.linspace(80, 90, 30), 0)
    found = features("prices", quote, cutoff="2024-02-20")
    assert not np.isnan(found.column("brent_return_20d")).all()
