"""A small company that brings its files every night, and a night that is quick.

The quick night is the real one but for the training: the real intake reads the files, one
reference model forecasts in the place of the ensemble, and the version is written, judged and
published by the code of the main job.
"""

import json
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.artifacts.version import newest_whole_version
from ml.contracts.forecasts import FORECASTS, TOTALS
from ml.contracts.metrics import METRICS
from ml.contracts.price_outlook import PRICE_OUTLOOK
from ml.contracts.recommendations import RECOMMENDATIONS
from ml.contracts.simulation import PORTFOLIO_CURVES, SIMULATION
from ml.ensemble.mixture import FittedEnsemble
from ml.errors import PipelineError
from ml.run.forecast import ForecastModels, forecast_panel
from ml.run.model_store import ModelStore
from ml.run.plan import make_plans
from ml.run.recommend import recommend_panel
from ml.run.request import RunRequest
from ml.run.rows import RowOrigin
from ml.run.run_output import RunOutput
from ml.run.saved_paths import find_paths
from ml.run.version_writer import write_version
from ml.settings import settings
from ml.simulation.study import read_achieved
from pipelines.intake.request import ReadingRequest
from pipelines.job.find_inputs import find_inputs
from pipelines.publish.deploy import Deployment, publish_newest
from pipelines.sample_data.sample import Sample, generate
from tests.commands import folders_below
from tests.pipelines.job.conftest import Workspace

FIRST, HISTORY, NIGHTS, ITEMS = date(2026, 1, 1), 263, 30, 12
NIGHT = "scripts/auto_update_ml_results.py"
QUICK = {"demand": "empirical", "price": "naive"}
UNTRIED = read_achieved(SIMULATION.schema.empty_table())
Change = Callable[[pa.Table], pa.Table]


def day_of(night: int) -> date:
    """The day of a night, from 1 on; its files end the day before."""
    return FIRST + timedelta(days=HISTORY + night)


@cache
def sample() -> Sample:
    """All that the company will ever have."""
    return generate(ITEMS, np.datetime64(FIRST), HISTORY + NIGHTS, seed=5)


@dataclass(frozen=True)
class Files:
    """A company's files on one night, before they are written."""

    demand: pd.DataFrame
    items: pd.DataFrame
    inventory: pd.DataFrame
    prices: pd.DataFrame


def files_of(night: int) -> Files:
    """What an ordinary night brings: rows up to yesterday, and the stock counted then."""
    last = str(day_of(night) - timedelta(days=1))
    whole = sample()
    rows = whole.observed
    later = rows[rows["date"] > last].groupby("item_id")["quantity"].sum()
    stock = whole.inventory.drop_duplicates("item_id").copy()
    back = stock["item_id"].map(later).fillna(0.0).clip(lower=0.0)
    stock["on_hand"] += back  # what will be used by the end is still there
    stock["snapshot_at"] = last
    prices = whole.prices[(whole.prices["Date"] <= last) & (whole.prices["series"] == "Brent")]
    return Files(rows[rows["date"] <= last], whole.items, stock, prices)


def write_files(workspace: Workspace, files: Files) -> None:
    """Put the files where the nightly job looks for them."""
    folder = workspace.folder / "data" / "raw" / "user"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("demand", "items", "inventory", "prices"):
        frame = getattr(files, name)
        (folder / f"{name}.csv").unlink(missing_ok=True)
        if frame is not None:
            frame.to_csv(folder / f"{name}.csv", index=False)


@contextmanager
def _as_user(workspace: Workspace, today: date):
    """The settings of a command that runs in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (folders_below(workspace.folder) | {"TODAY": str(today)}).items():
            patch.setenv(name, value)
        settings.cache_clear()
        try:
            yield
        finally:
            settings.cache_clear()


def quick_night(
    workspace: Workspace, today: date, *, change: Change | None = None, **options
) -> tuple[int, str]:
    """Read, forecast with one model, write, judge and publish; exit code and what was said.

    ``change`` stands for a fault of the program: it is done to the forecast rows before they are
    written. Options are those of the request, and ``sample``.
    """
    with _as_user(workspace, today):
        try:
            made_up = options.pop("sample", False)
            clock = datetime.combine(today, datetime.min.time(), UTC)
            request = RunRequest(command="rehearsal", drivers=False, jobs=1, clock=clock, **options)
            inputs = find_inputs(ReadingRequest(today=today), request, sample=made_up)
            output = _forecast(inputs, request, workspace.folder / "work" / str(today))
            found = (workspace.folder / "work" / str(today)).rglob("forecasts.parquet")
            for path in {path.stat().st_ino: path for path in found}.values():  # some by two names
                if change is not None:
                    rows = pq.read_table(path)
                    pq.write_table(change(rows), path)
            last = newest_whole_version(workspace.results) if request.only_recommendations else None
            write_version(inputs, request, output, reuse=last and last.version_id)
            place = Deployment(workspace.folder / "store", workspace.results)
            return 0, "\n".join(publish_newest(place))
        except PipelineError as error:
            return error.exit_code, "\n".join((*error.details, str(error)))


def _forecast(inputs, request: RunRequest, work: Path) -> RunOutput:
    origin = RowOrigin("m-1", inputs.dataset_id(), inputs.source, request.started)
    plans = make_plans(inputs, request)
    chunks, ensembles, recommended, saved = {}, {}, {}, {}
    store = ModelStore(work / "models", inputs.dataset_id())
    for plan in plans:
        model = QUICK[plan.panel.kind]
        ensemble = ensembles[plan.name] = FittedEnsemble({"*": {model: 1.0}}, {"*": [1.0] * 3})
        models = ForecastModels({model: work / model}, {model: frozenset(plan.wanted)}, ensemble)
        found = find_paths(plan, store, ensemble)
        chunks[plan.name] = forecast_panel(plan, models, inputs, request, origin, work, found)
        own = saved[plan.name] = find_paths(plan, store, ensemble)
        if plan.panel.is_demand:
            recommended = recommend_panel(plan, own, UNTRIED, None, inputs, request, work)
    judged = (METRICS, SIMULATION, PORTFOLIO_CURVES)
    contracts = (RECOMMENDATIONS, PRICE_OUTLOOK, TOTALS, *judged)
    empty = (one.schema.empty_table() for one in contracts)
    return RunOutput(
        plans, chunks, recommended, ensembles, list(inputs.refusals), *empty, origin, "1a2b3c4d",
        saved=saved,
    )  # fmt: skip


def whole_night(workspace: Workspace, today: date, **options: str) -> tuple[int, str]:
    """The nightly job itself, as cron starts it."""
    store = str(workspace.folder / "store")
    done = workspace.run(NIGHT, "--to", store, expect=None, alone=True, TODAY=str(today), **options)
    return done.returncode, done.stderr + done.stdout


def published(workspace: Workspace) -> dict:
    """The newest record of the store."""
    return json.loads((workspace.folder / "store/metadata/last_updated.json").read_text())


def edited(files: Files, **changes) -> Files:
    """The files, some of them replaced; a function is given the frame, `None` takes it away."""
    made = {name: change(getattr(files, name).copy()) if callable(change) else change
            for name, change in changes.items()}  # fmt: skip
    return replace(files, **made)


def set_columns(**values) -> Change:
    """A change of forecast rows: columns replaced by a function of their values."""

    def change(rows: pa.Table) -> pa.Table:
        for name, of in values.items():
            index = FORECASTS.names.index(name)
            column = pa.array([of(value) for value in rows[name].to_pylist()])
            rows = rows.set_column(index, rows.schema.field(index), column)
        return rows

    return change
