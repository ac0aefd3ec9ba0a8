"""The work of the four ETL commands: bring the tables of a domain up to date, and say what is."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from ml.errors import ConfigError, DataError, PipelineError, first_few
from ml.logs import logger, logging_to
from ml.settings import settings
from pipelines.outside.book import Book, look_counts
from pipelines.outside.collect import Collected, Outside, collect
from pipelines.outside.progress import reporting
from pipelines.outside.raw_store import RawStore
from pipelines.outside.report import degraded, remarks, stale, table_lines
from pipelines.outside.runs import Runs
from pipelines.outside.tables import read_series
from pipelines.outside.windows import Asked
from pipelines.outside.workplace import Workplace, catch_up, finish, held, sources, workplace
from pipelines.sources.client import Client


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a command.

    Attributes:
        since: Ask for everything from this day on; ``None`` = only for what is missing.
        series: Only these; ``None`` = all of the domain.
        reparse: Build the tables again from the raw store, without a network.
    """

    since: date | None = None
    series: tuple[str, ...] | None = None
    reparse: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What a command has to say.

    Attributes:
        lines: The answer, for stdout.
        warnings: For stderr.
        notes: What was left out, for stderr as well.
        error: Why it fails in the end; ``None`` = it does not.
    """

    lines: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: PipelineError | None = None


def run_etl(name: str, options: Options) -> Result:
    """Collect one domain: fetch what is new, keep it, write the tables.

    Raises:
        ConfigError: A setting or an option cannot be used.
        DataError: A stored file is damaged, or nothing usable is there.
        PublishError: The disk refuses, or another run holds the domain.
    """
    config = settings()
    place = workplace(name, config)
    asked = _asked(place, options)
    if not (config.enable_external_apis or options.reparse):
        return _offline(place)
    run_id = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    with logging_to(config.log_dir, place.domain.command, run_id), held(place) as runs:
        if options.reparse:
            return _reparsed(place, runs, asked)
        return _fetched(place, runs, asked)


def _asked(place: Workplace, options: Options) -> Asked:
    known = [*place.domain.routes, *sorted(place.taken)]
    unknown = [name for name in options.series or () if name not in known]
    if unknown:
        raise ConfigError(
            f"--series: {len(unknown)} of {len(options.series or ())} are not known: "
            f"{first_few(unknown)}. Choose among {', '.join(known)}."
        )
    if options.since and options.since > place.day:
        raise ConfigError(f"--since {options.since} is after {place.day}, the day of the run.")
    if options.since and options.reparse:
        raise ConfigError("--since asks sources and --reparse asks none: leave one of them out.")
    names = tuple(name for name in options.series or known if name not in place.taken)
    start = options.since or place.config.history_start
    return Asked(names, place.day, min(start, place.day), again=options.since is not None)


def _fetched(place: Workplace, runs: Runs, asked: Asked) -> Result:
    place.raw.mkdir(parents=True, exist_ok=True)
    with (
        reporting() as reporter,
        tempfile.TemporaryDirectory(dir=place.raw, prefix=".fetching-") as scratch,
    ):
        book, lost = catch_up(place, runs, reporter)
        limit = place.config.http_time_limit
        with Client(time_limit=limit, scratch=Path(scratch)) as client:
            outside = Outside(client, RawStore(place.raw), place.raw, sources(place.config),
                              reporter)  # fmt: skip
            got = collect(book, asked, outside)
    finish(place, got.book, got.looked)
    return _result(place, asked, got, lost)


def _reparsed(place: Workplace, runs: Runs, asked: Asked) -> Result:
    if not look_counts(place.domain, place.raw):
        raise DataError(_nothing(place, "the raw store has no answers to read again"))
    before = read_series(place.domain, place.processed)
    with reporting() as reporter:
        book, lost = catch_up(place, runs, reporter, from_nothing=True)
    fewer = [
        f"{key[0]}: {rows.num_rows - len(book.tables.get(key, ()))} rows fewer than before"
        for key, rows in before.items()
        if len(book.tables.get(key, ())) < rows.num_rows
    ]
    chosen = {key: rows for key, rows in book.tables.items() if _is_of(key[0], asked.series)}
    others = {key: rows for key, rows in before.items() if not _is_of(key[0], asked.series)}
    book = replace(book, tables={**others, **chosen})
    finish(place, book, ())
    return _result(place, asked, Collected(book), (*lost, *fewer))


def _is_of(series: str, asked: tuple[str, ...]) -> bool:
    return series in asked or series.partition("/")[0] in asked


def _offline(place: Workplace) -> Result:
    book = Book(place.domain, {}, read_series(place.domain, place.processed))
    asked = Asked(tuple(place.domain.routes), place.day, place.day)
    if not book.tables:
        raise DataError(_nothing(place, "ENABLE_EXTERNAL_APIS is false", "Set it to true and run"))
    line = "ENABLE_EXTERNAL_APIS is false: nothing was fetched; this is what is stored."
    return replace(
        _result(place, asked, Collected(book), ()), lines=(line, *table_lines(book, asked))
    )


def _nothing(place: Workplace, why: str, remedy: str = "Later run") -> str:
    command = place.domain.command
    return (
        f"{place.domain.name}: nothing usable is stored, and {why}. {remedy} python "
        f"pipelines/{command}.py, or bring files: python pipelines/import_history.py FILES."
    )


def _result(place: Workplace, asked: Asked, got: Collected, lost: tuple[str, ...]) -> Result:
    taken = (
        f"{name}: the user's files have this series, it is not collected. Rename it there."
        for name in sorted(place.taken)
    )
    warnings = (*taken, *degraded(got), *lost, *stale(got.book, asked))
    for line in warnings:
        logger().warning("said", line=line)
    for note in got.book.notes:
        logger().info("left_out", note=note)
    error = None
    if not any(_is_of(key[0], asked.series) for key in got.book.tables) and asked.series:
        error = DataError(_nothing(place, "no source served anything, see above"))
    return Result(table_lines(got.book, asked), warnings, tuple(remarks(got.book)), error)


def say(result: Result, echo: Callable[..., None]) -> None:
    """Put a result on the screen.

    Raises:
        PipelineError: The command fails after all.
    """
    for line in result.warnings:
        echo(f"warning: {line}", err=True)
    for line in result.notes:
        echo(f"note: {line}", err=True)
    if result.error is not None:
        raise result.error
    for line in result.lines:
        echo(line)
