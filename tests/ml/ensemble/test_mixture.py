import numpy as np
import pytest

from ml.ensemble.mixture import ENSEMBLE_PATHS, combine_item, shares_to_counts
from ml.forecasters.base import Forecast


def forecast(values, failures=None):
    return Forecast(("A",), np.asarray(values, np.float32)[None], failures or {})


@pytest.fixture
def components():
    rng = np.random.default_rng(0)
    return {
        "low": forecast(rng.poisson(1, (500, 5))),
        "high": forecast(rng.poisson(20, (500, 5))),
        "broken": forecast(np.full((500, 5), np.nan), {"A": "did not converge"}),
    }


def test_each_component_lends_paths_by_its_weight(components):
    mixed = combine_item(components, "A", {"low": 0.7, "high": 0.3}, ("low",))
    assert mixed.paths.shape == (ENSEMBLE_PATHS, 5)
    assert (mixed.paths.sum(axis=1) > 50).mean() == pytest.approx(0.3)
    assert (mixed.model, mixed.reason) == ("ensemble", None)


def test_totals_keep_the_component_distribution(components):
    mixed = combine_item(components, "A", {"high": 1.0}, ("low",))
    totals = components["high"].paths[0].sum(axis=1)
    for level in (0.1, 0.5, 0.9, 0.99):
        assert np.quantile(mixed.paths.sum(axis=1), level) == pytest.approx(
            np.quantile(totals, level), abs=1.5
        )


def test_whole_paths_are_taken_never_single_steps(components):
    paths = {tuple(path) for name in ("low", "high") for path in components[name].paths[0]}
    mixed = combine_item(components, "A", {"low": 0.5, "high": 0.5}, ("low",))
    assert {tuple(path) for path in mixed.paths} <= paths


def test_a_failed_component_hands_its_share_on_and_is_named(components):
    mixed = combine_item(components, "A", {"low": 0.5, "broken": 0.5}, ("low",))
    assert mixed.model == "ensemble"
    assert mixed.reason == "broken: did not converge"
    assert (mixed.paths.sum(axis=1) < 30).all()


@pytest.mark.parametrize(
    ("known", "chain", "model"),
    [
        pytest.param(("broken", "high", "low"), ("broken", "high", "low"), "high", id="stands in"),
        pytest.param(("broken",), ("broken",), "none", id="a refusal"),
    ],
)
def test_the_chain_stands_in_when_all_wanted_components_failed(components, known, chain, model):
    mixed = combine_item({name: components[name] for name in known}, "A", {"broken": 1.0}, chain)
    assert (mixed.model, mixed.reason) == (model, "broken: did not converge")
    assert (mixed.paths is None) == (model == "none")


def test_counts_add_up_whatever_the_weights():
    rng = np.random.default_rng(1)
    for _ in range(50):
        weights = {f"m{k}": float(w) for k, w in enumerate(rng.dirichlet(np.ones(7)))}
        counts = shares_to_counts(weights, 1000)
        assert sum(counts.values()) == 1000
        assert all(abs(counts.get(m, 0) - 1000 * w) < 1 for m, w in weights.items())
