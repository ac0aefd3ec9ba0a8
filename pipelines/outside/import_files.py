"""The work of ``pipelines/import_history.py``: history files into the raw store and the tables."""

import hashlib
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from ml.errors import DataError
from ml.logs import logging_to
from ml.settings import Settings, settings
from pipelines.intake.request import day_of_run
from pipelines.intake.text import read_bytes
from pipelines.outside.domain_sources import DOMAINS
from pipelines.outside.etl import EtlResult, catch_up, finish, hold_domain, workspace
from pipelines.outside.history_columns import Hints, import_hints, listed, understand
from pipelines.outside.history_file import HistoryFile
from pipelines.outside.raw_store import RawStore
from pipelines.outside.report import Reporter, remarks, table_lines
from pipelines.sources.base import Call, SourceError
from pipelines.sources.exchange import FetchResult


def run_import(
    paths: Sequence[Path], columns: Sequence[str], series: str | None, region: str | None
) -> EtlResult:
    """Import files: kept byte for byte, then read like answers of a source.

    Raises:
        ConfigError: An option cannot be used, or there is nothing at a path.
        DataError: None of the files could be imported, or a table is damaged.
        PublishError: The disk refuses, or another run holds a table.
    """
    config = settings()
    hints = import_hints(columns, series, region, config)
    files = listed(paths)
    run_id = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    with logging_to(config.log_dir, "import_history", run_id):
        names, said = _keep_files(files, hints, config)
        if not names:
            error = DataError(
                f"none of {len(files)} files could be imported, see above. Name columns and "
                "series: --column NAME=FILE_NAME, --series NAME, --region NAME."
            )
            return EtlResult((), tuple(said), error=error)
        lines: list[str] = []
        for name in DOMAINS:
            written, warned = _written(name, names, config)
            lines += written
            said += warned
    return EtlResult(tuple(lines), tuple(said))


def _keep_files(
    files: Sequence[Path], hints: Hints, config: Settings
) -> tuple[list[str], list[str]]:
    """Put files into the raw store; their series, and what was left alone and why."""
    raw, day = config.data_dir / "raw", day_of_run(config)
    raw.mkdir(parents=True, exist_ok=True)
    names: list[str] = []
    said: list[str] = []
    with tempfile.TemporaryDirectory(dir=raw, prefix=".importing-") as scratch:
        for path in files:
            try:
                call, ignored = understand(path, hints, config)
                notes = _keep(path, call, RawStore(raw), Path(scratch, "body"), day)
            except DataError as error:  # one that cannot be used leaves the others alone
                said.append(f"left alone: {error}")
                continue
            names += call.series
            said += [f"{path.name}: {note}" for note in notes]
            if ignored:
                said.append(f"{path.name}: nothing is read from {', '.join(ignored)}.")
    return names, said


def _keep(path: Path, call: Call, store: RawStore, body: Path, day: date) -> tuple[str, ...]:
    """Put a file into the raw store once it can be read; what was left out of it."""
    content = read_bytes(path)  # unpacked: the store packs by itself
    body.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    fetched = FetchResult("data", 200, body, "", None, None, sha256, len(content))
    answer = store.keep(call, fetched, day)
    try:
        parsed = HistoryFile(base="").parse(call, answer)
    except SourceError as error:
        store.log(call, fetched, day, reason=str(error))
        raise
    store.log(call, fetched, day)
    return parsed.notes


def _written(name: str, names: Sequence[str], config: Settings) -> tuple[list[str], list[str]]:
    """Bring the tables of a domain up to date with the raw store."""
    space = workspace(name, config)
    own = tuple(dict.fromkeys(one for one in names if one in space.domain.series))
    taken = sorted(space.taken & set(names))
    said = [f"{one}: the user's files have this series, it is not imported." for one in taken]
    if not own:
        return [], said
    with hold_domain(space) as raw:
        rows, lost = catch_up(space, raw, Reporter())
        finish(space, raw, rows)
    said += [*lost, *(line for line in remarks(rows) if "differ" in line)]
    return [f"{name}:", *table_lines(rows, own, space.day)], said
