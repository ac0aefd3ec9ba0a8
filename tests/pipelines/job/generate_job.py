"""What the tests that kill let a process do: the main job, in the folders of a workspace."""

import os
from pathlib import Path

import pipelines.job.main_job  # noqa: F401 - before the process is forked
from scripts.generate_ml_results import app

FOLDERS = {"DATA_DIR": "data", "MODELS_DIR": "models", "REPORTS_DIR": "reports",
           "LOG_DIR": "logs", "ML_RESULTS_PATH": "data/ml_results"}  # fmt: skip


def generate(place, *options):
    os.environ |= {name: str(Path(place) / path) for name, path in FOLDERS.items()}
    os.environ |= {"TODAY": "2026-01-20"}
    app(list(options))
