import numpy as np
import pytest

from ml.evaluation.demand_class import demand_pattern


@pytest.mark.parametrize(
    ("values", "name"),
    [
        pytest.param([5, 6, 5, 6], "smooth", id="every period, steady sizes"),
        pytest.param([1, 20, 1, 1], "erratic", id="every period, wild sizes"),
        pytest.param([0, 0, 3, 0, 3, 0], "intermittent", id="gaps, steady sizes"),
        pytest.param([0, 0, 1, 0, 30, 1], "lumpy", id="gaps, wild sizes"),
        pytest.param([0, 0, 3, 0], "too_few", id="one demand"),
        pytest.param([0, 0, 0], "no_demand", id="none"),
        pytest.param([np.nan, 0, np.nan], "no_demand", id="none observed"),
    ],
)
def test_class_follows_interval_and_size_variation(values, name):
    assert demand_pattern(np.array(values, float)).name == name


def test_interval_counts_observed_periods_only():
    # 3 observed periods, 2 with demand: ADI 1.5; the unobserved ones say nothing
    pattern = demand_pattern(np.array([2.0, np.nan, 0.0, np.nan, np.nan, 2.0]))
    assert pattern.adi == pytest.approx(1.5)
    assert (pattern.n_obs, pattern.n_nonzero) == (3, 2)


def test_size_variation_uses_the_population_variance():
    # sizes 1 and 3: variance 1, mean 2, CV2 = 1 / 4
    assert demand_pattern(np.array([1.0, 3.0])).cv2 == pytest.approx(0.25)
