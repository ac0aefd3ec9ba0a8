"""A domain at work: its tables, the answers behind them, and the day, held by one run at a time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from ml.artifacts.lock import results_lock
from ml.errors import ConfigError
from ml.logs import logger
from ml.settings import Settings
from pipelines.intake.request import day_of_run
from pipelines.outside.book import Book, look_counts, read_again, stored_looks
from pipelines.outside.domains import Domain, adapters, domain
from pipelines.outside.history_file import HistoryFile
from pipelines.outside.progress import Reporter
from pipelines.outside.raw_store import RawStore
from pipelines.outside.runs import FOLDER, Looked, Runs, add_run, read_runs, runs_file
from pipelines.outside.tables import read_series, users_series, write_series
from pipelines.sources.base import Source


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a domain is kept, and on which day.

    Attributes:
        domain: Without the series that the user's files give.
        config: Settings.
        day: Day of the run.
        taken: Series that the user's files give.
    """

    domain: Domain
    config: Settings
    day: date
    taken: frozenset[str]

    @property
    def raw(self) -> Path:
        """Folder of the raw store."""
        return self.config.data_dir / "raw"

    @property
    def processed(self) -> Path:
        """Folder of the tables."""
        return self.config.data_dir / "processed"


def workplace(name: str, config: Settings) -> Workplace:
    """The domain as this run sees it.

    Raises:
        ConfigError: Places or symbols of the settings cannot be read.
        DataError: A table is damaged.
    """
    whole = domain(name, config)
    taken = users_series(whole, config.data_dir / "processed")
    series = {key: facts for key, facts in whole.series.items() if key not in taken}
    routes = {key: ways for key, ways in whole.routes.items() if key not in taken}
    own = replace(whole, series=series, routes=routes)
    return Workplace(own, config, day_of_run(config), frozenset(taken))


@contextmanager
def held(place: Workplace) -> Iterator[Runs]:
    """Hold a domain for a run, and know what earlier ones did.

    Raises:
        PublishError: Another run holds it.
        ConfigError: The day of the run lies before that of an earlier one.
    """
    with results_lock(place.raw / FOLDER / f".{place.domain.name}"):
        runs = read_runs(runs_file(place.raw, place.domain.name))
        if runs.last is not None and place.day < runs.last:
            raise ConfigError(
                f"TODAY is {place.day}, but {place.domain.name} has a run of {runs.last}: what was "
                "known when would get mixed up. Correct TODAY, or use a DATA_DIR of its own."
            )
        yield runs


def catch_up(
    place: Workplace, runs: Runs, reporter: Reporter, *, from_nothing: bool = False
) -> tuple[Book, tuple[str, ...]]:
    """The book, with the answers that a run left behind that died before it wrote its tables.

    Where the tables are gone they are built from the raw store.

    Returns:
        The book, and a line for each answer that cannot be read any more.
    """
    stored = {} if from_nothing else read_series(place.domain, place.processed)
    raw, counts = RawStore(place.raw), look_counts(place.domain, place.raw)
    looks = stored_looks(place.domain, raw, runs.read if stored else {}, counts)
    if looks:
        reporter.start("reading stored answers", len(looks))
    book = Book(place.domain, runs.looks(), stored)
    return read_again(book, looks, sources(place.config), lambda: reporter.step(0))


def sources(config: Settings) -> Mapping[str, Source]:
    """All adapters by name, imported files among them."""
    return {**adapters(config), HistoryFile.name: HistoryFile()}


def finish(place: Workplace, book: Book, looked: tuple[Looked, ...]) -> None:
    """Write the tables, then that they hold everything that the raw store has by now."""
    changed = write_series(place.domain, book.tables, place.processed)
    counts = look_counts(place.domain, place.raw)
    add_run(runs_file(place.raw, place.domain.name), place.day, counts, looked)
    logger().info("tables_written", tables=[path.name for path in changed])
