"""The acceptance of the generator: shares, gaps, shocks and effects that it promises."""

import numpy as np
import pandas as pd
import pytest
from holidays import country_holidays

from pipelines.sample_data.items import FAMILIES

CARNIVAL_MONDAYS = np.array(["2024-02-12", "2025-03-03", "2026-02-16"], dtype="datetime64[D]")
TABLE = {
    "day": {"intermittent": 0.69, "lumpy": 0.31},
    "week": {"intermittent": 0.54, "lumpy": 0.35, "erratic": 0.10},
    "month": {"intermittent": 0.40, "smooth": 0.36, "lumpy": 0.14, "erratic": 0.11},
}


def bucketed(demand, days, bucket):
    """Sums of whole weeks from Monday on or of whole months, NaN where any day is NaN."""
    if bucket == "day":
        return demand
    monday = (days.astype(int) - 4) // 7  # day 4 of 1970 was a Monday
    label = monday if bucket == "week" else days.astype("datetime64[M]").astype(int)
    place = label - label[0]
    whole = np.bincount(place) >= {"week": 7, "month": 28}[bucket]
    return np.stack([np.bincount(place, series)[whole] for series in demand])


def demand_class(series):
    seen = series[~np.isnan(series)]
    sizes = seen[seen > 0]
    if len(sizes) < 2:
        return "too_few"
    intermittent = len(seen) / len(sizes) >= 1.32
    variable = np.var(sizes) / np.mean(sizes) ** 2 >= 0.49
    names = {(False, False): "smooth", (False, True): "erratic", (True, False): "intermittent"}
    return names.get((bool(intermittent), bool(variable)), "lumpy")


@pytest.mark.parametrize("bucket", TABLE)
def test_shares_of_the_demand_classes_are_those_of_the_field(truths, bucket):
    # Five draws of 600: one draw's share has a sampling error of two points.
    classes = [
        demand_class(series)
        for truth in truths
        for series in bucketed(truth.demand, truth.days, bucket)
    ]
    shares = pd.Series(classes).value_counts(normalize=True)
    for name, share in TABLE[bucket].items():
        assert shares[name] == pytest.approx(share, abs=0.05), name


def test_nine_of_ten_item_days_are_without_demand(truths):
    shares = [(t.demand[t.launched] == 0).mean() for t in truths]
    assert shares == pytest.approx([0.916] * 5, abs=0.05)


def test_gaps_between_demands_are_nearly_geometric(truth):
    # A geometric law with success probability p has variation sqrt(1 - p); weekends, holidays and
    # the weekly frailty move it a little. Items with a life of their own are left out.
    eventful = set(truth.life.events["item_id"])
    ratios = []
    for item, series in zip(truth.items.ids, truth.demand, strict=True):
        gaps = np.diff(np.flatnonzero(series > 0))
        if item in eventful or len(gaps) < 30:
            continue
        ratios.append(gaps.std() / gaps.mean() / np.sqrt(1 - 1 / gaps.mean()))
    assert len(ratios) > 200
    assert np.median(ratios) == pytest.approx(1.0, abs=0.15)


def test_gap_and_size_are_independent(truth):
    correlations = []
    for series in truth.demand:
        where = np.flatnonzero(series > 0)
        if len(where) > 50:
            gaps, sizes = np.diff(where), series[where[1:]]
            correlations.append(np.corrcoef(gaps, np.log(sizes))[0, 1])
    assert abs(np.nanmean(correlations)) < 0.05


def test_items_move_together_in_storm_weeks(truths):
    # Mean product of the standardised residuals of two items in one week, all pairs at once:
    # ((sum z)^2 - sum z^2) / (N (N - 1)). Yearly waves and holidays are taken out by comparing
    # each week with what its calendar, ramps and life cycle alone lead to expect.
    stormy, calm = zip(*(pairwise_products(truth) for truth in truths), strict=True)
    assert np.abs(calm).max() < 0.001
    assert np.min(stormy) > 0.003


def pairwise_products(truth):
    """Mean product of two items' residuals in storm weeks, and in weeks without a storm."""
    storm = weekly(truth.drivers.storm[None])[0]
    effects = np.array([family_effects(truth, "storm")]).T
    calm_rate = weekly(truth.rate * np.exp(-effects * truth.drivers.storm))
    counts = weekly(counts_of(truth))
    z = (counts - calm_rate) / np.sqrt(calm_rate + calm_rate**2 / 3 + 1e-9)
    z[calm_rate < 1e-6] = 0.0
    n = len(z)
    together = (z.sum(axis=0) ** 2 - (z**2).sum(axis=0)) / (n * (n - 1))
    return together[storm >= 1].mean(), together[storm == 0].mean()


def test_carnival_is_quiet_and_the_days_after_it_catch_up(truths):
    # Factors .15 on Monday to Wednesday, 1.35 on Thursday to Saturday; storms blur single years.
    dips, rebounds = [], []
    for truth in truths:
        per_day = counts_of(truth).sum(axis=0)
        for monday in np.flatnonzero(np.isin(truth.days, CARNIVAL_MONDAYS)):
            weeks = [per_day[monday + 7 * k :][:6] for k in (-4, -3, -2, 2, 3, 4)]
            ratio = per_day[monday : monday + 6] / np.mean(weeks, axis=0)
            dips.append(ratio[:3].mean())
            rebounds.append(ratio[3:5].mean())
    assert np.mean(dips) == pytest.approx(0.15, abs=0.03)
    assert np.mean(rebounds) == pytest.approx(1.35, abs=0.15)


def test_what_was_asked_for_adds_up_to_what_was_expected(truths):
    asked = sum(np.nansum(t.demand) for t in truths)
    assert asked == pytest.approx(sum(t.expected.sum() for t in truths), rel=0.02)


def test_quantities_of_a_pack_or_more_are_whole_packs(truth):
    pack = truth.items.pack[truth.arrivals.item]
    large = truth.arrivals.units >= pack
    assert (truth.arrivals.units % pack)[large].max() == 0
    assert truth.arrivals.units.min() == 1


@pytest.mark.parametrize(
    ("effect", "weight"),
    [pytest.param("storm", 1.0, id="storm"), pytest.param("humidity", 0.5, id="humidity")],
)
def test_a_poisson_regression_finds_the_weather_effects(truth, effect, weight):
    import statsmodels.api as sm

    true = np.array(family_effects(truth, effect))
    chosen = (true >= 0.35) & ~np.isin(truth.items.ids, list(truth.life.events["item_id"]))
    drivers = np.column_stack([truth.drivers.storm, truth.drivers.humidity])
    design = np.column_stack([calendar_design(truth.days), drivers])
    counts = counts_of(truth)[chosen].sum(axis=0)
    fit = sm.GLM(counts, design, family=sm.families.Poisson()).fit(scale="X2")
    at = {"storm": -2, "humidity": -1}[effect]
    mean_effect = weight * np.average(true[chosen], weights=truth.items.rate[chosen])
    assert fit.params[at] / fit.bse[at] > 3
    assert fit.params[at] == pytest.approx(mean_effect, abs=max(0.05, 4 * fit.bse[at]))


def test_a_poisson_regression_finds_that_storms_stop_structural_work(truths):
    # The effect is -.10 on 48 items: five draws together are needed to see its sign.
    import statsmodels.api as sm

    designs, counts = [], []
    for truth in truths:
        negative = np.array(family_effects(truth, "storm")) < 0
        counts.append(counts_of(truth)[negative].sum(axis=0))
        drivers = np.column_stack([truth.drivers.storm, truth.drivers.humidity])
        designs.append(np.column_stack([calendar_design(truth.days), drivers]))
    model = sm.GLM(np.concatenate(counts), np.vstack(designs), family=sm.families.Poisson())
    assert model.fit().params[-2] < 0


def test_a_poisson_regression_finds_the_5g_effect(truth):
    # Quarters and items as fixed effects: only the different timing of the sites is left to tell.
    import statsmodels.api as sm

    fiveg = np.array(family_effects(truth, "fiveg")) >= 0.3
    eventful = np.isin(truth.items.ids, list(truth.life.events["item_id"]))
    busy = counts_of(truth).sum(axis=1) >= 30
    chosen = np.flatnonzero(fiveg & ~eventful & busy)
    quarters = np.arange(len(truth.days)) // 92
    counts, ramp = (
        sums(values[chosen], quarters)
        for values in (counts_of(truth), (truth.items.site_share @ truth.drivers.site_ramp))
    )
    ramp /= np.bincount(quarters)
    item, quarter = (axis.ravel() for axis in np.indices(counts.shape))
    design = np.column_stack([np.eye(len(chosen))[item], np.eye(quarters[-1] + 1)[quarter][:, 1:]])
    design = np.column_stack([design, ramp.ravel()])
    fit = sm.GLM(counts.ravel(), design, family=sm.families.Poisson()).fit(scale="X2")
    assert fit.params[-1] / fit.bse[-1] > 3
    assert 0.1 < fit.params[-1] < 0.8


def counts_of(truth):
    """Arrivals of each item and day, shape (N, T)."""
    counts = np.zeros(truth.rate.shape)
    np.add.at(counts, (truth.arrivals.item, truth.arrivals.day), 1)
    return counts


def weekly(values):
    """Sums of seven days from the first on, shape (N, W)."""
    weeks = values.shape[1] // 7
    return values[:, : 7 * weeks].reshape(len(values), weeks, 7).sum(axis=2)


def sums(values, periods):
    return np.stack([np.bincount(periods, row) for row in values])


def family_effects(truth, name):
    return FAMILIES[name].to_numpy()[truth.items.family]


def calendar_design(days):
    index = pd.DatetimeIndex(days)
    columns = [np.ones(len(days)), np.linspace(-1, 1, len(days))]
    columns += [(index.day_of_week == day).astype(float) for day in range(1, 7)]
    columns += [(index.month == month).astype(float) for month in range(2, 13)]
    december = ((index.month == 12) & (index.day >= 20)) | ((index.month == 1) & (index.day <= 5))
    quiet = np.isin(days, [monday + k for monday in CARNIVAL_MONDAYS for k in range(3)])
    dates = country_holidays("BR", subdiv="BA", years=range(2023, 2027))
    closed = np.isin(days, np.array(list(dates), dtype="datetime64[D]"))
    return np.column_stack([*columns, december, quiet, closed]).astype(float)
