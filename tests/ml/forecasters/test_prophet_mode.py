"""What is found in Stan's place is at least as probable as what Stan finds, and forecasts alike."""

import numpy as np
import pandas as pd
import pytest
from prophet import Prophet

from ml.forecasters.prophet_adapter import KeptInputs
from ml.forecasters.prophet_mode import find_mode, pose
from ml.forecasters.silence import silence_loggers, without_deprecations

DAYS, AHEAD = 400, 30


def make_history(kind):
    rng, day = np.random.default_rng(5), np.arange(DAYS + AHEAD)
    weekly = 2 * np.sin(2 * np.pi * day / 7)
    storm = rng.gamma(1.0, 0.3, len(day))
    values = {
        "trend": 20 + 0.05 * np.maximum(day - 150, 0) + weekly,
        "driven": (8 + 0.01 * day) * (1 + storm) + weekly,
        "flat": 3 + weekly,
    }[kind] + rng.normal(0, 1, len(day))
    dates = pd.date_range("2024-01-01", periods=len(day))
    return pd.DataFrame({"ds": dates, "y": values, "storm": storm})


def fit(model_class, kind):
    history = make_history(kind)
    model = model_class(growth="flat" if kind == "flat" else "linear", yearly_seasonality=False)
    if kind == "driven":
        model.add_regressor("storm", prior_scale=1.0, standardize=False, mode="multiplicative")
    silence_loggers()
    with without_deprecations():
        model.fit(history.iloc[:DAYS])
        model.uncertainty_samples = 0
        return model, model.predict(history.iloc[DAYS:])["yhat"].to_numpy()


def log_probability(params, problem):
    """Of the model as Stan has it, up to a constant, at parameters that Prophet keeps."""
    slope = [*params["k"][0], *params["delta"][0]] if problem.trend.shape[1] > 1 else []
    weights = np.array([*params["m"][0], *slope, *params["beta"][0]])
    (noise,) = params["sigma_obs"][0]
    rest = problem.history - problem.mean(weights)
    likely = -len(rest) * np.log(noise) - (rest @ rest) / 2 / noise**2 - noise**2 / 2 / 0.5**2
    normal = problem.ridge @ weights**2 / 2
    return likely - normal - np.abs(weights[problem.changes]).sum() / problem.change_spread


@pytest.mark.parametrize("kind", ["trend", "driven", "flat"])
def test_no_parameters_of_stan_are_more_probable_and_forecasts_are_the_same(kind):
    own, ahead = fit(KeptInputs, kind)
    of_stan, ahead_of_stan = fit(Prophet, kind)
    problem = pose(vars(own.inputs))
    assert log_probability(own.params, problem) >= log_probability(of_stan.params, problem) - 1e-3
    # The noise is 1, so a tenth of it is nothing that demand could tell.
    np.testing.assert_allclose(ahead, ahead_of_stan, atol=0.1)


def test_what_is_most_probable_cannot_be_improved_by_a_small_step():
    own, _ = fit(KeptInputs, "driven")
    problem = pose(vars(own.inputs))
    weights, noise = find_mode(problem)
    rng = np.random.default_rng(0)

    def worth(moved):
        rest = problem.history - problem.mean(moved)
        return problem.log_probability(moved, float(rest @ rest))[0]

    best = worth(weights)
    for size in (1e-1, 1e-2, 1e-3):
        moves = rng.normal(0, size, (100, len(weights)))
        assert max(worth(weights + move) for move in moves) <= best + 1e-3
    assert noise > 0
