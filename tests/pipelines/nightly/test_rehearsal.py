"""A rehearsal of the gate: planted faults are stopped, and ordinary nights pass.

The quick nights (see ``rehearsal.py``) run in CI in full: every fault, and 30 ordinary nights. Of
the whole nightly job CI runs two ordinary nights and two faults, of which one ends before any work;
DRILLS=full runs all 30 nights, and every fault that comes with the files.
"""

import json
import operator
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pandas as pd
import pytest

from ml.contracts.history import PAST_FORECASTS
from pipelines.publish.reader import open_ml_results
from tests.pipelines.job.conftest import Workspace
from tests.pipelines.nightly import rehearsal
from tests.pipelines.nightly.rehearsal import (
    NIGHTS,
    day_of,
    edited,
    files_of,
    published,
    quick_night,
    set_columns,
    whole_night,
    write_files,
)

pytestmark = pytest.mark.slow
FULL = bool(os.environ.get("DRILLS"))
BEFORE = 2  # ordinary nights before a fault; the day of which is a Thursday
GATE = 4
QUANTILES = ("q10", "q50", "q80", "q90", "q95", "q99")


@dataclass(frozen=True)
class Fault:
    """Something that went wrong before a night."""

    code: int  # exit code of the night
    words: str  # the gate's rules, comma by comma, or words of the error
    # the files, given those of an ordinary night
    files: Callable[[rehearsal.Files], rehearsal.Files] = lambda files: files
    days: int = 1  # after the last good night
    options: dict | None = None  # of the quick night; a fault of files alone has none


def of_column(name, change):
    """A change of a frame: one column."""
    return lambda frame: frame.assign(**{name: change(frame[name])})


def by_month(frame: pd.DataFrame) -> pd.DataFrame:
    """The same demand, written on the first of each month."""
    return frame.assign(date=frame["date"].str[:7] + "-01")


def without_zeros(ids: pd.Series) -> pd.Series:
    """Ids as a spreadsheet writes them back: ANT-0001 becomes ANT-1."""
    return ids.str.replace("-000", "-", regex=False).str.replace("-00", "-", regex=False)


def break_dates(frame: pd.DataFrame) -> pd.DataFrame:
    """Every tenth date is unreadable."""
    return frame.assign(date=frame["date"].where(frame.index % 10 > 0, "soon"))


def half_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Half of the items."""
    ids = sorted(frame["item_id"].unique())
    return frame[frame["item_id"].isin(ids[::2])]


def plant(**changes):
    return lambda files: edited(files, **changes)


EVERYTHING = {"demand": None, "items": None, "inventory": None, "prices": None}
FAULTS = {
    # of the files
    "an empty folder": Fault(3, "no file of demand", plant(**EVERYTHING)),
    "prices only": Fault(3, "no file of demand", plant(demand=None, items=None, inventory=None)),
    "no stock any more": Fault(3, "no file of inventory", plant(inventory=None)),
    "half of the items gone": Fault(GATE, "items", plant(demand=half_of)),
    "every item under another id": Fault(
        GATE, "items", plant(**dict.fromkeys(("demand", "items", "inventory"), of_column(
            "item_id", lambda ids: "NEW-" + ids)))),
    "everything times ten": Fault(
        GATE, "change", plant(demand=of_column("quantity", lambda y: y * 10))),
    "a month instead of each day": Fault(GATE, "frequency", plant(demand=by_month)),
    "an older demand file": Fault(
        GATE, "as_of", plant(demand=lambda frame: frame[frame["date"] <= str(day_of(-9))])),
    "a tenth of the dates unreadable": Fault(GATE, "quarantine", plant(demand=break_dates)),
    "ids without zeros in the stock": Fault(
        GATE, "ids_of_stock", plant(inventory=of_column("item_id", without_zeros))),
    "ids without zeros in the items": Fault(
        GATE, "ids_of_items", plant(items=of_column("item_id", without_zeros))),
    "stale stock": Fault(
        GATE, "stock_age", plant(inventory=of_column("snapshot_at", lambda _: str(day_of(-40))))),
    "stock in thousandths": Fault(
        GATE, "stock", plant(inventory=of_column("on_hand", lambda units: units * 1000))),
    "costs in cents": Fault(
        GATE, "order_value", plant(items=of_column("unit_cost", lambda cost: cost * 100))),
    "nothing new for forty days": Fault(GATE, "demand_age,price_age,stock_age", days=41),
    # of an option
    "the sample": Fault(GATE, "synthetic,synthetic_after_real", options={"sample": True}),
    "a short horizon": Fault(GATE, "horizon", options={"horizon": 7}),
    "two items alone": Fault(GATE, "items", options={"items": ("ANT-0001", "BAT-0001")}),
    # of the program
    "crossing quantiles": Fault(
        GATE, "order", options={"change": set_columns(q99=lambda value: value - 1e6)}),
    "demand below zero": Fault(
        GATE, "negative", options={"change": set_columns(q05=lambda value: -1.0 - value)}),
    "last steps lost": Fault(
        GATE, "horizon", options={"change": lambda rows: rows.filter(
            rows["horizon_step"].to_numpy() < 30)}),
    "forecasts that explode": Fault(
        GATE, "exploding", options={"change": set_columns(forecast=lambda value: 1e3 + value)}),
}  # fmt: skip


@pytest.fixture(scope="module")
def quick(tmp_path_factory) -> Workspace:
    """A company after some ordinary quick nights."""
    return after_nights(Workspace(tmp_path_factory.mktemp("quick")), quick_night)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Workspace:
    """A company after some ordinary nights of the whole job."""
    return after_nights(Workspace(tmp_path_factory.mktemp("whole")), whole_night)


def after_nights(workspace, run):
    for night in range(1, BEFORE + 1):
        write_files(workspace, files_of(night))
        code, said = run(workspace, day_of(night))
        assert code == 0, said
    return workspace


def expect_stopped(workspace, fault, run):
    """The night ends with the code and the words of the fault, and nothing else is published."""
    before = published(workspace)
    write_files(workspace, fault.files(files_of(BEFORE + 1 if fault.days == 1 else BEFORE)))
    today = day_of(BEFORE) + timedelta(days=fault.days)
    code, said = run(workspace, today, **(fault.options or {}))
    assert code == fault.code, said
    if fault.code == GATE:
        closed = {line.split(": ")[1] for line in said.splitlines() if line.startswith("gate: ")}
        assert set(fault.words.split(",")) <= closed, said
        assert "nothing was published" in said
    else:
        assert fault.words in said
    assert published(workspace) == before


def copy_of(workspace, tmp_path) -> Workspace:
    shutil.copytree(workspace.folder, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_stopped(quick, fault, tmp_path):
    expect_stopped(copy_of(quick, tmp_path), fault, quick_night)


def test_a_data_folder_that_is_empty_does_not_bring_the_sample(quick, tmp_path):
    workspace = copy_of(quick, tmp_path)
    before = published(workspace)
    for name in ("raw", "processed", "quarantine"):
        shutil.rmtree(workspace.folder / "data" / name, ignore_errors=True)
    code, said = quick_night(workspace, day_of(BEFORE + 1))
    assert code == 3
    assert "say --sample for made-up data" in said
    assert published(workspace) == before


def test_new_recommendations_are_judged_with_the_facts_of_the_forecasts_that_were_copied(
    quick, tmp_path
):
    workspace = copy_of(quick, tmp_path)
    gate = workspace.results / "metadata" / "gate.json"
    before = json.loads(gate.read_text())["facts"]
    dear = of_column("unit_cost", lambda cost: cost * 100)
    write_files(workspace, edited(files_of(BEFORE), items=dear))
    code, said = quick_night(workspace, day_of(BEFORE + 1), only_recommendations=True)
    assert (code, "gate: order_value: " in said) == (GATE, True), said
    after = json.loads(gate.read_text())["facts"]
    assert after["panels"] == before["panels"]
    assert after["orders"]["value"]["BRL"] == pytest.approx(
        100 * before["orders"]["value"]["BRL"], rel=1e-5
    )


def test_thirty_ordinary_nights_pass(tmp_path):
    workspace = Workspace(tmp_path)
    for night in range(1, NIGHTS + 1):
        write_files(workspace, files_of(night))
        code, said = quick_night(workspace, day_of(night))
        assert code == 0, (night, said)
        assert published(workspace)["gate"]["accepted"] == []
    assert published(workspace)["seq"] == NIGHTS
    expect_the_past_is_kept(workspace)


def expect_the_past_is_kept(workspace):
    """What came true is told beside what was said then, and scored; the store has all of it."""
    store = open_ml_results(workspace.folder / "store")
    held = [row for row in store.read("past_forecasts").to_pylist() if row["y"] is not None]
    came = files_of(NIGHTS).demand.groupby(["item_id", "date"])["quantity"].sum()
    series = {(row["item_id"], row["ds"]): row for row in store.read("history").to_pylist()}
    told = {}
    for version in {row["version_id"] for row in held}:
        rows = open_ml_results(workspace.results, version).read("forecasts").to_pylist()
        told |= {(version, row["item_id"], row["ds"]): row for row in rows}
    for row in held:
        said = told.get((row["version_id"], row["item_id"], row["ds"]))
        prefix = "cum_" if row["span"] == "protection" else ""
        if said is not None:  # within the horizon
            assert row["lag"] == said["horizon_step"]
            assert [row[name] for name in QUANTILES] == [said[prefix + n] for n in QUANTILES]
        if row["span"] == "period":
            own = series[row["item_id"], row["ds"]]
            assert (row["y"], row["is_stockout"]) == (own["y"], own["is_stockout"])
            if row["kind"] == "demand" and not row["is_stockout"]:
                assert row["y"] == came.get((row["item_id"], str(row["ds"])[:10]), 0.0)
    lags = {(row["kind"], row["lag"]) for row in held if row["span"] == "period"}
    assert lags == {(kind, lag) for kind in ("demand", "price") for lag in (1, 7, 14)}
    expect_scores(store, held)
    kept = store.read_past("past_forecasts").to_pylist()
    key = operator.itemgetter(*PAST_FORECASTS.key)
    assert sorted(map(key, kept)) == sorted(map(key, held))


def expect_scores(store, held):
    """Of the day ahead, demand and price, as counted here once more."""
    for kind in ("demand", "price"):
        own = [row for row in held if (row["kind"], row["lag"], row["span"]) == (kind, 1, "period")]
        own = [row for row in own if not row["is_stockout"]]
        (score,) = [
            row for row in store.read("scores").to_pylist()
            if (row["kind"], row["lag"], row["span"]) == (kind, 1, "period")
            and row["item_id"] is row["demand_class"] is row["ds"] is None
        ]  # fmt: skip
        assert score["n_obs"] == len(own) > 15
        below = sum(
            row["y"] < row["q80"] or (row["y"] == row["q80"] and row["tie_q80"]) for row in own
        )
        assert score["coverage_80"] == pytest.approx(below / len(own))
        error = sum(row["forecast"] - row["y"] for row in own)
        assert score["bias"] == pytest.approx(error / sum(abs(row["y"]) for row in own))
        assert 0.6 < score["coverage_80"] < 0.95


def test_a_drill_of_ordinary_nights_of_the_whole_job_passes(whole, tmp_path):
    """The two nights that faults come after; all 30 with DRILLS=full."""
    workspace = copy_of(whole, tmp_path)
    for night in range(BEFORE + 1, NIGHTS + 1 if FULL else BEFORE + 1):
        write_files(workspace, files_of(night))
        code, said = whole_night(workspace, day_of(night))
        assert code == 0, (night, said)
    assert published(workspace)["seq"] == (NIGHTS if FULL else BEFORE)
    assert published(workspace)["gate"]["accepted"] == []


@pytest.mark.parametrize(
    "name",
    [name for name, fault in FAULTS.items() if fault.options is None]
    if FULL
    else ["an empty folder", "everything times ten"],
)
def test_a_drill_of_the_whole_job_stops_a_fault_of_the_files(whole, name, tmp_path):
    """Two of the faults, and all that come with the files with DRILLS=full."""
    workspace = copy_of(whole, tmp_path)
    expect_stopped(workspace, FAULTS[name], whole_night)
