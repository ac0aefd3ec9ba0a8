import numpy as np
import pytest

from ml.contracts.forecasts import QUANTILES
from ml.evaluation.origins import LEVELS, choose_cutoffs, path_quantiles
from tests.conftest import daily_panel, monthly_panel, price_panel


@pytest.mark.parametrize(
    ("months", "ends"),
    [
        pytest.param(51, [39, 27], id="two origins a year apart"),
        pytest.param(39, [33, 27], id="a half-year origin where history is short"),
        pytest.param(14, [11], id="a quarter back where a whole horizon is too much"),
        pytest.param(9, [], id="too short to try anything"),
    ],
)
def test_monthly_origins_leave_two_horizons_to_learn_from(months, ends):
    panel = monthly_panel(3, months)
    assert list(choose_cutoffs(panel, 12)) == [panel.periods[end - 1] for end in ends]


def test_daily_origins_lie_one_horizon_apart_latest_first():
    panel = daily_panel(2, 240)
    found = np.array(choose_cutoffs(panel, 30))
    np.testing.assert_array_equal(np.diff(found).astype(int), [-30, -30])
    assert (panel.cutoff - found[0]).astype(int) == 30


def test_prices_are_tried_at_six_origins():
    assert len(choose_cutoffs(price_panel(), 30)) == 6


@pytest.mark.parametrize("levels", [LEVELS, QUANTILES], ids=["of a backtest", "as published"])
@pytest.mark.parametrize("count", [1, 333, 500])
def test_quantiles_of_paths_are_those_of_the_inverted_distribution_function(levels, count):
    rng = np.random.default_rng(count)
    paths = rng.poisson(1.5, (4, count, 3)) * rng.choice([1.0, 0.1], (4, 1, 3))
    paths[3] = np.nan  # a model that failed
    expected = np.quantile(paths, levels, axis=1, method="inverted_cdf")
    np.testing.assert_array_equal(path_quantiles(paths, levels), np.moveaxis(expected, 0, -1))
