"""The report of any published version: out of the results folder, or of a store."""

from collections.abc import Iterator
from pathlib import Path

from rich.filesize import decimal

from ml.artifacts.folder_store import results_store
from ml.artifacts.store import Store
from ml.errors import ConfigError
from ml.page.packing import pack_version
from ml.page.report import LANGUAGES, build_report
from ml.page.version_tables import tables_of_store
from ml.settings import settings
from pipelines.publish.reader import open_ml_results, open_store


def write_report(
    version: str | None,
    language: str | None,
    *,
    store: bool = False,
    folder: Path | None = None,
    results: Path | None = None,
    output: Path | None = None,
) -> Iterator[str]:
    """Write the report of a version; says where it is.

    The arguments are the options of the command.

    Raises:
        ConfigError: Options that exclude each other, another language, or no name of a page.
        OSError: The disk refused.
        StoreError: The version is not there, or damaged.
    """
    chosen = language or settings().report_lang
    if chosen not in LANGUAGES:
        raise ConfigError(f"--lang {chosen}: choose from {', '.join(LANGUAGES)}.")
    if output is not None and output.suffix.lower() not in {".html", ".htm"}:
        raise ConfigError(f"--output '{output}': name a file that ends in .html.")
    read = open_ml_results(_open(results, folder, store=store), version)
    packed = pack_version(tables_of_store(read.store, read.manifest))
    report = build_report(packed, chosen)
    name = "report.html" if version is None else f"report_{version}.html"
    path = output or settings().reports_dir / "results" / name
    written = report.save(path)
    size = decimal(path.stat().st_size)
    yield f"version {read.version_id}, {len(packed.items.ids)} items: {path} ({size})"
    if len(written) > 1:
        parts = sum(one.stat().st_size for one in written if one != path)
        yield f"{len(written) - 1} files beside it, opened on demand: {decimal(parts)}"


def _open(results: Path | None, folder: Path | None, *, store: bool) -> Store:
    """Where the version is read from.

    Raises:
        ConfigError: Two places are named.
    """
    if sum((store, folder is not None, results is not None)) > 1:
        raise ConfigError("--store, --from and --results exclude each other.")
    if store or folder is not None:
        return open_store(folder)
    return results_store(results or settings().ml_results_path)
