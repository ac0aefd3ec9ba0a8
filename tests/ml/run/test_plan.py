"""Who teaches at which cutoff, and whom the backtest tries: the sold and the unsold alike."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from ml.frequency import Frequency, periods_after
from ml.panel import Panel, learnable_items
from ml.run.backtest import (
    BEGUN,
    fit_ensembles,
    measure_typical,
    read_backtests,
    read_ensemble,
)
from ml.run.inputs import RunInputs
from ml.run.model_store import ModelStore
from ml.run.plan import PanelPlan, make_plans
from ml.run.request import RunRequest
from ml.run.train import train_origins
from ml.settings import Settings

MONTHS, HORIZON = 16, 3


def plan_of(values, backtest_items=500) -> PanelPlan:
    """A plan of parts by the month, named 00, 01, ..."""
    periods = periods_after(np.datetime64("2024-06"), values.shape[1], Frequency.MONTHLY)
    digits = max(2, len(str(len(values))))
    items = tuple(f"{number:0{digits}d}" for number in range(len(values)))
    panel = Panel("demand", Frequency.MONTHLY, items, periods, values, ("u",) * len(items))
    inputs = RunInputs(panels=(panel,), source={})
    settings = Settings(backtest_items=backtest_items)
    (plan,) = make_plans(inputs, RunRequest(command="run", horizon=HORIZON, settings=settings))
    return plan


@pytest.fixture
def values():
    """Two old parts, one that is first sold in the last two months, two that never are."""
    values = np.zeros((5, MONTHS))
    values[:2] = np.random.default_rng(1).poisson(3.0, (2, MONTHS)) + 1.0
    values[2, -2:] = 5.0
    return values


def test_parts_that_were_not_sold_yet_teach_and_are_tried_too(values):
    plan = plan_of(values)
    assert plan.learnable == ("00", "01", "02", "03", "04")
    assert plan.backtest_items == plan.learnable


def test_who_teaches_at_an_origin_does_not_depend_on_what_came_later(values):
    plan = plan_of(values)
    origin = plan.origins[-1]
    later = values.copy()
    later[:, len(plan.train_at(origin).periods) :] = 0.0
    later[3:, -1] = 9.0
    teachers = learnable_items(plan.train_at(origin))
    assert learnable_items(plan_of(later).train_at(origin)) == teachers
    # Until then two were sold and three not: only two of the three may teach.
    assert len(teachers) == 4


def test_the_size_of_a_typical_part_is_that_of_some_of_the_many():
    sizes = np.random.default_rng(2).lognormal(1.0, 1.0, 9000)
    plan = plan_of(np.repeat(np.round(sizes, 1)[:, None] + 0.1, MONTHS, axis=1))
    origin = plan.origins[0]
    typical = measure_typical(plan, origin)
    # A demand that is always the same is its own root mean square. The median of 3,000 of them
    # strays by 1.25 x 1.0 / sqrt(3000) = 2.3 % (standard error).
    assert typical == pytest.approx(np.median(sizes) + 0.1, rel=0.09)
    for seen in (plan.panel.items, plan.panel.items[:100]):
        assert measure_typical(plan, origin, plan.train_at(origin, seen)) == typical


def test_parts_without_demand_are_weighted_in_a_class_of_their_own(values, tmp_path):
    plan = plan_of(values[[0, 2, 3], 2:])  # too few windows for a network to be trained
    store = ModelStore(tmp_path, "d-1")
    train_origins([plan], store, 1)
    fit_ensembles([plan], store, 1)
    folder = store.folder(plan.name, "ensemble")
    newest = read_backtests(folder)[0]
    assert newest.classes[1:] == ("no_demand", "no_demand")
    assert np.isfinite(newest.scale).all()
    assert (newest.scale > 0).all()
    weights = read_ensemble(folder).weights
    assert set(weights) >= {"*", "no_demand"}
    for shares in weights.values():
        assert sum(shares.values()) == pytest.approx(1, abs=1e-4)


def test_a_backtest_of_more_items_trains_what_it_lacks(tmp_path):
    values = np.random.default_rng(1).poisson(3.0, (4, MONTHS)) + 1.0
    values[:, :2] = np.nan  # too few windows for a network to be trained
    values[2:, :7] = np.nan  # 9 months: they teach now, and did not at the origins
    store = ModelStore(tmp_path, "d-1")
    for backtest_items in (1, 4):
        plan = plan_of(values, backtest_items)
        assert ("02" in plan.backtest_items) == (backtest_items == 4)
        train_origins([plan], store, 1)
        fit_ensembles([plan], store, 1)
    assert read_backtests(store.folder(plan.name, "ensemble"))[0].items == plan.panel.items


def test_a_backtest_that_was_begun_while_others_were_trained_ends_as_in_one_piece(tmp_path):
    values = np.random.default_rng(1).poisson(3.0, (3, MONTHS)) + 1.0
    plan = plan_of(values[:, 2:])  # too few windows for a network to be trained
    said = []
    for begun in (True, False):
        store = ModelStore(tmp_path / str(begun), "d-1")
        train_origins([plan], store, 1)
        folder = store.folder(plan.name, "ensemble")
        parts = sorted(folder.glob(f"*{BEGUN}"))
        assert len(parts) == len(plan.backtest_chunks)
        for part in () if begun else parts:
            shutil.rmtree(part)
        fit_ensembles([plan], store, 1)
        assert not list(folder.glob(f"*{BEGUN}"))
        said.append(read_backtests(folder))
    for one, other in zip(*said, strict=True):
        assert one.models == other.models == plan.models
        np.testing.assert_array_equal(one.points, other.points)
        np.testing.assert_array_equal(one.cum_points, other.cum_points)
        np.testing.assert_array_equal(one.scale, other.scale)


def test_what_a_dead_run_left_of_a_finished_backtest_is_removed_and_not_read(tmp_path):
    plan = plan_of(np.random.default_rng(1).poisson(3.0, (3, MONTHS - 2)) + 1.0)
    store = ModelStore(tmp_path, "d-1")
    train_origins([plan], store, 1)
    folder = store.folder(plan.name, "ensemble")
    (begun, *_) = sorted(folder.glob(f"*{BEGUN}"))
    kept = shutil.copytree(begun, tmp_path / "kept")
    fit_ensembles([plan], store, 1)
    before = read_backtests(folder)[0].items
    shutil.copytree(kept, begun)
    assert read_backtests(folder)[0].items == before
    fit_ensembles([plan], store, 1)
    assert not begun.exists()


def test_a_copy_with_other_inputs_is_named_by_what_it_holds(values):
    panel = plan_of(values).panel
    inputs = RunInputs(panels=(panel,), source={}, drivers=True)
    names = inputs.outside_id(), inputs.dataset_id()
    assert names == (inputs.outside_id(), inputs.dataset_id())
    other = replace(inputs, region="Recife, PE")
    assert not {other.outside_id(), other.dataset_id()} & set(names)
    again = replace(other, region=inputs.region)
    assert (again.outside_id(), again.dataset_id()) == names
