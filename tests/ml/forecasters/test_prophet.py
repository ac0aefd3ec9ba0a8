"""What is read of Prophet without asking it is what it would have said."""

import json

import numpy as np
import pandas as pd
from prophet.serialize import model_from_dict

from ml.forecasters.prophet_adapter import SPARSE_LAW
from ml.forecasters.registry import forecaster
from ml.forecasters.silence import without_deprecations
from ml.panel import Panel
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
