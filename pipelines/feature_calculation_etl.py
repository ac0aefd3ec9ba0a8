"""Compute the features of processed outside tables as they were known on one day."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ml.cli import HELP, exit_on_error

app = typer.Typer(context_settings=HELP, add_completion=False)


@app.command()
def feature_calculation_etl(
    cutoff: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Nothing that became available after this day is used.",
            show_default="TODAY",
        ),
    ] = None,
    ahead: Annotated[
        int, typer.Option(min=0, help="Days after the cutoff that the calendar reaches.")
    ] = 90,
    region: Annotated[
        str | None,
        typer.Option(help="City whose weather counts, its state's 5G.", show_default="HOME_REGION"),
    ] = None,
    sample: Annotated[
        bool,
        typer.Option(
            "--sample", help="On the synthetic sample; writes into DATA_DIR/sample instead."
        ),
    ] = False,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw them too, into REPORTS_DIR/features.")
    ] = False,
) -> None:
    """Compute features as known on one day, from the tables in DATA_DIR/processed.

    Reads climate, economic, anatel_5g and prices, whichever there are, writes
    features.parquet, and opens no connection. Without any of them it writes the calendar.
    """
    with exit_on_error():
        asked = cutoff.date() if cutoff else None
        for line in _run(asked, ahead, region, sample=sample, plot=plot):
            typer.echo(line)


def _run(
    asked: date | None, ahead: int, region: str | None, *, sample: bool, plot: bool
) -> list[str]:
    import numpy as np

    from ml.features.compute import features_at
    from ml.features.files import cutoff_day, first_day, last_day, write_features
    from ml.features.output import draw_features, features_table, outlier_days, summary
    from ml.settings import settings

    config = settings()
    tables, folder = _inputs(sample=sample)
    day = cutoff_day(asked, _today())
    if sample and asked is None:
        day = min(day, last_day(tables))
    first = first_day(tables, config.history_start, day)
    place = region or config.home_region
    frame = features_at(tables, day, first, day + np.timedelta64(ahead, "D"), region=place)
    outliers = outlier_days(frame, seed=config.seed)
    rows = features_table(frame, day, outliers)
    written = write_features(rows, folder)
    lines = [*summary(frame, day, outliers), *frame.statements, *_without(tables)]
    if plot:
        pictures = draw_features(frame, day, config.reports_dir / "features")
        lines.append(f"{config.reports_dir / 'features'}: {len(pictures)} pictures.")
    lines.append(
        f"{written}: {rows.num_rows:,} rows of {len(frame.features)} features, as known at the "
        f"end of {day}, region {place}."
    )
    return lines


def _inputs(*, sample: bool) -> tuple[dict[str, Any], Path]:
    """The tables, and the folder that features of them belong in."""
    from ml.features.files import read_outside
    from ml.settings import settings

    data_dir = settings().data_dir
    if not sample:
        return read_outside(data_dir), data_dir / "processed"
    return _sample_tables(data_dir / "sample"), data_dir / "sample"


def _sample_tables(folder: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    from ml.processed import SYNTHETIC
    from ml.settings import settings
    from pipelines.intake.read_tables import read_tables
    from pipelines.intake.request import ReadingRequest
    from pipelines.sample_data import ensure_sample

    files = ensure_sample(folder, seed=settings().seed)
    tables = {path.stem: pq.read_table(path) for path in sorted(files.outside.glob("*.parquet"))}
    request = ReadingRequest(files={"prices": files.prices}, today=_today(), source=SYNTHETIC)
    return {**tables, **read_tables(request).tables}


def _today() -> date:
    from ml.settings import settings
    from pipelines.intake.request import day_of_run

    return day_of_run(settings())


def _without(tables: dict[str, Any]) -> list[str]:
    """What is not there, and the command that makes it."""
    from ml.processed import MADE_BY
    from pipelines.outside.domain_sources import DOMAINS

    missing = [name for name in DOMAINS if name not in tables]
    lines = [
        f"no table '{name}': its features are left out. python pipelines/{MADE_BY[name]}.py "
        "makes it."
        for name in missing
    ]
    if len(missing) == len(DOMAINS):
        lines.append("there is no outside table at all: the calendar alone was computed.")
    return lines


if __name__ == "__main__":
    app()
