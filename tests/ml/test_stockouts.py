"""Stock-outs: demand of at least what was served, as far as was known at the time."""

from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from ml import stockouts
from ml.contracts.demand import DEMAND
from ml.forecasters.base import predict
from ml.forecasters.registry import forecaster
from ml.frequency import Frequency, period_range
from ml.panel import dataset_id
from ml.panel_tables import demand_panel
from ml.stockouts import _above, _exceeded_with, complete_demand
from tests.conftest import find_shortages

NAN = float("nan")


def test_upper_quantiles_of_negative_binomial_counts_are_those_of_another_implementation():
    rng = np.random.default_rng(0)
    shape, share, chance = np.exp(rng.normal(0, 2, 3000)), rng.random(3000), rng.random(3000)
    chance[:500] *= 1e-12
    chance[500] = 0.0
    want = stats.nbinom.isf(chance, shape, 1.0 - share)
    assert _exceeded_with(chance, shape, share).tolist() == want.tolist()


def months(count):
    first = np.datetime64("2020-01-01")
    last = (first.astype("datetime64[M]") + count - 1).astype("datetime64[D]")
    return period_range(first, last, Frequency.MONTHLY)


def table(values, flagged, *, share=None, short=None):
    """A DEMAND table of series A, B, … over months, flags where stock ran out."""
    periods = months(values.shape[1])
    rows = [
        {"item_id": f"{row:04d}", "ds": datetime.fromisoformat(str(periods[column])),
         "y": float(values[row, column]), "is_stockout": bool(flagged[row, column]),
         "frequency": "MS", "source": "user_files", "stockout_share": share, "stockout_y": short}
        for row, column in np.ndindex(values.shape)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=DEMAND.schema)


def panel_of(served, flagged, **weights):
    today = date(2030, 1, 1)
    return demand_panel(table(served, flagged, **weights), as_of=None, today=today).panel


@pytest.fixture(scope="module")
def poisson():
    """Demand of Poisson(5) over 48 + 3 months; stock lasts for 7 a month."""
    wanted = np.random.default_rng(1).poisson(5.0, (400, 51)).astype(float)
    seen = wanted[:, :48]
    return wanted, panel_of(np.minimum(seen, 7.0), seen > 7)


def test_forecasts_from_months_with_stock_outs_reach_what_was_wanted(poisson):
    wanted, panel = poisson
    sums = predict(forecaster("tsb").fit(panel), panel.items, 3, seed=0).paths.sum(axis=2)
    actual = wanted[:, 48:].sum(axis=1)
    # With the flagged months left out the mean is 12 % too low, and .95 covers .87.
    assert sums.mean() == pytest.approx(15.0, rel=0.03)
    ties = np.random.default_rng(0).random(len(actual))
    reached = (sums < actual[:, None]).mean(axis=1) + ties * (sums == actual[:, None]).mean(axis=1)
    assert 0.92 <= (reached < 0.95).mean() <= 0.97


def test_a_completed_history_has_the_mean_and_the_tail_of_demand(poisson):
    wanted, panel = poisson
    np.testing.assert_allclose(panel.values.mean(), wanted[:, :48].mean(), rtol=0.02)
    np.testing.assert_allclose(panel.values.std(), wanted[:, :48].std(), rtol=0.06)
    assert np.all(panel.values >= panel.recorded)
    assert np.all(panel.values == np.round(panel.values))
    np.testing.assert_array_equal(
        panel.values[wanted[:, :48] <= 7], wanted[:, :48][wanted[:, :48] <= 7]
    )


@pytest.mark.parametrize("keep", [12, 30, 47])
def test_what_later_months_tell_of_a_stock_out_is_not_known_before(poisson, keep):
    wanted, panel = poisson
    seen = wanted[:, :keep]
    then = panel_of(np.minimum(seen, 7.0), seen > 7)
    cut = panel.until(panel.periods[keep - 1])
    np.testing.assert_array_equal(cut.values, then.values)
    np.testing.assert_array_equal(cut.since(5).recorded, then.recorded[:, 5:])
    assert dataset_id([cut]) == dataset_id([then])


def test_an_item_depends_on_itself_alone(poisson):
    _, panel = poisson
    alone = panel.rows([7]).until(panel.periods[40])
    np.testing.assert_array_equal(alone.values[0], panel.until(panel.periods[40]).values[7])


def test_items_are_completed_a_few_at_a_time_as_all_at_once(monkeypatch):
    rng = np.random.default_rng(4)
    served = rng.poisson(2.0, (9, 30)).astype(float)
    served[::2] /= 2  # some items come in fractions
    exposure = np.where(rng.random((9, 30)) < 0.2, 0.5, 1.0)
    shortages = find_shortages(served, exposure, served / 2)
    asked = served, shortages, [f"P{row}" for row in range(9)], months(30), "MS"
    whole = complete_demand(*asked)
    assert (whole > served).any()
    monkeypatch.setattr(stockouts, "TOGETHER", 2)
    np.testing.assert_array_equal(complete_demand(*asked), whole)


def test_a_share_without_stock_adds_the_demand_of_that_share_and_no_more():
    # A third of the sites has no stock and serves nothing: two thirds of Poisson(9) are seen.
    rng = np.random.default_rng(3)
    served = rng.poisson(6.0, (200, 40)).astype(float)
    served[:, ::2] = rng.poisson(9.0, (200, 20))
    flagged = np.broadcast_to(np.arange(40) % 2 == 1, served.shape)
    panel = panel_of(served, flagged, share=1 / 3, short=0.0)
    assert panel.values[:, 1::2].mean() == pytest.approx(9.0, rel=0.03)
    assert panel.values[:, 1::2].std() == pytest.approx(3.0, rel=0.1)


def test_demand_in_fractions_is_completed_in_fractions():
    rng = np.random.default_rng(4)
    wanted = rng.gamma(4.0, 0.5, (200, 40))
    panel = panel_of(np.minimum(wanted, 3.0), wanted > 3.0)
    assert panel.values.mean() == pytest.approx(2.0, rel=0.03)
    assert np.quantile(panel.values, 0.95) == pytest.approx(
        stats.gamma(4, scale=0.5).ppf(0.95), rel=0.1
    )


def test_what_hardly_ever_had_stock_keeps_what_it_was_served():
    served = np.array([[4.0, 2.0, 3.0, 0.0, 5.0, 1.0]])
    panel = panel_of(served, np.ones_like(served, bool))
    # Where nothing was served, nothing is known.
    np.testing.assert_array_equal(panel.values, [[4, 2, 3, NAN, 5, 1]])


def test_a_panel_without_stock_outs_carries_nothing_of_them():
    panel = panel_of(np.ones((2, 5)), np.zeros((2, 5), bool))
    assert panel.shortages is None
    assert panel.recorded is panel.values


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("bound", [0.0, 1.0, 4.0, 9.0])
@pytest.mark.parametrize(("mean", "spread"), [(3.0, 1.4), (0.4, 3.0), (12.0, 1.02)])
def test_moments_above_a_bound_are_those_of_the_distribution(whole, bound, mean, spread):
    if whole:
        x = np.arange(400.0)
        weight = stats.nbinom(mean / (spread - 1), 1 / spread).pmf(x) * (x >= bound)
        weight[int(bound)] /= 2 if bound else 1  # just enough, half the time
    else:
        # In the middle of cells of equal probability, where the density has a pole.
        law = stats.gamma(mean / spread, scale=spread)
        x = law.isf((np.arange(20_000) + 0.5) / 20_000 * law.sf(bound))
        weight = np.ones_like(x)
    expected = [(x**k * weight).sum() / weight.sum() for k in (1, 2)]
    one = np.array([1.0])
    found = _above(mean * one, spread * one, bound * one, whole=whole)
    np.testing.assert_allclose(np.ravel(found), expected, rtol=5e-3)


def test_a_bound_beyond_all_expectation_stands():
    served = np.array([[1.0, 0, 2, 1, 0, 1, 1, 5000]])
    without = np.array([[1.0] * 7 + [0]]), np.array([[0.0] * 7 + [5000]])
    shortages = find_shortages(served, *without)
    found = complete_demand(served, shortages, ["A"], months(8), "MS")
    assert 5000 <= found[0, -1] < 5200


def test_cells_of_chosen_items_and_periods_are_those_of_the_grids():
    rng = np.random.default_rng(5)
    served = rng.poisson(2.0, (6, 20)).astype(float)
    exposure = np.where(rng.random((6, 20)) < 0.2, 0.4, 1.0)
    exposure[2] = 1.0  # never ran out
    short = np.where(exposure < 1, served / 2, 0.0)
    rows, start, stop = [1, 2, 5], 4, 17
    found = find_shortages(served, exposure, short).pick(rows).between(start, stop)
    shape = 3, stop - start
    np.testing.assert_array_equal(found.exposures(shape), exposure[rows, start:stop])
    np.testing.assert_array_equal(found.shorts(shape), short[rows, start:stop])
    taken = np.where(exposure < 1, -1.0, served)[rows, start:stop]
    np.testing.assert_array_equal(found.put_served(taken), served[rows, start:stop])
