"""Paths come back bit for bit as the forecast rows were made of them, or are made again."""

import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.contracts.forecasts import FORECASTS
from ml.drivers.study import DriverFinding, Study
from ml.ensemble.mixture import CombinedItem, FittedEnsemble
from ml.panel_tables import Refusal
from ml.run.fitted_state import FittedState
from ml.run.forecast import ForecastModels, forecast_panel
from ml.run.inputs import RunInputs
from ml.run.model_store import DONE, ModelStore, finish_part, read_part, start_part
from ml.run.plan import make_plans
from ml.run.recommend import recommend_chunk, recommend_panel, recommend_tasks
from ml.run.request import RunRequest
from ml.run.rows import RowOrigin, forecast_rows
from ml.run.saved_paths import FILE, STUDY, find_paths, read_paths, save_paths, save_study
from ml.settings import Settings
from ml.simulation.study import AchievedService
from tests.conftest import monthly_panel

ITEMS = tuple(monthly_panel().items)
ACHIEVED = AchievedService(
    np.array([0.9, 0.99]),
    {"*": np.array([0.7, 0.98]), "smooth": np.array([0.94, 0.985])},
    {"*": 700, "smooth": 300},
)
EMPIRICAL = FittedEnsemble({"*": {"empirical": 1.0}}, {"*": [1.3, 1.2, 1.1]}, {"*": 1.2})


def inputs_of(panel, stock=None) -> RunInputs:
    return RunInputs(panels=(panel,), inventory=stock, source={"demand": "test"})


class Job:
    """The forecast and recommendation stages on parts by the month, with one reference model."""

    def __init__(self, place, panel=None, stock=None, items=None, **options):
        self.inputs = inputs_of(panel or monthly_panel(), stock)
        self.request = RunRequest(
            command="test", jobs=1, horizon=4, items=items, settings=Settings(), **options
        )
        (self.plan,) = make_plans(self.inputs, self.request)
        self.store, self.work = ModelStore(place, "d-1"), place / "work"
        shutil.rmtree(self.work, ignore_errors=True)  # rows of other inputs
        self.origin = RowOrigin("m-1", "d-1", self.inputs.source, self.request.started)

    def find(self):
        return find_paths(self.plan, self.store, EMPIRICAL)

    def forecast(self):
        models = ForecastModels(
            {"empirical": self.work / "none"}, {"empirical": frozenset(self.plan.wanted)}, EMPIRICAL
        )
        return forecast_panel(
            self.plan, models, self.inputs, self.request, self.origin, self.work, self.find()
        )

    def recommend(self, dataset="recommendations"):
        files = recommend_panel(
            self.plan, self.find(), ACHIEVED, None, self.inputs, self.request, self.work
        )
        return [row for path in files[dataset] for row in pq.read_table(path).to_pylist()]

    def kept_curves(self):
        """Files of the curves that are kept, with the time at which each was written."""
        folder = self.find().folder.parent.with_name("service_curves")
        return {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}


def write_part(saved, items, combined, steps=1, refusals=()):
    folder = start_part(saved.part_for(items, [steps] * len(items)))
    save_paths(folder, items, combined)
    finish_part(
        folder, steps=dict.fromkeys(items, steps), names=dict.fromkeys(items, "name"),
        refusals=[asdict(one) for one in refusals],
    )  # fmt: skip
    return folder


@pytest.fixture
def saved(tmp_path):
    """No paths yet, of a plan in which every interval has 3 steps."""
    job = Job(tmp_path)
    job.plan = replace(job.plan, protection=(3,) * len(ITEMS))
    save_study(job.find(), job.plan.study)
    return job


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("uint8", [0.0, 255.0]),
        ("uint16", [0.0, 256.0]),
        ("float32", [0.0, 70000.0]),
        ("float32", [0.1, 3.0]),
        ("float32", [-1.0, 3.0]),
        ("float32", [-0.0, 3.0]),  # equal to 0, of other bits
    ],
    ids=["bytes", "larger counts", "huge", "litres", "below zero", "minus zero"],
)
def test_paths_come_back_bit_for_bit_from_the_smallest_type_that_holds_them(saved, name, values):
    paths = np.tile(np.array(values, np.float32), (5, 2))
    part = write_part(saved.find(), ITEMS[:1], [CombinedItem(paths, "ensemble", None)], 3)
    assert pq.read_table(part / FILE)["dtype"].to_pylist() == [name]
    found = read_paths(saved.find(), ITEMS[:1])
    assert found.paths[0].dtype == np.float32
    assert found.paths[0].tobytes() == paths.tobytes()


def test_items_of_several_parts_come_in_the_order_asked_for(saved):
    paths = {item: np.full((3, 4), row, np.float32) for row, item in enumerate(ITEMS)}
    for items in (ITEMS[:3], ITEMS[3:5]):
        write_part(saved.find(), items, [CombinedItem(paths[i], i, None) for i in items], 3)
    wanted = (ITEMS[4], ITEMS[1], ITEMS[2])
    found = read_paths(saved.find(), wanted)
    assert (found.items, found.models) == (wanted, wanted)
    assert [one.tolist() for one in found.paths] == [paths[item].tolist() for item in wanted]


def test_paths_of_another_protection_interval_do_not_count(saved):
    combined = [CombinedItem(np.zeros((2, 4), np.float32), "ensemble", None)]
    write_part(saved.find(), ITEMS[:1], combined, 2)
    write_part(saved.find(), ITEMS[1:2], combined, 3)
    assert set(saved.find().parts) == {ITEMS[1]}


def test_paths_of_other_weights_steps_or_seeds_do_not_count(tmp_path):
    job = Job(tmp_path)
    job.forecast()
    assert job.find().hold(ITEMS)
    others = [
        find_paths(job.plan, job.store, replace(EMPIRICAL, sum_spreads={"*": 1.3})),
        *(find_paths(replace(job.plan, **one), job.store, EMPIRICAL)
          for one in ({"horizon": 5}, {"reach": 9}, {"seed": 1}, {"tuned": {"lstm": {"a": 1}}})),
    ]  # fmt: skip
    assert [one.parts for one in others] == [{}] * len(others)


def test_paths_end_with_the_own_interval_whatever_that_of_others(tmp_path):
    jobs = Job(tmp_path / "a"), Job(tmp_path / "b")
    first, last = 6, 9
    jobs[0].plan = replace(jobs[0].plan, protection=(first,) * len(ITEMS))
    jobs[1].plan = replace(jobs[1].plan, protection=(first,) * (len(ITEMS) - 1) + (last,))
    for job in jobs:
        job.forecast()
    left, right = (read_paths(job.find(), ITEMS).paths for job in jobs)
    assert [one.shape[1] for one in right] == [first] * (len(ITEMS) - 1) + [last]
    assert [one.tobytes() for one in left[:-1]] == [one.tobytes() for one in right[:-1]]


def test_a_study_of_drivers_comes_back_without_what_paths_have_in_already(saved):
    gain = DriverFinding("*", "rain", None, False, -0.1, -0.2, 0.0, 12, 0.01, True)
    study = Study((gain,), (replace(gain, feature="mm"),), {"lumpy": ("rain",)}, {}, ("It rains.",))
    save_study(saved.find(), study)
    assert saved.find().study == study


def test_saved_paths_are_those_of_the_forecast_rows(tmp_path):
    job = Job(tmp_path)
    chunks = job.forecast()
    rows = [pq.read_table(one.folder / f"{FORECASTS.name}.parquet") for one in chunks]
    found = read_paths(job.find(), ITEMS)
    again = forecast_rows(
        job.plan.panel, found.until(job.plan.horizon), found.models, found.reasons,
        job.origin,
    )  # fmt: skip
    assert [row for table in rows for row in table.to_pylist()] == again.to_pylist()


@pytest.mark.parametrize("name", [FILE, DONE, STUDY])
def test_damaged_paths_are_made_again_as_they_were(tmp_path, name):
    job = Job(tmp_path)
    job.forecast()
    expected = [one.tobytes() for one in read_paths(job.find(), ITEMS).paths]
    path = min(job.find().folder.rglob(name))
    path.write_bytes(path.read_bytes()[:20])
    again = Job(tmp_path, only_recommendations=True)
    assert not again.find().hold(ITEMS)
    made = again.forecast()
    assert len(made) == (len(again.plan.forecast_chunks) if name == STUDY else 1)
    assert [one.tobytes() for one in read_paths(again.find(), ITEMS).paths] == expected


def test_some_items_are_recommended_as_all_are_whichever_run_left_the_paths(tmp_path):
    few = ITEMS[1:6:2]
    every = Job(tmp_path / "a")
    every.forecast()
    whole = every.recommend()
    expected = [row for row in whole if row["item_id"] in few]
    part = Job(tmp_path / "a", items=few, only_recommendations=True)
    assert part.forecast() == []
    assert part.recommend() == expected
    alone = Job(tmp_path / "b", items=few)
    alone.forecast()
    assert alone.recommend() == expected
    rest = Job(tmp_path / "b", only_recommendations=True)
    assert set(rest.find().parts) == set(few)
    rest.forecast()
    assert rest.recommend() == whole


def test_curves_are_kept_while_only_the_stock_changes_and_are_the_same(tmp_path):
    first = Job(tmp_path)
    first.forecast()
    curves, kept = first.recommend("service_curves"), first.kept_curves()
    assert len(kept) == len(first.plan.forecast_chunks)
    other = Job(tmp_path, stock=stock_of(ITEMS), only_recommendations=True)
    assert other.recommend("service_curves") == curves
    assert other.kept_curves() == kept
    longer = Job(tmp_path, only_recommendations=True)
    own = {
        item: replace(one, review_period_days=61.0) for item, one in longer.plan.policies.items()
    }
    longer.plan = replace(longer.plan, policies=own)
    assert longer.recommend("service_curves") != curves
    assert not kept.keys() & longer.kept_curves().keys()


def test_only_those_curves_are_drawn_again_of_which_something_changed(tmp_path):
    first = Job(tmp_path / "a")
    first.plan = replace(first.plan, order_chunks=(ITEMS,))
    first.forecast()
    first.recommend("service_curves")
    (file,) = first.kept_curves()
    facts, table = read_part(file.parent), pq.read_table(file)
    planted, moved = sorted(set(table["item_id"].to_pylist()))[:2]
    rows = [row | {"reorder_point": -9.0} if row["item_id"] == planted else row
            for row in table.to_pylist()]  # fmt: skip
    start_part(file.parent)
    pq.write_table(pa.Table.from_pylist(rows, table.schema), file)
    finish_part(file.parent, names=facts["names"])
    found = []
    for place in ("a", "b"):  # where all is known but one item's review, and where nothing is
        job = Job(tmp_path / place)
        job.forecast()
        own = dict(job.plan.policies)
        own[moved] = replace(own[moved], review_period_days=61.0)
        job.plan = replace(job.plan, policies=own, order_chunks=(ITEMS,))
        found.append(job.recommend("service_curves"))
    taken, drawn = ([row for row in rows if row["item_id"] != planted] for rows in found)
    assert taken == drawn
    assert {row["reorder_point"] for row in found[0] if row["item_id"] == planted} == {-9.0}


def test_curves_of_another_run_are_taken_while_it_works_and_drawn_where_it_removes_them(tmp_path):
    first, job = Job(tmp_path / "a"), Job(tmp_path / "b")
    for one in (first, job):
        one.forecast()
    curves, kept = first.recommend("service_curves"), first.kept_curves()
    begun = start_part(min(kept).parents[1] / "begun") / "half.parquet"
    begun.write_bytes(b"PAR1")
    end = job.plan.panel.cutoff
    state = FittedState("d-1", end, end, ("d-1",), (), (), 4, "", job.plan.study, end)
    search = replace(job.plan.search, models_dir=tmp_path / "a")
    job.plan = replace(job.plan, state=state, search=search)
    tasks = [*recommend_tasks(
        job.plan, job.find(), ACHIEVED, None, job.inputs, job.request, job.work
    )]  # fmt: skip
    assert {path for task in tasks for path in task.curves.values()} == {p.parent for p in kept}
    assert begun.read_bytes() == b"PAR1"
    shutil.rmtree(begun.parents[1])
    for task in tasks:
        recommend_chunk(task)
    found = [pq.read_table(task.folder / "service_curves.parquet").to_pylist() for task in tasks]
    assert [row for rows in found for row in rows] == curves


def test_damaged_curves_are_made_again_as_they_were(tmp_path):
    job = Job(tmp_path)
    job.forecast()
    curves = job.recommend("service_curves")
    path = min(job.kept_curves())
    path.write_bytes(path.read_bytes()[:20])
    assert Job(tmp_path, only_recommendations=True).recommend("service_curves") == curves
    assert pq.read_table(path).num_rows > 0


def stock_of(items):
    """A count of these items on the last day of the panel."""
    last = np.datetime64(monthly_panel().periods[-1] + np.timedelta64(30, "D"), "us").item()
    cells = {"location_id": "ALL", "snapshot_at": last, "on_hand": 3.0, "on_order": 1.0}
    return pa.Table.from_pylist([{"item_id": item, **cells} for item in items])


def test_rows_tell_what_their_target_achieved_in_the_backtest(tmp_path):
    job = Job(tmp_path)
    job.forecast()
    rows = job.recommend()
    # The target of .95 lies 5/9 of the way from .9 to .99.
    of_panel, of_class = 0.7 + 0.28 * 5 / 9, 0.94 + 0.045 * 5 / 9
    for row in rows:
        own = (of_class, 300) if row["demand_class"] == "smooth" else (of_panel, 700)
        assert (row["backtest_csl"], row["backtest_n"]) == pytest.approx(own)
        # 96.5 % is near the target, 85.6 % is not.
        assert ("backtest_gap" in row["quality_flags"]) == (row["demand_class"] != "smooth")
    assert {row["demand_class"] for row in rows} > {"smooth"}


def test_a_run_of_all_items_takes_the_place_of_what_was_there(tmp_path):
    other = Job(tmp_path)
    other.plan = replace(other.plan, reach=9)
    other.forecast()
    Job(tmp_path, items=ITEMS[:1]).forecast()
    job = Job(tmp_path)
    job.forecast()
    folder = job.find().folder
    assert [one.name for one in folder.parent.iterdir()] == [folder.name]
    assert sum(one.is_dir() for one in folder.iterdir()) == len(job.plan.forecast_chunks)


def test_items_that_no_model_forecasts_stay_refused(saved):
    refused = Refusal(ITEMS[1], "demand", "arima: diverged", 9)
    one = CombinedItem(np.ones((2, 4), np.float32), "ensemble", None)
    none = CombinedItem(None, "none", refused.reason)
    write_part(saved.find(), ITEMS[:2], [one, none], 3, [refused])
    found = saved.find()
    assert (set(found.parts), found.refusals) == (set(ITEMS[:2]), (refused,))
    assert read_paths(found, ITEMS[:2]).items == ITEMS[:1]
    assert found.select(ITEMS[:1]).refusals == ()


def test_a_part_reaches_the_disk_with_its_seal_and_counts_for_nothing_without_a_name(
    tmp_path, monkeypatch
):
    flushed, job = [], Job(tmp_path)
    with monkeypatch.context() as system:
        place = "/proc/self/fd/{}".format
        system.setattr(os, "fsync", lambda file: flushed.append(Path(place(file)).readlink()))
        chunks = job.forecast()
    kept = job.find().parts[job.plan.forecast_chunks[0][0]]
    for folder, contents in ((chunks[0].folder, 3), (kept, 1)):  # of which others are links
        own = [path for path in flushed if folder in (path, path.parent)]
        assert own[-1] == folder
        assert own.count(folder) == 1
        assert own[-2].name.endswith(DONE)  # after the content of whatever is written there
        assert len(own) == contents + 2
        assert read_part(folder) is not None
        next(path for path in folder.iterdir() if path.name != DONE).unlink()
        assert read_part(folder) is None
