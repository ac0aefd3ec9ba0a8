"""Models without a share in an item's class are not run for it, and nothing of it is lost."""

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from ml.ensemble.mixture import FittedEnsemble
from ml.frequency import Frequency, periods_after
from ml.panel import Panel
from ml.run.forecast import ForecastModels, forecast_panel
from ml.run.inputs import RunInputs
from ml.run.model_store import ModelStore
from ml.run.plan import make_plans
from ml.run.request import RunRequest
from ml.run.rows import RowOrigin
from ml.run.saved_paths import find_paths
from ml.run.train import SMALL_PANEL, count_idle, find_needed
from ml.settings import Settings

MONTHS = 24
WEIGHTS = {"*": {"empirical": 1.0}, "smooth": {"empirical": 0.5, "tsb": 0.5, "naive": 0.0}}
ENSEMBLE = FittedEnsemble(WEIGHTS, {})


def inputs_of(count) -> RunInputs:
    """Parts by turns: asked for every month, and every third one."""
    rng = np.random.default_rng(7)
    values = rng.poisson(5.0, (count, MONTHS)) + 1.0
    values[1::2] *= np.arange(MONTHS) % 3 == 0
    periods = periods_after(np.datetime64("2024-06"), MONTHS, Frequency.MONTHLY)
    items = tuple(f"{number:03d}" for number in range(count))
    panel = Panel("demand", Frequency.MONTHLY, items, periods, values, ("u",) * count)
    return RunInputs(panels=(panel,), source={"demand": "test"})


class Stage:
    """The forecast stage on so many parts, with models that need no training."""

    def __init__(self, place, count):
        self.place, self.inputs = place, inputs_of(count)
        self.request = RunRequest(command="test", jobs=1, horizon=3, settings=Settings())
        (self.plan,) = make_plans(self.inputs, self.request)

    def forecast(self, ensemble, needed):
        """Tables of the stage, joined."""
        shutil.rmtree(self.place, ignore_errors=True)
        folders = {model: self.place / "none" / model for model in needed}
        store, sets = ModelStore(self.place, "d-1"), {m: frozenset(i) for m, i in needed.items()}
        models = ForecastModels(folders, sets, ensemble)
        origin = RowOrigin("m-1", "d-1", self.inputs.source, self.request.started)
        chunks = forecast_panel(
            self.plan, models, self.inputs, self.request, origin, self.place / "work",
            find_paths(self.plan, store, ensemble),
        )  # fmt: skip
        return {
            name: [r for one in chunks for r in pq.read_table(one.folder / name).to_pylist()]
            for name in ("forecasts.parquet", "forecast_models.parquet")
        }


def test_a_large_panel_runs_the_models_that_a_class_has_a_share_of(tmp_path):
    plan = Stage(tmp_path, SMALL_PANEL + 1).plan
    needed = find_needed(plan, ENSEMBLE, every=False)
    assert needed["empirical"] == plan.wanted
    assert needed["tsb"] == plan.wanted[::2]  # smooth ones
    assert needed["naive"] == ()  # a share of nothing
    assert needed["prophet"] == ()
    idle = count_idle(plan, needed)
    assert idle["tsb"] == SMALL_PANEL // 2
    assert idle["naive"] == SMALL_PANEL + 1
    assert "empirical" not in idle


@pytest.mark.parametrize(
    ("count", "ensemble", "every"),
    [
        pytest.param(SMALL_PANEL, ENSEMBLE, False, id="a small panel"),
        pytest.param(SMALL_PANEL + 1, ENSEMBLE, True, id="as asked"),
        pytest.param(SMALL_PANEL + 1, FittedEnsemble({}, {}), False, id="no weights yet"),
    ],
)
def test_all_models_are_run_on(tmp_path, count, ensemble, every):
    plan = Stage(tmp_path, count).plan
    needed = find_needed(plan, ensemble, every=every)
    assert needed == dict.fromkeys(plan.models, plan.wanted)
    assert count_idle(plan, needed) == {}


def test_forecasts_do_not_depend_on_models_without_a_share(tmp_path):
    stage = Stage(tmp_path, 6)
    items = stage.plan.wanted
    every = stage.forecast(ENSEMBLE, dict.fromkeys(("empirical", "naive", "tsb", "zero"), items))
    needed = {"empirical": items, "naive": (), "tsb": items[::2], "zero": ()}
    some = stage.forecast(ENSEMBLE, needed)
    assert some["forecasts.parquet"] == every["forecasts.parquet"]
    kept = [
        row for row in every["forecast_models.parquet"] if row["item_id"] in needed[row["model"]]
    ]
    assert some["forecast_models.parquet"] == kept
    assert len(kept) == (6 + 3) * 3  # items of each model and months


def test_the_fallback_is_run_where_all_of_an_items_models_fail(tmp_path):
    stage = Stage(tmp_path, 4)
    items, lstm = stage.plan.wanted, FittedEnsemble({"*": {"lstm": 1.0}}, {})
    rows = stage.forecast(lstm, {"lstm": items, "empirical": (), "zero": ()})["forecasts.parquet"]
    assert {row["item_id"] for row in rows} == set(items)
    assert {(row["model_used"], row["fallback_reason"]) for row in rows} == {
        ("empirical", "lstm: not trained")
    }
