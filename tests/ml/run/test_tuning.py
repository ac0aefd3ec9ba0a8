"""Settings are searched on older origins, accepted on newer ones, and named in what they made."""

import json

import numpy as np
import pytest

from ml.errors import ConfigError
from ml.forecasters.registry import forecaster
from ml.forecasters.tunable import RANGES, settings_of, with_settings
from ml.frequency import Frequency
from ml.panel import Panel
from ml.run.inputs import RunInputs
from ml.run.model_store import MADE_BY, ModelStore
from ml.run.plan import make_plans
from ml.run.request import RunRequest
from ml.run.train import train_families
from ml.run.tuned import TuningResult, describe, read_tuned, save_result
from ml.run.tuning import choose_origins, is_better, search, tune_panel
from ml.settings import Settings

MONTHS, ITEMS = 36, 12


def plan_of(models_dir):
    """Twelve parts of Poisson demand over three years; the horizon is 3 months."""
    periods = np.arange(np.datetime64("2022-01"), np.datetime64("2025-01")).astype("M8[D]")
    rates = np.linspace(0.3, 5.0, ITEMS)[:, None]
    values = np.random.default_rng(5).poisson(rates, (ITEMS, MONTHS)).astype(float)
    names = tuple(f"p{number:02d}" for number in range(ITEMS))
    panel = Panel("demand", Frequency.MONTHLY, names, periods, values, (None,) * ITEMS)
    inputs = RunInputs(panels=(panel,), source={})
    settings = Settings(models_dir=models_dir)
    (plan,) = make_plans(inputs, RunRequest(command="tune", horizon=3, settings=settings))
    return plan


def result_of(**about):
    known = {
        "panel": "demand_ms", "family": "trees", "accepted": True,
        "settings": {"boosting.any_trees": 20}, "present": {"boosting.any_trees": 60},
        "candidate": {"boosting.any_trees": 20}, "saved": (0.02, 0.01, 0.03), "trials": [],
        "older": ("2023-01-01",), "newer": ("2024-01-01",), "horizon": 3, "items": 12, "seed": 0,
        "code": "1", "dataset": "d",
    }  # fmt: skip
    return TuningResult(**(known | about))


@pytest.mark.parametrize(
    ("length", "horizon"), [(39, 12), (51, 12), (72, 12), (18, 6), (294, 24), (1066, 30), (60, 13)]
)
def test_what_candidates_are_chosen_on_is_over_before_what_the_best_is_judged_on(length, horizon):
    found = choose_origins(length, horizon)
    assert len(found.newer) >= 3  # fewer cannot tell what all items of an origin share
    assert max(found.older) + found.horizon <= min(found.newer)
    assert max(found.newer) + found.horizon <= length
    assert min(found.older) >= 2 * found.horizon


def test_no_origins_are_made_up_where_the_history_is_short():
    assert choose_origins(14, 6) is None


def losses(saved, origins=4, items=200):
    """Losses of a candidate and of the present settings, the first less by this share."""
    rng = np.random.default_rng(3)
    present = rng.gamma(2.0, 1.0, (items, origins))
    counts = np.ones_like(present)
    return (present * (1 - np.asarray(saved)), counts), (present, counts)


def test_a_gain_at_every_newer_origin_is_accepted():
    accepted, (value, low, high) = is_better(*losses([0.05, 0.06, 0.05, 0.06]))
    assert accepted
    assert 0 < low < value < high
    assert value == pytest.approx(0.055, abs=0.003)


@pytest.mark.parametrize("saved", [[0.0] * 4, [0.4, 0.0, 0.0, 0.0], [-0.05] * 4])
def test_no_gain_or_one_good_season_is_not_accepted(saved):
    assert not is_better(*losses(saved))[0]


def distance(settings):
    """Ratio by which settings are off a best point inside the ranges of the LSTM."""
    best = {"units": 32, "epochs": 8, "learning_rate": 5e-3}
    return sum(abs(np.log(settings[name] / value)) for name, value in best.items())


def test_a_search_starts_from_the_present_settings_and_comes_closer_to_the_best():
    tried = []

    def objective(settings):
        tried.append(dict(settings))
        return distance(settings)

    present = settings_of(forecaster("lstm"), "lstm")
    found = search(objective, "lstm", present, 30, seed=1)
    assert tried[0] == pytest.approx(present)
    assert distance(found) < 0.6 * distance(present)
    again = search(distance, "lstm", present, 30, seed=1)
    assert again == found


def test_where_nothing_is_better_the_present_settings_stay():
    present = settings_of(forecaster("trees"), "trees")
    assert search(lambda _: 1.0, "trees", present, 5, seed=0) == present


@pytest.mark.parametrize("family", RANGES)
def test_every_range_is_of_a_setting_that_the_family_has_and_holds_its_default(family):
    config = forecaster(family)
    for name, value in settings_of(config, family).items():
        low, high = RANGES[family][name].low, RANGES[family][name].high
        assert low <= value <= high
        assert settings_of(with_settings(config, {name: high}), family)[name] == high


def test_a_tuning_of_the_present_settings_alone_changes_nothing(tmp_path):
    result = tune_panel(plan_of(tmp_path), "trees", "d-1", 1, trials=1, items=6)
    assert (result.accepted, result.saved, result.settings) == (False, None, {})
    assert len(result.older) == 2


@pytest.mark.slow
def test_a_tuning_tells_what_it_tried_and_uses_only_what_it_accepted(tmp_path):
    plan = plan_of(tmp_path)
    result = tune_panel(plan, "trees", "d-1", 1, trials=3, items=8)
    assert result.items == 8
    assert result.trials[0]["settings"] == pytest.approx(result.present)
    assert len(result.trials) == 3
    scores = [one["score"] for one in result.trials]
    best = result.trials[int(np.argmin(scores))]["settings"]
    assert result.candidate == pytest.approx(best)
    assert result.settings == (result.candidate if result.accepted else {})
    save_result(result, tmp_path)
    assert read_tuned(tmp_path, plan.name).get("trees", {}) == result.settings
    assert describe(result)[0].startswith("demand_ms, trees: ")


def test_models_are_made_again_with_accepted_settings_and_say_so(tmp_path):
    store = ModelStore(tmp_path, "d-1")
    plan = plan_of(tmp_path)
    train_families([plan], store, ("trees",), 1)
    place = store.folder(plan.name, "trees")
    before = {path: path.read_bytes() for path in place.rglob("*.np[yz]")}
    save_result(result_of(accepted=False, settings={}), tmp_path)
    assert plan_of(tmp_path).tuned == {}
    save_result(result_of(settings={"boosting.any_trees": 20}), tmp_path)
    train_families([plan_of(tmp_path)], store, ("trees",), 1)
    made_by = json.loads((place / MADE_BY).read_text())["content"]
    assert made_by["tuned"] == {"trees": {"boosting.any_trees": 20}}
    assert any(path.read_bytes() != old for path, old in before.items())


def test_settings_of_other_code_are_refused_with_what_to_do(tmp_path):
    path = save_result(result_of(settings={"boosting.gone": 1.0}), tmp_path)
    with pytest.raises(ConfigError, match=r"of another version of the code\. Run previsor tune"):
        plan_of(tmp_path)
    path.write_text("{")
    with pytest.raises(ConfigError, match="is damaged"):
        plan_of(tmp_path)


def test_a_result_is_told_in_plain_words():
    first, second, third = describe(result_of())
    assert first == "demand_ms, trees: accepted"
    assert second.endswith("saved at 2024-01-01: +2.0% (+1.0% to +3.0%), 3 ahead, 12 items")
    assert third == "  boosting.any_trees: 60 -> 20"
    (kept,) = describe(result_of(accepted=False, saved=None))
    assert kept.endswith("none was better than the present settings")
