"""Scores of prices at many origins, on walks whose truth is known."""

import numpy as np
import pytest

from benchmarks.accuracy.prices import ENSEMBLE, origins, price_lines, read_panel
from ml.errors import DataError
from ml.frequency import Frequency
from ml.panel import Panel

HORIZON = 10


def walk(seed=0, count=900):
    days = np.arange("2018-01-01", 5 * count // 3, dtype="datetime64[D]")
    days = days[np.is_busday(days)][:count]
    steps = np.random.default_rng(seed).normal(0, 1, len(days))
    return Panel("price", Frequency.BUSINESS, ("walk",), days, 100 + np.cumsum(steps)[None],
                 ("USD",))  # fmt: skip


def test_origins_leave_history_before_and_a_whole_horizon_after():
    panel = walk()
    found = origins(panel, first=None, last=None, count=20, horizon=HORIZON)
    assert len(found) == 20
    assert found.min() >= 250
    assert found.max() + HORIZON < len(panel.periods)
    assert np.ptp(np.diff(found)) <= 1  # evenly spread


@pytest.mark.slow
def test_on_a_gaussian_walk_nothing_beats_the_gaussian_walk_by_much():
    panel = walk(count=1600)
    cutoffs = origins(panel, first=None, last=None, count=100, horizon=HORIZON)
    models = ("naive", "seasonal_naive", "empirical", "bootstrap", "volatility")
    lines = {line.model: line for line in price_lines(panel, cutoffs, HORIZON, models)}
    assert lines["gaussian_250"].crps_ratio == 1.0
    assert lines["gaussian_250"].coverage == pytest.approx(80, abs=6)
    assert lines["volatility"].crps_ratio == pytest.approx(1.0, abs=0.03)
    assert lines["seasonal_naive"].crps_ratio > 1.02
    assert lines[ENSEMBLE].crps_ratio == pytest.approx(lines["volatility"].crps_ratio, abs=0.01)


def test_a_file_of_two_prices_is_refused_in_one_line(tmp_path):
    path = tmp_path / "two.csv"
    path.write_text("Date,Price,series\n2024-01-02,1.0,A\n2024-01-02,2.0,B\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"two\.csv: does not hold exactly one usable price"):
        read_panel(path, None)
