import numpy as np
import pytest

from ml.evaluation.demand_class import demand_pattern
from ml.frequency import Frequency


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


@pytest.mark.parametrize(
    ("before", "months", "name"),
    [
        pytest.param(30, 6, "new", id="launched half a year ago"),
        pytest.param(30, 1, "new", id="one month old"),
        pytest.param(30, 12, "smooth", id="a whole year old"),
        pytest.param(0, 6, "smooth", id="as old as its panel"),
        pytest.param(5, 6, "smooth", id="in a panel that is young itself"),
    ],
)
def test_a_part_is_new_for_its_first_year_among_older_ones(before, months, name):
    values = np.concatenate([np.full(before, np.nan), np.full(months, 5.0)])
    assert demand_pattern(values, Frequency.MONTHLY).name == name


def test_a_part_listed_before_it_was_sold_is_not_new():
    values = np.concatenate([np.zeros(30), np.full(6, 5.0)])
    assert demand_pattern(values, Frequency.MONTHLY).name == "intermittent"


def test_a_new_part_that_nobody_asked_for_has_no_demand():
    values = np.concatenate([np.full(30, np.nan), np.zeros(3)])
    assert demand_pattern(values, Frequency.MONTHLY).name == "no_demand"
