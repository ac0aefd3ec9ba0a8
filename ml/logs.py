"""JSON logs: one event a line, the run's id on every line, in ``LOG_DIR``.

Nothing is written until a command says where to; used as a library the code is silent.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

LOGGER = "previsor"
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


@contextmanager
def logging_to(folder: Path, command: str, run_id: str) -> Iterator[Path]:
    """Write the events of a command to ``folder/<command>.jsonl`` while it runs."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{command}.jsonl"
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(message)s"))
    target = logging.getLogger(LOGGER)
    target.addHandler(handler)
    target.setLevel(logging.INFO)
    target.propagate = False
    structlog.contextvars.bind_contextvars(run_id=run_id, command=command)
    try:
        yield path
    except BaseException as error:
        logger().error("run_failed", kind=type(error).__name__, reason=str(error))
        raise
    finally:
        structlog.contextvars.clear_contextvars()
        target.removeHandler(handler)
        handler.close()
