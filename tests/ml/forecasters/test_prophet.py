"""What is read of Prophet without asking it is what it would have said."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from prophet.serialize import model_from_dict

from ml.forecasters.prophet_paths import numpy_seed, sample_paths
from ml.forecasters.registry import forecaster
from ml.forecasters.silence import without_deprecations
from ml.forecasters.sparse_draws import SPARSE_LAW
from ml.frequency import Frequency, periods_after
from ml.panel import Drivers, Panel
from tests.conftest import monthly_panel

STEPS = 12


def test_sparse_demand_without_season_is_drawn_around_the_level_that_prophet_predicts():
    values = np.random.default_rng(1).poisson(0.3, (1, 40)) * 2.0
    panel = monthly_panel(1, 40)
    panel = Panel(panel.kind, panel.frequency, panel.items, panel.periods, values, panel.units)
    fitted = forecaster("prophet").fit(panel)
    model = json.loads(fitted.models[panel.items[0]])
    law = model.pop(SPARSE_LAW)
    days = pd.date_range("2030-01-01", periods=STEPS, freq="MS")
    with without_deprecations():
        prophet = model_from_dict(model)
        prophet.uncertainty_samples = 0
        said = prophet.predict(pd.DataFrame({"ds": days}))["yhat"].to_numpy()
    np.testing.assert_allclose(said, model["params"]["m"][0][0] * model["y_scale"], rtol=1e-6)
    # 20,000 paths of 12 steps; the mean of the law is kept.
    drawn = fitted.draw(panel, (20_000, STEPS), seed=0)
    np.testing.assert_allclose(drawn.mean(), said[0] * law["scale"], rtol=0.03)


@pytest.mark.parametrize("horizon", [1, STEPS])
def test_paths_are_those_that_prophet_samples(horizon):
    rng, days = np.random.default_rng(2), 3 * 365
    season = 1 + 0.5 * np.sin(2 * np.pi * np.arange(days) / 365)
    moved = Drivers(
        ("climate",), ("storm",), rng.normal(0, 0.2, (1, days + STEPS, 1)), np.zeros(1, np.int64),
        np.ones(1, np.bool_), np.ones(1), np.zeros(1, np.int64), days - 1, np.zeros(1, np.int64),
    )  # fmt: skip
    first = np.datetime64("2022-12-31")
    panel = Panel(
        "demand", Frequency.DAILY, ("A",), periods_after(first, days, Frequency.DAILY),
        rng.poisson(9 * season, (1, days)) + 1.0, (None,), drivers=moved,
    )  # fmt: skip
    model = json.loads(forecaster("prophet").fit(panel).models["A"])
    assert model["seasonalities"][0] == ["yearly", "weekly"]
    assert model.pop(SPARSE_LAW) is None
    ahead = periods_after(panel.cutoff, horizon, Frequency.DAILY)
    storm = np.expm1(moved.contribution_to(0, horizon)[days:, 0])
    with without_deprecations():
        prophet = model_from_dict(model)
        prophet.uncertainty_samples = 50
        table = pd.DataFrame({"ds": ahead.astype("datetime64[us]"), "climate": storm})
        with numpy_seed(4):
            said = prophet.predictive_samples(table)["yhat"].T
        with numpy_seed(4):
            drawn = sample_paths(model, ahead, {"climate": storm}, 50, errors=True)
    np.testing.assert_allclose(drawn, said, rtol=1e-9)


def test_what_is_saved_is_drawn_without_the_library():
    asked = (
        "import sys; from ml.forecasters.registry import forecaster; forecaster('prophet'); "
        "sys.exit('prophet' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", asked], check=True)
