import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml.contracts.base import check
from ml.contracts.outside import ANATEL_5G, CLIMATE, ECONOMIC
from pipelines.sample_data.weather import humidity_load, storm_series


@pytest.mark.parametrize("contract", [CLIMATE, ECONOMIC, ANATEL_5G], ids=lambda one: one.name)
def test_outside_tables_keep_their_contract_and_say_that_they_are_synthetic(sample, contract):
    table = sample.outside[contract.name]
    check(pa.Table.from_pandas(table, preserve_index=False), contract)
    assert set(table["source"]) == {"synthetic_sample"}
    assert (table["available_at"] >= table["ref_date"]).all()
    assert table["available_at"].max() <= pd.Timestamp("2026-10-31")


def values(table, series, region, *, preliminary=False):
    rows = table[(table["series"] == series) & (table["preliminary"] == preliminary)]
    rows = rows[rows["region"] == region] if region else rows
    return rows.set_index("ref_date")["value"]


def test_salvador_is_wet_and_warm_with_rare_storms(sample):
    climate = sample.outside["climate"]
    rain = values(climate, "precipitation_mm", "salvador_ba")
    assert 18 < rain.quantile(0.97) < 33
    assert 20 < rain.quantile(0.99) < 45
    season = rain.groupby(rain.index.month).mean()
    assert season[[4, 5, 6]].mean() > 1.3 * season[[9, 10]].mean()
    assert 22 < values(climate, "temperature_avg_c", "salvador_ba").mean() < 28
    assert 72 < values(climate, "humidity_percent", "salvador_ba").mean() < 84


def test_weather_persists_and_belongs_together(sample):
    climate = sample.outside["climate"]
    humid = values(climate, "humidity_percent", "salvador_ba")
    rain = values(climate, "precipitation_mm", "salvador_ba")
    assert 0.4 < humid.autocorr() < 0.9
    assert np.corrcoef(humid, np.log1p(rain))[0, 1] > 0.2


def test_weather_is_estimated_first_and_final_six_days_later(sample):
    climate = sample.outside["climate"]
    first = values(climate, "temperature_avg_c", "recife_pe", preliminary=True)
    final = values(climate, "temperature_avg_c", "recife_pe")
    assert first.index.max() == pd.Timestamp("2026-10-30")
    assert final.index.max() == pd.Timestamp("2026-10-25")
    assert (first - final).abs().mean() < 2


def test_inflation_comes_out_in_the_following_month(sample):
    economic = sample.outside["economic"]
    ipca = economic[economic["series"] == "ipca"]
    march = ipca[ipca["ref_date"] == pd.Timestamp("2025-03-01")]
    assert march["available_at"].tolist() == [pd.Timestamp("2025-04-11")]
    assert ipca["ref_date"].max() == pd.Timestamp("2026-09-01")


def test_the_dollar_is_quoted_on_business_days_and_the_selic_on_all(sample):
    economic = sample.outside["economic"]
    dollar = values(economic, "usd_brl", None)
    assert dollar.index.day_of_week.max() == 4
    assert 3 < dollar.min() < dollar.max() < 9
    selic = values(economic, "selic", None)
    assert (np.diff(selic.index.to_numpy()) == np.timedelta64(1, "D")).all()
    assert 0 < len(np.unique(selic.to_numpy())) < 20


def test_5g_accesses_grow_and_the_count_is_restated(sample):
    anatel = sample.outside["anatel_5g"]
    bahia = values(anatel, "fiveg_accesses", "BA")
    assert (bahia.diff().dropna() >= 0).all()
    first = values(anatel, "fiveg_accesses", "BA", preliminary=True)
    assert (first.reindex(bahia.index) <= bahia).all()
    assert first.index.max() > bahia.index.max()


def test_prices_have_fat_tails_and_clustered_volatility(sample):
    for series in ("Brent", "PETR4"):
        rows = sample.prices[sample.prices["series"] == series]
        returns = np.diff(np.log(rows["Price"].to_numpy()))
        kurtosis = ((returns - returns.mean()) ** 4).mean() / returns.var() ** 2
        assert kurtosis > 3.5
        size = np.abs(returns)
        monthly = size[: len(size) // 21 * 21].reshape(-1, 21).mean(axis=1)
        assert np.corrcoef(monthly[1:], monthly[:-1])[0, 1] > 0.15
        assert 0.008 < returns.std() < 0.04


def test_prices_come_on_the_sessions_of_their_exchange(sample):
    days = pd.to_datetime(sample.prices["Date"])
    assert days.dt.day_of_week.max() == 4
    sessions = sample.prices.groupby("series")["Date"].agg(set)
    assert "2025-03-03" in sessions["Brent"]
    assert "2025-03-03" not in sessions["PETR4"]  # Carnival Monday
    assert "2025-04-18" not in sessions["Brent"]  # Good Friday
    assert not sample.prices.duplicated(["series", "Date"]).any()


def test_a_storm_fades_over_five_days():
    rain = np.zeros(100)
    rain[[20, 22]] = 80.0
    expected = np.zeros(100)
    # 20: 1, 21: .7, 22: .45 + 1, 23: .25 + .7, 24: .1 + .45, 25: .25, 26: .1
    expected[20:27] = [1, 0.7, 1.45, 0.95, 0.55, 0.25, 0.1]
    assert storm_series(rain) == pytest.approx(expected)


def test_humidity_load_is_the_standardised_mean_of_sixty_days():
    humid = np.random.default_rng(3).normal(78, 5, 400)
    load = humidity_load(humid)
    means = pd.Series(humid).rolling(60).mean().dropna().to_numpy()
    assert load == pytest.approx((means - means.mean()) / np.std(means))
