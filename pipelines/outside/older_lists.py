"""The lists that code before the ledger kept of answers and runs, read once to begin it with.

    raw/<source>/log.jsonl     every answer of a source, one JSON object a line
    raw/_runs/<domain>.jsonl   every run of a domain: its day, how many answers of each source
                               the tables held after it, and what was asked for without a failure

A last line that a crash cut off is left out, and so is any torn line of a log.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ml.errors import DataError
from ml.logs import logger
from pipelines.outside.tables import Key


@dataclass(frozen=True, slots=True)
class OlderRun:
    """A run of a domain.

    Attributes:
        domain: The domain.
        day: ISO day of the run.
        read: How many answers of each source were in the tables after it.
        asked: Series, region and first day of what was asked for.
    """

    domain: str
    day: str
    read: Mapping[str, int]
    asked: tuple[tuple[Key, date], ...]


def older_answers(raw: Path) -> dict[str, list[dict[str, Any]]]:
    """Answers of each source, in order."""
    return {log.parent.name: list(_records(log)) for log in sorted(raw.glob("*/log.jsonl"))}


def _records(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            record = json.loads(line)
        except ValueError:  # not UTF-8 either
            record = None
        if isinstance(record, dict):
            yield record
        elif line.strip():
            logger().warning("raw_log_line_is_torn", file=str(path), line=number)


def older_runs(raw: Path) -> Iterator[OlderRun]:
    """Runs of each domain, in order.

    Raises:
        DataError: A line that no crash cut off cannot be read.
    """
    for path in sorted((raw / "_runs").glob("*.jsonl")):
        content = path.read_bytes()
        lines = content[: content.rfind(b"\n") + 1].splitlines()
        for number, line in enumerate(lines, start=1):
            try:
                yield _run(path.stem, json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"{path}: line {number} of {len(lines)} cannot be read ({error!r}). Restore "
                    "the file, or remove that line: what it asked for is then asked for again."
                ) from None


def _run(domain: str, run: Mapping[str, Any]) -> OlderRun:
    asked = [
        ((series, region), date.fromisoformat(window["first"]))
        for window in run["looked"]
        for series, region in window["keys"]
    ]
    return OlderRun(domain, date.fromisoformat(run["day"]).isoformat(), run["read"], tuple(asked))
