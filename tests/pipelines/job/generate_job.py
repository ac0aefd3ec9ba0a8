"""What the tests that kill let a process do: the main job, in the folders of a workspace."""

import os

import pipelines.job.main_job  # noqa: F401 - before the process is forked
from scripts.generate_ml_results import app
from tests.commands import folders_below


def generate(place, *options):
    os.environ |= folders_below(place) | {"TODAY": "2026-01-20"}
    app(list(options))
