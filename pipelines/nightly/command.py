"""One night from its settings to the line that cron sees."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

from ml.logs import logging_to
from ml.settings import settings
from pipelines.nightly.steps import Failure, run_night, steps

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
        outcome = run_night(planned, config.data_dir / LOCK)
    if outcome.ended_by is not None:
        return outcome.ended_by.code, f"error: {_said(outcome.ended_by)}"
    done = f"night done: {', '.join(step.name for step in planned)}"
    degraded = "; ".join(_said(failure) for failure in outcome.degraded)
    return 0, f"{done}; degraded: {degraded}" if degraded else done


def _said(failure: Failure) -> str:
    return f"{failure.step} failed ({failure.code}): {failure.last_line.removeprefix('error: ')}"
