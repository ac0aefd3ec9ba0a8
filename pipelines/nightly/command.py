"""One night from its settings to the line that cron sees."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

from ml.logs import logging_to
from ml.settings import settings
from pipelines.nightly.steps import run_night, steps

COMMAND = "auto_update_ml_results"
LOCK = ".nightly"  # below DATA_DIR


def night(to: Path | None, results: Path | None) -> tuple[int, str]:
    """Run a night; returns its exit code and one line that says how it went.

    Raises:
        ConfigError: There is nowhere to publish to.
        PublishError: Another night is still running.
    """
    config = settings()
    planned = steps(config, results, to)
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    with logging_to(config.log_dir, COMMAND, run_id):
        failure = run_night(planned, config.data_dir / LOCK)
    if failure is None:
        return 0, f"night done: {', '.join(step.name for step in planned)}"
    said = failure.last_line.removeprefix("error: ")
    return failure.code, f"error: {failure.step} failed ({failure.code}): {said}"
