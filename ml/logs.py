"""JSON logs: one event a line, the run's id on every line, in ``LOG_DIR``.

Nothing is written until a command says where to; used as a library the code is silent. A command
that cannot log from the start does not start; one whose log fails later says so and goes on.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from ml.durable import disk_errors, make_folder

LOGGER = "previsor"
ADVICE = "correct that, or set LOG_DIR to a folder that can be written, and run again."
logging.getLogger(LOGGER).addHandler(logging.NullHandler())

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=json.dumps, default=str),
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
)


def logger() -> Any:
    """The project's logger: ``logger().info("event", fact=1)``."""
    return structlog.get_logger(LOGGER)


class _LogFile(logging.FileHandler):
    """A log that says once when it cannot be written; what is logged is not what the work is."""

    failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Called in the handling of the error."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self.failed:
            self.failed = True
            reason = f"'{self.baseFilename}': {error.strerror or error}"
            line = f"warning: logs: {reason}. The run goes on, its log lacks lines."
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - there is no log to say it in

    def close(self) -> None:
        """Close the file; what could not be written was told."""
        with suppress(OSError):
            super().close()


@contextmanager
def logging_to(folder: Path, command: str, run_id: str) -> Iterator[Path]:
    """Write the events of a command to ``folder/<command>.jsonl`` while it runs.

    Raises:
        MachineError: The log cannot be written; nothing of the command has been done.
    """
    path = folder / f"{command}.jsonl"
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    about = {"run_id": run_id, "command": command}
    first = {"event": "started", "level": "info", "timestamp": now} | about
    with disk_errors(f"logs: writing '{path}'", f"{command} has not started: {ADVICE}"):
        make_folder(folder)
        with path.open("ab", buffering=0) as file:  # a full disk refuses a line, not the opening
            file.write(json.dumps(first).encode() + b"\n")
        handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(message)s"))
    target = logging.getLogger(LOGGER)
    target.addHandler(handler)
    target.setLevel(logging.INFO)
    target.propagate = False
    structlog.contextvars.bind_contextvars(**about)
    try:
        yield path
    except BaseException as error:
        logger().error("run_failed", kind=type(error).__name__, reason=str(error))
        raise
    finally:
        structlog.contextvars.clear_contextvars()
        target.removeHandler(handler)
        handler.close()
