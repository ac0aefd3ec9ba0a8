"""The work of the four ETL commands: bring the tables of a domain up to date, and say what is."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from ml.durable import discard_leftovers, disk_errors, make_folder, remove_all
from ml.errors import ConfigError, DataError, PipelineError, first_few
from ml.locks import hold
from ml.logs import logger, logging_to
from ml.processed import MADE_BY
from ml.settings import Settings, settings
from pipelines.outside.domain_rows import (
    DomainRows,
    add_answer,
    read_series,
    users_series,
    write_series,
)
from pipelines.outside.domain_sources import Domain, adapters, domain
from pipelines.outside.fetch_series import EtlRequest, SeriesFetcher
from pipelines.outside.history_file import HistoryFile
from pipelines.outside.ledger import (
    insert_run,
    last_run,
    ledger,
    set_aside_after,
    windows_asked,
)
from pipelines.outside.raw_store import RawStore
from pipelines.outside.report import Reporter, remarks, reporting, stale, table_lines
from pipelines.sources.base import Adapter, SeriesRequest, SourceError
from pipelines.sources.client import Client


@dataclass(frozen=True, slots=True)
class EtlResult:
    """What a command has to say."""

    lines: tuple[str, ...]  # the answer, for stdout
    warnings: tuple[str, ...] = ()  # for stderr
    notes: tuple[str, ...] = ()  # what was left out, for stderr as well
    error: PipelineError | None = None  # why it fails in the end; `None` = it does not


@dataclass(frozen=True, slots=True)
class Workspace:
    """A domain, where it is kept, and the day of the run."""

    domain: Domain  # without the series that the user's files give
    config: Settings  # settings
    day: date  # day of the run
    taken: frozenset[str]  # series that the user's files give

    @property
    def raw(self) -> Path:
        """Folder of the raw store."""
        return self.config.data_dir / "raw"

    @property
    def held(self) -> Path:
        """Folder that one run of the domain at a time holds."""
        return self.raw / "_runs" / f".{self.domain.name}"

    def sources(self) -> Mapping[str, Adapter]:
        """All adapters by name, imported files among them."""
        return {**adapters(self.config), HistoryFile.name: HistoryFile(base="")}


def workspace(name: str, config: Settings) -> Workspace:
    """The domain as this run sees it.

    Raises:
        ConfigError: Places or symbols of the settings cannot be read.
        DataError: A table is damaged.
    """
    whole = domain(name, config)
    taken = users_series(whole, config.data_dir)
    series = {key: one for key, one in whole.series.items() if key not in taken}
    routes = {key: ways for key, ways in whole.routes.items() if key not in taken}
    return Workspace(
        replace(whole, series=series, routes=routes), config, config.current_day, taken
    )


@contextmanager
def hold_domain(space: Workspace, *, repair: bool = False) -> Iterator[RawStore]:
    """Hold a domain for a run; gives its raw store.

    With ``repair`` what was recorded in the future, by a wrong clock, is set aside first.

    Raises:
        PublishError: Another run holds it.
        ConfigError: The day of the run lies before that of an earlier one.
    """
    with hold(space.held):
        _refuse_later_run(space, repair=repair)
        with disk_errors(f"clearing '{space.raw}'", "Correct that and run again."):
            for source in space.sources():
                discard_leftovers(space.raw / source / "bodies")
        yield RawStore(space.raw)


def _refuse_later_run(space: Workspace, *, repair: bool) -> None:
    """Raise where a run of a later day is recorded, unless that day is still to come: see above."""
    name, clock = space.domain.name, max(space.day, datetime.now(UTC).date())
    last = last_run(space.raw, name)
    if repair and last is not None and last > clock:
        with ledger(space.raw) as db:
            count = set_aside_after(db, name, space.domain.sources, clock)
        logger().warning("answers_of_the_future_set_aside", count=count, after=str(clock))
        last = last_run(space.raw, name)
    if last is None or last <= space.day:
        return
    way = "Correct TODAY, or use a DATA_DIR of its own."
    if last > clock:
        way = (
            f"If the clock, or TODAY, was wrong at that run, --reparse builds the tables again "
            f"without what was recorded after {clock}, and the next run fetches it anew."
        )
    raise ConfigError(
        f"today is {space.day} (TODAY, else the clock in {space.config.timezone}), but {name} has "
        f"a run of {last}: what was known when would get mixed up. {way}"
    )


@contextmanager
def _scratch(space: Workspace) -> Iterator[Path]:
    """A folder for what is being fetched; the next run clears that of one that was killed."""
    folder = space.held / "fetching"
    with disk_errors(f"clearing '{folder}'", "Correct that and run again."):
        remove_all(folder)
        make_folder(folder)
    try:
        yield folder
    finally:
        remove_all(folder)


def catch_up(
    space: Workspace, raw: RawStore, reporter: Reporter, *, from_nothing: bool = False
) -> tuple[DomainRows, tuple[str, ...]]:
    """The rows, with the answers that a run left behind that died before it wrote its tables.

    Where the tables are gone they are built from the raw store.

    Returns:
        The rows, and a line for each answer that cannot be read any more.

    Raises:
        DataError: A stored file is missing, or is not what it was.
    """
    own, sources = space.domain, space.sources()
    stored = {} if from_nothing else read_series(own, space.config.data_dir)
    unread = [
        one
        for one in raw.answers(own.sources, not_in=own.name if stored else None)
        if one.outcome == "data" and not own.series.keys().isdisjoint(one.call.series)
    ]
    if unread:
        reporter.start("reading stored answers", len(unread))
    rows, lost = DomainRows(own, windows_asked(space.raw, own.name), stored), []
    for one in unread:
        reporter.step(0)
        source = one.call.source
        try:
            parsed = sources[source].parse(one.call, raw.body(one))
        except SourceError as error:
            lost.append(f"answer of {one.day}: {error}")
            continue
        rows = add_answer(rows, parsed, source, one.day)
    return rows, tuple(lost)


def finish(
    space: Workspace, raw: RawStore, rows: DomainRows, completed: Iterable[SeriesRequest] = ()
) -> None:
    """Write the tables, then that they hold what has been read."""
    changed = write_series(space.domain, rows.tables, space.config.data_dir)
    windows = [((one.series, one.region), one.first) for one in completed]
    with ledger(space.raw) as db:
        insert_run(db, space.domain.name, space.day, answers=raw.seen, windows=windows)
    logger().info("tables_written", tables=changed)


def run_etl(
    name: str,
    *,
    since: date | None = None,
    series: tuple[str, ...] | None = None,
    reparse: bool = False,
) -> EtlResult:
    """Collect one domain: fetch what is new, keep it, write the tables.

    Without ``since`` only what is missing is asked for, without ``series`` all of the domain;
    ``reparse`` builds the tables again from the raw store, without a network.

    Raises:
        ConfigError: A setting or an option cannot be used.
        DataError: A stored file is damaged, or nothing usable is there.
        PublishError: The disk refuses, or another run holds the domain.
    """
    config = settings()
    space = workspace(name, config)
    if since and reparse:
        raise ConfigError("--since asks sources and --reparse asks none: leave one of them out.")
    request = _request(space, since, series)
    if not (config.enable_external_apis or reparse):
        rows = DomainRows(space.domain, {}, read_series(space.domain, config.data_dir))
        if not rows.tables:
            why = "ENABLE_EXTERNAL_APIS is false"
            raise DataError(_nothing(space, why, "Set it to true and run"))
        line = "ENABLE_EXTERNAL_APIS is false: nothing was fetched; this is what is stored."
        result = _result(space, tuple(space.domain.routes), rows, ())
        return replace(result, lines=(line, *result.lines))
    run_id = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    log = logging_to(config.log_dir, MADE_BY[name], run_id)
    with log, hold_domain(space, repair=reparse) as raw:
        return (_read_all_again if reparse else _fetch)(space, raw, request)


def _request(space: Workspace, since: date | None, series: tuple[str, ...] | None) -> EtlRequest:
    known = [*space.domain.routes, *sorted(space.taken)]
    unknown = [name for name in series or () if name not in known]
    if unknown:
        raise ConfigError(
            f"--series: {len(unknown)} of {len(series or ())} are not known: "
            f"{first_few(unknown)}. Choose among {', '.join(known)}."
        )
    if since and since > space.day:
        raise ConfigError(f"--since {since} is after {space.day}, the day of the run.")
    names = tuple(name for name in series or known if name not in space.taken)
    start = min(since or space.config.history_start, space.day)
    return EtlRequest(names, space.day, start, again=since is not None)


def _fetch(space: Workspace, raw: RawStore, request: EtlRequest) -> EtlResult:
    limit = space.config.http_time_limit
    with reporting() as reporter, _scratch(space) as scratch:
        known, lost = catch_up(space, raw, reporter)
        with Client(time_limit=limit, scratch=scratch) as client:
            fetcher = SeriesFetcher(known, request, client, raw, space.sources(), reporter)
            fetcher.fetch()
    finish(space, raw, fetcher.rows, fetcher.completed)
    return _result(space, request.series, fetcher.rows, (*fetcher.degraded(), *lost))


def _read_all_again(space: Workspace, raw: RawStore, request: EtlRequest) -> EtlResult:
    before = read_series(space.domain, space.config.data_dir)
    with reporting() as reporter:
        found, lost = catch_up(space, raw, reporter, from_nothing=True)
    if not raw.seen:
        raise DataError(_nothing(space, "the raw store has no answers to read again"))
    fewer = [
        f"{key[0]}: {count} rows fewer than before"
        for key, rows in before.items()
        if (count := rows.num_rows - len(found.tables.get(key, ()))) > 0
    ]
    chosen = {key: rows for key, rows in found.tables.items() if _is_of(key[0], request.series)}
    others = {key: rows for key, rows in before.items() if not _is_of(key[0], request.series)}
    rows = replace(found, tables={**others, **chosen})
    finish(space, raw, rows)
    return _result(space, request.series, rows, (*lost, *fewer))


def _is_of(series: str, names: tuple[str, ...]) -> bool:
    return series in names or series.partition("/")[0] in names


def _nothing(space: Workspace, why: str, remedy: str = "Later run") -> str:
    command = MADE_BY[space.domain.name]
    return (
        f"{space.domain.name}: nothing usable is stored, and {why}. {remedy} python "
        f"pipelines/{command}.py, or bring files: python pipelines/import_history.py FILES."
    )


def _result(
    space: Workspace, series: tuple[str, ...], rows: DomainRows, failures: tuple[str, ...]
) -> EtlResult:
    taken = (
        f"{name}: the user's files have this series, it is not collected. Rename it there."
        for name in sorted(space.taken)
    )
    warnings = (*taken, *failures, *stale(rows, series, space.day))
    for line in warnings:
        logger().warning("said", line=line)
    for note in rows.notes:
        logger().info("left_out", note=note)
    error = None
    if series and not any(_is_of(key[0], series) for key in rows.tables):
        error = DataError(_nothing(space, "no source served anything, see above"))
    return EtlResult(table_lines(rows, series, space.day), warnings, tuple(remarks(rows)), error)


def show_result(result: EtlResult, echo: Callable[..., None]) -> None:
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
