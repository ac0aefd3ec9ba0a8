"""The work of ``pipelines/import_history.py``: history files into the raw store and the tables.

Which series a file holds is read from the names of its columns.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from ml.errors import ConfigError, DataError
from ml.frequency import Frequency
from ml.logs import logging_to
from ml.settings import Settings, settings
from pipelines.intake.data_file import open_file, stem
from pipelines.intake.names import ChosenColumns, plain
from pipelines.intake.read_text import read_bytes
from pipelines.outside.domain_sources import DOMAINS, HISTORY_FILE, domain
from pipelines.outside.etl import EtlResult, catch_up, finish, hold_domain, workspace
from pipelines.outside.history_file import HistoryFile
from pipelines.outside.known_series import Series
from pipelines.outside.places import sites, states
from pipelines.outside.raw_store import RawStore
from pipelines.outside.report import Reporter, remarks, table_lines
from pipelines.sources.base import Call, SourceError
from pipelines.sources.exchange import FetchResult

DATES = ("date", "data", "dia", "day", "ds", "ref_date", "month", "mes")
CITIES = ("city", "cidade", "municipio", "region")
PRICES = ("price", "close", "preco", "valor", "value", "fechamento")
KNOWN: Mapping[str, tuple[str, ...]] = {
    "usd_brl_sell": ("usd_brl", "USD/BRL"),
    "selic_target_pct": ("selic",),
    "ipca_mom_pct": ("ipca",),
    "temp_mean": ("temperature_avg_c",),
    "temp_max": ("temperature_max_c",),
    "temp_min": ("temperature_min_c",),
    "rh_mean": ("humidity_percent",),
    "precip_sum": ("precipitation_mm",),
    "wind_max": ("wind_max_kmh",),
}
"""Columns of public files, and our series; our own names are understood as well."""
REGIONAL = ("climate", "anatel_5g")
SUFFIXES = (".csv", ".txt", ".parquet", ".csv.gz", ".txt.gz")


@dataclass(frozen=True, slots=True)
class Hints:
    """What the user says about the files."""

    # `date`, `city` or a series, to its name in the files
    columns: Mapping[str, str] = field(default_factory=dict)
    series: str | None = None  # what the only value column is
    region: str | None = None  # what files without a column of cities are of


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
        names, warnings = _keep_files(files, hints, config)
        if not names:
            error = DataError(
                f"none of {len(files)} files could be imported, see above. Name columns and "
                "series: --column NAME=FILE_NAME, --series NAME, --region NAME."
            )
            return EtlResult((), tuple(warnings), error=error)
        lines: list[str] = []
        for name in DOMAINS:
            written, warned = _written(name, names, config)
            lines += written
            warnings += warned
    return EtlResult(tuple(lines), tuple(warnings))


def _keep_files(
    files: Sequence[Path], hints: Hints, config: Settings
) -> tuple[list[str], list[str]]:
    """Put files into the raw store; their series, and what was left alone and why."""
    raw, day = config.data_dir / "raw", config.current_day
    raw.mkdir(parents=True, exist_ok=True)
    names: list[str] = []
    warnings: list[str] = []
    with tempfile.TemporaryDirectory(dir=raw, prefix=".importing-") as scratch:
        for path in files:
            try:
                call, ignored = understand(path, hints, config)
                notes = _keep(path, call, RawStore(raw), Path(scratch, "body"), day)
            except DataError as error:  # one that cannot be used leaves the others alone
                warnings.append(f"left alone: {error}")
                continue
            names += call.series
            warnings += [f"{path.name}: {note}" for note in notes]
            if ignored:
                warnings.append(f"{path.name}: nothing is read from {', '.join(ignored)}.")
    return names, warnings


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
    warnings = [f"{one}: the user's files have this series, it is not imported." for one in taken]
    if not own:
        return [], warnings
    with hold_domain(space) as raw:
        rows, lost = catch_up(space, raw, Reporter())
        finish(space, raw, rows)
    warnings += [*lost, *(line for line in remarks(rows) if "differ" in line)]
    return [f"{name}:", *table_lines(rows, own, space.day)], warnings


def all_series(config: Settings) -> dict[str, Series]:
    """Every series of every domain, by name."""
    return {name: series for one in DOMAINS for name, series in domain(one, config).series.items()}


def import_hints(
    pairs: Sequence[str], series: str | None, region: str | None, config: Settings
) -> Hints:
    """The hints of a command line, checked.

    Raises:
        ConfigError: A name that is no series, or a region that the settings do not name.
    """
    known = all_series(config)
    columns = {}
    for pair in pairs:
        name, equals, column = (part.strip() for part in pair.partition("="))
        if not (name and equals and column):
            raise ConfigError(f"--column '{pair}': write --column usd_brl=NAME_IN_THE_FILE.")
        columns[name] = column
    wrong = [name for name in (*columns, series) if name not in {*known, "date", "city", None}]
    if wrong:
        raise ConfigError(f"no series is called '{wrong[0]}': choose among {', '.join(known)}.")
    places = region_names(config)
    if region is not None and plain(region) not in places:
        named = ", ".join(dict.fromkeys(places.values()))
        raise ConfigError(f"--region '{region}': choose among {named}.")
    return Hints(columns, series, places[plain(region)] if region is not None else None)


def listed(paths: Iterable[Path]) -> list[Path]:
    """The files named; a folder stands for those in it.

    Raises:
        ConfigError: There is nothing at a path.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ConfigError(f"there is no file or folder '{path}'.")
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        found += [one for one in inside if one.is_file() and not one.name.startswith(".")]
    return found


def understand(path: Path, hints: Hints, config: Settings) -> tuple[Call, tuple[str, ...]]:
    """Find out what a file holds.

    Returns:
        A call, as if the file had been fetched: what reading it at any time needs. And the columns
        that nothing is read from.

    Raises:
        DataError: It is in no format that is read here, or none of its columns is known.
    """
    if not path.name.lower().endswith(SUFFIXES):
        raise DataError(f"{path.name}: is no CSV or Parquet file.")
    known = all_series(config)
    header: list[str] = []
    date, city, values = "", None, dict[str, tuple[str, ...]]()

    def choose(names: Sequence[str], name: str) -> ChosenColumns:
        nonlocal date, city, values
        header.extend(names)
        date, city, values = _columns(names, name, hints, known)
        return ChosenColumns({"place": header.index(date if city is None else city)}, ())

    file = open_file(path, choose)
    series = tuple(name for names in values.values() for name in names)
    regions: dict[str, str] = {}
    if city is not None:
        of_city = region_names(config)
        texts = file.rows["place"].unique(maintain_order=True).to_list()
        regions = {text: of_city[plain(text)] for text in texts if plain(text) in of_city}
        if not regions:
            raise DataError(f"{path.name}: no place of its column '{city}' is in SITES or STATES.")
    is_placed = city is not None or hints.region is not None
    _expect_places(path.name, [known[name] for name in series], is_placed=is_placed)
    context = {
        "file": path.name,
        "date": date,
        "city": city,
        "values": {column: list(names) for column, names in values.items()},
        "regions": regions,
        "region": hints.region,
        "monthly": [name for name in series if known[name].period is Frequency.MONTHLY],
    }
    media = "parquet" if ".parquet" in path.name.lower() else "csv"
    call = Call(HISTORY_FILE, "file:", f"/{path.name}", series, media, context=context)
    return call, tuple(one for one in header if one not in {date, city, *values})


def _columns(
    header: Sequence[str], name: str, hints: Hints, known: Mapping[str, Series]
) -> tuple[str, str | None, dict[str, tuple[str, ...]]]:
    """The column of dates, that of places if there is one, and the series of each value column."""
    date = _column(header, hints.columns.get("date"), DATES)
    if date is None:
        raise DataError(f"{name}: has no column of dates among {', '.join(header)}.")
    city = _column(header, hints.columns.get("city"), CITIES)
    left = [column for column in header if column not in {date, city}]
    values = _values(left, name, hints, known)
    if not values:
        raise DataError(f"{name}: none of its columns is a known series: {', '.join(left)}.")
    return date, city, values


def _column(header: Sequence[str], hint: str | None, names: Sequence[str]) -> str | None:
    wanted = (plain(hint),) if hint else names
    found = [column for name in wanted for column in header if plain(column) == name]
    return found[0] if found else None


def _values(
    header: Sequence[str], name: str, hints: Hints, known: Mapping[str, Series]
) -> dict[str, tuple[str, ...]]:
    """The series of each value column."""
    own: dict[str, tuple[str, ...]] = {}
    for series in known:  # the dollar is in two tables under two spellings of one name
        own[plain(series)] = (*own.get(plain(series), ()), series)
    by_hint = {
        plain(column): own[plain(series)]
        for series, column in hints.columns.items()
        if series in known
    }
    if by_hint:
        return {column: by_hint[plain(column)] for column in header if plain(column) in by_hint}
    prices = [column for column in header if plain(column) in PRICES]
    if hints.series is not None:
        only = prices if len(prices) == 1 else list(header)
        if len(only) != 1:
            raise DataError(
                f"{name}: --series {hints.series}, but which of {', '.join(header)} is it? Write "
                f"--column {hints.series}=NAME_IN_THE_FILE."
            )
        return {only[0]: own[plain(hints.series)]}
    names = own | dict(KNOWN)
    found = {column: names[plain(column)] for column in header if plain(column) in names}
    of_file = _by_file(name, own)
    return found or {column: of_file for column in prices[:1] if of_file}


def _by_file(name: str, own: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The series whose name a file's name begins with, the longest: brent_daily.csv."""
    begins = plain(stem(Path(name)))
    fitting = [one for one in own if re.match(rf"{re.escape(one)}(_|$)", begins)]
    return own[max(fitting, key=len)] if fitting else ()


def _expect_places(name: str, series: Sequence[Series], *, is_placed: bool) -> None:
    """Weather is of a city, everything else here of the country or a state that is named."""
    for one in series:
        if one.table in REGIONAL and not is_placed:
            raise DataError(f"{name}: {one.name} of which place? Write --region NAME.")
        if one.table not in REGIONAL and is_placed:
            raise DataError(f"{name}: {one.name} is of the whole country, but the file has places.")


def region_names(config: Settings) -> dict[str, str]:
    """Our regions by every plain name they have: salvador_ba, salvador, ba."""
    names: dict[str, str] = {}
    for site in sites(config):
        names |= {site: site, site[:-3]: site}
    return names | {state.lower(): state for state in states(config)}
