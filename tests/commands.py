"""Running commands of the project as their users do, each with settings of its own.

``run_alone`` starts a process, which takes a second or two to import what it needs; ``run_here``
calls the same command in this one, where that has been imported. Tests take the second, but for
those of workers, of kills and of what a process is by itself, and for one test of each command.
"""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml.settings import settings

ROOT = Path(__file__).resolve().parents[1]
KEPT = ("PATH", "HOME", "LANG")
FOLDERS = {"DATA_DIR": "data", "MODELS_DIR": "models", "REPORTS_DIR": "reports", "LOG_DIR": "logs",
           "ML_RESULTS_PATH": "data/ml_results"}  # fmt: skip


def folders_below(folder: Path | str, **others: str) -> dict[str, str]:
    """The settings by which commands find all of their folders below one."""
    return {name: str(Path(folder, path)) for name, path in (FOLDERS | others).items()}


def run_alone(folder: Path, env: dict[str, str], script: str, *options: str):
    """Run a script of the project in a process of its own, whose working folder is ``folder``."""
    env = {name: os.environ[name] for name in KEPT if name in os.environ} | env
    return subprocess.run(
        [sys.executable, str(ROOT / script), *options], cwd=folder,
        env=env | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=570,
    )  # fmt: skip


def run_here(folder: Path, env: dict[str, str], script: str, *options: str):
    """Run it in this process; a bug in it comes out as what it raises."""
    app = import_module(script.removesuffix(".py").replace("/", ".")).app
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        settings.cache_clear()
        done = CliRunner().invoke(app, options)
    settings.cache_clear()
    if not isinstance(done.exception, SystemExit | None):
        raise done.exception
    return subprocess.CompletedProcess(script, done.exit_code, done.stdout, done.stderr)
