"""One night: its commands, running them one by one, and the line that cron sees."""

import secrets
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ml.artifacts.errors import UnreachableError
from ml.errors import ConfigError
from ml.locks import hold
from ml.logs import logger, logging_to
from ml.settings import PROJECT, Settings, refuse_open_secrets, settings
from pipelines.publish.deploy import Deployment, ask_store
from pipelines.publish.s3_target import settings_target

COMMAND = "auto_update_ml_results"
LOCK = ".nightly"  # below DATA_DIR
OUTSIDE = ("climate_etl", "economic_etl", "anatel_5g_etl", "price_etl", "feature_calculation_etl")


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the night."""

    name: str  # what it is called in messages
    command: tuple[str, ...]  # program file and options
    # Whether the night ends where it fails. Without last night's weather there is still a
    # forecast to make.
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Failure:
    """A command that failed."""

    step: Step  # the command
    code: int  # its exit code
    last_line: str  # the last thing it said

    @property
    def text(self) -> str:
        """All of it in a few words."""
        return f"{self.step.name} failed ({self.code}): {self.last_line.removeprefix('error: ')}"


def night(to: Path | None, results: Path | None) -> tuple[int, str]:
    """Run a night; returns its exit code and one line that says how it went.

    Args:
        to: Folder to publish to, ``None`` = the object store of the settings.
        results: Results folder, ``None`` = that of the settings.

    Raises:
        ConfigError: There is nowhere to publish to.
        PublishError: Another night is still running.
    """
    config = settings()
    planned = plan_steps(config, results, to)
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    with logging_to(config.log_dir, COMMAND, run_id):
        _ask_store(Deployment(to, results))
        failures = run_night(planned, config.data_dir / LOCK)
    if failures and failures[-1].step.needed:
        return failures[-1].code, f"error: {failures[-1].text}"
    done = f"night done: {', '.join(step.name for step in planned)}"
    degraded = "; ".join(failure.text for failure in failures)
    return 0, f"{done}; degraded: {degraded}" if degraded else done


def _ask_store(place: Deployment) -> None:
    """See before the work whether the key will do; a store that is away may be back after it.

    Raises:
        StoreError: It is there and refuses.
    """
    try:
        ask_store(place)
    except UnreachableError as error:
        sys.stderr.write(f"warning: {error} The night goes on and publishes last.\n")
        logger().warning("store_unreachable", message=error.message)


def plan_steps(config: Settings, results: Path | None, to: Path | None) -> list[Step]:
    """The commands of a night.

    Outside data first, where external APIs are enabled and their ETL exists; then the main job,
    which reads the user's folder itself; then publishing. See :func:`night` for the folders.

    Raises:
        ConfigError: There is nowhere to publish to.
    """
    refuse_open_secrets()
    if to is None:
        if not config.s3_endpoint:
            raise ConfigError(
                "nowhere to publish to: set S3_ENDPOINT and its keys, or --to FOLDER."
            )
        settings_target()  # a missing key or bucket should not show after an hour of work
    found = []
    if config.enable_external_apis:
        files = [PROJECT / "pipelines" / f"{name}.py" for name in OUTSIDE]
        found += [Step(path.stem, (str(path),), needed=False) for path in files if path.exists()]
    place = ("--results", str(results)) if results else ()
    target = ("--to", str(to)) if to else ()
    scripts = PROJECT / "scripts"
    main_job = Step("generate_ml_results", (str(scripts / "generate_ml_results.py"), *place))
    deploy = Step("deploy_ml_results", (str(scripts / "deploy_ml_results.py"), *place, *target))
    return [*found, main_job, deploy]


def run_night(planned: Sequence[Step], lock_folder: Path) -> list[Failure]:
    """Run the steps until a needed one fails; what they say goes to this process's stderr.

    A step that fails leaves the published version as it is: only the last one publishes. Two
    nights cannot hold the lock at once.

    Returns:
        The steps that failed; where a needed one did, it ended the night and is the last.

    Raises:
        PublishError: Another night is still running.
    """
    failures = []
    with hold(lock_folder):
        for step in planned:
            logger().info("step_started", step=step.name)
            code, last_line = _run(step)
            logger().info("step_done", step=step.name, code=code, last_line=last_line)
            if code:
                failures.append(Failure(step, code, last_line))
                if step.needed:
                    break
    return failures


def _run(step: Step) -> tuple[int, str]:
    """Exit code and last line of a step, its output passed on line by line."""
    process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
        [sys.executable, *step.command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    last = ""
    with process:
        for line in process.stdout or ():
            sys.stderr.write(line)
            last = line.strip() or last
    if process.returncode < 0:  # killed by a signal: what a shell would say
        return 128 - process.returncode, last or f"killed by signal {-process.returncode}"
    return process.returncode, last
