"""A night on a few files, and the pieces that tests put nights together from."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ml.settings import Settings
from pipelines.nightly import ledger
from pipelines.nightly.night import Night
from pipelines.nightly.preflight import NightLog
from pipelines.nightly.steps import NightRequest, Step
from tests.commands import ROOT, folders_below
from tests.pipelines.job.conftest import Workspace, write_demand
from tests.pipelines.nightly.processes import MARK

NIGHT = "scripts/auto_update_ml_results.py"
DAY = "2026-01-20"


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def files(workspace) -> Workspace:
    """A company that has brought a file of demand."""
    folder = workspace.folder / "data" / "raw" / "user"
    folder.mkdir(parents=True)
    write_demand(folder / "demand.csv")
    return workspace


def settings_in(folder: Path, **changes) -> Settings:
    """Settings whose folders are below one, without a file of settings."""
    paths = {name.lower(): path for name, path in folders_below(folder).items()}
    return Settings(_env_file=None, **({"today": DAY} | paths | changes))


def begin_night(folder: Path, asked: NightRequest | None = None, **changes) -> Night:
    """A night of these settings that the ledger knows, of which nothing is done yet."""
    config = settings_in(folder, **changes)
    facts = ledger.RunFacts(f"run-{len(list_runs(config))}", config.current_day, {}, "code", 0,
                            "here", 1)  # fmt: skip
    begun = ledger.begin_run(config.data_dir, facts)
    log = NightLog(folder / "logs" / "night.txt", quiet=True)
    return Night(config, asked or NightRequest(), begun, folder / "step.lock", log)


def list_runs(config: Settings) -> list[dict]:
    return rows_of(config.data_dir, "runs")


def rows_of(data_dir: Path, table: str) -> list[dict]:
    """All rows of a table of the ledger."""
    with ledger.night_ledger(data_dir) as db:
        return [dict(row) for row in db.execute(f"SELECT * FROM {table}")]


def step_of(code: str, name: str = "step", **fields) -> Step:
    """A step that runs a piece of Python."""
    return replace(Step(name, ("-c", code)), **fields)


def start_night(workspace: Workspace, *options: str, mark: str, **extra: str) -> subprocess.Popen:
    """The nightly job, as cron starts it; all of its processes bear the mark."""
    env = workspace.environment | {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), MARK: mark}
    command = [sys.executable, str(ROOT / NIGHT), "--to", str(workspace.folder / "store"), *options]
    return subprocess.Popen(
        command, cwd=workspace.folder, env=env | {"TODAY": DAY} | extra, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
